//! A member in the words of a sentence.

use crate::lease::Member;

/// Names of nodes in one sentence.
const NAMES_SHOWN: usize = 8;

/// "2 x x86_64 in pool fast with cpu.cores >= 16 for role "server"".
pub(crate) fn describe(member: &Member) -> String {
    let count = match member.at_most {
        Some(most) => format!("{} to {most}", member.count),
        None => member.count.to_string(),
    };
    let arches: Vec<_> = member.arch.iter().map(|arch| arch.as_str()).collect();
    let arch = if arches.is_empty() { "any architecture".to_owned() } else { arches.join(" or ") };
    let pool = member.pool.as_ref().map(|p| format!(" in pool {p}")).unwrap_or_default();
    let names: Vec<_> = member.nodes.iter().take(NAMES_SHOWN).map(String::as_str).collect();
    let more = if member.nodes.len() > NAMES_SHOWN { " and others" } else { "" };
    let names = if names.is_empty() { String::new() } else { format!(" among {}{more}", names.join(", ")) };
    let constraint = member.constraint.as_ref().map(|c| format!(" with {c}")).unwrap_or_default();
    format!("{count} x {arch}{pool}{names}{constraint} for role {:?}", member.role)
}
