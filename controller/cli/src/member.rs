//! The compact way to write a member of a group: `server=2:x86_64,pool=fast,image=fedora,nodes=a+b`.
//!
//! ```text
//! MEMBER = [ROLE "="] COUNT [(":" | "x") ARCH] *("," KEY "=" VALUE)
//! KEY    = "pool" | "image" | "nodes"
//! ```

use crate::diagnostic::{Diagnostic, did_you_mean};
use hostler_proto::lease::v1::MemberRequest;
use std::collections::HashMap;
use std::ops::Range;

/// The architectures that the controller knows.
pub(crate) const ARCHITECTURES: [&str; 3] = ["x86_64", "aarch64", "ppc64le"];
/// The role of a member that names none.
pub(crate) const DEFAULT_ROLE: &str = "node";
const KEYS: [&str; 3] = ["pool", "image", "nodes"];
const SHAPE: &str =
    "write it as [ROLE=]COUNT[:ARCH][,pool=P][,image=I][,nodes=A+B], for example server=2:x86_64";

/// Parses all members of a request; the texts are what the user wrote, one for each member.
///
/// # Errors
/// A diagnostic for each member that makes no sense or has the role of another one.
pub(crate) fn parse_all(texts: &[String]) -> Result<Vec<MemberRequest>, Vec<Diagnostic>> {
    let mut members = Vec::new();
    let mut errors = Vec::new();
    let mut roles = HashMap::new();
    for (index, text) in texts.iter().enumerate() {
        let origin = format!("member {}", index + 1);
        match (Parser { origin: &origin, text }).member() {
            Err(error) => errors.push(error),
            Ok(member) => {
                let role = effective_role(&member.role).to_owned();
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

struct Parser<'a> {
    origin: &'a str,
    text: &'a str,
}

impl<'a> Parser<'a> {
    fn member(&self) -> Result<MemberRequest, Diagnostic> {
        let head_end = self.text.find(',').unwrap_or(self.text.len());
        let mut member = self.head(&self.text[..head_end])?;
        let mut seen: Vec<&str> = Vec::new();
        let mut start = head_end + 1;
        while start <= self.text.len() {
            let end = self.text[start..].find(',').map_or(self.text.len(), |comma| start + comma);
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
        let digits = group.bytes().take_while(u8::is_ascii_digit).count();
        let span = group_at..group_at + digits;
        if digits == 0 {
            return Err(self.no_count(group, group_at));
        }
        let count = match group[..digits].parse() {
            Ok(0) => return Err(self.error(span, "a member has at least one node")),
            Ok(count) => count,
            Err(_) => return Err(self.error(span, "the count is too large")),
        };
        let arch = self.arch(&group[digits..], group_at + digits)?;
        Ok(MemberRequest { role: role.to_owned(), count, arch, ..MemberRequest::default() })
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
            _ if ARCHITECTURES.contains(&arch) => Ok(arch.to_owned()),
            // The `x` of `2x86_64` was meant to be both.
            _ if ARCHITECTURES.contains(&text) => Err(self
                .error(span, format!("`:` is missing between the count and `{text}`"))
                .hint(format!("write {}:{text}", &self.text[..at]))),
            _ => {
                let hint = did_you_mean(arch, ARCHITECTURES)
                    .unwrap_or_else(|| format!("one of {}, or any", ARCHITECTURES.join(", ")));
                Err(self.error(at + 1..at + text.len(), format!("unknown architecture `{arch}`")).hint(hint))
            }
        }
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
            let hint = did_you_mean(key, KEYS).unwrap_or_else(|| format!("one of {}", KEYS.join(", ")));
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
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<MemberRequest, Diagnostic> {
        Parser { origin: "member 1", text }.member()
    }

    fn member(role: &str, count: u32, arch: &str) -> MemberRequest {
        MemberRequest { role: role.to_owned(), count, arch: arch.to_owned(), ..Default::default() }
    }

    #[test]
    fn what_is_understood() {
        let full = MemberRequest {
            pool: "fast".to_owned(),
            image: "fedora-42".to_owned(),
            nodes: vec!["a".to_owned(), "b".to_owned()],
            ..member("server", 2, "aarch64")
        };
        let cases = [
            ("2", member("", 2, "")),
            ("2:any", member("", 2, "")),
            ("2:x86_64", member("", 2, "x86_64")),
            ("2xx86_64", member("", 2, "x86_64")),
            ("server=1xaarch64", member("server", 1, "aarch64")),
            ("server=2:aarch64,pool=fast,image=fedora-42,nodes=a+b", full.clone()),
            ("server=2:aarch64,nodes=a+b,image=fedora-42,pool=fast", full),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_understood_is_shown_with_a_hint() {
        let texts = [
            "2x86_64",
            "server=2xx86-64",
            "server=x86_64",
            "server=0",
            "=2",
            "",
            "image=fedora",
            "2-x86_64",
            "2:x86_64,poll=fast",
            "2,pool=",
            "2,",
            "2,pool=a,pool=b",
            "2,nodes=a++b",
            "2,nodes=a+a",
            "99999999999",
        ];
        let shown: Vec<_> = texts.iter().map(|text| parse(text).unwrap_err().to_string()).collect();
        insta::assert_snapshot!(shown.join("\n"), @r"
        `:` is missing between the count and `x86_64`
         --> member 1, column 2
          |
          | 2x86_64
          |  ^^^^^^
          = hint: write 2:x86_64
        unknown architecture `x86-64`
         --> member 1, column 10
          |
          | server=2xx86-64
          |          ^^^^^^
          = hint: did you mean `x86_64`?
        expected the number of nodes
         --> member 1, column 8
          |
          | server=x86_64
          |        ^^^^^^
          = hint: write 1:x86_64 for one node
        a member has at least one node
         --> member 1, column 8
          |
          | server=0
          |        ^
        the role before `=` is empty
         --> member 1, column 1
          |
          | =2
          | ^
          = hint: write it as [ROLE=]COUNT[:ARCH][,pool=P][,image=I][,nodes=A+B], for example server=2:x86_64
        expected the number of nodes
         --> member 1, column 1
          = hint: write it as [ROLE=]COUNT[:ARCH][,pool=P][,image=I][,nodes=A+B], for example server=2:x86_64
        expected the number of nodes
         --> member 1, column 7
          |
          | image=fedora
          |       ^^^^^^
          = hint: the count comes first: 1,image=fedora
        `:` is missing between the count and `-x86_64`
         --> member 1, column 2
          |
          | 2-x86_64
          |  ^^^^^^^
          = hint: write 2:x86_64
        unknown setting `poll`
         --> member 1, column 10
          |
          | 2:x86_64,poll=fast
          |          ^^^^
          = hint: did you mean `pool`?
        `pool` has no value
         --> member 1, column 3
          |
          | 2,pool=
          |   ^^^^
        expected pool=, image= or nodes=
         --> member 1, column 3
          |
          | 2,
          |   ^
          = hint: there is a comma too many
        `pool` is given twice
         --> member 1, column 10
          |
          | 2,pool=a,pool=b
          |          ^^^^
        a node name is empty
         --> member 1, column 11
          |
          | 2,nodes=a++b
          |           ^
          = hint: names are separated by one `+`: nodes=a+b
        node `a` is named twice
         --> member 1, column 11
          |
          | 2,nodes=a+a
          |           ^
        the count is too large
         --> member 1, column 1
          |
          | 99999999999
          | ^^^^^^^^^^^
        ");
    }

    #[test]
    fn roles_are_unique() {
        let texts = ["1:x86_64", "server=1", "2:aarch64"].map(str::to_owned);
        let errors = parse_all(&texts).unwrap_err();
        insta::assert_snapshot!(errors[0], @r"
        member 1 has the role `node` already
         --> member 3, column 1
          |
          | 2:aarch64
          | ^^^^^^^^^
          = hint: give each member its own role: server=1:x86_64 client=1:aarch64
        ");
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_explained(text in "\\PC{0,40}|[a-z0-9=:x,+_]{0,40}") {
            if let Err(error) = parse(&text) {
                prop_assert!(error.to_string().contains("--> member 1, column "));
            }
        }

        #[test]
        fn what_is_printed_is_understood(role in "[a-z]{1,8}", count in 1u32..1000, arch in 0usize..3, pool in "[a-z]{1,8}") {
            let request = MemberRequest { pool, ..member(&role, count, ARCHITECTURES[arch]) };
            let printed = crate::render::lease::members(&[request.clone().into()]);
            let read = parse(&printed).unwrap();
            prop_assert_eq!(effective_role(&read.role), effective_role(&request.role));
            prop_assert_eq!((read.count, read.arch, read.pool), (request.count, request.arch, request.pool));
        }
    }
}
