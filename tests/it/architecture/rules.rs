//! The rules, as `src/lib.rs` draws them.

use super::scan::{Token, paths, tokens};

/// Rooms by floor, in tenths. On the top floor the four rooms lie one above the other; on the lowest, text stands on
/// clock, since it puts instants into words.
const FLOORS: [(&str, u32); 19] = [
    ("main", 73),
    ("cli", 72),
    ("demo", 71),
    ("service", 70),
    ("web", 60),
    ("schedule", 60),
    ("work", 50),
    ("config", 40),
    ("telemetry", 40),
    ("source", 30),
    ("feed", 30),
    ("store", 30),
    ("notify", 30),
    ("domain", 20),
    ("http", 20),
    ("clock", 10),
    ("say", 10),
    ("text", 11),
    ("lib", 0),
];

/// Crates that stand in their home alone, so that they can be replaced there.
const HOMES: [(&str, &[&str]); 4] = [
    ("actix_web", &["web", "service"]),
    ("sqlx", &["store", "source/database"]),
    ("lettre", &["notify"]),
    ("tokio_cron_scheduler", &["schedule"]),
];

const ENVIRONMENT: [&str; 6] = ["var", "vars", "var_os", "vars_os", "set_var", "remove_var"];
const UNFINISHED: [&str; 3] = ["todo", "unimplemented", "dbg"];

/// Every rule that one file breaks: line, rule and why. `file` is its name below `src/`.
pub fn judge(file: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let mut fault = |line: usize, what: &str| faults.push(format!("src/{file}:{line}: {what}"));

    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    if first.strip_prefix("//!").is_none_or(|said| said.trim().is_empty()) {
        fault(1, "says nothing of itself; begin with `//!`: what it does and what it never does");
    }

    let words = tokens(text);
    let macros: Vec<&str> = words
        .windows(3)
        .filter(|w| w[0].text == "macro_rules" && w[1].text == "!")
        .map(|w| w[2].text.as_str())
        .collect();
    let room = file.trim_end_matches(".rs").split('/').next().unwrap_or_default();
    match floor(room) {
        None => fault(1, &format!("{room} has no floor; give it one here and in src/lib.rs")),
        Some(own) => {
            for (line, path) in paths(file, &words) {
                if let Some(what) = import(room, own, &path) {
                    fault(line, &what);
                }
            }
        }
    }
    for (krate, homes) in HOMES {
        if !at_home(file, homes) {
            for word in words.iter().filter(|word| word.text == krate) {
                fault(word.line, &format!("{krate} has its home in {}; call what that room offers", list(homes)));
            }
        }
    }
    for (at, word) in words.iter().enumerate() {
        let after = Following(&words[at..]);
        if word.text == "env" && !at_home(file, &["config"]) {
            for name in after.members().filter(|name| ENVIRONMENT.contains(name)) {
                fault(word.line, &format!("env::{name} has its home in config; take the value as an argument"));
            }
        }
        if word.text == "pub" && after.re_exports(&macros) {
            fault(word.line, "re-exports with pub use, which hides where a thing lives; import it from its home");
        }
        if word.text == "#" && after.allows() {
            fault(word.line, "silences a lint with allow, which outlives its cause; use expect with a reason");
        }
        if UNFINISHED.contains(&word.text.as_str()) && after.is(1, "!") {
            fault(word.line, &format!("holds {}!, which is no part of a finished house", word.text));
        }
    }
    faults
}

fn floor(room: &str) -> Option<u32> {
    FLOORS.iter().find(|(name, _)| *name == room).map(|(_, floor)| *floor)
}

fn import(room: &str, own: u32, path: &[String]) -> Option<String> {
    let target = path.first().filter(|target| *target != room && *target != "*")?;
    let full = path.join("::");
    let Some(other) = floor(target) else {
        return Some(format!("imports crate::{full}: {target} has no floor; give it one in tests/it/architecture"));
    };
    if other < own {
        return None;
    }
    let (from, to) = (own / 10, other / 10);
    Some(if other == own {
        format!(
            "imports crate::{full}: {room} and {target} stand on one floor ({from}) and never meet; let a room above \
             bring them together"
        )
    } else {
        format!(
            "imports crate::{full}: {target} (floor {to}) lies above {room} (floor {from}), and imports only go down; \
             move what both need further down"
        )
    })
}

/// Whether a file lies in one of the homes: `store` is `store.rs` and `store/…`, `source/joomla` also `joomla_….rs`.
fn at_home(file: &str, homes: &[&str]) -> bool {
    homes.iter().any(|home| {
        let rest = file.strip_prefix(home);
        rest.is_some_and(|rest| rest == ".rs" || rest.starts_with('/') || home.contains('/') && rest.starts_with('_'))
    })
}

fn list(homes: &[&str]) -> String {
    if let [one, two] = homes
        && !two.contains('/')
    {
        return format!("{one} and {two}");
    }
    homes.join(", ")
}

/// The words from one on.
struct Following<'t>(&'t [Token]);

impl<'t> Following<'t> {
    fn is(&self, nth: usize, text: &str) -> bool {
        self.0.get(nth).is_some_and(|token| token.text == text)
    }

    /// What is named behind `env::`, one name or several in braces.
    fn members(&self) -> impl Iterator<Item = &'t str> {
        let several = self.is(2, "{");
        let count = if several { usize::MAX } else { 1 };
        let from = if self.is(1, "::") { 2 + usize::from(several) } else { self.0.len() };
        self.0.iter().skip(from).take(count).map(|token| token.text.as_str()).take_while(|text| *text != "}")
    }

    /// Whether this `pub` makes something known that lives elsewhere. A file's own macro may be named to the rest of the
    /// crate: the language has no other way.
    fn re_exports(&self, macros: &[&str]) -> bool {
        let end = if self.is(1, "(") { self.0.iter().position(|t| t.text == ")") } else { None };
        let at = end.map_or(1, |end| end + 1);
        let own_macro = end.is_some()
            && self.is(at + 2, ";")
            && self.0.get(at + 1).is_some_and(|token| macros.contains(&token.text.as_str()));
        self.is(at, "use") && !own_macro
    }

    /// Whether an attribute begins here that allows a lint, be it behind a condition.
    fn allows(&self) -> bool {
        let at = if self.is(1, "!") { 2 } else { 1 };
        if !self.is(at, "[") {
            return false;
        }
        let body = self.0[at + 1..].iter().map(|t| t.text.as_str()).take_while(|text| *text != "]");
        let body: Vec<&str> = body.collect();
        let lints = matches!(body.first(), Some(&"allow" | &"cfg_attr"));
        lints && body.windows(2).any(|pair| pair == ["allow", "("])
    }
}
