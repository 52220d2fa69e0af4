//! Whether an operator's text is one SELECT that can stand in parentheses. Pure; not a parser: what it lets through wrongly
//! the server refuses, which takes one statement at a time in a read-only transaction.

use crate::source::database::Engine;

/// The text without a closing `;`.
///
/// # Errors
/// What is wrong with it and what to do, as the rest of a sentence.
pub(super) fn check(text: &str, engine: Engine) -> Result<String, String> {
    let mut reader = Reader { text, at: 0, engine, words: Vec::new(), depth: 0, bound: None, end: None };
    reader.read()?;
    let end = reader.end.unwrap_or(text.len());
    let words: Vec<&str> = reader.words.iter().map(String::as_str).collect();
    match words.first() {
        Some(&("SELECT" | "WITH")) => {}
        None => return Err("is empty; write a SELECT".to_owned()),
        Some(first) => return Err(format!("begins with {first}; it must be one SELECT")),
    }
    if words.contains(&"INTO") {
        return Err("holds INTO, and loa never writes; leave it out (a column of that name needs quotes)".to_owned());
    }
    if let Some(word) = reader.bound {
        return Err(format!(
            "ends in {word}, so that each new article would push an old one out, which loa would take for withdrawn; leave it \
             out: loa asks for what it needs"
        ));
    }
    let locks = words
        .windows(2)
        .any(|pair| matches!(pair, ["FOR", "UPDATE" | "SHARE" | "NO" | "KEY"]) || matches!(pair, ["LOCK", "IN"]));
    if locks {
        return Err("asks for locks (FOR UPDATE, FOR SHARE, LOCK IN SHARE MODE); leave that out".to_owned());
    }
    Ok(text[..end].trim().to_owned())
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    engine: Engine,
    /// Words outside quotes, in capitals.
    words: Vec<String>,
    depth: usize,
    /// LIMIT or FETCH outside all parentheses.
    bound: Option<&'static str>,
    /// Where a closing `;` stands.
    end: Option<usize>,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn read(&mut self) -> Result<(), String> {
        let mysql = self.engine == Engine::MySql;
        while let Some(c) = self.rest().chars().next() {
            let rest = self.rest();
            // In MySQL `--` begins a comment only before a space.
            let dashes = rest.strip_prefix("--").is_some_and(|after| {
                !mysql || after.is_empty() || after.starts_with(|c: char| c.is_whitespace() || c.is_control())
            });
            if c.is_whitespace() {
                self.at += c.len_utf8();
            } else if dashes || (mysql && c == '#') {
                self.at += rest.find('\n').map_or(rest.len(), |end| end + 1);
            } else if rest.starts_with("/*") {
                self.comment()?;
            } else if self.end.is_some() {
                return Err("holds more than one statement; write one SELECT without `;`".to_owned());
            } else if c == ';' {
                self.end = Some(self.at);
                self.at += 1;
            } else if c == '\'' || c == '"' || (mysql && c == '`') {
                self.quoted(c, mysql && c != '`')?;
            } else if c == '$' && !mysql {
                self.dollar()?;
            } else if c == '?' && mysql {
                return Err(
                    "holds a `?` outside quotes, which would stand for a value; write the value itself".to_owned()
                );
            } else if c.is_alphanumeric() || c == '_' {
                self.word()?;
            } else {
                match c {
                    '(' => self.depth += 1,
                    ')' if self.depth == 0 => return Err("closes a parenthesis that it did not open".to_owned()),
                    ')' => self.depth -= 1,
                    _ => {}
                }
                self.at += c.len_utf8();
            }
        }
        if self.depth > 0 { Err("opens a parenthesis that it does not close".to_owned()) } else { Ok(()) }
    }

    fn word(&mut self) -> Result<(), String> {
        let rest = self.rest();
        let length = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$')).unwrap_or(rest.len());
        let word = rest[..length].to_uppercase();
        self.at += length;
        // PostgreSQL's strings with escapes: E'it\'s'.
        if word == "E" && self.engine == Engine::Postgres && self.rest().starts_with('\'') {
            return self.quoted('\'', true);
        }
        if self.depth == 0 {
            self.bound = ["LIMIT", "FETCH"].into_iter().find(|bound| word == *bound).or(self.bound);
        }
        self.words.push(word);
        Ok(())
    }

    /// Goes behind a quoted part; a doubled quote is one inside.
    fn quoted(&mut self, quote: char, escapes: bool) -> Result<(), String> {
        let mut chars = self.rest().char_indices().skip(1).peekable();
        while let Some((at, c)) = chars.next() {
            let is_double = c == quote && chars.peek().is_some_and(|(_, next)| *next == quote);
            if is_double || (escapes && c == '\\') {
                chars.next();
            } else if c == quote {
                self.at += at + 1;
                return Ok(());
            }
        }
        Err(format!("opens a quote ({quote}) that it does not close"))
    }

    /// `$$…$$` and `$tag$…$tag$`; `$1` stands for a value.
    fn dollar(&mut self) -> Result<(), String> {
        let rest = self.rest();
        if rest[1..].starts_with(|c: char| c.is_ascii_digit()) {
            return Err("holds a `$1`, which would stand for a value; write the value itself".to_owned());
        }
        let tag = rest[1..].find('$').map(|end| &rest[..end + 2]);
        let tag = tag.filter(|tag| tag[1..tag.len() - 1].chars().all(|c| c.is_alphanumeric() || c == '_'));
        let Some(tag) = tag else {
            self.at += 1;
            return Ok(());
        };
        let end = rest[tag.len()..].find(tag).ok_or("opens a quote ($…$) that it does not close")?;
        self.at += end + 2 * tag.len();
        Ok(())
    }

    /// Goes behind a comment; they nest in PostgreSQL. MySQL would run what stands in `/*! … */`.
    fn comment(&mut self) -> Result<(), String> {
        let nests = self.engine == Engine::Postgres;
        let rest = self.rest();
        if !nests && (rest.starts_with("/*!") || rest.starts_with("/*M!")) {
            return Err("holds a /*! … */, which the server would run; write it out".to_owned());
        }
        let (mut at, mut depth) = (2, 1);
        while depth > 0 {
            let open = rest[at..].find("/*").filter(|_| nests);
            let close = rest[at..].find("*/").ok_or("opens a comment (/*) that it does not close")?;
            if let Some(open) = open.filter(|open| *open < close) {
                (at, depth) = (at + open + 2, depth + 1);
            } else {
                (at, depth) = (at + close + 2, depth - 1);
            }
        }
        self.at += at;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOTH: [Engine; 2] = [Engine::MySql, Engine::Postgres];

    #[test]
    fn one_select_is_let_through_as_it_was_written() {
        for text in [
            "SELECT id, title FROM tin",
            "  select 'a;b' AS x, \"into\" AS y from tin ; -- ends\n /* here; */ ",
            "WITH x AS (SELECT 1) SELECT * FROM x",
            "(SELECT 1) UNION ALL (SELECT 2)",
            "SELECT 'it''s FOR UPDATE' AS x",
            "SELECT substring(title FROM 1 FOR 3) FROM tin",
            "SELECT (SELECT ten FROM the LIMIT 1) AS tags FROM tin",
            "SELECT a /* ) ; INTO */ FROM tin -- ) ; INTO",
        ] {
            for engine in BOTH {
                let expected = text.split(" ; --").next().expect("a part").trim();
                assert_eq!(check(text, engine).as_deref(), Ok(expected), "{engine:?}");
            }
        }
        assert!(check(r"SELECT 'it\'s; INTO' AS x, `for` FROM tin # ; INTO", Engine::MySql).is_ok());
        assert!(
            check(r"SELECT E'it\'s; INTO', $$;INTO$$, $a$ $$ ; ' $a$, '\' FROM tin /* /* ; */ ; */", Engine::Postgres)
                .is_ok()
        );
        assert!(check("SELECT data ? 'key' FROM tin", Engine::Postgres).is_ok());
    }

    #[test]
    fn what_is_not_one_select_is_refused_with_a_reason() {
        for (text, reason) in [
            ("", "empty"),
            (" -- nothing\n", "empty"),
            ("DELETE FROM tin", "begins with DELETE"),
            ("SELECT 1; DROP TABLE tin", "more than one"),
            ("SELECT 1;; ", "more than one"),
            ("SELECT 1 INTO OUTFILE '/tmp/x'", "INTO"),
            ("SELECT 1 FROM tin FOR  UPDATE", "locks"),
            ("SELECT 1 FROM tin for /* x */ no key update", "locks"),
            ("SELECT 1 FROM tin LOCK IN SHARE MODE", "locks"),
            ("SELECT 1 FROM tin ORDER BY a LIMIT 100", "ends in LIMIT"),
            ("SELECT 1 FROM tin FETCH FIRST 5 ROWS ONLY", "ends in FETCH"),
            ("SELECT 1) x; SELECT (2", "closes a parenthesis"),
            ("SELECT 1) x UNION (SELECT 2", "closes a parenthesis"),
            ("SELECT (1", "opens a parenthesis"),
            ("SELECT 'x", "opens a quote"),
            ("SELECT 1 /* x", "opens a comment"),
        ] {
            for engine in BOTH {
                let refused = check(text, engine).expect_err(text);
                assert!(refused.contains(reason), "{text}: {refused}");
            }
        }
        assert!(check("SELECT 1 /*! INTO OUTFILE 'x' */", Engine::MySql).is_err());
        assert!(check("SELECT ?", Engine::MySql).is_err());
        assert!(check("SELECT $1", Engine::Postgres).is_err());
        assert!(check("SELECT 'a\\'; SELECT '2'", Engine::Postgres).is_err());
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_check(text in "\\PC{0,60}", sql in "(SELECT|INTO|'|\"|`|;|--|/\\*|\\*/|\\$|\\$a|\\(|\\)|\\\\|E| |\n|#|đ){0,30}") {
            for engine in BOTH {
                let _ = check(&text, engine);
                let _ = check(&sql, engine);
            }
        }
    }
}
