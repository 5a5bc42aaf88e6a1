//! A constraint as a tree, and its text.

use super::attribute::Attribute;
use super::error::SyntaxError;
use super::operator::Operator;
use super::parser;
use super::value::Value;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What is asked of one machine. `All` and `Any` have at least two parts.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Constraint {
    /// Each of them.
    All(Vec<Self>),
    /// At least one of them.
    Any(Vec<Self>),
    /// The opposite.
    Not(Box<Self>),
    /// One comparison.
    Is(Comparison),
}

/// One comparison. Of an attribute that a machine has several values of, one has to be as wanted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Comparison {
    /// What is looked at.
    pub attribute: Attribute,
    /// How it is compared.
    pub operator: Operator,
    /// With what; of the attribute's kind.
    pub value: Value,
}

impl Constraint {
    /// The parts that all have to be true: the constraint itself, unless it is made of several.
    #[must_use]
    pub fn conjuncts(&self) -> &[Self] {
        match self {
            Self::All(parts) => parts,
            _ => std::slice::from_ref(self),
        }
    }

    /// The constraint without one of its [`Constraint::conjuncts`]; none if nothing is left.
    #[must_use]
    pub fn without(&self, conjunct: usize) -> Option<Self> {
        let mut parts = self.conjuncts().to_vec();
        if conjunct < parts.len() {
            parts.remove(conjunct);
        }
        if parts.len() > 1 { Some(Self::All(parts)) } else { parts.pop() }
    }

    /// Within `all` or `not` what is made of parts has parentheses; `and` within `or` needs none. So there are never more of
    /// them in each other than there were in the text that this came from, and what was within the bound stays there.
    fn print_part(&self, f: &mut fmt::Formatter<'_>, is_of_any: bool) -> fmt::Result {
        match self {
            Self::Any(_) => write!(f, "({self})"),
            Self::All(_) if !is_of_any => write!(f, "({self})"),
            _ => write!(f, "{self}"),
        }
    }
}

impl FromStr for Constraint {
    type Err = SyntaxError;

    fn from_str(text: &str) -> Result<Self, SyntaxError> {
        parser::constraint(text)
    }
}

impl TryFrom<String> for Constraint {
    type Error = SyntaxError;

    fn try_from(text: String) -> Result<Self, SyntaxError> {
        parser::stored_constraint(&text)
    }
}

impl From<Constraint> for String {
    fn from(constraint: Constraint) -> Self {
        constraint.to_string()
    }
}

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (parts, word) = match self {
            Self::All(parts) => (parts, " and "),
            Self::Any(parts) => (parts, " or "),
            Self::Not(part) => {
                f.write_str("not ")?;
                return part.print_part(f, false);
            }
            Self::Is(comparison) => return comparison.fmt(f),
        };
        for (index, part) in parts.iter().enumerate() {
            if index > 0 {
                f.write_str(word)?;
            }
            part.print_part(f, matches!(self, Self::Any(_)))?;
        }
        Ok(())
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ", self.attribute, self.operator)?;
        self.value.print(f, self.attribute.kind())
    }
}
