//! Reads documents in TOML, YAML or JSON, with errors that show the place.

use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::error::Error;
use clap::ValueEnum;
use serde::de::DeserializeOwned;
use std::path::Path;

/// How a document is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Toml,
    Yaml,
    Json,
}

impl Format {
    /// What the name of a file says; TOML if it says nothing.
    pub(crate) fn of(path: &Path) -> Self {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("yaml" | "yml") => Self::Yaml,
            Some("json") => Self::Json,
            _ => Self::Toml,
        }
    }
}

/// A string that knows where its literal begins.
pub(crate) trait Placed: DeserializeOwned {
    /// The string, and the byte of the document `text` at which it begins with its quotes.
    fn place(self, text: &str) -> (String, usize);
}

impl Placed for toml::Spanned<String> {
    fn place(self, _: &str) -> (String, usize) {
        let start = self.span().start;
        (self.into_inner(), start)
    }
}

impl Placed for serde_saphyr::Spanned<String> {
    fn place(self, text: &str) -> (String, usize) {
        let start = offset(text, &self.referenced);
        (self.value, start)
    }
}

/// Parses `text`, which is YAML or JSON and came from `origin`. JSON is YAML, so one parser reads both.
///
/// # Errors
/// A diagnostic at the first place that is neither or does not fit `T`.
pub(crate) fn parse_yaml<T: DeserializeOwned>(origin: &str, text: &str) -> Result<T, Diagnostic> {
    serde_saphyr::from_str(text).map_err(|error| {
        let start = error.location().map_or(0, |location| offset(text, &location));
        let message = error.without_snippet().to_string();
        let message = message.split(" at line ").next().unwrap_or_default();
        let length = text[start..].find(|c: char| c.is_whitespace() || c == ':').unwrap_or_default();
        let diagnostic = Diagnostic::at(origin, text, start..start + length, message);
        match hint(message) {
            Some(hint) => diagnostic.hint(hint),
            None => diagnostic,
        }
    })
}

/// The byte at a line and column, which count characters from 1.
fn offset(text: &str, location: &serde_saphyr::Location) -> usize {
    let number = |number: u64| usize::try_from(number.saturating_sub(1)).unwrap_or(usize::MAX);
    let line_start = match number(location.line()) {
        0 => 0,
        lines => text.match_indices('\n').nth(lines - 1).map_or(text.len(), |(at, _)| at + 1),
    };
    let column = text[line_start..].char_indices().nth(number(location.column()));
    column.map_or(text.len(), |(at, _)| line_start + at)
}

/// Parses `text`, which is TOML and came from `origin`.
///
/// # Errors
/// A diagnostic at the first place that is no TOML or does not fit `T`.
pub(crate) fn parse<T: DeserializeOwned>(origin: &str, text: &str) -> Result<T, Diagnostic> {
    toml::from_str(text).map_err(|error| {
        let diagnostic = Diagnostic::at(origin, text, error.span().unwrap_or(0..0), error.message());
        match hint(error.message()) {
            Some(hint) => diagnostic.hint(hint),
            None => diagnostic,
        }
    })
}

/// Reads a whole text file; `-` is the standard input.
///
/// # Errors
/// [`Error::Read`].
pub(crate) fn read(path: &Path) -> Result<String, Error> {
    let text = if path == Path::new("-") {
        std::io::read_to_string(std::io::stdin().lock())
    } else {
        std::fs::read_to_string(path)
    };
    text.map_err(|source| Error::Read { path: path.to_owned(), source })
}

/// The name of a document in diagnostics.
pub(crate) fn origin(path: &Path) -> String {
    if path == Path::new("-") { "<stdin>".to_owned() } else { path.display().to_string() }
}

/// Serde lists the fields that it knows, in quotes or without; the nearest one is most likely the one that was meant.
fn hint(message: &str) -> Option<String> {
    let found = message.split('`').nth(1).filter(|_| message.starts_with("unknown "))?;
    let (_, known) = message.split_once(", expected ")?;
    let words = known.trim_start_matches("one of ").split([',', ' ']);
    did_you_mean(found, words.map(|word| word.trim_matches('`')).filter(|word| !word.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        #[expect(dead_code, reason = "only its parsing is looked at")]
        address: String,
        #[expect(dead_code, reason = "only its parsing is looked at")]
        port: u16,
    }

    #[track_caller]
    fn error(text: &str) -> String {
        parse::<Sample>("sample.toml", text).unwrap_err().to_string()
    }

    #[test]
    fn unknown_field() {
        insta::assert_snapshot!(error("port = 1\nadress = \"a\"\n"), @r#"
        unknown field `adress`, expected `address` or `port`
          --> sample.toml:2:1
           |
         2 | adress = "a"
           | ^^^^^^
           = hint: did you mean `address`?
        "#);
    }

    #[test]
    fn wrong_type() {
        insta::assert_snapshot!(error("address = \"a\"\nport = \"eighty\"\n"), @r#"
        invalid type: string "eighty", expected u16
          --> sample.toml:2:8
           |
         2 | port = "eighty"
           |        ^^^^^^^^
        "#);
    }

    #[test]
    fn broken_syntax() {
        insta::assert_snapshot!(error("address = \"a\nport = 1\n"), @r#"
        invalid basic string, expected `"`
          --> sample.toml:1:13
           |
         1 | address = "a
           |             ^
        "#);
    }
}
