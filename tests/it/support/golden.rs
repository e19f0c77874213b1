//! Goldens: what was answered once and looked at, as plain files.
//!
//! `TAGD_UPDATE=1` writes them anew.

use std::path::{Path, PathBuf};

/// Folder of the goldens.
pub fn golden_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// Whether goldens are to be written.
pub fn is_update() -> bool {
    std::env::var_os("TAGD_UPDATE").is_some()
}

/// Compares with a golden, given by its path below the folder.
pub fn check_golden(name: &str, actual: &str) {
    let path = golden_dir().join(name);
    if is_update() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, actual).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(&path)
        .unwrap_or_else(|_| panic!("no golden {name}; TAGD_UPDATE=1 writes it. It would be:\n{actual}"));
    assert!(expected == actual, "golden {name} differs; TAGD_UPDATE=1 writes it anew. Now it would be:\n{actual}");
}
