//! SQL and bodies of PL/pgSQL cut into statements and tokens, for the rules about them.

/// A word, a name with its dots, a literal or a character, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    pub text: String,
    /// The pair of parentheses around it; 0 for none.
    pub group: usize,
}

/// A statement, or the condition before a `then` or a `loop`.
#[derive(Debug, Clone)]
pub struct Statement {
    pub tokens: Vec<Token>,
    /// For each pair of parentheses, the one around it.
    parents: Vec<usize>,
}

/// What ends a statement of PL/pgSQL, besides a semicolon, outside of parentheses and of `case`.
const BOUNDARIES: [&str; 6] = ["begin", "declare", "else", "exception", "loop", "then"];

/// The statements of a body, in lower case, without comments; literals are empty.
pub fn statements_of(body: &str) -> Vec<Statement> {
    let (mut found, mut tokens, mut parents) = (Vec::new(), Vec::new(), vec![0]);
    let (mut group, mut cases) = (0, 0_usize);
    for text in words(body) {
        match text.as_str() {
            "(" => {
                tokens.push(Token { text, group });
                parents.push(group);
                group = parents.len() - 1;
                continue;
            }
            ")" => group = parents[group],
            "case" => cases += 1,
            "end" if cases > 0 => cases -= 1,
            _ => {}
        }
        let is_end = text == ";" || group == 0 && cases == 0 && BOUNDARIES.contains(&text.as_str());
        if !is_end {
            tokens.push(Token { text, group });
            continue;
        }
        (group, cases) = (0, 0);
        found
            .push(Statement { tokens: std::mem::take(&mut tokens), parents: std::mem::replace(&mut parents, vec![0]) });
    }
    found.push(Statement { tokens, parents });
    found.retain(|statement| !statement.tokens.is_empty());
    found
}

fn words(body: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut rest = body;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("--") {
            rest.find('\n').unwrap_or(rest.len())
        } else if first == '\'' || first == '"' {
            let end = rest[1..].find(first).map_or(rest.len(), |end| end + 2);
            found.push("''".to_owned());
            end
        } else if first.is_alphanumeric() || "_$#".contains(first) {
            let is_part = |c: char| c.is_alphanumeric() || "_$#.".contains(c);
            let length = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
            found.push(rest[..length].to_lowercase());
            length
        } else {
            if !first.is_whitespace() {
                found.push(first.to_string());
            }
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    found
}

impl Statement {
    pub fn text(&self) -> String {
        self.tokens.iter().map(|token| token.text.as_str()).collect::<Vec<_>>().join(" ")
    }

    /// The token at a place; empty behind the last.
    pub fn at(&self, place: usize) -> &str {
        self.tokens.get(place).map_or("", |token| &token.text)
    }

    /// Where these tokens follow one another.
    pub fn places(&self, sequence: &[&str]) -> Vec<usize> {
        (0..self.tokens.len())
            .filter(|place| sequence.iter().enumerate().all(|(ahead, text)| self.at(place + ahead) == *text))
            .collect()
    }

    pub fn has(&self, sequence: &[&str]) -> bool {
        !self.places(sequence).is_empty()
    }

    /// Names that a parenthesis follows: of functions, and of what else is written so.
    pub fn calls(&self) -> impl Iterator<Item = (usize, &str)> {
        let is_name = |text: &str| text.starts_with(|c: char| c.is_alphabetic());
        (0..self.tokens.len())
            .filter(move |place| self.at(place + 1) == "(" && is_name(self.at(*place)))
            .map(|place| (place, self.at(place)))
    }

    /// Whether a place is within these parentheses, or within some of those in them.
    pub fn is_within(&self, place: usize, group: usize) -> bool {
        let mut around = self.tokens[place].group;
        while around != group && around != 0 {
            around = self.parents[around];
        }
        around == group
    }
}

#[test]
fn bodies_are_cut_where_a_statement_ends() {
    let body = "declare v integer; begin -- not ; this\n
        if exists (select from a.b where c = 'x;y') then perform f(case when d then 1 else 2 end) from a.e; end if;
        for r in select 1 loop v := case r.x when 1 then 2 end; end loop; return; end";
    let found: Vec<String> = statements_of(body).iter().map(Statement::text).collect();
    assert_eq!(
        found,
        [
            "v integer",
            "if exists ( select from a.b where c = '' )",
            "perform f ( case when d then 1 else 2 end ) from a.e",
            "end if",
            "for r in select 1",
            "v : = case r.x when 1 then 2 end",
            "end",
            "return",
            "end"
        ]
    );
    let nested = &statements_of("select f(a, (select b from c))")[0];
    let of = |text: &str| nested.places(&[text])[0];
    assert!(
        nested.is_within(of("b"), nested.tokens[of("a")].group)
            && !nested.is_within(of("a"), nested.tokens[of("b")].group)
    );
}
