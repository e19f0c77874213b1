-- What write_tags (V0010) took the place of: the version before this one no longer calls them, nor does any other function.

drop function tagd.put_tags(bigint, text, text[]);
drop function tagd.remove_tags(bigint, text, text[]);
drop function tagd.replace_tags(bigint, text, text[]);
drop function tagd.remove_tag(bigint, text, text);

comment on function tagd.replace_tags_if(bigint, text, text[], text[]) is 'Makes these the tags of a resource if it is one of p_match (see check_resource). Its new tagd.etag_of.';
comment on function tagd.change_tags(bigint, text, text[], text[], boolean) is 'Inner part of replace_tags_if: changes the tags of a resource and its bits.';
