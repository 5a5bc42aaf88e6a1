//! Reads TOML documents, with errors that show the place.

use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::error::Error;
use serde::de::DeserializeOwned;
use std::path::Path;

/// Parses `text`, which came from `origin`.
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

/// Serde lists the fields that it knows; the nearest one is most likely the one that was meant.
fn hint(message: &str) -> Option<String> {
    let mut words = message.split('`').skip(1).step_by(2);
    let found = words.next().filter(|_| message.starts_with("unknown "))?;
    did_you_mean(found, words)
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
