//! Which file of the crate uses which, read from the paths in their code.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::source::Source;

/// A module by its path in the crate: `["store", "pool"]`.
type ModulePath = Vec<String>;

/// The modules of a crate, each with what it imports and names.
pub struct Files(BTreeMap<ModulePath, Module>);

#[derive(Default)]
struct Module {
    /// The file that it is in.
    file: String,
    imports: Vec<Import>,
    /// Paths outside of imports: `super::pool::open`.
    paths: Vec<Vec<String>>,
    /// Names that stand alone, outside of imports.
    names: BTreeSet<String>,
}

/// `use path as name`.
struct Import {
    path: Vec<String>,
    name: String,
    is_public: bool,
}

impl Files {
    /// From the code of files whose paths begin with `src/`.
    pub fn read(sources: &[Source]) -> Self {
        let mut files = Self(BTreeMap::new());
        for source in sources {
            files.add(&source.path, &source.code);
        }
        files
    }

    fn add(&mut self, file: &str, code: &str) {
        let path = file.trim_start_matches("src/").trim_end_matches(".rs");
        let mut module: ModulePath = path.split('/').map(ToOwned::to_owned).collect();
        if module.last().is_some_and(|name| ["mod", "lib", "main"].contains(&name.as_str())) {
            module.pop();
        }
        self.read_module(file, module, &mut Tokens { all: tokens(code), at: 0 });
    }

    /// Reads a module up to its closing brace.
    fn read_module(&mut self, file: &str, path: ModulePath, tokens: &mut Tokens<'_>) {
        let mut module = Module { file: file.to_owned(), ..Module::default() };
        let mut depth = 0;
        while let Some(token) = tokens.next() {
            let before = tokens.before(1);
            match token {
                "{" => depth += 1,
                "}" if depth == 0 => break,
                "}" => depth -= 1,
                // `+ use<'_>` is no import
                "use" if tokens.peek() != "<" => {
                    let is_public = ["pub", ")"].contains(&before);
                    module.imports.extend(tokens.imports(&[], is_public));
                }
                "mod" if tokens.after(1) == ";" => drop(tokens.next()),
                "mod" if tokens.after(1) == "{" => {
                    let is_test = tokens.all[..tokens.at - 1].ends_with(&["#", "[", "cfg", "(", "test", ")", "]"]);
                    let name = tokens.next().unwrap().to_owned();
                    tokens.next();
                    if is_test {
                        Self(BTreeMap::new()).read_module(file, path.clone(), tokens);
                    } else {
                        let inner = path.iter().cloned().chain([name]).collect();
                        self.read_module(file, inner, tokens);
                    }
                }
                name if is_name(name) => {
                    let mut names = vec![name.to_owned()];
                    while tokens.peek() == "::" && is_name(tokens.after(1)) {
                        tokens.next();
                        names.push(tokens.next().unwrap().to_owned());
                    }
                    if names.len() > 1 {
                        module.names.insert(name.to_owned());
                        module.paths.push(names);
                    } else if before != "." {
                        module.names.insert(name.to_owned());
                    }
                }
                _ => {}
            }
        }
        self.0.insert(path, module);
    }

    /// The module that defines what a path names; `None` of a module itself, and of what is outside of the crate.
    fn find(&self, module: &ModulePath, path: &[String], depth: usize) -> Option<ModulePath> {
        let (mut current, mut rest) = match path.first()?.as_str() {
            "crate" => (Vec::new(), &path[1..]),
            "self" => (module.clone(), &path[1..]),
            "super" => {
                let ups = path.iter().take_while(|name| *name == "super").count();
                (module[..module.len() - ups].to_vec(), &path[ups..])
            }
            name => {
                let is_child = self.0.contains_key(&child(module, name));
                if !is_child && (depth > 10 || !self.imports(module, name).any(|import| import.path != path)) {
                    return None;
                }
                (module.clone(), path)
            }
        };
        while let Some((name, others)) = rest.split_first() {
            let inner = child(&current, name);
            if self.0.contains_key(&inner) {
                (current, rest) = (inner, others);
                continue;
            }
            let import = self.imports(&current, name).next();
            let Some(import) = import.filter(|_| depth <= 10) else { return Some(current) };
            let whole: Vec<String> = import.path.iter().chain(others).cloned().collect();
            return self.find(&current, &whole, depth + 1);
        }
        None
    }

    fn imports(&self, module: &ModulePath, name: &str) -> impl Iterator<Item = &Import> {
        self.0.get(module).into_iter().flat_map(|module| &module.imports).filter(move |import| import.name == name)
    }

    /// Each file with those that define what it uses.
    ///
    /// What a module only re-exports, it does not use. A module that is imported is not used by that: what counts is what is
    /// named in it.
    fn edges(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        let mut edges: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (path, module) in &self.0 {
            let imported = module
                .imports
                .iter()
                .filter(|import| !import.is_public || module.names.contains(&import.name))
                .map(|import| &import.path);
            let used = edges.entry(&module.file).or_default();
            for target in imported.chain(&module.paths) {
                if let Some(definer) = self.find(path, target, 0)
                    && let Some(definer) = self.0.get(&definer)
                    && definer.file != module.file
                {
                    used.insert(&definer.file);
                }
            }
        }
        edges
    }

