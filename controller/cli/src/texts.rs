//! Texts of a request that the controller reads, and where they were written.

use crate::error::Error;
use crate::member::Asked;
use crate::source::Source;
use hostler_proto::lease::v1::MemberRequest;

/// Where the texts of a request were written.
#[derive(Debug)]
pub(crate) struct Texts {
    /// For each member: where its constraint is, if it has one.
    constraints: Vec<Option<Source>>,
    /// For each grouping.
    groupings: Vec<Source>,
}

impl Texts {
    /// Takes members and groupings apart: what is sent, and where it is from.
    pub(crate) fn of(
        asked: Vec<Asked>,
        together: impl IntoIterator<Item = (String, Source)>,
    ) -> (Vec<MemberRequest>, Vec<String>, Self) {
        let asked = asked.into_iter().map(|Asked { request, constraint }| (request, constraint));
        let (members, constraints) = asked.unzip();
        let (texts, groupings) = together.into_iter().unzip();
        (members, texts, Self { constraints, groupings })
    }

    /// What the controller said of a text, shown where it was written.
    pub(crate) fn locate(&self, error: Error) -> Error {
        let Error::Answer { source, .. } = &error else { return error };
        let Some(problem) = source.problem() else { return error };
        let index = |before: &str, after: &str| -> Option<usize> {
            problem.field.strip_prefix(before)?.strip_suffix(after)?.parse().ok()
        };
        let constraint = || self.constraints.get(index("members[", "].constraint")?)?.as_ref();
        let grouping = || self.groupings.get(index("groupings[", "]")?);
        match constraint().or_else(grouping) {
            Some(place) => place.diagnostic(problem).into(),
            None => error,
        }
    }
}

/// A grouping that was given with `--together`.
pub(crate) fn together(text: String) -> (String, Source) {
    let source = Source::argument("--together", &text, 0);
    (text, source)
}
