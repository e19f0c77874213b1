create or replace function tagd.last_set_bits(p_bits bit, p_skip bigint, p_want bigint)
returns integer[]
language plpgsql immutable strict parallel safe
as $$
declare
  v_skip  bigint := p_skip;
  v_left  bigint := p_want;
  v_found integer[] := '{}';
  v_strip bit varying;
  v_piece bit varying;
  v_word  bigint;
  v_hits  bigint;
begin
  -- narrow down from strips of 1024 bits to words of 32: those that are empty or entirely before the page are skipped by
  -- their bit count
  for s in reverse 15 .. 0 loop
    v_strip := substring(p_bits from s * 1024 + 1 for 1024);
    v_hits := bit_count(v_strip);
    if v_hits <= v_skip then
      v_skip := v_skip - v_hits;
      continue;
    end if;
    for p in reverse 7 .. 0 loop
      v_piece := substring(v_strip from p * 128 + 1 for 128);
      v_hits := bit_count(v_piece);
      if v_hits <= v_skip then
        v_skip := v_skip - v_hits;
        continue;
      end if;
      for w in reverse 3 .. 0 loop
        v_word := substring(v_piece from w * 32 + 1 for 32)::bit(32)::bigint;
        while v_word <> 0 loop
          if v_skip > 0 then
            v_skip := v_skip - 1;
          else
            -- the position within the word: 31 less the number of zeros after its last set bit
            v_found := v_found || (s * 1024 + p * 128 + w * 32 + 31 - bit_count(((v_word & -v_word) - 1)::bit(64))::integer);
            v_left := v_left - 1;
            if v_left <= 0 then
              return v_found;
            end if;
          end if;
          v_word := v_word & (v_word - 1);
        end loop;
      end loop;
    end loop;
  end loop;
  return v_found;
end
$$;
comment on function tagd.last_set_bits(bit, bigint, bigint) is 'Positions of the set bits of a block, from high to low: skips p_skip of them and returns at most p_want, which must be at least 1.';
revoke execute on function tagd.last_set_bits(bit, bigint, bigint) from public;
grant execute on function tagd.last_set_bits(bit, bigint, bigint) to tagd_service;
grant execute on function tagd.last_set_bits(bit, bigint, bigint) to tagd_reader, tagd_domain_reader;
