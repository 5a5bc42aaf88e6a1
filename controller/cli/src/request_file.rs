//! The file of `hostler lease request -f`.

use crate::commands::lease::request::OnFailure;
use crate::diagnostic::Diagnostic;
use crate::document::{self, Format, Placed};
use crate::member::{self, Asked};
use crate::source::Source;
use hostler_proto::lease::v1::MemberRequest;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

/// What the file says; options on the command line go before it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct RequestFile {
    /// For people.
    pub(crate) purpose: Option<String>,
    /// "2h".
    pub(crate) duration: Option<Duration>,
    /// "30m".
    pub(crate) max_wait: Option<Duration>,
    /// "2026-03-21T22:00Z".
    pub(crate) not_before: Option<u64>,
    /// "2m".
    pub(crate) keepalive: Option<Duration>,
    /// "release", "hold" or "hold:4h".
    pub(crate) on_failure: Option<OnFailure>,
    /// "gate"; the controller knows the words.
    pub(crate) priority: Option<String>,
    /// It gives way to more urgent leases.
    pub(crate) preemptible: bool,
    /// "10m".
    pub(crate) grace: Option<Duration>,
    /// "nightly".
    pub(crate) reservation: Option<String>,
    /// What is asked of the machines together.
    pub(crate) together: Vec<(String, Source)>,
    /// The members.
    pub(crate) members: Vec<Asked>,
}

/// The file as it is written. `S` is a string that knows its place.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "S: Deserialize<'de>"))]
struct Shape<S> {
    purpose: Option<String>,
    #[serde(default, deserialize_with = "duration")]
    duration: Option<Duration>,
    #[serde(default, deserialize_with = "duration")]
    max_wait: Option<Duration>,
    #[serde(default, deserialize_with = "moment")]
    not_before: Option<u64>,
    #[serde(default, deserialize_with = "duration")]
    keepalive: Option<Duration>,
    #[serde(default, deserialize_with = "on_failure")]
    on_failure: Option<OnFailure>,
    priority: Option<String>,
    #[serde(default)]
    preemptible: bool,
    #[serde(default, deserialize_with = "duration")]
    grace: Option<Duration>,
    reservation: Option<String>,
    #[serde(default)]
    together: Vec<S>,
    #[serde(rename = "member", default)]
    members: Vec<Member<S>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "S: Deserialize<'de>"))]
struct Member<S> {
    #[serde(default)]
    role: String,
    #[serde(default)]
    count: Count,
    #[serde(default, deserialize_with = "arch")]
    arch: String,
    #[serde(default)]
    pool: String,
    #[serde(default)]
    image: String,
    #[serde(default)]
    nodes: Vec<String>,
    #[serde(rename = "where")]
    constraint: Option<S>,
}

/// `2`, or `"1..4"`.
struct Count {
    least: u32,
    /// Zero for the same.
    most: u32,
}

impl RequestFile {
    /// # Errors
    /// The first thing that is wrong with the file.
    pub(crate) fn parse(origin: &str, text: &str, format: Format) -> Result<Self, Diagnostic> {
        let file = match format {
            Format::Toml => {
                Self::of(origin, text, document::parse::<Shape<toml::Spanned<String>>>(origin, text)?)
            }
            Format::Yaml | Format::Json => {
                let shape = document::parse_yaml::<Shape<serde_saphyr::Spanned<String>>>(origin, text)?;
                Self::of(origin, text, shape)
            }
        };
        if file.members.is_empty() {
            let member = match format {
                Format::Toml => "add [[member]] with count = 1 and arch = \"x86_64\"",
                Format::Yaml | Format::Json => {
                    "add a list `member` with a `count` and an `arch` in each item"
                }
            };
            return Err(Diagnostic::at(origin, text, 0..0, "the file asks for no member").hint(member));
        }
        Ok(file)
    }

