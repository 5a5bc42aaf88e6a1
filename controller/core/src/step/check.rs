//! What a request may say.

use super::registration::check_word;
use crate::constraint::Grouping;
use crate::course::Terms;
use crate::ids::TenantId;
use crate::input::Refusal;
use crate::lease::{LeaseSpec, Member};
use crate::tenancy::{Demand, Standing};
use crate::text::span;
use crate::time::Timestamp;
use crate::world::World;
use std::collections::BTreeSet;
use std::time::Duration;

/// More machines than this in one request are a mistake.
const MAX_GROUP: u64 = 1024;

/// Bytes of the keys that may log in to the machines of one lease: they stay in memory with it.
const MAX_KEYS: usize = 8 * 1024;

/// The longest time that a lease or a wait in the queue may take: 30 days.
const MAX_SPAN_MS: u64 = 30 * 24 * 3_600_000;

/// For how long nobody may have kept a lease alive: less would end it for a moment of bad network.
const KEEPALIVE_MS: std::ops::RangeInclusive<u64> = 10_000..=24 * 3_600_000;

/// The notice of a lease that gives way: long enough to end something, short enough to be worth waiting for.
const GRACE_MS: std::ops::RangeInclusive<u64> = 60_000..=3_600_000;

/// For how long a lease on which a run failed is held: nobody can look at anything in less than a minute.
const HOLD_MS: std::ops::RangeInclusive<u64> = 60_000..=7 * 24 * 3_600_000;

/// What may be asked of the machines of one group together.
const MAX_GROUPINGS: usize = 16;

/// Bytes of all constraints of one request: they stay in memory with it.
const MAX_CONSTRAINTS: usize = 16 * 1024;

/// Names of nodes, pools and images are no longer.
const MAX_WORD: usize = 63;

/// What names a request, so that the same one again is not another.
pub(super) fn key(key: &str) -> std::result::Result<(), Refusal> {
    if (1..=128).contains(&key.len()) {
        return Ok(());
    }
    Err(Refusal::Invalid("idempotency_key: 1 to 128 bytes".into()))
}

/// What is asked for makes sense.
pub(super) fn request(key: &str, spec: &LeaseSpec) -> std::result::Result<(), Refusal> {
    let invalid = |text: String| Err(Refusal::Invalid(text));
    self::key(key)?;
    group(&spec.members, &spec.groupings)?;
    if let Some(member) = spec.members.iter().find(|member| member.image.is_empty()) {
        return invalid(format!("members: role {:?} names no image; see `hostler image list`", member.role));
    }
    for (name, span) in [("duration", spec.duration_ms), ("max_wait", spec.max_wait_ms)] {
        if span == 0 || span > MAX_SPAN_MS {
            return invalid(format!("{name}: more than nothing and at most 30 days"));
        }
    }
    if spec.purpose.len() > 256 {
        return invalid("purpose: at most 256 bytes".into());
    }
    Ok(())
}

/// The machines that are asked for make sense together.
pub(super) fn group(members: &[Member], groupings: &[Grouping]) -> std::result::Result<(), Refusal> {
    let invalid = |text: String| Err(Refusal::Invalid(text));
    if members.is_empty() {
        return invalid("members: ask for at least one machine".into());
    }
    let mut roles = BTreeSet::new();
    for member in members {
        check_word("role", &member.role, "-_")?;
        if !roles.insert(&member.role) {
            return invalid(format!("members: the role {:?} is named twice", member.role));
        }
        if member.at_most.is_some_and(|most| most < member.count) {
            return invalid(format!(
                "members: role {:?}: the range of machines ends before it begins",
                member.role
            ));
        }
        if member.count == 0 {
            return invalid(format!("members: role {:?} asks for 0 machines", member.role));
        }
        let words = member.nodes.iter().chain(&member.pool).chain([&member.image]);
        if member.nodes.len() as u64 > MAX_GROUP || words.map(String::len).max() > Some(MAX_WORD) {
            return invalid(format!(
                "members: role {:?}: at most {MAX_GROUP} names of nodes, and at most {MAX_WORD} bytes in each name",
                member.role
            ));
        }
    }
    let total: u64 = members.iter().map(|m| u64::from(m.most())).sum();
    if total > MAX_GROUP {
        return invalid(format!("members: {total} machines; a group has at most {MAX_GROUP}"));
    }
    check_groupings(members, groupings, &roles)
}

