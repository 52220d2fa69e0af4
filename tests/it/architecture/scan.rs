//! Rust text as words with their lines, comments and literals left out; and the paths that it names.

/// A word or a sign, and the line that it stands on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub text: String,
    pub line: usize,
}

/// The words and signs of a source text. Comments, strings and characters are left out.
pub fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let mut found = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < chars.len() {
        let begin = at;
        at = skip_literal(&chars, at);
        if at == begin {
            let c = chars[at];
            at += 1;
            if c.is_alphabetic() || c == '_' || c.is_ascii_digit() {
                while at < chars.len() && (chars[at].is_alphanumeric() || chars[at] == '_') {
                    at += 1;
                }
                found.push(Token { text: chars[begin..at].iter().collect(), line });
            } else if c == ':' && chars.get(at) == Some(&':') {
                at += 1;
                found.push(Token { text: "::".into(), line });
            } else if !c.is_whitespace() {
                found.push(Token { text: c.into(), line });
            }
        }
        line += chars[begin..at].iter().filter(|c| **c == '\n').count();
    }
    found
}

/// Where the comment or literal that begins at `at` ends; `at` itself when none begins there.
fn skip_literal(chars: &[char], at: usize) -> usize {
    let next = |n: usize| chars.get(at + n).copied().unwrap_or('\0');
    let inside_word = at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_');
    match (chars[at], next(1)) {
        ('/', '/') => chars[at..].iter().position(|c| *c == '\n').map_or(chars.len(), |n| at + n),
        ('/', '*') => {
            let (mut end, mut depth) = (at + 2, 1);
            while depth > 0 && end < chars.len() {
                match (chars[end], chars.get(end + 1)) {
                    ('/', Some('*')) => (depth, end) = (depth + 1, end + 2),
                    ('*', Some('/')) => (depth, end) = (depth - 1, end + 2),
                    _ => end += 1,
                }
            }
            end
        }
        ('"', _) => quoted(chars, at + 1, '"'),
        ('b' | 'c', '"') if !inside_word => quoted(chars, at + 2, '"'),
        ('b', '\'') if !inside_word => quoted(chars, at + 2, '\''),
        ('r', '"' | '#') if !inside_word => raw(chars, at + 1).unwrap_or(at),
        ('b' | 'c', 'r') if !inside_word => raw(chars, at + 2).unwrap_or(at),
        // A lifetime has no closing quote after its first character.
        ('\'', '\\') => quoted(chars, at + 1, '\''),
        ('\'', _) if next(2) == '\'' => at + 3,
        _ => at,
    }
}

fn quoted(chars: &[char], mut at: usize, end: char) -> usize {
    while at < chars.len() && chars[at] != end {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(chars.len())
}

fn raw(chars: &[char], at: usize) -> Option<usize> {
    let hashes = chars[at..].iter().take_while(|c| **c == '#').count();
    if chars.get(at + hashes) != Some(&'"') {
        return None;
    }
    let mut end = at + hashes + 1;
    while end < chars.len() {
        if chars[end] == '"' && chars[end + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes {
            return Some(end + 1 + hashes);
        }
        end += 1;
    }
    Some(end)
}

/// Every path that begins with `crate` or `super`, from the crate's root, with its line; `{…}` is taken apart.
/// `file` is the source's name below `src/`, which says where `super` leads.
pub fn paths(file: &str, tokens: &[Token]) -> Vec<(usize, Vec<String>)> {
    let home: Vec<String> = match file.trim_end_matches(".rs") {
        "lib" | "main" => Vec::new(),
        path => path.split('/').map(str::to_owned).collect(),
    };
    let mut found = Vec::new();
    // Modules written inside the file, each with the depth of its brace.
    let (mut inner, mut depth): (Vec<(String, usize)>, usize) = (Vec::new(), 0);
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
    let mut at = 0;
    while at < tokens.len() {
        match text(at) {
            "{" => {
                depth += 1;
                if at >= 2 && text(at - 2) == "mod" {
                    inner.push((text(at - 1).to_owned(), depth));
                }
            }
            "}" => {
                inner.pop_if(|(_, opened)| *opened == depth);
                depth = depth.saturating_sub(1);
            }
            "crate" | "super" if text(at + 1) == "::" && (at == 0 || text(at - 1) != "::") => {
                let mut here = home.clone();
                here.extend(inner.iter().map(|(name, _)| name.clone()));
                let mut named = Vec::new();
                at = tree(tokens, at, &[], &mut named);
                found.extend(named.into_iter().map(|(line, path)| (line, from_root(&here, &path))));
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// Reads one use tree, or a plain path, and gives where it ends.
fn tree(tokens: &[Token], mut at: usize, before: &[String], found: &mut Vec<(usize, Vec<String>)>) -> usize {
    let mut path = before.to_vec();
    let Some(first) = tokens.get(at) else { return at };
    let line = first.line;
    while let Some(token) = tokens.get(at) {
        if token.text == "{" && !path.is_empty() {
            at += 1;
            while tokens.get(at).is_some_and(|t| t.text != "}") {
                let next = if tokens[at].text == "," { at + 1 } else { tree(tokens, at, &path, found) };
                at = next.max(at + 1);
            }
            return at + 1;
        }
        path.push(token.text.clone());
        at += 1;
        if tokens.get(at).is_none_or(|t| t.text != "::") {
            break;
        }
        at += 1;
        // A turbofish belongs to no path.
        if tokens.get(at).is_some_and(|t| t.text == "<") {
            break;
        }
    }
    found.push((line, path));
    at
}

fn from_root(here: &[String], path: &[String]) -> Vec<String> {
    let mut full = here.to_vec();
    for part in path {
        match part.as_str() {
            "crate" => full.clear(),
            "super" => {
                full.pop();
            }
            "self" => {}
            name => full.push(name.to_owned()),
        }
    }
    full
}