    fn of<S: Placed>(origin: &str, text: &str, shape: Shape<S>) -> Self {
        let contents: Rc<str> = text.into();
        let placed = |string: S| {
            let (string, start) = string.place(text);
            (string, Source::file(origin, &contents, start))
        };
        let member = |member: Member<S>| {
            let (constraint, source) = member.constraint.map(placed).unzip();
            let request = MemberRequest {
                role: member.role,
                count: member.count.least,
                at_most: member.count.most,
                arch: member.arch,
                pool: member.pool,
                nodes: member.nodes,
                image: member.image,
                constraint: constraint.unwrap_or_default(),
            };
            Asked { request, constraint: source }
        };
        Self {
            purpose: shape.purpose,
            duration: shape.duration,
            max_wait: shape.max_wait,
            not_before: shape.not_before,
            keepalive: shape.keepalive,
            on_failure: shape.on_failure,
            priority: shape.priority,
            preemptible: shape.preemptible,
            grace: shape.grace,
            reservation: shape.reservation,
            together: shape.together.into_iter().map(placed).collect(),
            members: shape.members.into_iter().map(member).collect(),
        }
    }
}

impl Default for Count {
    fn default() -> Self {
        Self { least: 1, most: 0 }
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CountVisitor)
    }
}

struct CountVisitor;

impl Visitor<'_> for CountVisitor {
    type Value = Count;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of machines, or a range such as \"1..4\"")
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Count, E> {
        let unexpected = || E::invalid_value(serde::de::Unexpected::Unsigned(number), &self);
        u32::try_from(number).ok().map(|least| Count { least, most: 0 }).ok_or_else(unexpected)
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Count, E> {
        let unexpected = || E::invalid_value(serde::de::Unexpected::Signed(number), &self);
        u32::try_from(number).ok().map(|least| Count { least, most: 0 }).ok_or_else(unexpected)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Count, E> {
        let unexpected = || E::invalid_value(serde::de::Unexpected::Str(text), &self);
        let (least, most) = member::range(text).ok_or_else(unexpected)?;
        Ok(Count { least, most })
    }
}

/// `"x86_64"`, `"x86_64|aarch64"`, or a list.
fn arch<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    struct ArchVisitor;

    impl<'de> Visitor<'de> for ArchVisitor {
        type Value = String;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an architecture, or a list of alternatives")
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<String, E> {
            Ok(text.to_owned())
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<String, A::Error> {
            let mut arches = Vec::<String>::new();
            while let Some(arch) = list.next_element()? {
                arches.push(arch);
            }
            Ok(arches.join("|"))
        }
    }

    deserializer.deserialize_any(ArchVisitor)
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    crate::moment::span(&text).map(Some).map_err(serde::de::Error::custom)
}

fn moment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let text = String::deserialize(deserializer)?;
    crate::moment::parse(&text).map(Some).map_err(serde::de::Error::custom)
}