/// So do its terms, at this moment.
pub(super) fn terms(terms: &Terms, now: Timestamp) -> std::result::Result<(), Refusal> {
    let invalid = |text: &str| Err(Refusal::Invalid(text.into()));
    if terms.not_before.is_some_and(|at| at.0 > now.0.saturating_add(MAX_SPAN_MS)) {
        return invalid("not_before: at most 30 days ahead");
    }
    if terms.keepalive_ms.is_some_and(|ms| !KEEPALIVE_MS.contains(&ms)) {
        return invalid("keepalive: at least 10 seconds and at most a day");
    }
    if terms.hold_ms.is_some_and(|ms| !HOLD_MS.contains(&ms)) {
        return invalid("hold: at least a minute and at most 7 days");
    }
    if terms.grace_ms.is_some_and(|ms| !GRACE_MS.contains(&ms)) {
        return invalid("grace: at least a minute and at most an hour");
    }
    Ok(())
}

/// What is asked of machines together names roles that exist, and all of what is asked is of a bounded size.
fn check_groupings(
    members: &[Member],
    groupings: &[Grouping],
    roles: &BTreeSet<&String>,
) -> std::result::Result<(), Refusal> {
    let invalid = |text: String| Err(Refusal::Invalid(text));
    if groupings.len() > MAX_GROUPINGS {
        return invalid(format!("groupings: {} of them; at most {MAX_GROUPINGS}", groupings.len()));
    }
    for grouping in groupings {
        if let Some(role) = grouping.roles.iter().find(|role| !roles.contains(role)) {
            let known: Vec<_> = roles.iter().map(|role| role.as_str()).collect();
            let known = known.join(", ");
            return invalid(format!("groupings: {grouping}: there is no role {role:?}; there is {known}"));
        }
    }
    let constraints = members.iter().filter_map(|m| m.constraint.as_ref()).map(ToString::to_string);
    let texts = constraints.chain(groupings.iter().map(ToString::to_string));
    let bytes: usize = texts.map(|text| text.len()).sum();
    if bytes > MAX_CONSTRAINTS {
        return invalid(format!("constraints: {bytes} bytes together; at most {MAX_CONSTRAINTS}"));
    }
    Ok(())
}

/// The keys without their comments.
pub(super) fn public_keys(keys: &[String]) -> std::result::Result<Vec<String>, Refusal> {
    let bytes: usize = keys.iter().map(String::len).sum();
    if bytes > MAX_KEYS {
        return Err(Refusal::Invalid(format!("ssh_keys: {bytes} bytes; at most {MAX_KEYS}")));
    }
    let key = |(i, key): (usize, &String)| {
        crate::ssh::public_key(key).map_err(|e| Refusal::Invalid(format!("ssh_keys[{i}]: {e}")))
    };
    keys.iter().enumerate().map(key).collect()
}

/// What its tenant may never have, it is told at once.
pub(super) fn allowance(
    world: &World,
    tenant: TenantId,
    spec: &LeaseSpec,
) -> std::result::Result<(), Refusal> {
    let Some(tenant) = world.tenants.get(tenant) else { return Ok(()) };
    let (name, allowance, terms) = (&tenant.name, &tenant.allowance, &spec.terms);
    let refused =
        |what: String| Err(Refusal::Conflict(format!("{what}; an administrator may allow it more")));
    if terms.priority > allowance.priority {
        let most = allowance.priority;
        return refused(format!("priority: {}: tenant {name} may ask for {most} at most", terms.priority));
    }
    for (what, asked, most) in [
        ("duration", Some(spec.duration_ms), allowance.duration_ms),
        ("hold", terms.hold_ms, allowance.hold_ms),
    ] {
        if let (Some(asked), Some(most)) = (asked, most)
            && asked > most
        {
            let [asked, most] = [asked, most].map(|ms| span(Duration::from_millis(ms)));
            return refused(format!("{what}: {asked}: tenant {name} may ask for {most} at most"));
        }
    }
    let demand = Demand::of(spec);
    match Standing::default().bar(allowance, demand.surely, demand.node_ms) {
        Some(bar) => refused(format!("{bar}: tenant {name} can never have this")),
        None => Ok(()),
    }
}
