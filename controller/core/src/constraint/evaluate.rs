//! What a constraint says of a machine.

use super::facts::Fact;
use super::tree::{Comparison, Constraint};
use super::value::Value;
use crate::node::Node;
use std::cmp::Ordering;

/// What a constraint says of a machine. Ordered: `and` takes the least of its parts, `or` the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It is not as wanted.
    No,
    /// What is known of it does not tell.
    Unknown,
    /// It is as wanted.
    Yes,
}

impl Constraint {
    /// What it says of `node`. A value that is not known makes neither a comparison nor its opposite true.
    #[must_use]
    pub fn verdict(&self, node: &Node) -> Verdict {
        match self {
            Self::All(parts) => parts.iter().map(|part| part.verdict(node)).min().unwrap_or(Verdict::Yes),
            Self::Any(parts) => parts.iter().map(|part| part.verdict(node)).max().unwrap_or(Verdict::No),
            Self::Not(part) => match part.verdict(node) {
                Verdict::No => Verdict::Yes,
                Verdict::Unknown => Verdict::Unknown,
                Verdict::Yes => Verdict::No,
            },
            Self::Is(comparison) => comparison.verdict(node),
        }
    }
}

impl Comparison {
    /// As [`Constraint::verdict`].
    #[must_use]
    pub fn verdict(&self, node: &Node) -> Verdict {
        let mut found = false;
        let complete = self.attribute.look_at(node, &mut |fact| found |= self.admits(fact));
        match (found, complete) {
            (true, _) => Verdict::Yes,
            (false, true) => Verdict::No,
            (false, false) => Verdict::Unknown,
        }
    }

    fn admits(&self, fact: Fact<'_>) -> bool {
        let found = match (fact, &self.value) {
            (Fact::Number(fact), Value::Number(wanted)) => fact.cmp(wanted),
            (Fact::Flag(fact), Value::Flag(wanted)) => fact.cmp(wanted),
            (Fact::Text(fact), Value::Text(wanted)) => fact.cmp(wanted.as_str()),
            (Fact::Text(fact), Value::Pattern(wanted)) if wanted.is_in(fact) => Ordering::Equal,
            (Fact::Text(_), Value::Pattern(_)) => Ordering::Less,
            // The parser gives every attribute values of its own kind.
            _ => return false,
        };
        self.operator.admits(found)
    }
}
