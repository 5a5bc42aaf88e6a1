//! From words to a tree.

use super::attribute::{Attribute, Kind};
use super::error::{SyntaxError, nearest};
use super::lexer::{self, Lexeme, Token, is_keyword};
use super::operator::Operator;
use super::pattern::Pattern;
use super::tree::{Comparison, Constraint};
use super::unit;
use super::value::Value;
use std::ops::Range;

/// Bytes of one text.
pub const MAX_BYTES: usize = 4096;
/// Parentheses and `not` in each other.
pub const MAX_DEPTH: usize = 16;
/// Comparisons in one constraint.
pub const MAX_TERMS: usize = 64;
/// Bytes of one value.
const MAX_VALUE: usize = 256;

/// Reads a constraint that somebody wrote.
///
/// # Errors
/// The first thing that is wrong with it.
pub(super) fn constraint(text: &str) -> Result<Constraint, SyntaxError> {
    check_length(text)?;
    stored_constraint(text)
}

/// Reads one that was printed: quotes and units may have made it longer than what was written.
///
/// # Errors
/// As [`constraint`].
pub(super) fn stored_constraint(text: &str) -> Result<Constraint, SyntaxError> {
    let mut parser = Parser::new(text)?;
    let constraint = parser.any(0)?;
    parser.end("`and`, `or` or the end")?;
    Ok(constraint)
}

pub(super) fn check_length(text: &str) -> Result<(), SyntaxError> {
    if text.len() <= MAX_BYTES {
        return Ok(());
    }
    let message = format!("{} bytes; a constraint has at most {MAX_BYTES}", text.len());
    Err(SyntaxError::new(0..text.len(), message))
}

/// The words of a text, and how far they were read.
pub(super) struct Parser {
    words: Vec<Lexeme>,
    at: usize,
    /// Where the text ends.
    end: usize,
    terms: usize,
}

impl Parser {
    pub(super) fn new(text: &str) -> Result<Self, SyntaxError> {
        Ok(Self { words: lexer::words(text)?, at: 0, end: text.len(), terms: 0 })
    }

    fn any(&mut self, depth: usize) -> Result<Constraint, SyntaxError> {
        let mut parts = vec![self.all(depth)?];
        while self.take_word("or") {
            parts.push(self.all(depth)?);
        }
        Ok(one_or(parts, Constraint::Any))
    }

    fn all(&mut self, depth: usize) -> Result<Constraint, SyntaxError> {
        let mut parts = vec![self.one(depth)?];
        while self.take_word("and") {
            parts.push(self.one(depth)?);
        }
        Ok(one_or(parts, Constraint::All))
    }

    fn one(&mut self, depth: usize) -> Result<Constraint, SyntaxError> {
        let span = self.here();
        if depth > MAX_DEPTH {
            return Err(SyntaxError::new(span, format!("more than {MAX_DEPTH} levels in each other")));
        }
        if self.take_word("not") {
            return self.one(depth + 1).map(|part| Constraint::Not(Box::new(part)));
        }
        if !self.take(&Token::Open) {
            return self.comparison().map(Constraint::Is);
        }
        let inner = self.any(depth + 1)?;
        if self.take(&Token::Close) {
            return Ok(inner);
        }
        Err(self.expected("`and`, `or` or `)`").hint(format!("the `(` at column {} is open", span.start + 1)))
    }

    fn comparison(&mut self) -> Result<Comparison, SyntaxError> {
        let attribute = self.attribute()?;
        self.terms += 1;
        if self.terms > MAX_TERMS {
            return Err(SyntaxError::new(self.here(), format!("more than {MAX_TERMS} comparisons")));
        }
        let operator = self.operator(&attribute)?;
        let value = self.value(&attribute, operator)?;
        Ok(Comparison { attribute, operator, value })
    }

    pub(super) fn attribute(&mut self) -> Result<Attribute, SyntaxError> {
        let expected = "an attribute such as cpu.cores";
        match self.word(expected)? {
            (word, span) if is_keyword(&word) => {
                Err(SyntaxError::new(span, format!("expected {expected}, found `{word}`")))
            }
            (word, span) => Attribute::named(&word, span),
        }
    }

    fn operator(&mut self, attribute: &Attribute) -> Result<Operator, SyntaxError> {
        let kind = attribute.kind();
        let known = || Operator::of(kind).iter().map(|o| format!("`{o}`")).collect::<Vec<_>>().join(", ");
        match self.peek() {
            Some(Lexeme { token: Token::Operator(operator), span }) => {
                let (operator, span) = (*operator, span.clone());
                if !operator.suits(kind) {
                    let message = format!("`{attribute}` cannot be compared by `{operator}`");
                    return Err(SyntaxError::new(span, message).hint(format!("one of {}", known())));
                }
                self.at += 1;
                Ok(operator)
            }
            _ => Err(self.expected(&format!("one of {} after `{attribute}`", known()))),
        }
    }

    fn value(&mut self, attribute: &Attribute, operator: Operator) -> Result<Value, SyntaxError> {
        match attribute.kind() {
            Kind::Count => self.number("a whole number such as 16", &[]),
            Kind::Bytes => self.number("a size such as 64 GiB", &unit::BYTES),
            Kind::Rate => self.number("a speed such as 10 Gbit", &unit::BITS),
            Kind::Flag => self.choice(&["true", "false"]).map(|word| Value::Flag(word == "true")),
            Kind::Word(words) => self.choice(words).map(Value::Text),
            Kind::Text => self.text(operator),
        }
    }