fn on_failure<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<OnFailure>, D::Error> {
    let text = String::deserialize(deserializer)?;
    OnFailure::parse(&text).map(Some).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hostler_proto::lease::v1::TextProblem;

    #[test]
    fn a_whole_file() {
        let file = RequestFile::parse(
            "lease.toml",
            r#"
            purpose = "nightly"
            duration = "1h 30m"
            keepalive = "2m"
            on_failure = "hold:4h"
            priority = "gate"
            preemptible = true
            grace = "10m"
            not_before = "2026-03-21T10:12Z"

            [[member]]
            role = "server"
            count = 2
            arch = "x86_64"
            image = "fedora"

            [[member]]
            role = "client"
            nodes = ["r1-n07"]
            "#,
            Format::Toml,
        )
        .unwrap();
        assert_eq!(
            (file.purpose.as_deref(), file.duration),
            (Some("nightly"), Some(Duration::from_secs(5_400)))
        );
        assert_eq!(file.keepalive, Some(Duration::from_secs(120)));
        assert_eq!(file.on_failure, Some(OnFailure::Hold(Duration::from_secs(14_400))));
        assert_eq!(file.priority.as_deref(), Some("gate"));
        assert_eq!((file.preemptible, file.grace), (true, Some(Duration::from_secs(600))));
        assert_eq!(file.not_before, Some(1_774_087_920_000));
        let [server, client] = &file.members[..] else { panic!("two members") };
        assert_eq!((server.request.count, server.request.arch.as_str()), (2, "x86_64"));
        assert_eq!(
            (client.request.count, client.request.nodes.as_slice()),
            (1, ["r1-n07".to_owned()].as_slice())
        );
    }

    /// What a file in each format says, and where the constraint stands in it.
    #[test]
    fn every_format_says_the_same() {
        let toml = "together = ['same rack']\n[[member]]\nrole = 'a'\ncount = '1..4'\narch = ['x86_64', 'aarch64']\nwhere = 'memory >= 1 GiB'\n";
        let yaml = "together: [same rack]\nmember:\n- role: a\n  count: 1..4\n  arch: x86_64|aarch64\n  where: memory >= 1 GiB\n";
        let json = r#"{"together": ["same rack"], "member": [{"role": "a", "count": "1..4", "arch": "x86_64|aarch64", "where": "memory >= 1 GiB"}]}"#;
        for (text, format) in [(toml, Format::Toml), (yaml, Format::Yaml), (json, Format::Json)] {
            let file = RequestFile::parse("lease", text, format).unwrap();
            assert_eq!(file.together[0].0, "same rack");
            let [Asked { request, constraint: Some(source) }] = &file.members[..] else { panic!("{text}") };
            assert_eq!((request.count, request.at_most, request.arch.as_str()), (1, 4, "x86_64|aarch64"));
            assert_eq!(request.constraint, "memory >= 1 GiB");
            let shown = |source: &Source, start, end| {
                let problem = TextProblem { start, end, ..TextProblem::default() };
                source.diagnostic(&problem).to_string().lines().last().unwrap().matches('^').count()
            };
            assert_eq!(shown(source, 0, 6), 6);
            assert!(
                source
                    .diagnostic(&TextProblem { start: 7, end: 9, ..TextProblem::default() })
                    .to_string()
                    .contains("lease:")
            );
            let (_, source) = &file.together[0];
            assert_eq!(shown(source, 5, 9), 4);
        }
    }

    /// The examples of the page that explains it.
    #[test]
    fn the_page_that_explains_it_is_right() {
        let page = include_str!("../../../docs/requests.md");
        for (name, format) in [("toml", Format::Toml), ("yaml", Format::Yaml), ("json", Format::Json)] {
            let block =
                page.split(&format!("```{name}\n")).nth(1).and_then(|rest| rest.split("```").next()).unwrap();
            let file = RequestFile::parse("requests.md", block, format).unwrap_or_else(|e| panic!("{e}"));
            assert!(file.members[0].constraint.is_some(), "{name}");
        }
    }

    #[test]
    fn errors_in_yaml_show_the_place() {
        let bad = [
            "duration: soon\nmember: []\n",
            "member:\n- images: fedora\n",
            "member:\n- count: many\n",
            "purpose: x\n",
        ];
        let shown: Vec<_> = bad
            .iter()
            .map(|text| RequestFile::parse("lease.yaml", text, Format::Yaml).unwrap_err().to_string())
            .collect();
        insta::assert_snapshot!(shown.join("\n"), @r#"
        not a duration, such as `90m` or `1h 30m`
          --> lease.yaml:1:11
           |
         1 | duration: soon
           |           ^^^^
        unknown field `images`, expected one of role, count, arch, pool, image, nodes, where
          --> lease.yaml:2:3
           |
         2 | - images: fedora
           |   ^^^^^^
           = hint: did you mean `image`?
        invalid value: string "many", expected a number of machines, or a range such as "1..4"
          --> lease.yaml:2:3
           |
         2 | - count: many
           |   ^^^^^
        the file asks for no member
          --> lease.yaml:1:1
           |
         1 | purpose: x
           | ^
           = hint: add a list `member` with a `count` and an `arch` in each item
        "#);
    }

    #[test]
    fn errors_show_the_place() {
        let bad =
            ["duration = \"soon\"\n[[member]]\n", "[[member]]\nimages = \"fedora\"\n", "purpose = \"x\"\n"];
        let shown: Vec<_> = bad
            .iter()
            .map(|text| RequestFile::parse("lease.toml", text, Format::Toml).unwrap_err().to_string())
            .collect();
        insta::assert_snapshot!(shown.join("\n"), @r#"
        not a duration, such as `90m` or `1h 30m`
          --> lease.toml:1:12
           |
         1 | duration = "soon"
           |            ^^^^^^
        unknown field `images`, expected one of `role`, `count`, `arch`, `pool`, `image`, `nodes`, `where`
          --> lease.toml:2:1
           |
         2 | images = "fedora"
           | ^^^^^^
           = hint: did you mean `image`?
        the file asks for no member
          --> lease.toml:1:1
           |
         1 | purpose = "x"
           | ^
           = hint: add [[member]] with count = 1 and arch = "x86_64"
        "#);
    }
}
