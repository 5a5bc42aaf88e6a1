//! Text in words.

use super::error::SyntaxError;
use super::operator::Operator;
use std::ops::Range;

/// Words that join constraints, and so are no values unless quoted.
const KEYWORDS: [&str; 4] = ["and", "or", "not", "of"];

/// One word of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Open,
    Close,
    Comma,
    Operator(Operator),
    /// Not quoted.
    Word(String),
    /// Quoted, and what it says.
    Quoted(String),
}

/// A word and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lexeme {
    pub(super) token: Token,
    pub(super) span: Range<usize>,
}

/// True for a value that needs no quotes.
pub(super) fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(is_word_character) && !is_keyword(text)
}

pub(super) fn is_keyword(word: &str) -> bool {
    KEYWORDS.contains(&word)
}

fn is_word_character(c: char) -> bool {
    c.is_alphanumeric() || "_-.+/:@%*".contains(c)
}

/// # Errors
/// At the first character that means nothing, or at a quote that is not closed.
pub(super) fn words(text: &str) -> Result<Vec<Lexeme>, SyntaxError> {
    let mut words = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        }
        let (token, length) = match first {
            '(' => (Token::Open, 1),
            ')' => (Token::Close, 1),
            ',' => (Token::Comma, 1),
            '"' | '\'' => quoted(rest, first).ok_or_else(|| {
                SyntaxError::new(at..text.len(), "the quote is not closed")
                    .hint(format!("write {first} at its end"))
            })?,
            _ => match operator(rest) {
                Some((operator, length)) => (Token::Operator(operator), length),
                None => word(rest).ok_or_else(|| {
                    SyntaxError::new(at..at + first.len_utf8(), format!("`{first}` means nothing here"))
                        .hint("put texts with such characters in quotes")
                })?,
            },
        };
        words.push(Lexeme { token, span: at..at + length });
        at += length;
    }
    Ok(words)
}

fn operator(rest: &str) -> Option<(Operator, usize)> {
    if rest.starts_with("==") {
        return Some((Operator::Equal, 2));
    }
    // The longest first: `<=` is no `<`.
    let found = Operator::ALL.into_iter().filter(|o| rest.starts_with(o.as_str()));
    found.max_by_key(|o| o.as_str().len()).map(|o| (o, o.as_str().len()))
}

fn word(rest: &str) -> Option<(Token, usize)> {
    let length = rest.find(|c| !is_word_character(c)).unwrap_or(rest.len());
    (length > 0).then(|| (Token::Word(rest[..length].to_owned()), length))
}

/// What stands between two of `quote`. A backslash before a quote or a backslash is dropped; others stay, since regular
/// expressions are full of them.
fn quoted(rest: &str, quote: char) -> Option<(Token, usize)> {
    let mut text = String::new();
    let mut characters = rest.char_indices().skip(1).peekable();
    while let Some((at, character)) = characters.next() {
        if character == quote {
            return Some((Token::Quoted(text), at + 1));
        }
        let escaped = characters.peek().map(|(_, next)| *next).filter(|next| *next == quote || *next == '\\');
        match escaped.filter(|_| character == '\\') {
            Some(next) => {
                text.push(next);
                characters.next();
            }
            None => text.push(character),
        }
    }
    None
}
