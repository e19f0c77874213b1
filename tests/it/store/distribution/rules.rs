//! The rules, applied to statements and to bodies of functions.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::Connection;

use crate::support::{Statement, TestDb, block_on, statements_of};

/// Tables that are distributed by scope.
pub const DISTRIBUTED: [&str; 7] = ["chunk", "history", "label", "name", "resource", "scope_counter", "tag"];
/// Tables that every machine has in full. A row lock on one of them is a lock on the whole table.
pub const REFERENCE: [&str; 4] = ["history_span", "policy", "resource_type", "scope"];
/// Tables of the coordinator.
pub const LOCAL: [&str; 9] = [
    "audit",
    "credential",
    "function_file",
    "history_state",
    "predefined_tag",
    "project",
    "reader_domain",
    "schema_history",
    "verification",
];

/// Functions that are called where their scope is.
pub const DELEGATED: [&str; 9] = [
    "empty_scope",
    "import_changes",
    "put_names",
    "rebuild_in_scope",
    "register_in_scope",
    "remove_resource",
    "replace_resource_tags",
    "verify_scope",
    "write_tags",
];

pub struct Function {
    pub name: String,
    pub language: String,
    pub first_argument: String,
    /// Whether it may be called by a session with any search path.
    pub has_path: bool,
    pub body: Vec<Statement>,
}

pub struct Schema {
    pub functions: BTreeMap<String, Function>,
    /// The tables that each view reads.
    views: BTreeMap<String, BTreeSet<String>>,
    /// Names of volatile functions, those of the schema with it.
    volatile: BTreeSet<String>,
}

fn is_table(name: &str) -> bool {
    DISTRIBUTED.contains(&name) || REFERENCE.contains(&name) || LOCAL.contains(&name)
}

fn is_shared(name: &str) -> bool {
    DISTRIBUTED.contains(&name) || REFERENCE.contains(&name)
}

/// Whether a statement has a verb outside of parentheses that does not follow one of these words.
fn has_at_top(statement: &Statement, verb: &str, before: &[&str]) -> bool {
    let is_verb =
        |place: &usize| statement.tokens[*place].group == 0 && !before.contains(&statement.at(place.wrapping_sub(1)));
    statement.places(&[verb]).iter().any(is_verb)
}

/// Whether a value is a name with one subscript and nothing else.
fn is_element(value: &[&str]) -> bool {
    let mut open = 0;
    let closing = value.iter().position(|text| {
        open += usize::from(*text == "[");
        open -= usize::from(*text == "]" && open > 0);
        *text == "]" && open == 0
    });
    value.get(1) == Some(&"[") && closing == Some(value.len() - 1)
}

impl Schema {
    pub fn read() -> Self {
        let db = TestDb::new();
        let (functions, views, volatile) = block_on(async {
            let mut owner = db.connect().await;
            let functions: Vec<(String, String, String, bool, String)> = sqlx::query_as(
                "select p.proname::text, l.lanname::text, coalesce(p.proargnames[1], ''),
                        exists (select from unnest(p.proconfig) c where starts_with(c, 'search_path=')), p.prosrc
                   from pg_proc p join pg_language l on l.oid = p.prolang
                  where p.pronamespace in ('tagd'::regnamespace, 'report'::regnamespace) and p.prokind = 'f'",
            )
            .fetch_all(&mut owner)
            .await
            .unwrap();
            let views: Vec<(String, String)> = sqlx::query_as(
                "select v.relname::text, t.relname::text
                   from pg_rewrite r
                   join pg_class v on v.oid = r.ev_class and v.relkind = 'v' and v.relnamespace = 'tagd'::regnamespace
                   join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid and d.refclassid = 'pg_class'::regclass
                   join pg_class t on t.oid = d.refobjid and t.oid <> v.oid
                  where t.relnamespace = 'tagd'::regnamespace
                  group by 1, 2",
            )
            .fetch_all(&mut owner)
            .await
            .unwrap();
            let volatile: Vec<String> = sqlx::query_scalar(
                "select case when n.nspname = 'pg_catalog' then '' else n.nspname || '.' end || p.proname
                   from pg_proc p join pg_namespace n on n.oid = p.pronamespace
                  where p.provolatile = 'v' and n.nspname in ('pg_catalog', 'tagd', 'report')",
            )
            .fetch_all(&mut owner)
            .await
            .unwrap();
            owner.close().await.unwrap();
            (functions, views, volatile)
        });
        let mut schema =
            Self { functions: BTreeMap::new(), views: BTreeMap::new(), volatile: volatile.into_iter().collect() };
        for (view, table) in views {
            schema.views.entry(view).or_default().insert(table);
        }
        for (name, language, first_argument, has_path, body) in functions {
            schema.add(Function { name, language, first_argument, has_path, body: statements_of(&body) });
        }
        schema
    }

    fn add(&mut self, function: Function) {
        let replaced = self.functions.insert(function.name.clone(), function);
        assert!(replaced.is_none(), "two functions of one name");
    }