    fn text(&mut self, operator: Operator) -> Result<Value, SyntaxError> {
        let (text, span) = self.word_or_quoted("a text such as \"EPYC\"")?;
        if text.len() > MAX_VALUE {
            return Err(SyntaxError::new(span, format!("a value has at most {MAX_VALUE} bytes")));
        }
        if !matches!(operator, Operator::Matches | Operator::MatchesNot) {
            return Ok(Value::Text(text));
        }
        let pattern = Pattern::new(&text);
        pattern.map(Value::Pattern).map_err(|e| SyntaxError::new(span, format!("no regular expression: {e}")))
    }

    fn choice(&mut self, words: &[&str]) -> Result<String, SyntaxError> {
        let (word, span) = self.word_or_quoted(&format!("one of {}", words.join(", ")))?;
        if words.contains(&word.as_str()) {
            return Ok(word);
        }
        let error = SyntaxError::new(span, format!("`{word}` is not among its values"));
        Err(error.hint(nearest(&word, words.iter().copied())))
    }

    /// A number and its unit, which may be a word of its own or hang on the number.
    fn number(&mut self, expected: &str, units: &[(&str, u64)]) -> Result<Value, SyntaxError> {
        let (word, mut span) = self.word_or_quoted(expected)?;
        let digits = word.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(word.len());
        let (digits, mut unit) = (&word[..digits], word[digits..].trim().to_owned());
        if digits.is_empty() {
            return Err(SyntaxError::new(span, format!("expected {expected}, found `{word}`")));
        }
        if unit.is_empty()
            && let Some(Lexeme { token: Token::Word(next), span: place }) = self.peek()
            && !units.is_empty()
            && !is_keyword(next)
        {
            unit = next.clone();
            span.end = place.end;
            self.at += 1;
        }
        let size = if units.is_empty() && unit.is_empty() { 1 } else { size(&unit, &span, expected, units)? };
        let number = unit::read(digits, size);
        number.map(Value::Number).ok_or_else(|| {
            SyntaxError::new(span, format!("`{digits} {unit}` is no whole number, or one that is too large"))
                .hint(format!("expected {expected}"))
        })
    }

    /// The next word, or a complaint that `expected` is not there.
    pub(super) fn word(&mut self, expected: &str) -> Result<(String, Range<usize>), SyntaxError> {
        match self.peek() {
            Some(Lexeme { token: Token::Word(word), span }) => {
                let found = (word.clone(), span.clone());
                self.at += 1;
                Ok(found)
            }
            _ => Err(self.expected(expected)),
        }
    }

    fn word_or_quoted(&mut self, expected: &str) -> Result<(String, Range<usize>), SyntaxError> {
        match self.peek() {
            Some(Lexeme { token: Token::Quoted(text), span }) => {
                let found = (text.clone(), span.clone());
                self.at += 1;
                Ok(found)
            }
            Some(Lexeme { token: Token::Word(word), .. }) if is_keyword(word) => Err(self.expected(expected)),
            _ => self.word(expected),
        }
    }

    fn peek(&self) -> Option<&Lexeme> {
        self.words.get(self.at)
    }

    pub(super) fn take(&mut self, token: &Token) -> bool {
        let found = self.peek().is_some_and(|lexeme| lexeme.token == *token);
        self.at += usize::from(found);
        found
    }

    pub(super) fn take_word(&mut self, word: &str) -> bool {
        let found = self.peek().is_some_and(|l| matches!(&l.token, Token::Word(found) if found == word));
        self.at += usize::from(found);
        found
    }

    /// Where the next word stands.
    pub(super) fn here(&self) -> Range<usize> {
        self.peek().map_or(self.end..self.end, |lexeme| lexeme.span.clone())
    }

    pub(super) fn end(&self, expected: &str) -> Result<(), SyntaxError> {
        if self.peek().is_none() { Ok(()) } else { Err(self.expected(expected)) }
    }

    pub(super) fn expected(&self, what: &str) -> SyntaxError {
        let found = match self.peek().map(|lexeme| &lexeme.token) {
            None => "the end".to_owned(),
            Some(Token::Open) => "`(`".to_owned(),
            Some(Token::Close) => "`)`".to_owned(),
            Some(Token::Comma) => "`,`".to_owned(),
            Some(Token::Operator(operator)) => format!("`{operator}`"),
            Some(Token::Word(word)) => format!("`{word}`"),
            Some(Token::Quoted(text)) => format!("the text {text:?}"),
        };
        SyntaxError::new(self.here(), format!("expected {what}, found {found}"))
    }
}

fn one_or(mut parts: Vec<Constraint>, many: fn(Vec<Constraint>) -> Constraint) -> Constraint {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        last => {
            parts.extend(last);
            many(parts)
        }
    }
}

fn size(unit: &str, span: &Range<usize>, expected: &str, units: &[(&str, u64)]) -> Result<u64, SyntaxError> {
    let wanted = unit.trim_end_matches("/s");
    match units.iter().find(|(name, _)| *name == wanted) {
        Some((_, size)) => Ok(*size),
        None if unit.is_empty() => {
            Err(SyntaxError::new(span.clone(), "the unit is missing").hint(format!("expected {expected}")))
        }
        None if units.is_empty() => {
            Err(SyntaxError::new(span.clone(), format!("expected {expected}, not in `{unit}`")))
        }
        None => {
            let error = SyntaxError::new(span.clone(), format!("there is no unit `{unit}`"));
            Err(error.hint(nearest(unit, units.iter().map(|(name, _)| *name))))
        }
    }
}
