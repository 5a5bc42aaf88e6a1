//! Regular expressions, compiled once and compared by their text.

use regex_lite::{Regex, RegexBuilder};
use std::hash::{Hash, Hasher};

/// Bytes that a compiled expression may take: each queued request keeps its own.
const MAX_COMPILED: usize = 16 * 1024;

/// A regular expression. It is found in time that grows with the text and with nothing else.
#[derive(Clone, Debug)]
pub struct Pattern(Regex);

impl Pattern {
    /// # Errors
    /// What is wrong with the expression, for people.
    pub fn new(text: &str) -> Result<Self, String> {
        let built = RegexBuilder::new(text).size_limit(MAX_COMPILED).nest_limit(16).build();
        built.map(Self).map_err(|error| error.to_string())
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// True if it is found somewhere in `text`.
    #[must_use]
    pub fn is_in(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Pattern {}

impl Hash for Pattern {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}
