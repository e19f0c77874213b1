//! Which text can be stored.

/// Whether text can be stored: Postgres keeps no NUL character in text.
pub fn is_storable(text: &str) -> bool {
    !text.contains('\0')
}
