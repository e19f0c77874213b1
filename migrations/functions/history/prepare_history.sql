create or replace function tagd.prepare_history()
returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_state  tagd.history_state;
  v_origin text;
  v_now    timestamptz;
begin
  begin
    select concat_ws(' ', s.system_identifier, c.timeline_id) into v_origin from pg_control_system() s, pg_control_checkpoint() c;
  exception
    when insufficient_privilege then null;
  end;
  v_origin := concat_ws(' ', v_origin, (select d.oid from pg_database d where d.datname = current_database()));
  select * into v_state from tagd.history_state;
  if v_state.has_begun and v_state.origin = v_origin then
    return;
  end if;
  -- no writer is active, so every change is either recorded or before the beginning
  perform tagd.enter_import(true);
  select * into v_state from tagd.history_state for update;
  v_now := clock_timestamp();
  if not v_state.has_begun then
    insert into tagd.history_span (began_at) values (v_now);
  elsif v_state.origin <> v_origin then
    -- restored from a backup: what was recorded after it is lost, and its numbers are given out again
    -- by the entries: the backup may have read the sequence later than them
    update tagd.history_span s
       set ended_at = v_now, last_change_id = greatest((select max(h.change_id) from tagd.history h), v_state.pruned_change_id)
     where s.ended_at is null;
    if found then
      insert into tagd.history_span (began_at) values (v_now);
    end if;
  end if;
  update tagd.history_state s set has_begun = true, origin = v_origin;
end
$$;
comment on function tagd.prepare_history() is 'Turns history on if it was never on, and begins a span if the database was restored from a backup since it was last opened. Before the first write of a program.';
revoke execute on function tagd.prepare_history() from public;
grant execute on function tagd.prepare_history() to tagd_service;
