//! How an attribute is compared with a value.

use super::attribute::Kind;
use std::cmp::Ordering;
use std::fmt;

/// How an attribute is compared with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operator {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
    /// `~`: the regular expression is found somewhere in the text.
    Matches,
    /// `!~`
    MatchesNot,
}

impl Operator {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Equal,
        Self::NotEqual,
        Self::Less,
        Self::AtMost,
        Self::Greater,
        Self::AtLeast,
        Self::Matches,
        Self::MatchesNot,
    ];

    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::Greater => ">",
            Self::AtLeast => ">=",
            Self::Matches => "~",
            Self::MatchesNot => "!~",
        }
    }

    /// Those that make sense for such values.
    #[must_use]
    pub fn of(kind: Kind) -> Vec<Self> {
        Self::ALL.into_iter().filter(|operator| operator.suits(kind)).collect()
    }

    pub(super) const fn suits(self, kind: Kind) -> bool {
        match self {
            Self::Equal | Self::NotEqual => true,
            Self::Less | Self::AtMost | Self::Greater | Self::AtLeast => {
                matches!(kind, Kind::Count | Kind::Bytes | Kind::Rate)
            }
            Self::Matches | Self::MatchesNot => matches!(kind, Kind::Text),
        }
    }

    /// True if a value that compares like this to the wanted one is as wanted.
    pub(super) fn admits(self, found: Ordering) -> bool {
        match self {
            Self::Equal | Self::Matches => found.is_eq(),
            Self::NotEqual | Self::MatchesNot => found.is_ne(),
            Self::Less => found.is_lt(),
            Self::AtMost => found.is_le(),
            Self::Greater => found.is_gt(),
            Self::AtLeast => found.is_ge(),
        }
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
