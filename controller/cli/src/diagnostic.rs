//! An error in a text that a person wrote: where it is, the line, what to write instead.

use std::fmt;
use std::ops::Range;

/// Where a text came from.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Origin {
    File(String),
    /// A word of the command line, such as "member 2".
    Argument(String),
}

/// One error at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Diagnostic {
    message: Box<str>,
    origin: Origin,
    line: usize,
    column: usize,
    /// The line itself, unless it may hold a secret.
    excerpt: Option<String>,
    width: usize,
    hint: Option<Box<str>>,
}

impl Diagnostic {
    /// Something is wrong at the byte range `span` of `text`, the contents of `file`.
    ///
    /// A range that lies outside of the text or splits a character is moved to the nearest place that does not.
    pub(crate) fn at(file: &str, text: &str, span: Range<usize>, message: impl Into<String>) -> Self {
        Self::new(Origin::File(file.to_owned()), text, span, message.into())
    }

    /// The same for a word of the command line, which the user knows as `name`.
    pub(crate) fn in_argument(
        name: &str,
        text: &str,
        span: Range<usize>,
        message: impl Into<String>,
    ) -> Self {
        Self::new(Origin::Argument(name.to_owned()), text, span, message.into())
    }

    fn new(origin: Origin, text: &str, span: Range<usize>, message: String) -> Self {
        let start = floor_char_boundary(text, span.start);
        let end = floor_char_boundary(text, span.end).max(start);
        let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |newline| start + newline);
        let shown_end = end.min(line_end);
        Self {
            message: message.into(),
            origin,
            line: text[..start].matches('\n').count() + 1,
            column: text[line_start..start].chars().count() + 1,
            excerpt: Some(text[line_start..line_end].replace(['\t', '\r'], " ")),
            width: text[start..shown_end.max(start)].chars().count().max(1),
            hint: None,
        }
    }

    /// Line and column, from 1, to sort by.
    pub(crate) const fn place(&self) -> (usize, usize) {
        (self.line, self.column)
    }

    /// Says what to write instead.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into().into());
        self
    }

    /// Leaves out the line, for files that are secret.
    pub(crate) fn without_excerpt(mut self) -> Self {
        self.excerpt = None;
        self
    }

    /// Leaves out the line if it says `word`, for files with some secrets in them.
    pub(crate) fn without_excerpt_of(mut self, word: &str) -> Self {
        self.excerpt = self.excerpt.filter(|line| !line.contains(word));
        self
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { message, origin, line, column, excerpt, width, hint } = self;
        write!(f, "{message}")?;
        let number = match origin {
            Origin::File(_) => line.to_string(),
            Origin::Argument(_) => String::new(),
        };
        let margin = number.len() + 1;
        match origin {
            Origin::File(file) => write!(f, "\n{:margin$}--> {file}:{line}:{column}", "")?,
            Origin::Argument(name) => write!(f, "\n{:margin$}--> {name}, column {column}", "")?,
        }
        if let Some(excerpt) = excerpt.as_ref().filter(|excerpt| !excerpt.is_empty()) {
            write!(f, "\n{:margin$} |", "")?;
            write!(f, "\n {number} | {excerpt}")?;
            let (indent, mark) = (" ".repeat(column - 1), "^".repeat(*width));
            write!(f, "\n{:margin$} | {indent}{mark}", "")?;
        }
        if let Some(hint) = hint {
            write!(f, "\n{:margin$} = hint: {hint}", "")?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostic {}

/// "did you mean `b`?" if one of `known` is close to `found`.
pub(crate) fn did_you_mean<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    known
        .into_iter()
        .map(|word| (strsim::jaro_winkler(found, word), word))
        .filter(|(similarity, _)| *similarity > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, word)| format!("did you mean `{word}`?"))
}

fn floor_char_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn shows_place_line_and_hint() {
        let text = "[[node]]\nname = \"a\"\narch = \"x68_64\"\n";
        let at = text.find("\"x68").unwrap();
        let diagnostic = Diagnostic::at("nodes.toml", text, at..at + 8, "unknown architecture `x68_64`")
            .hint("one of x86_64, aarch64, ppc64le");
        insta::assert_snapshot!(diagnostic, @r#"
        unknown architecture `x68_64`
          --> nodes.toml:3:8
           |
         3 | arch = "x68_64"
           |        ^^^^^^^^
           = hint: one of x86_64, aarch64, ppc64le
        "#);
    }

    #[test]
    fn a_line_may_be_long() {
        let text = format!("{}wrong", " ".repeat(70_000));
        let shown = Diagnostic::at("a.json", &text, 70_000..70_005, "no").to_string();
        assert!(shown.ends_with("^^^^^"), "{} bytes", shown.len());
    }

    #[test]
    fn a_secret_line_is_not_shown() {
        let text = "key = 'BEGIN'";
        let shown =
            Diagnostic::at("credentials.toml", text, 6..13, "not a key").without_excerpt().to_string();
        assert!(!shown.contains("BEGIN"), "{shown}");
    }

    #[test]
    fn suggests_only_what_is_close() {
        assert_eq!(did_you_mean("adress", ["arch", "address"]).as_deref(), Some("did you mean `address`?"));
        assert_eq!(did_you_mean("colour", ["arch", "address"]), None);
    }

    proptest! {
        #[test]
        fn any_range_of_any_text_can_be_shown(text in "\\PC{0,20}(\\n\\PC{0,20}){0,3}", a in 0usize..200, b in 0usize..200) {
            let shown = Diagnostic::at("x", &text, a..b, "wrong").to_string();
            prop_assert!(shown.contains("--> x:"));
        }
    }
}