    /// The circles of files within each module of the top level, by its name: of each file that is in any, the shortest, as
    /// the files from one back to itself.
    pub fn circles(&self) -> BTreeMap<String, Vec<Vec<String>>> {
        let edges = self.edges();
        let top = |file: &str| file["src/".len()..].split(['/', '.']).next().unwrap().to_owned();
        let mut circles: BTreeMap<String, Vec<Vec<String>>> = BTreeMap::new();
        let mut known = BTreeSet::new();
        for start in edges.keys() {
            let mut ways = VecDeque::from([vec![*start]]);
            let mut seen = BTreeSet::new();
            while let Some(way) = ways.pop_front() {
                let next = edges.get(way.last().unwrap()).into_iter().flatten();
                for file in next.filter(|file| top(file) == top(start)) {
                    if file == start {
                        if known.insert(way.iter().copied().collect::<BTreeSet<_>>()) {
                            let files = way.iter().chain([file]).map(ToString::to_string).collect();
                            circles.entry(top(start)).or_default().push(files);
                        }
                        ways.clear();
                        break;
                    }
                    if seen.insert(file) {
                        ways.push_back(way.iter().chain([file]).copied().collect());
                    }
                }
            }
        }
        circles
    }
}

fn child(module: &ModulePath, name: &str) -> ModulePath {
    module.iter().map(String::as_str).chain([name]).map(ToOwned::to_owned).collect()
}

/// Names, `::`, and every other character by itself.
struct Tokens<'c> {
    all: Vec<&'c str>,
    at: usize,
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

fn tokens(code: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = code.trim_start();
    while let Some(c) = rest.chars().next() {
        let length = match rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len()) {
            0 if rest.starts_with("::") => 2,
            0 => c.len_utf8(),
            length => length,
        };
        found.push(&rest[..length]);
        rest = rest[length..].trim_start();
    }
    found
}

impl<'c> Tokens<'c> {
    fn next(&mut self) -> Option<&'c str> {
        self.at += 1;
        self.all.get(self.at - 1).copied()
    }

    fn peek(&self) -> &'c str {
        self.after(0)
    }

    fn after(&self, count: usize) -> &'c str {
        self.all.get(self.at + count).copied().unwrap_or_default()
    }

    /// The one so many before the last that was read.
    fn before(&self, count: usize) -> &'c str {
        self.at.checked_sub(1 + count).and_then(|at| self.all.get(at)).copied().unwrap_or_default()
    }

    /// The imports of one tree, `a::{b, c as d}`, behind a prefix; ends behind its `,`, `}` or `;`.
    fn imports(&mut self, prefix: &[String], is_public: bool) -> Vec<Import> {
        let mut path = prefix.to_vec();
        let mut name = None;
        let mut found = Vec::new();
        while let Some(token) = self.next() {
            match token {
                "::" => {}
                "{" => {
                    while !["}", ""].contains(&self.peek()) {
                        found.extend(self.imports(&path, is_public));
                        if self.before(0) == "}" {
                            self.at -= 1;
                        }
                    }
                    self.next();
                    path.clear();
                }
                "as" => name = self.next().map(ToOwned::to_owned),
                "," | "}" | ";" => break,
                token => path.push(token.to_owned()),
            }
        }
        // `a::{self}` is a
        if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        if let Some(last) = path.last() {
            let name = name.unwrap_or_else(|| last.clone());
            found.push(Import { path, name, is_public });
        }
        found
    }
}

#[test]
fn paths_lead_to_the_files_that_define_what_they_name() {
    let mut files = Files(BTreeMap::new());
    files.add(
        "src/a/mod.rs",
        "mod b; mod c; mod d; pub use b::{B, make as create}; pub use d::D; use c::C; pub fn here() {}",
    );
    files.add("src/a/b.rs", "use super::{c::{self, C}, D}; fn f() -> impl X + use<'_> { c::g(); super::here() }");
    files
        .add("src/a/c.rs", "use crate::a::create; #[cfg(test)] mod tests { use super::*; use crate::a::D; } fn g() {}");
    files.add("src/a/d.rs", "mod inner { use super::super::B; } use std::fmt; use crate::e::E;");
    files.add("src/e.rs", "pub struct E;");
    let edges = files.edges();
    let used = |file: &str| edges[file].iter().copied().collect::<Vec<_>>();
    assert_eq!(used("src/a/mod.rs"), ["src/a/c.rs"], "what is only re-exported is not used");
    assert_eq!(used("src/a/b.rs"), ["src/a/c.rs", "src/a/d.rs", "src/a/mod.rs"]);
    assert_eq!(used("src/a/c.rs"), ["src/a/b.rs"], "not what its tests use");
    assert_eq!(used("src/a/d.rs"), ["src/a/b.rs", "src/e.rs"]);
    let circles = files.circles();
    let circles: Vec<_> = circles["a"].iter().map(|files| files.join(" ")).collect();
    assert_eq!(
        circles,
        [
            "src/a/b.rs src/a/c.rs src/a/b.rs",
            "src/a/d.rs src/a/b.rs src/a/d.rs",
            "src/a/mod.rs src/a/c.rs src/a/b.rs src/a/mod.rs"
        ]
    );
}
