//! The file of `hostler lease request -f`.

use crate::commands::lease::request::OnFailure;
use crate::diagnostic::Diagnostic;
use crate::document;
use hostler_proto::lease::v1::MemberRequest;
use serde::{Deserialize, Deserializer};
use std::time::Duration;

/// What the file says; options on the command line go before it.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RequestFile {
    /// For people.
    pub(crate) purpose: Option<String>,
    /// "2h".
    #[serde(default, deserialize_with = "duration")]
    pub(crate) duration: Option<Duration>,
    /// "30m".
    #[serde(default, deserialize_with = "duration")]
    pub(crate) max_wait: Option<Duration>,
    /// "2026-03-21T22:00Z".
    #[serde(default, deserialize_with = "moment")]
    pub(crate) not_before: Option<u64>,
    /// "2m".
    #[serde(default, deserialize_with = "duration")]
    pub(crate) keepalive: Option<Duration>,
    /// "release", "hold" or "hold:4h".
    #[serde(default, deserialize_with = "on_failure")]
    pub(crate) on_failure: Option<OnFailure>,
    #[serde(rename = "member", default)]
    members: Vec<Member>,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Member {
    #[serde(default)]
    role: String,
    #[serde(default = "one")]
    count: u32,
    #[serde(default)]
    arch: String,
    #[serde(default)]
    pool: String,
    #[serde(default)]
    image: String,
    #[serde(default)]
    nodes: Vec<String>,
}

impl RequestFile {
    /// # Errors
    /// The first thing that is wrong with the file.
    pub(crate) fn parse(origin: &str, text: &str) -> Result<Self, Diagnostic> {
        let file: Self = document::parse(origin, text)?;
        if file.members.is_empty() {
            return Err(Diagnostic::at(origin, text, 0..0, "the file asks for no member")
                .hint("add [[member]] with count = 1 and arch = \"x86_64\""));
        }
        Ok(file)
    }

    /// The members.
    pub(crate) fn members(&self) -> Vec<MemberRequest> {
        let member = |member: &Member| MemberRequest {
            role: member.role.clone(),
            count: member.count,
            arch: member.arch.clone(),
            pool: member.pool.clone(),
            nodes: member.nodes.clone(),
            image: member.image.clone(),
        };
        self.members.iter().map(member).collect()
    }
}

const fn one() -> u32 {
    1
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let problem = |_| serde::de::Error::custom("not a duration, such as `90m` or `1h 30m`");
    humantime::parse_duration(&text).map(Some).map_err(problem)
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

    #[test]
    fn a_whole_file() {
        let file = RequestFile::parse(
            "lease.toml",
            r#"
            purpose = "nightly"
            duration = "1h 30m"
            keepalive = "2m"
            on_failure = "hold:4h"
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
        )
        .unwrap();
        assert_eq!(
            (file.purpose.as_deref(), file.duration),
            (Some("nightly"), Some(Duration::from_secs(5_400)))
        );
        assert_eq!(file.keepalive, Some(Duration::from_secs(120)));
        assert_eq!(file.on_failure, Some(OnFailure::Hold(Duration::from_secs(14_400))));
        assert_eq!(file.not_before, Some(1_774_087_920_000));
        let [server, client] = &file.members()[..] else { panic!("two members") };
        assert_eq!((server.count, server.arch.as_str()), (2, "x86_64"));
        assert_eq!((client.count, client.nodes.as_slice()), (1, ["r1-n07".to_owned()].as_slice()));
    }

    #[test]
    fn errors_show_the_place() {
        let bad =
            ["duration = \"soon\"\n[[member]]\n", "[[member]]\nimages = \"fedora\"\n", "purpose = \"x\"\n"];
        let shown: Vec<_> =
            bad.iter().map(|text| RequestFile::parse("lease.toml", text).unwrap_err().to_string()).collect();
        insta::assert_snapshot!(shown.join("\n"), @r#"
        not a duration, such as `90m` or `1h 30m`
          --> lease.toml:1:12
           |
         1 | duration = "soon"
           |            ^^^^^^
        unknown field `images`, expected one of `role`, `count`, `arch`, `pool`, `image`, `nodes`
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
