//! Decoding and encoding that several dialects share.

mod fields;
mod list;
mod object;
mod query;
mod reply;
mod write;

pub(super) use fields::Fields;
pub(super) use list::{KeyList, encode_list};
pub(super) use object::{encode_page, push_text};
pub(super) use query::{Action, MatchRules, read_lists, read_matches};
pub(super) use reply::{encode, encode_count, encode_done, encode_tags, is_count, mismatch, page_of};
pub(super) use write::{ACTIONS, decode_action, decode_add, decode_create, decode_delete, decode_remove_key};

pub(super) use crate::parameters::{Parameters, read_parameters, read_part};
