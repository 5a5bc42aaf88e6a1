//! What an attribute is compared with.

use super::attribute::Kind;
use super::lexer::is_word;
use super::pattern::Pattern;
use super::unit;
use std::fmt;

/// What an attribute is compared with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Value {
    /// A number, bytes, or bits per second.
    Number(u64),
    /// True or false.
    Flag(bool),
    /// A text or word.
    Text(String),
    /// What is to be found in a text.
    Pattern(Pattern),
}

impl Value {
    /// As it is written for an attribute of this kind.
    pub(super) fn print(&self, f: &mut fmt::Formatter<'_>, kind: Kind) -> fmt::Result {
        match self {
            Self::Number(number) => f.write_str(&number_text(*number, kind)),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Text(text) if is_word(text) => f.write_str(text),
            Self::Text(text) => quote(f, text),
            Self::Pattern(pattern) => quote(f, pattern.as_str()),
        }
    }
}

/// With its unit, if it has one.
pub(super) fn number_text(number: u64, kind: Kind) -> String {
    match kind {
        Kind::Bytes => unit::print(number, &unit::BYTES),
        Kind::Rate => unit::print(number, &unit::BITS),
        _ => number.to_string(),
    }
}

fn quote(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    write!(f, "\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