    /// The function of the schema that is called at a place.
    fn callee(&self, called: &str) -> Option<&Function> {
        self.functions.get(called.strip_prefix("tagd.").or_else(|| called.strip_prefix("report."))?)
    }

    /// Tables that a statement names, and where; of a view those that it reads.
    pub fn tables<'a>(&'a self, statement: &'a Statement) -> Vec<(usize, &'a str)> {
        let names = ["from", "join", "into", "update", "using", "table", "only", ","];
        let mut found = Vec::new();
        for place in 1..statement.tokens.len() {
            let Some(name) = statement.at(place).strip_prefix("tagd.") else { continue };
            if !names.contains(&statement.at(place - 1)) {
                continue;
            }
            if is_table(name) {
                found.push((place, name));
            }
            let mut views = vec![name];
            while let Some(view) = views.pop() {
                for read in self.views.get(view).into_iter().flatten() {
                    if is_table(read) { found.push((place, read.as_str())) } else { views.push(read) }
                }
            }
        }
        found
    }

    /// All tables that a function reads or writes, with those of the functions that it calls.
    fn reached(&self, function: &Function) -> BTreeSet<&str> {
        let (mut tables, mut seen, mut left) = (BTreeSet::new(), BTreeSet::new(), vec![function.name.as_str()]);
        while let Some(name) = left.pop() {
            if !seen.insert(name) {
                continue;
            }
            for statement in &self.functions[name].body {
                tables.extend(self.tables(statement).into_iter().map(|(_, table)| table));
                left.extend(statement.calls().filter_map(|(_, called)| self.callee(called)).map(|f| f.name.as_str()));
            }
        }
        tables
    }

    /// What is wrong with a statement, in whatever function it is.
    pub fn faults(&self, statement: &Statement) -> Vec<String> {
        let mut faults = Vec::new();
        let tables = self.tables(statement);
        let shared = tables.iter().any(|(_, table)| is_shared(table));
        for (_, called) in statement.calls() {
            let Some(function) = self.callee(called) else { continue };
            if shared && self.reached(function).into_iter().any(is_shared) {
                faults.push(format!("{called} reads tables and is called beside one"));
            }
        }
        for (place, table) in &tables {
            let alias = statement.at(place + 1);
            let is_row = |at: &usize| {
                ["(", ",", "select"].contains(&statement.at(at.wrapping_sub(1)))
                    && [")", ",", "as", "from"].contains(&statement.at(at + 1))
            };
            if is_shared(table) && statement.places(&[alias]).iter().any(is_row) {
                faults.push(format!("a whole row of {table}, which is of another type in each of its parts"));
            }
        }
        faults.extend(self.faults_of_locks(statement));
        if statement.has(&["except"]) || statement.has(&["intersect"]) {
            faults.push("EXCEPT or INTERSECT".into());
        }
        if shared && statement.has(&["left", "join", "lateral"]) {
            faults.push("a lateral outer join".into());
        }
        faults.extend(self.faults_of_joins(statement));
        faults.extend(self.faults_of_changes(statement));
        if statement.has(&["constraint_name"]) || statement.has(&["on", "constraint"]) {
            faults.push("the name of a constraint".into());
        }
        faults
    }

    fn faults_of_locks(&self, statement: &Statement) -> Vec<String> {
        let clauses: [&[&str]; 4] =
            [&["for", "update"], &["for", "no", "key", "update"], &["for", "key", "share"], &["for", "share"]];
        let mut faults = Vec::new();
        for place in clauses.iter().flat_map(|clause| statement.places(clause)) {
            let group = statement.tokens[place].group;
            for (at, table) in self.tables(statement) {
                if statement.tokens[at].group != group {
                    continue;
                }
                let is_held = |place: usize| {
                    let value = statement.at(place + 2);
                    statement.tokens[place].group == group
                        && (statement.at(place) == "scope_id" || statement.at(place).ends_with(".scope_id"))
                        && statement.at(place + 1) == "="
                        && (value.starts_with("p_") || value.starts_with("v_") || value.starts_with('$'))
                };
                if REFERENCE.contains(&table) {
                    faults.push(format!("row locks on {table}"));
                } else if DISTRIBUTED.contains(&table) && !(0..statement.tokens.len()).any(is_held) {
                    faults.push(format!("row locks on {table} in several scopes"));
                }
            }
        }
        faults
    }

    fn faults_of_joins(&self, statement: &Statement) -> Vec<String> {
        let joined = |place: usize| ["from", "join", "using", ",", "update"].contains(&statement.at(place - 1));
        let has_temporary =
            (1..statement.tokens.len()).any(|place| statement.at(place).starts_with("pg_temp.") && joined(place));
        let tables = self.tables(statement);
        let of = |list: &[&str]| tables.iter().any(|(place, table)| list.contains(table) && joined(*place));
        let mut faults = Vec::new();
        if of(&DISTRIBUTED) && of(&LOCAL) {
            faults.push("a join of a distributed table with one of the coordinator".into());
        }
        // rows of a function are not joined by the scope
        let is_listed = |place: &usize| {
            let list = statement.at(place + 2).strip_suffix(".scope_id").unwrap_or_default();
            statement.at(*place).ends_with(".scope_id") && statement.has(&[")", "as", list, "(", "scope_id"])
        };
        if of(&DISTRIBUTED)
            && statement.has(&["lateral", "("])
            && statement.places(&["="]).iter().any(|equal| is_listed(&(equal - 1)))
        {
            faults.push("several scopes of a list, one by one".into());
        }
        let is_change = has_at_top(statement, "update", &["for", "key"]) || has_at_top(statement, "delete", &[]);
        let is_outer = ["left", "right", "full"].iter().any(|side| statement.has(&[side, "join"]));
        if of(&DISTRIBUTED) && has_temporary && (!is_change || is_outer) {
            faults.push("a join of a distributed table with a temporary one".into());
        }
        faults
    }

    fn faults_of_changes(&self, statement: &Statement) -> Vec<String> {
        let mut faults = Vec::new();
        let tables = self.tables(statement);
        if !tables.iter().any(|(_, table)| is_shared(table)) {
            return faults;
        }
        let within: [&[&str]; 3] = [&["(", "insert", "into"], &["(", "update"], &["(", "delete", "from"]];
        let within: usize = within.iter().map(|verb| statement.places(verb).len()).sum();
        let is_change = has_at_top(statement, "insert", &[])
            || has_at_top(statement, "delete", &[])
            || has_at_top(statement, "update", &["for", "key", "do"]);
        if within > 1 || within == 1 && is_change {
            faults.push("a change in WITH beside another one".into());
        }
        for set in statement.places(&["set"]) {
            let group = statement.tokens[set].group;
            let ends = ["where", "from", "returning"];
            let end = (set..statement.tokens.len())
                .find(|at| {
                    !statement.is_within(*at, group)
                        || statement.tokens[*at].group == group && ends.contains(&statement.at(*at))
                })
                .unwrap_or(statement.tokens.len());
            for (_, called) in statement.calls().filter(|(place, _)| (set..end).contains(place)) {
                if self.volatile.contains(called) {
                    faults.push(format!("{called} is volatile and in an UPDATE"));
                }
            }
            let commas = (set..end).filter(|at| statement.tokens[*at].group == group && statement.at(*at) == ",");
            let bounds: Vec<usize> = std::iter::once(set).chain(commas).chain([end]).collect();
            for pair in bounds.windows(2) {
                let value: Vec<&str> = (pair[0]..pair[1])
                    .skip_while(|at| statement.at(*at) != "=")
                    .skip(1)
                    .map(|at| statement.at(at))
                    .collect();
                if is_element(&value) {
                    faults.push("an element of an array as the new value of a column".into());
                }
            }
        }
        faults
    }

    /// What is wrong with a function as a whole.
    pub fn faults_of(&self, function: &Function) -> Vec<String> {
        let mut faults: Vec<String> = function.body.iter().flat_map(|statement| self.faults(statement)).collect();
        let reached = self.reached(function);
        if function.language == "sql" && reached.iter().any(|table| is_shared(table)) {
            faults.push("an SQL function that reads tables".into());
        }
        let locks = ["tagd.lock_scope", "tagd.lock_scope_shared"];
        let takes_lock = function.body.iter().flat_map(Statement::calls).any(|(_, called)| locks.contains(&called));
        let is_delegated = DELEGATED.contains(&function.name.as_str());
        if takes_lock && !is_delegated {
            faults.push("takes the lock of a scope, and is not among those that are called where the scope is".into());
        }
        if is_delegated {
            if function.first_argument != "p_scope_id" || !function.has_path {
                faults.push("is called where the scope is, and has no p_scope_id or no search_path".into());
            }
            if let Some(table) = reached.iter().find(|table| LOCAL.contains(table)) {
                faults.push(format!("is called where the scope is, and needs {table}"));
            }
            if self.calls(function).contains("enter_import") {
                faults.push("is called where the scope is, and takes the lock of imports".into());
            }
        }
        for statement in &function.body {
            for (place, called) in statement.calls() {
                let callee = called.strip_prefix("tagd.").unwrap_or_default();
                if DELEGATED.contains(&callee) && statement.at(place - 1) != "from" {
                    faults.push(format!("{called} is not called alone"));
                }
            }
        }
        faults
    }

    /// All functions that a function calls, and those that they call.
    fn calls(&self, function: &Function) -> BTreeSet<&str> {
        let (mut seen, mut left) = (BTreeSet::new(), vec![function]);
        while let Some(next) = left.pop() {
            for (_, called) in next.body.iter().flat_map(Statement::calls) {
                left.extend(self.callee(called).filter(|callee| seen.insert(callee.name.as_str())));
            }
        }
        seen
    }
}
