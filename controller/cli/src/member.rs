//! The compact way to write a member of a group: `server=1..4:x86_64|aarch64,image=fedora where cpu.cores >= 16`.
//!
//! ```text
//! MEMBER = [ROLE "="] COUNT [(":" | "x") ARCH *("|" ARCH)] *("," KEY "=" VALUE) [" where " CONSTRAINT]
//! COUNT  = NUMBER [".." NUMBER]
//! KEY    = "pool" | "image" | "nodes"
//! ```
//!
//! The constraint is read by the controller, which says where it is wrong.

use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::source::Source;
use hostler_proto::lease::v1::MemberRequest;
use std::collections::HashMap;
use std::ops::Range;

/// The architectures that the controller knows.
pub(crate) const ARCHITECTURES: [&str; 3] = ["x86_64", "aarch64", "ppc64le"];
/// The role of a member that names none.
pub(crate) const DEFAULT_ROLE: &str = "node";
const KEYS: [&str; 3] = ["pool", "image", "nodes"];
const SHAPE: &str = "write it as [ROLE=]COUNT[:ARCH][,pool=P][,image=I][,nodes=A+B][ where CONSTRAINT], for example server=2:x86_64";
/// What stands before a constraint.
const WHERE: &str = " where ";

/// A member as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) request: MemberRequest,
    /// Where its constraint was written, if it has one.
    pub(crate) constraint: Option<Source>,
}

/// Parses all members of a request; the texts are what the user wrote, one for each member.
///
/// # Errors
/// A diagnostic for each member that makes no sense or has the role of another one.
pub(crate) fn parse_all(texts: &[String]) -> Result<Vec<Asked>, Vec<Diagnostic>> {
    let mut members = Vec::new();
    let mut errors = Vec::new();
    let mut roles = HashMap::new();
    for (index, text) in texts.iter().enumerate() {
        let origin = format!("member {}", index + 1);
        match Parser::new(&origin, text).asked() {
            Err(error) => errors.push(error),
            Ok(member) => {
                let role = effective_role(&member.request.role).to_owned();
                if let Some(other) = roles.insert(role.clone(), index + 1) {
                    errors.push(same_role(&origin, text, &role, other));
                }
                members.push(member);
            }
        }
    }
    if errors.is_empty() { Ok(members) } else { Err(errors) }
}

/// The role by which the payload knows a member that was written with `role`.
pub(crate) fn effective_role(role: &str) -> &str {
    if role.is_empty() { DEFAULT_ROLE } else { role }
}

fn same_role(origin: &str, text: &str, role: &str, other: usize) -> Diagnostic {
    let span = 0..text.find('=').unwrap_or(text.len());
    Diagnostic::in_argument(origin, text, span, format!("member {other} has the role `{role}` already"))
        .hint("give each member its own role: server=1:x86_64 client=1:aarch64")
}

/// `2` or `1..4`: the least, and the most if that is another, else zero.
pub(crate) fn range(text: &str) -> Option<(u32, u32)> {
    match text.split_once("..") {
        None => Some((text.parse().ok()?, 0)),
        Some((least, most)) => Some((least.parse().ok()?, most.parse().ok().filter(|most| *most > 0)?)),
    }
}

struct Parser<'a> {
    origin: &'a str,
    text: &'a str,
    /// Where the settings end and ` where ` begins.
    end: usize,
}

impl<'a> Parser<'a> {
    fn new(origin: &'a str, text: &'a str) -> Self {
        Self { origin, text, end: text.find(WHERE).unwrap_or(text.len()) }
    }

    fn asked(&self) -> Result<Asked, Diagnostic> {
        let mut request = self.member()?;
        let start = self.end + WHERE.len();
        let constraint = self.text.get(start..).map(|constraint| {
            request.constraint = constraint.to_owned();
            Source::argument(self.origin, self.text, start)
        });
        if constraint.is_some() && request.constraint.trim().is_empty() {
            let error = self.error(self.text.len()..self.text.len(), "expected a constraint behind `where`");
            return Err(error.hint("for example: where cpu.cores >= 16 and memory >= 64 GiB"));
        }
        Ok(Asked { request, constraint })
    }

    fn member(&self) -> Result<MemberRequest, Diagnostic> {
        let head_end = self.text[..self.end].find(',').unwrap_or(self.end);
        let mut member = self.head(&self.text[..head_end])?;
        let mut seen: Vec<&str> = Vec::new();
        let mut start = head_end + 1;
        while start <= self.end {
            let end = self.text[start..self.end].find(',').map_or(self.end, |comma| start + comma);
            let (key, value, value_span) = self.pair(start..end)?;
            if seen.contains(&key) {
                return Err(self.error(start..start + key.len(), format!("`{key}` is given twice")));
            }
            seen.push(key);
            match key {
                "pool" => member.pool = value.to_owned(),
                "image" => member.image = value.to_owned(),
                _ => member.nodes = self.nodes(value, &value_span)?,
            }
            start = end + 1;
        }
        Ok(member)
    }

    /// `[ROLE=]COUNT[:ARCH]`, at the beginning of the text.
    fn head(&self, head: &str) -> Result<MemberRequest, Diagnostic> {
        let (role, group_at) = match head.find('=') {
            Some(0) => return Err(self.error(0..1, "the role before `=` is empty").hint(SHAPE)),
            Some(equals) => (&head[..equals], equals + 1),
            None => ("", 0),
        };
        let group = &head[group_at..];
        let digits = group.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
        if digits == 0 {
            return Err(self.no_count(group, group_at));
        }
        let (count, at_most) = self.count(group_at..group_at + digits)?;
        let arch = self.arch(&group[digits..], group_at + digits)?;
        Ok(MemberRequest { role: role.to_owned(), count, at_most, arch, ..MemberRequest::default() })
    }

