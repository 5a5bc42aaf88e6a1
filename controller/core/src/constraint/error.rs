//! Text that is no constraint.

use crate::text::clip;
use std::ops::Range;

/// What is wrong with a text, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}{}", .hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default())]
pub struct SyntaxError {
    /// The bytes of the text that are wrong; empty where something is missing.
    pub span: Range<usize>,
    /// What was found, or what was expected.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

impl SyntaxError {
    pub(super) fn new(span: Range<usize>, message: impl Into<String>) -> Self {
        // Whatever was found may be as long as the whole text.
        Self { span, message: clip(&message.into()), hint: None }
    }

    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

/// Which of `known` was most likely meant by `found`; all of them if none is near.
pub(super) fn nearest<'a>(found: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    const NEAR: f64 = 0.85;
    let found = found.to_ascii_lowercase();
    let near = known
        .clone()
        .map(|word| (strsim::jaro_winkler(&found, &word.to_ascii_lowercase()), word))
        .filter(|(similarity, _)| *similarity > NEAR)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match near {
        Some((_, word)) => format!("did you mean `{word}`?"),
        None => format!("one of {}", known.collect::<Vec<_>>().join(", ")),
    }
}
