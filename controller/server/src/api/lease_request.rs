//! Requests from the wire to the core. Constraints arrive as text and are understood here, so that a client need not know
//! what can be asked for; what is wrong with one is answered with its place.

use hostler_core::calendar::Group;
use hostler_core::constraint::SyntaxError;
use hostler_core::course::Terms;
use hostler_core::hardware::Arch;
use hostler_core::lease::{LeaseSpec, Member};
use hostler_core::tenancy::Band;
use hostler_core::time::Timestamp;
use hostler_proto::lease::v1::{MemberRequest, RequestLeaseRequest, TextProblem};
use prost::Message as _;
use std::collections::BTreeSet;
use std::str::FromStr;
use tonic::Status;
use tonic::metadata::MetadataValue;

/// What a request without a duration gets.
const DEFAULT_DURATION_S: u64 = 3600;

/// What a request without a bound on waiting gets: longer than what is promised where the queue is short.
const DEFAULT_MAX_WAIT_S: u64 = 7 * 24 * 3600;

/// The notice of a lease that gives way, unless said otherwise: a CI job ends well within it.
const DEFAULT_GRACE_MS: u64 = 5 * 60_000;

/// Members and groupings in one request; the core says the same of machines.
const MAX_PARTS: usize = 1024;

/// The trailer that says where a text is wrong.
const PROBLEM: &str = "hostler-text-problem-bin";

/// What is asked for.
///
/// # Errors
/// INVALID_ARGUMENT, with the field; for a text also with a [`TextProblem`] in the trailers.
pub(super) fn spec(request: &RequestLeaseRequest) -> Result<LeaseSpec, Status> {
    let Group { members, groupings } = group(&request.members, &request.groupings)?;
    let seconds = |given: u64, default: u64| (if given == 0 { default } else { given }).saturating_mul(1000);
    Ok(LeaseSpec {
        members,
        groupings,
        duration_ms: seconds(request.duration_s, DEFAULT_DURATION_S),
        max_wait_ms: seconds(request.max_wait_s, DEFAULT_MAX_WAIT_S),
        purpose: request.purpose.clone(),
        ssh_keys: request.ssh_keys.clone(),
        terms: terms(request)?,
    })
}

/// What machines are to be like.
///
/// # Errors
/// As [`spec`].
pub(super) fn group(members: &[MemberRequest], groupings: &[String]) -> Result<Group, Status> {
    if members.len().max(groupings.len()) > MAX_PARTS {
        return Err(Status::invalid_argument(format!("more than {MAX_PARTS} members or groupings")));
    }
    let members = members.iter().enumerate().map(|(i, m)| member(i, m));
    let groupings = groupings.iter().enumerate().map(|(i, g)| text(format!("groupings[{i}]"), g));
    Ok(Group { members: members.collect::<Result<_, _>>()?, groupings: groupings.collect::<Result<_, _>>()? })
}

fn terms(request: &RequestLeaseRequest) -> Result<Terms, Status> {
    let given = |seconds: u64| (seconds > 0).then(|| seconds.saturating_mul(1000));
    Ok(Terms {
        not_before: (request.not_before_ms > 0).then_some(Timestamp(request.not_before_ms)),
        keepalive_ms: given(request.keepalive_s),
        hold_ms: given(request.hold_s),
        priority: band(&request.priority)?,
        grace_ms: request.preemptible.then(|| given(request.grace_s).unwrap_or(DEFAULT_GRACE_MS)),
        reservation: Some(request.reservation.clone()).filter(|name| !name.is_empty()),
    })
}

/// A band by its name; the usual one for none.
pub(super) fn band(word: &str) -> Result<Band, Status> {
    if word.is_empty() { Ok(Band::default()) } else { word.parse().map_err(Status::invalid_argument) }
}

fn member(index: usize, member: &MemberRequest) -> Result<Member, Status> {
    let constraint = Some(&member.constraint).filter(|constraint| !constraint.is_empty());
    let constraint = constraint.map(|c| text(format!("members[{index}].constraint"), c)).transpose()?;
    Ok(Member {
        role: if member.role.is_empty() { "node".into() } else { member.role.clone() },
        count: member.count,
        at_most: (member.at_most != 0 && member.at_most != member.count).then_some(member.at_most),
        arch: arches(index, &member.arch)?,
        pool: (!member.pool.is_empty()).then(|| member.pool.clone()),
        nodes: member.nodes.iter().cloned().collect(),
        image: member.image.clone(),
        constraint,
    })
}

/// "x86_64|aarch64"; empty for any.
fn arches(index: usize, words: &str) -> Result<BTreeSet<Arch>, Status> {
    let one = |word: &str| {
        word.parse().map_err(|e| Status::invalid_argument(format!("members[{index}].arch: {e}")))
    };
    if words.is_empty() { Ok(BTreeSet::new()) } else { words.split('|').map(one).collect() }
}

fn text<T: FromStr<Err = SyntaxError>>(field: String, text: &str) -> Result<T, Status> {
    text.parse().map_err(|error: SyntaxError| {
        let column = text.get(..error.span.start).map_or(1, |before| before.chars().count() + 1);
        let mut status = Status::invalid_argument(format!("{field}, column {column}: {error}"));
        let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let problem = TextProblem {
            field,
            start: offset(error.span.start),
            end: offset(error.span.end),
            message: error.message,
            hint: error.hint.unwrap_or_default(),
        };
        status.metadata_mut().insert_bin(PROBLEM, MetadataValue::from_bytes(&problem.encode_to_vec()));
        status
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(constraint: &str, groupings: &[&str]) -> RequestLeaseRequest {
        let member = MemberRequest {
            count: 1,
            image: "fedora".into(),
            arch: "x86_64|aarch64".into(),
            constraint: constraint.into(),
            ..MemberRequest::default()
        };
        RequestLeaseRequest {
            members: vec![member],
            groupings: groupings.iter().map(|text| (*text).to_owned()).collect(),
            ..RequestLeaseRequest::default()
        }
    }

    #[test]
    fn text_becomes_a_tree() {
        let spec = spec(&request("cpu.cores>=16", &["equal rack"])).unwrap();
        let member = &spec.members[0];
        assert_eq!(member.constraint.as_ref().unwrap().to_string(), "cpu.cores >= 16");
        assert_eq!(member.arch, [Arch::X86_64, Arch::Aarch64].into());
        assert_eq!(spec.groupings[0].to_string(), "same rack");
    }

    #[test]
    fn what_is_wrong_with_a_text_is_told_with_its_place() {
        let problem = |request| {
            let status = spec(&request).unwrap_err();
            let bytes = status.metadata().get_bin(PROBLEM).unwrap().to_bytes().unwrap();
            (status.message().to_owned(), TextProblem::decode(bytes).unwrap())
        };
        let (message, found) = problem(request("memory >= 1 GiB and cpu.coers > 2", &[]));
        assert_eq!(
            message,
            "members[0].constraint, column 21: there is no attribute `cpu.coers`; did you mean `cpu.cores`?"
        );
        assert_eq!((found.field.as_str(), found.start, found.end), ("members[0].constraint", 20, 29));
        let (_, found) = problem(request("", &["same rack", "same disk.size"]));
        assert_eq!((found.field.as_str(), found.start, found.end), ("groupings[1]", 5, 14));
    }

    #[test]
    fn words_that_are_no_architecture_are_refused() {
        let mut request = request("", &[]);
        request.members[0].arch = "x86_64|".into();
        let status = spec(&request).unwrap_err();
        assert!(status.message().starts_with("members[0].arch: architecture is one of"), "{status}");
    }
}
