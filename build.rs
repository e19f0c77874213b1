//! Unpacks `sqlx-data.json` into the folder that sqlx's macros read, so that building needs no database.

#![allow(clippy::disallowed_methods, reason = "cargo tells a build script everything in the environment")]

use std::{env, error::Error, fs, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=sqlx-data.json");
    println!("cargo:rerun-if-changed=migrations");
    println!("cargo:rerun-if-env-changed=SQLX_OFFLINE");
    // tools/sqlx-data prepares the statements against a database and says so with this value
    if env::var("SQLX_OFFLINE").is_ok_and(|value| value == "false") {
        return Ok(());
    }
    let folder = Path::new(&env::var("OUT_DIR")?).join("sqlx");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let data: serde_json::Value = serde_json::from_str(&fs::read_to_string("sqlx-data.json")?)?;
    for (hash, statement) in data.get("fixed").and_then(|fixed| fixed.as_object()).into_iter().flatten() {
        fs::write(folder.join(format!("query-{hash}.json")), serde_json::to_string(statement)?)?;
    }
    println!("cargo:rustc-env=SQLX_OFFLINE=true");
    println!("cargo:rustc-env=SQLX_OFFLINE_DIR={}", folder.display());
    Ok(())
}
