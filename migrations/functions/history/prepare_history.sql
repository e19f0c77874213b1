create or replace function tagd.prepare_history()
returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_state  tagd.history_state;
  v_origin text;
  v_now    timestamptz;
  v_last   bigint;
begin
  select * into v_state from tagd.history_state;
  -- nothing is written on a standby
  if v_state.has_begun and pg_is_in_recovery() then
    return;
  end if;
  v_origin := tagd.history_origin();
  if v_state.has_begun and v_state.origin = v_origin then
    return;
  end if;
  -- no writer is active, so every change is either recorded or before the beginning
  perform tagd.enter_import(true);
  select * into v_state from tagd.history_state for update;
  v_now := clock_timestamp();
  if not v_state.has_begun then
    perform tagd.begin_span(v_now);
  elsif v_state.origin <> v_origin then
    -- restored from a backup: what was recorded after it may be lost, and its numbers given out again. Markers from before have the
    -- other origin; those from since then may be beyond the last entry.
    select greatest(max(h.change_id), v_state.pruned_change_id) into v_last from tagd.history h;
    v_last := greatest(v_last, tagd.last_change_id());
    update tagd.history_span s set ended_at = v_now, last_change_id = v_last where s.ended_at is null;
    if found then
      perform tagd.begin_span(v_now);
    end if;
  end if;
  update tagd.history_state s set has_begun = true, origin = v_origin;
end
$$;
comment on function tagd.prepare_history() is 'Turns history on if it was never on, and begins a span if the database was restored from a backup, or its standby promoted, since it was last opened. Before the first write of a program.';
revoke execute on function tagd.prepare_history() from public;
grant execute on function tagd.prepare_history() to tagd_service;
