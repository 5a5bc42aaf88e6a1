//! What would come of a request, for people.

use super::look::{Look, Tone};
use crate::model::preview::{Busy, Preview, Relaxation, Role};
use std::fmt::Write as _;

/// Names in one line.
const NAMES_SHOWN: usize = 8;

/// All of it.
pub(crate) fn preview(preview: &Preview, look: &Look) -> String {
    let mut text = headline(preview, look);
    for role in &preview.roles {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {}: {}", role.role, machines(role));
    }
    if preview.fits_now && preview.queued > 0 {
        let leases = if preview.queued == 1 { "lease is" } else { "leases are" };
        let _ = writeln!(text, "{} {leases} in the queue already and may come first", preview.queued);
    }
    if !preview.relaxations.is_empty() {
        text.push_str("what would help\n");
    }
    for Relaxation { change, now } in &preview.relaxations {
        let _ = writeln!(text, "  {}, {change}", if *now { "now" } else { "later" });
    }
    text
}

fn headline(preview: &Preview, look: &Look) -> String {
    match (&preview.never, &preview.waits_for) {
        (Some(never), _) => format!("{}: {never}\n", look.paint(Tone::Bad, "it can never start")),
        (None, Some(what)) => format!("{} for {what}\n", look.paint(Tone::Warn, "it would wait")),
        (None, None) => format!("{}\n", look.paint(Tone::Good, "it would start now")),
    }
}

fn machines(role: &Role) -> String {
    if !role.gets.is_empty() {
        return list(role.gets.iter().cloned());
    }
    let free = match role.free.len() {
        0 => "none free".to_owned(),
        count => format!("{count} free ({})", list(role.free.iter().cloned())),
    };
    if role.busy.is_empty() {
        return free;
    }
    let busy = role.busy.iter().map(|Busy { name, state }| format!("{name} {state}"));
    format!("{free}, {} busy ({})", role.busy.len(), list(busy))
}

fn list(names: impl ExactSizeIterator<Item = String>) -> String {
    let more = names.len().saturating_sub(NAMES_SHOWN);
    let shown = names.take(NAMES_SHOWN).collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting() -> Preview {
        let relaxation = |change: &str, now| Relaxation { change: change.to_owned(), now };
        Preview {
            fits_now: false,
            never: None,
            waits_for: Some("2 machines for role \"node\": 1 free, 1 leased".to_owned()),
            queued: 3,
            roles: vec![Role {
                role: "node".to_owned(),
                gets: Vec::new(),
                free: vec!["r1-n01".to_owned()],
                busy: vec![Busy { name: "r1-n02".to_owned(), state: "leased".to_owned() }],
            }],
            relaxations: vec![
                relaxation("without same rack", true),
                relaxation("with aarch64 as an alternative", true),
            ],
        }
    }

    #[test]
    fn what_it_waits_for_and_what_would_help() {
        insta::assert_snapshot!(preview(&waiting(), &Look::default()), @r#"
        it would wait for 2 machines for role "node": 1 free, 1 leased
          node: 1 free (r1-n01), 1 busy (r1-n02 leased)
        what would help
          now, without same rack
          now, with aarch64 as an alternative
        "#);
    }

    #[test]
    fn what_it_gets() {
        let mut starts = Preview { fits_now: true, waits_for: None, relaxations: Vec::new(), ..waiting() };
        starts.roles[0].gets = (1..=10).map(|i| format!("r1-n{i:02}")).collect();
        insta::assert_snapshot!(preview(&starts, &Look::default()), @r"
        it would start now
          node: r1-n01, r1-n02, r1-n03, r1-n04, r1-n05, r1-n06, r1-n07, r1-n08 and 2 more
        3 leases are in the queue already and may come first
        ");
    }

    #[test]
    fn why_it_never_starts() {
        let mut never =
            Preview { never: Some("no machine has cpu.cores >= 16; the most is 8".to_owned()), ..waiting() };
        never.waits_for = None;
        never.relaxations[0].now = false;
        insta::assert_snapshot!(preview(&never, &Look::default()), @r"
        it can never start: no machine has cpu.cores >= 16; the most is 8
          node: 1 free (r1-n01), 1 busy (r1-n02 leased)
        what would help
          later, without same rack
          now, with aarch64 as an alternative
        ");
    }
}
