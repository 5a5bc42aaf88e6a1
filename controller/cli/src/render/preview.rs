//! What would come of a request, for people.

use super::look::{Look, Tone};
use super::time::{between, stamp};
use crate::model::preview::{Busy, Preview, Relaxation, Role};
use std::fmt::Write as _;

/// Whoever starts that soon starts now.
const SOON_MS: u64 = 60_000;

/// Names in one line.
const NAMES_SHOWN: usize = 8;

/// All of it.
pub(crate) fn preview(preview: &Preview, now_ms: u64, look: &Look) -> String {
    let mut text = headline(preview, look);
    if let Some(start) = preview.expected_start_ms.filter(|start| *start > now_ms + SOON_MS) {
        let _ = writeln!(text, "it would probably start in {}, at {}", between(now_ms, start), stamp(start));
    }
    for role in &preview.roles {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {}: {}", role.role, machines(role));
    }
    if !preview.relaxations.is_empty() {
        text.push_str("what would help\n");
    }
    for relaxation in &preview.relaxations {
        let _ = writeln!(text, "  {}, {}", gain(preview, relaxation), relaxation.change);
    }
    text
}

/// What a change is worth.
fn gain(preview: &Preview, relaxation: &Relaxation) -> String {
    match (relaxation.now, preview.expected_start_ms, relaxation.expected_start_ms) {
        (true, ..) => "now".to_owned(),
        (false, Some(start), Some(sooner)) => format!("{} sooner", between(sooner, start)),
        (false, None, Some(start)) => format!("at {}", stamp(start)),
        (false, _, None) => "later".to_owned(),
    }
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

    const NOW: u64 = 1_774_051_200_000;

    fn waiting() -> Preview {
        let relaxation = |change: &str, now: bool, sooner_h: u64| Relaxation {
            change: change.to_owned(),
            now,
            expected_start_ms: Some(NOW + (3 - sooner_h) * 3_600_000),
        };
        Preview {
            fits_now: false,
            never: None,
            waits_for: Some("2 machines for role \"node\": 1 free, 1 leased".to_owned()),
            expected_start_ms: Some(NOW + 3 * 3_600_000),
            queued: 3,
            roles: vec![Role {
                role: "node".to_owned(),
                gets: Vec::new(),
                free: vec!["r1-n01".to_owned()],
                busy: vec![Busy { name: "r1-n02".to_owned(), state: "leased".to_owned() }],
            }],
            relaxations: vec![
                relaxation("with aarch64 as an alternative", true, 3),
                relaxation("without same rack", false, 2),
            ],
        }
    }

    #[test]
    fn what_it_waits_for_and_what_would_help() {
        insta::assert_snapshot!(preview(&waiting(), NOW, &Look::default()), @r#"
        it would wait for 2 machines for role "node": 1 free, 1 leased
        it would probably start in 3h 00m, at 2026-03-21 03:00:00Z
          node: 1 free (r1-n01), 1 busy (r1-n02 leased)
        what would help
          now, with aarch64 as an alternative
          2h 00m sooner, without same rack
        "#);
    }

    #[test]
    fn what_it_gets() {
        let (waits_for, relaxations) = (None, Vec::new());
        let expected_start_ms = Some(NOW);
        let mut starts = Preview { fits_now: true, waits_for, relaxations, expected_start_ms, ..waiting() };
        starts.roles[0].gets = (1..=10).map(|i| format!("r1-n{i:02}")).collect();
        insta::assert_snapshot!(preview(&starts, NOW, &Look::default()), @r"
        it would start now
          node: r1-n01, r1-n02, r1-n03, r1-n04, r1-n05, r1-n06, r1-n07, r1-n08 and 2 more
        ");
    }

    #[test]
    fn why_it_never_starts() {
        let mut never =
            Preview { never: Some("no machine has cpu.cores >= 16; the most is 8".to_owned()), ..waiting() };
        never.waits_for = None;
        never.expected_start_ms = None;
        never.relaxations.iter_mut().for_each(|relaxation| relaxation.expected_start_ms = None);
        insta::assert_snapshot!(preview(&never, NOW, &Look::default()), @r"
        it can never start: no machine has cpu.cores >= 16; the most is 8
          node: 1 free (r1-n01), 1 busy (r1-n02 leased)
        what would help
          now, with aarch64 as an alternative
          later, without same rack
        ");
    }
}
