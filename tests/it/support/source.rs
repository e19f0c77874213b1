//! Rust source cut into code, comments and string literals, for the rules about source.

use std::path::{Path, PathBuf};

/// A source file.
pub struct Source {
    /// Path below the repository.
    pub path: String,
    pub text: String,
    /// The text with comments, strings and characters blanked; its lines are those of the file.
    pub code: String,
    /// The comments alone.
    pub comments: String,
    /// The values of the string literals, in order.
    pub strings: Vec<String>,
}

/// A path below the repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Paths of the files below a folder of the repository, sorted.
pub fn files_of(folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in repository(&folder).read_dir().unwrap() {
            let entry = entry.unwrap();
            let path = format!("{folder}/{}", entry.file_name().to_str().unwrap());
            if entry.file_type().unwrap().is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

/// The Rust files below a folder of the repository, sorted.
pub fn sources_of(folder: &str) -> Vec<Source> {
    files_of(folder).into_iter().filter(|path| path.ends_with(".rs")).map(Source::read).collect()
}

impl Source {
    fn read(path: String) -> Self {
        let text = std::fs::read_to_string(repository(&path)).unwrap();
        let mut source = Self { path, code: String::new(), comments: String::new(), strings: Vec::new(), text };
        let text = source.text.clone();
        let mut rest = text.as_str();
        let mut last = ' ';
        while let Some(c) = rest.chars().next() {
            let is_start = !last.is_alphanumeric() && last != '_';
            let length = if rest.starts_with("//") {
                let length = rest.find('\n').unwrap_or(rest.len());
                source.comments.push_str(&rest[..length]);
                source.comments.push('\n');
                length
            } else if let Some(hashes) = raw_string(rest).filter(|_| is_start) {
                let begin = rest.find('"').unwrap() + 1;
                let end = begin + rest[begin..].find(&format!("\"{}", "#".repeat(hashes))).unwrap();
                source.strings.push(rest[begin..end].to_owned());
                end + 1 + hashes
            } else if c == '"' {
                let (value, length) = string(rest);
                source.strings.push(value);
                length
            } else if let Some(length) = character(rest) {
                length
            } else {
                source.code.push(c);
                last = c;
                rest = &rest[c.len_utf8()..];
                continue;
            };
            source.code.push_str(&"\n".repeat(rest[..length].matches('\n').count()));
            source.code.push(' ');
            last = ' ';
            rest = &rest[length..];
        }
        source
    }
}

/// How many `#` a raw string has that begins here.
fn raw_string(text: &str) -> Option<usize> {
    let text = text.strip_prefix('b').unwrap_or(text).strip_prefix('r')?;
    let hashes = text.bytes().take_while(|b| *b == b'#').count();
    text[hashes..].starts_with('"').then_some(hashes)
}

/// Value and length of the string that begins here.
fn string(text: &str) -> (String, usize) {
    let mut value = String::new();
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, at + 1),
            '\\' => match chars.next().unwrap().1 {
                'n' => value.push('\n'),
                't' => value.push('\t'),
                'r' => value.push('\r'),
                '0' => value.push('\0'),
                '\n' => while chars.next_if(|(_, c)| c.is_whitespace()).is_some() {},
                // its value is of no interest to any rule
                'u' | 'x' => value.push(char::REPLACEMENT_CHARACTER),
                other => value.push(other),
            },
            c => value.push(c),
        }
    }
    panic!("a string without end")
}

/// Length of the character literal that begins here; a lifetime is none.
fn character(text: &str) -> Option<usize> {
    let inner = text.strip_prefix('\'')?;
    if inner.starts_with('\\') {
        return inner[2..].find('\'').map(|end| end + 4);
    }
    let c = inner.chars().next()?;
    inner[c.len_utf8()..].starts_with('\'').then_some(c.len_utf8() + 2)
}
