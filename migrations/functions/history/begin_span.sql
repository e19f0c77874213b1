create or replace function tagd.begin_span(p_at timestamptz)
returns void
language plpgsql
as $$
declare
  v_span_id integer;
begin
  select coalesce(max(s.span_id), 0) + 1 into v_span_id from tagd.history_span s;
  insert into tagd.history_span (span_id, began_at) values (v_span_id, p_at);
end
$$;
comment on function tagd.begin_span(timestamptz) is 'Begins a span of the history. With all writers locked out (tagd.enter_import).';
revoke execute on function tagd.begin_span(timestamptz) from public;