    /// `2` or `1..4` in `span`.
    fn count(&self, span: Range<usize>) -> Result<(u32, u32), Diagnostic> {
        let text = &self.text[span.clone()];
        match range(text) {
            Some((0, _)) => Err(self.error(span, "a member has at least one node")),
            Some((least, most)) if most != 0 && most < least => {
                let error = self.error(span, "the range ends before it begins");
                Err(error.hint(format!("write {most}..{least}")))
            }
            Some(range) => Ok(range),
            None if text.bytes().all(|b| b.is_ascii_digit()) => {
                Err(self.error(span, "the count is too large"))
            }
            None => {
                Err(self.error(span, "expected a number of nodes, or a range").hint("for example 2 or 1..4"))
            }
        }
    }

    fn no_count(&self, group: &str, at: usize) -> Diagnostic {
        let error = self.error(at..at + group.len(), "expected the number of nodes");
        if ARCHITECTURES.contains(&group) {
            error.hint(format!("write 1:{group} for one node"))
        } else if KEYS.contains(&self.text[..at].trim_end_matches('=')) {
            error.hint(format!("the count comes first: 1,{}", self.text))
        } else {
            error.hint(SHAPE)
        }
    }

    /// `:ARCH` or `xARCH` or nothing, at byte `at`.
    fn arch(&self, text: &str, at: usize) -> Result<String, Diagnostic> {
        if text.is_empty() {
            return Ok(String::new());
        }
        let span = at..at + text.len();
        let Some(arch) = text.strip_prefix([':', 'x']) else {
            let count = &self.text[..at];
            let hint = match ARCHITECTURES.iter().find(|arch| text.ends_with(*arch)) {
                Some(arch) => format!("write {count}:{arch}"),
                None => SHAPE.to_owned(),
            };
            return Err(self
                .error(span, format!("`:` is missing between the count and `{text}`"))
                .hint(hint));
        };
        match arch {
            "any" => Ok(String::new()),
            // The `x` of `2x86_64` was meant to be both.
            _ if ARCHITECTURES.contains(&text) => Err(self
                .error(span, format!("`:` is missing between the count and `{text}`"))
                .hint(format!("write {}:{text}", &self.text[..at]))),
            _ => self.alternatives(arch, at + 1).map(|()| arch.to_owned()),
        }
    }

    /// `x86_64|aarch64`, at byte `at`.
    fn alternatives(&self, arches: &str, mut at: usize) -> Result<(), Diagnostic> {
        for arch in arches.split('|') {
            if !ARCHITECTURES.contains(&arch) {
                let hint = did_you_mean(arch, ARCHITECTURES)
                    .unwrap_or_else(|| format!("one of {}, or any", ARCHITECTURES.join(", ")));
                return Err(self
                    .error(at..at + arch.len(), format!("unknown architecture `{arch}`"))
                    .hint(hint));
            }
            at += arch.len() + 1;
        }
        Ok(())
    }

    /// `KEY=VALUE` in `span`.
    fn pair(&self, span: Range<usize>) -> Result<(&'a str, &'a str, Range<usize>), Diagnostic> {
        let text = &self.text[span.clone()];
        let Some((key, value)) = text.split_once('=') else {
            let hint =
                if span.is_empty() { "there is a comma too many" } else { "settings are written KEY=VALUE" };
            return Err(self.error(span, "expected pool=, image= or nodes=").hint(hint));
        };
        let key_span = span.start..span.start + key.len();
        let value_span = key_span.end + 1..span.end;
        if !KEYS.contains(&key) {
            let is_constraint = key.contains(['.', '<', '>', '!', '~', ' ']);
            let hint = match did_you_mean(key, KEYS) {
                _ if is_constraint => {
                    format!("constraints stand behind `where`: 2:x86_64 where {}", text.trim())
                }
                Some(hint) => hint,
                None => format!("one of {}; constraints stand behind `where`", KEYS.join(", ")),
            };
            return Err(self.error(key_span, format!("unknown setting `{key}`")).hint(hint));
        }
        if value.is_empty() {
            return Err(self.error(key_span, format!("`{key}` has no value")));
        }
        Ok((key, value, value_span))
    }

    /// `A+B+C` in `span`.
    fn nodes(&self, value: &str, span: &Range<usize>) -> Result<Vec<String>, Diagnostic> {
        let mut at = span.start;
        let mut nodes: Vec<String> = Vec::new();
        for name in value.split('+') {
            let span = at..at + name.len();
            if name.is_empty() {
                return Err(self
                    .error(span, "a node name is empty")
                    .hint("names are separated by one `+`: nodes=a+b"));
            }
            if nodes.iter().any(|known| known == name) {
                return Err(self.error(span, format!("node `{name}` is named twice")));
            }
            nodes.push(name.to_owned());
            at += name.len() + 1;
        }
        Ok(nodes)
    }

    fn error(&self, span: Range<usize>, message: impl Into<String>) -> Diagnostic {
        Diagnostic::in_argument(self.origin, self.text, span, message)
    }
}

#[cfg(test)]
mod tests;
