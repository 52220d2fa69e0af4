//! Whether an operator's text is one SELECT that can stand in parentheses. Pure; not a parser: what it lets through wrongly
//! the server refuses, which takes one statement at a time in a read-only transaction.

use crate::source::database::Engine;

/// The text without a closing `;`.
///
/// # Errors
/// What is wrong with it and what to do, as the rest of a sentence.
pub(super) fn check(text: &str, engine: Engine) -> Result<String, String> {
    let mut reader =
        Reader { text, at: 0, engine, words: Vec::new(), frames: vec![Frame::OUTERMOST], bound: None, end: None };
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
    if let Some(Bound { word, nested }) = reader.bound {
        let (says, but) = if nested {
            ("bounds a subquery of its rows by", ", or bound it by a date or an id with WHERE")
        } else {
            ("is bounded by", "")
        };
        return Err(format!(
            "{says} {word}, so that each new article would push an old one out, which loa would take for withdrawn; leave it \
             out{but}: loa asks for what it needs"
        ));
    }
    if words.windows(3).any(|three| three[..2] == ["SELECT", "TOP"] && three[2].bytes().all(|b| b.is_ascii_digit())) {
        return Err("holds TOP, which this database does not know; leave it out: loa asks for what it needs".to_owned());
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
    /// The parentheses that are open, the text as a whole first.
    frames: Vec<Frame>,
    /// What makes the rows a window on the newest.
    bound: Option<Bound>,
    /// Where a closing `;` stands.
    end: Option<usize>,
}

/// One open parenthesis.
#[derive(Clone, Copy)]
struct Frame {
    decides: Decides,
    /// Whether a query, or one in parentheses, may begin here.
    begins: bool,
    /// Whether this is between SELECT and FROM.
    lists: bool,
}

/// What a part of the text decides.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Decides {
    /// Which rows come out: the query itself, or a part of its UNION.
    Rows,
    /// Which rows come out, as a subquery behind FROM or WHERE.
    RowsBelow,
    /// What a row holds: it stands in the list of columns.
    Columns,
}

impl Frame {
    const OUTERMOST: Self = Self { decides: Decides::Rows, begins: true, lists: false };
}

/// What bounds the number of rows.
struct Bound {
    word: &'static str,
    /// Whether it stands in a subquery.
    nested: bool,
}

