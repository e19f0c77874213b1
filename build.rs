//! Unpacks `sqlx-data.json` into the folder that sqlx's macros read, so that building needs no database, and lists the files
//! of SQL functions, so that the program contains every one of them.

#![allow(clippy::disallowed_methods, reason = "cargo tells a build script everything in the environment")]

use std::{
    env,
    error::Error,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=sqlx-data.json");
    println!("cargo:rerun-if-changed=migrations");
    println!("cargo:rerun-if-env-changed=SQLX_OFFLINE");
    list_function_files()?;
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

/// Writes `function_files.rs`, an array with the path and text of each file, in order of their paths.
fn list_function_files() -> Result<(), Box<dyn Error>> {
    let migrations = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("migrations");
    let mut files = Vec::new();
    for folder in ["functions", "views"] {
        find_sql_files(&migrations.join(folder), &mut files)?;
    }
    files.sort();
    let mut list = "&[\n".to_owned();
    for file in &files {
        let name = file.strip_prefix(&migrations)?.display().to_string();
        writeln!(list, "    ({name:?}, include_str!({:?})),", file.display().to_string())?;
    }
    list.push_str("]\n");
    fs::write(Path::new(&env::var("OUT_DIR")?).join("function_files.rs"), list)?;
    Ok(())
}

fn find_sql_files(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    if !folder.exists() {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            find_sql_files(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "sql") {
            files.push(path);
        }
    }
    Ok(())
}
