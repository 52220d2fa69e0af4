//! What the bearer of an API token may do. Decides nothing about who is a bearer.

use std::fmt;

/// One thing that a token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Look: feeds, counts of deliveries.
    Read,
    /// Ask for a poll, and let go what the flood guard holds.
    Poll,
    /// Subscribe people.
    Subscribers,
    /// Make, see and delete endpoints of webhooks.
    Endpoints,
    /// Everything, the operator's console included.
    All,
}

impl Scope {
    /// Every scope, the narrowest first.
    pub const ALL: [Self; 5] = [Self::Read, Self::Poll, Self::Subscribers, Self::Endpoints, Self::All];

    /// The word on the command line, in the database and in the API's description.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Poll => "poll",
            Self::Subscribers => "subscribers",
            Self::Endpoints => "endpoints",
            Self::All => "all",
        }
    }

    /// The scope that this word names.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == word)
    }
}

/// What one token may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scopes(Vec<Scope>);

impl Scopes {
    /// These scopes, each once. None at all means everything, as tokens had it before there were scopes.
    #[must_use]
    pub fn new(mut scopes: Vec<Scope>) -> Self {
        if scopes.is_empty() || scopes.contains(&Scope::All) {
            scopes = vec![Scope::All];
        }
        scopes.sort_unstable();
        scopes.dedup();
        Self(scopes)
    }

    /// Reads the words in the database. A word that this version does not know allows nothing.
    #[must_use]
    pub fn parse(words: &str) -> Self {
        Self(words.split(' ').filter_map(Scope::parse).collect())
    }

    /// Whether these allow what needs that scope.
    #[must_use]
    pub fn allow(&self, scope: Scope) -> bool {
        self.0.iter().any(|own| *own == Scope::All || *own == scope)
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<&str> = self.0.iter().map(|scope| scope.as_str()).collect();
        f.write_str(&words.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_read_back_and_allow_no_more_than_they_say() {
        let some = Scopes::new(vec![Scope::Poll, Scope::Read, Scope::Poll]);
        assert_eq!((some.to_string().as_str(), &Scopes::parse("read poll")), ("read poll", &some));
        assert!(some.allow(Scope::Poll) && !some.allow(Scope::Subscribers) && !some.allow(Scope::All));
        let all = Scopes::new(Vec::new());
        assert!(Scope::ALL.into_iter().all(|scope| all.allow(scope)));
        assert!(!Scope::ALL.into_iter().any(|scope| Scopes::parse("future").allow(scope)));
    }
}