/// What bounds rows, wherever a query ends.
const BOUNDS: [&str; 3] = ["LIMIT", "FETCH", "OFFSET"];

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
                    '(' => self.open(),
                    ')' if self.frames.len() == 1 => {
                        return Err("closes a parenthesis that it did not open".to_owned());
                    }
                    ')' => drop(self.frames.pop()),
                    _ => {}
                }
                self.at += c.len_utf8();
            }
        }
        if self.frames.len() > 1 { Err("opens a parenthesis that it does not close".to_owned()) } else { Ok(()) }
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
        self.weigh(&word);
        self.words.push(word);
        Ok(())
    }

    /// Never empty: the outermost is not popped.
    fn frame(&self) -> Frame {
        self.frames.last().copied().unwrap_or(Frame::OUTERMOST)
    }

    fn open(&mut self) {
        let Frame { decides, begins, lists } = self.frame();
        let decides = match decides {
            Decides::Rows if begins => Decides::Rows,
            Decides::Rows | Decides::RowsBelow if !lists => Decides::RowsBelow,
            _ => Decides::Columns,
        };
        self.frames.push(Frame { decides, ..Frame::OUTERMOST });
    }

    /// Follows where in a query this word stands, and notes it if it bounds the rows.
    fn weigh(&mut self, word: &str) {
        let Frame { decides, lists, .. } = self.frame();
        let is_call = self.rest().trim_start().starts_with('(');
        let found = match self.engine {
            // Elsewhere the name of a column.
            Engine::MySql if word == "OFFSET" => None,
            Engine::MySql if word == "ROWNUM" && is_call => Some("ROWNUM"),
            _ => BOUNDS.into_iter().find(|bound| word == *bound),
        };
        let nested = decides == Decides::RowsBelow;
        let looks_up = nested && word != "ROWNUM" && self.takes_one();
        if let Some(word) = found.filter(|_| decides != Decides::Columns && !lists && !looks_up) {
            self.bound.get_or_insert(Bound { word, nested });
        }
        if let Some(frame) = self.frames.last_mut() {
            match word {
                "SELECT" => frame.lists = true,
                "FROM" => frame.lists = false,
                _ => {}
            }
            frame.begins = matches!(word, "UNION" | "ALL" | "DISTINCT" | "EXCEPT" | "INTERSECT");
        }
    }

    /// Whether one row is asked for, after LIMIT or FETCH: a subquery that looks one thing up.
    fn takes_one(&self) -> bool {
        let end = self.rest().find(')').unwrap_or(self.rest().len());
        let rest = self.rest()[..end].to_uppercase();
        let words: Vec<&str> = rest.split_whitespace().collect();
        matches!(
            words.as_slice(),
            ["1"] | ["FIRST" | "NEXT", "ROW" | "ROWS", "ONLY"] | ["FIRST" | "NEXT", "1", "ROW" | "ROWS", "ONLY"]
        )
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
            "SELECT id, (SELECT group_concat(x.ten) FROM (SELECT ten FROM the LIMIT 5) x) AS tags FROM tin",
            "SELECT t.id FROM tin t JOIN LATERAL (SELECT ten FROM the WHERE tin = t.id LIMIT 1) x ON true",
            "SELECT id FROM tin WHERE muc = (SELECT ma FROM muc WHERE ten = 'a' FETCH FIRST ROW ONLY) OR id IN (1, 2)",
            "WITH mot AS (SELECT ma FROM muc ORDER BY ma LIMIT 1) SELECT id FROM tin, mot WHERE muc = ma",
            "SELECT 'LIMIT 5' AS a, \"limit\" AS b FROM tin -- LIMIT 5",
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
            ("SELECT 1 FROM tin ORDER BY a LIMIT 100", "is bounded by LIMIT"),
            ("SELECT 1 FROM tin ORDER BY a limit 1", "is bounded by LIMIT"),
            ("SELECT 1 FROM tin FETCH FIRST 5 ROWS ONLY", "is bounded by FETCH"),
            ("(SELECT 1 FROM tin ORDER BY a LIMIT 100)", "is bounded by LIMIT"),
            ("((SELECT 1 FROM tin LIMIT 100))", "is bounded by LIMIT"),
            ("SELECT 1 FROM a UNION ALL (SELECT 1 FROM b LIMIT 5)", "is bounded by LIMIT"),
            ("SELECT * FROM (SELECT id FROM tin ORDER BY a DESC LIMIT 100) x", "bounds a subquery"),
            ("SELECT * FROM (SELECT id FROM tin LIMIT 1, 100) x", "bounds a subquery"),
            ("SELECT * FROM (SELECT id FROM tin LIMIT 100 OFFSET 1) x", "bounds a subquery"),
            ("SELECT id FROM tin JOIN (SELECT id FROM tin FETCH NEXT 10 ROWS ONLY) x USING (id)", "bounds a subquery"),
            ("SELECT id FROM tin WHERE id IN (SELECT id FROM tin ORDER BY a LIMIT 50)", "bounds a subquery"),
            ("WITH moi AS (SELECT * FROM tin ORDER BY a LIMIT 100) SELECT * FROM moi", "bounds a subquery"),
            ("SELECT TOP 100 id FROM tin", "TOP"),
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
        for text in
            ["SELECT 1 FROM tin WHERE ROWNUM() <= 100", "SELECT 1 FROM (SELECT 1 FROM tin WHERE rownum () < 9) x"]
        {
            assert!(check(text, Engine::MySql).expect_err(text).contains("by ROWNUM"), "{text}");
        }
        assert!(check("SELECT offset FROM tin WHERE offset > 3 AND rownum = 1", Engine::MySql).is_ok());
        assert!(check("SELECT 1 FROM tin OFFSET 10", Engine::Postgres).is_err());
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
