//! What goes over the wire: every dialect, the registry, their limits and errors, and the clients as they are shipped.

mod aliases;
mod bad_input;
mod encodings;
mod errors;
mod fuzz;
mod limits;
mod lists;
mod messages;
mod methods;
mod operations;
mod overload;
mod principals;
mod prune;
mod registry;
mod rules;
mod scopes_apart;
mod sdk;
mod seeds;
mod signatures;
mod tls;
mod tms;
mod writes;
