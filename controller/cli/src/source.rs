//! Where a text that the controller reads stands in what a person wrote, so that what it says of the text can be shown
//! there.

use crate::diagnostic::Diagnostic;
use crate::text::clean;
use hostler_proto::lease::v1::TextProblem;
use std::rc::Rc;

/// A text within a word of the command line or a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    /// "member 2", or the name of a file.
    origin: String,
    is_file: bool,
    /// All of the word or file.
    whole: Rc<str>,
    /// Where the text begins in it; in a file with its quotes.
    start: usize,
}

impl Source {
    /// A text that begins at `start` of a word of the command line, which the user knows as `name`.
    pub(crate) fn argument(name: &str, word: &str, start: usize) -> Self {
        Self { origin: name.to_owned(), is_file: false, whole: word.into(), start }
    }

    /// A string that begins, with its quotes, at `start` of `contents`.
    pub(crate) fn file(name: &str, contents: &Rc<str>, start: usize) -> Self {
        Self { origin: name.to_owned(), is_file: true, whole: contents.clone(), start }
    }

    /// What the controller said of the text, at its place.
    pub(crate) fn diagnostic(&self, problem: &TextProblem) -> Diagnostic {
        let place = |offset: u32| self.place(usize::try_from(offset).unwrap_or(usize::MAX));
        let span = place(problem.start)..place(problem.end);
        let message = clean(&problem.message);
        let diagnostic = if self.is_file {
            Diagnostic::at(&self.origin, &self.whole, span, message)
        } else {
            Diagnostic::in_argument(&self.origin, &self.whole, span, message)
        };
        if problem.hint.is_empty() { diagnostic } else { diagnostic.hint(clean(&problem.hint)) }
    }

    fn place(&self, offset: usize) -> usize {
        let raw = self.whole.get(self.start..).unwrap_or_default();
        let within = if self.is_file { in_literal(raw, offset) } else { offset };
        self.start.saturating_add(within).min(self.whole.len())
    }
}

/// Where the byte `offset` of a string stands in its literal: quotes come before it, and escapes are longer than what they
/// mean. Without quotes both are the same, as in a plain scalar of YAML.
fn in_literal(raw: &str, offset: usize) -> usize {
    let Some(quote) = raw.chars().next().filter(|c| matches!(c, '"' | '\'')) else { return offset };
    let triple = format!("{quote}{quote}{quote}");
    let mut at = if raw.starts_with(&triple) { 3 } else { 1 };
    if at == 3 {
        // A line that ends right behind the quotes is no part of the string.
        let rest = &raw[at..];
        at += ["\r\n", "\n"].into_iter().find(|end| rest.starts_with(end)).map_or(0, str::len);
    }
    let mut meant = 0;
    while meant < offset {
        let Some(character) = raw.get(at..).and_then(|rest| rest.chars().next()) else { break };
        let (written, means) = match character {
            '\\' if quote == '"' => escape(&raw[at..]),
            // How single quotes are written in YAML between such.
            '\'' if quote == '\'' && raw[at..].starts_with("''") => (2, 1),
            _ => (character.len_utf8(), character.len_utf8()),
        };
        meant += means;
        at = (at + written).min(raw.len());
    }
    at
}

/// How long an escape is, and what it means.
fn escape(raw: &str) -> (usize, usize) {
    let digits = match raw.chars().nth(1) {
        Some('x') => 2,
        Some('u') => 4,
        Some('U') => 8,
        Some(other) => return (1 + other.len_utf8(), other.len_utf8()),
        None => return (1, 1),
    };
    let code = raw.get(2..2 + digits).and_then(|hex| u32::from_str_radix(hex, 16).ok());
    (2 + digits, code.and_then(char::from_u32).map_or(1, char::len_utf8))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn problem(start: u32, end: u32) -> TextProblem {
        let message = "there is no attribute `cpu.coers`".to_owned();
        TextProblem {
            field: String::new(),
            start,
            end,
            message,
            hint: "did you mean `cpu.cores`?".to_owned(),
        }
    }

    #[test]
    fn a_caret_stands_under_a_word_of_the_command_line() {
        let word = "server=2:x86_64 where cpu.coers > 1";
        insta::assert_snapshot!(Source::argument("member 1", word, 22).diagnostic(&problem(0, 9)), @r"
        there is no attribute `cpu.coers`
         --> member 1, column 23
          |
          | server=2:x86_64 where cpu.coers > 1
          |                       ^^^^^^^^^
          = hint: did you mean `cpu.cores`?
        ");
    }

    #[test]
    fn a_place_in_a_file_is_found_behind_quotes_and_escapes() {
        for (raw, text, wanted) in [
            (r#"'rack = a and cpu.coers > 1'"#, "rack = a and cpu.coers > 1", "cpu.coers"),
            (r#""hostname ~ \"a\" and cpu.coers > 1""#, "hostname ~ \"a\" and cpu.coers > 1", "cpu.coers"),
            (r#""rack = \u00e4 and cpu.coers > 1""#, "rack = ä and cpu.coers > 1", "cpu.coers"),
            ("'rack = ''a'' and cpu.coers > 1'", "rack = 'a' and cpu.coers > 1", "cpu.coers"),
            ("\"\"\"\nrack = a\nand cpu.coers > 1\"\"\"", "rack = a\nand cpu.coers > 1", "cpu.coers"),
            ("rack = a and cpu.coers > 1", "rack = a and cpu.coers > 1", "cpu.coers"),
        ] {
            let place = in_literal(raw, text.find(wanted).unwrap());
            assert!(raw[place..].starts_with(wanted), "{raw}: {}", &raw[place..]);
        }
    }

    proptest! {
        #[test]
        fn any_place_of_any_text_can_be_shown(whole in "\\PC{0,20}|[\"'\\\\uU0-9a-f]{0,20}", start in 0usize..30, a in any::<u32>(), b in 0u32..30) {
            let shown = Source::file("x", &whole.as_str().into(), start).diagnostic(&problem(a, b)).to_string();
            prop_assert!(shown.contains("--> x:"));
        }
    }
}
