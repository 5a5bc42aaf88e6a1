//! What is asked of the machines of a group together.

use super::attribute::Attribute;
use super::error::{SyntaxError, nearest};
use super::facts::Fact;
use super::lexer::Token;
use super::parser::{Parser, check_length};
use crate::node::Node;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// What is asked of the machines of a group together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Grouping {
    /// How they are compared.
    pub likeness: Likeness,
    /// By what; a machine has one value of it.
    pub attribute: Attribute,
    /// Only the machines of these roles; if empty, all.
    pub roles: BTreeSet<String>,
}

/// How the machines of a group are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Likeness {
    /// All have the same value.
    Same,
    /// No two have the same value.
    Different,
}

/// Each word and what it means; the first of a meaning is the one that is printed.
const WORDS: [(&str, Likeness); 3] =
    [("same", Likeness::Same), ("equal", Likeness::Same), ("different", Likeness::Different)];

impl Grouping {
    /// True if the machines of this role are compared.
    #[must_use]
    pub fn concerns(&self, role: &str) -> bool {
        self.roles.is_empty() || self.roles.contains(role)
    }

    /// What the machine is compared by; none if that is not known.
    #[must_use]
    pub fn key<'a>(&self, node: &'a Node) -> Option<Fact<'a>> {
        self.attribute.value(node)
    }
}

impl FromStr for Grouping {
    type Err = SyntaxError;

    fn from_str(text: &str) -> Result<Self, SyntaxError> {
        check_length(text)?;
        Self::stored(text)
    }
}

impl Grouping {
    /// Reads one that was printed, with spaces that may not have been written.
    fn stored(text: &str) -> Result<Self, SyntaxError> {
        let mut parser = Parser::new(text)?;
        let (word, span) = parser.word("`same`, `equal` or `different`")?;
        let Some((_, likeness)) = WORDS.into_iter().find(|(known, _)| *known == word) else {
            let error =
                SyntaxError::new(span, format!("expected `same`, `equal` or `different`, found `{word}`"));
            return Err(error.hint(nearest(&word, WORDS.iter().map(|(known, _)| *known))));
        };
        let place = parser.here();
        let attribute = parser.attribute()?;
        if !attribute.is_single() {
            let message = format!("a machine may have several values of `{attribute}`");
            return Err(
                SyntaxError::new(place, message).hint("machines are compared by what each has one of")
            );
        }
        let mut roles = BTreeSet::new();
        if parser.take_word("of") {
            loop {
                roles.insert(parser.word("a role")?.0);
                if !parser.take(&Token::Comma) {
                    break;
                }
            }
        }
        parser.end(if roles.is_empty() { "`of` and roles, or the end" } else { "`,` or the end" })?;
        Ok(Self { likeness, attribute, roles })
    }
}

impl TryFrom<String> for Grouping {
    type Error = SyntaxError;

    fn try_from(text: String) -> Result<Self, SyntaxError> {
        Self::stored(&text)
    }
}

impl From<Grouping> for String {
    fn from(grouping: Grouping) -> Self {
        grouping.to_string()
    }
}

impl fmt::Display for Grouping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = WORDS.iter().find(|(_, likeness)| *likeness == self.likeness).map_or("", |(word, _)| word);
        write!(f, "{word} {}", self.attribute)?;
        let mut before = " of ";
        for role in &self.roles {
            write!(f, "{before}{role}")?;
            before = ", ";
        }
        Ok(())
    }
}
