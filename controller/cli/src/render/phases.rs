//! Where the time of a boot went, as bars on one time line.

use super::look::{Look, Tone};
use super::time::between;
use crate::model::lease::Phase;
use std::fmt::Write as _;

const BAR_WIDTH: u64 = 40;

/// One line for each phase: its name, its place on the time line, how long it took. Empty without phases.
pub(crate) fn chart(phases: &[Phase], now_ms: u64, look: &Look) -> String {
    let end = |phase: &Phase| phase.end_ms.unwrap_or(now_ms).max(phase.start_ms);
    let (Some(first), Some(last)) = (phases.iter().map(|p| p.start_ms).min(), phases.iter().map(end).max())
    else {
        return String::new();
    };
    let name_width = phases.iter().map(|phase| phase.phase.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for phase in phases {
        let from = column(phase.start_ms, first, last).min(BAR_WIDTH - 1);
        let length = column(end(phase), first, last).saturating_sub(from).max(1);
        let bar = look.paint(Tone::Busy, &"█".repeat(to_usize(length)));
        let rest = " ".repeat(to_usize(BAR_WIDTH.saturating_sub(from + length)));
        let so_far = if phase.end_ms.is_none() { " so far" } else { "" };
        let took = between(phase.start_ms, end(phase));
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "  {:name_width$}  {}{bar}{rest}  {took}{so_far}",
            phase.phase,
            " ".repeat(to_usize(from))
        );
    }
    text
}

/// The column of a moment on a line from `first` to `last`.
fn column(at: u64, first: u64, last: u64) -> u64 {
    let length = u128::from(last.saturating_sub(first)).max(1);
    let column = u128::from(at.saturating_sub(first)) * u128::from(BAR_WIDTH) / length;
    u64::try_from(column).unwrap_or(BAR_WIDTH).min(BAR_WIDTH)
}

/// At most [`BAR_WIDTH`].
fn to_usize(columns: u64) -> usize {
    usize::try_from(columns).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn phase(phase: &str, start_ms: u64, end_ms: u64) -> Phase {
        Phase { phase: phase.to_owned(), start_ms, end_ms: (end_ms != 0).then_some(end_ms) }
    }

    #[test]
    fn bars_stand_where_the_time_went() {
        let phases = [
            phase("power", 1_000, 3_000),
            phase("dhcp", 3_000, 3_400),
            phase("agent", 3_400, 21_000),
            phase("wipe", 21_000, 0),
        ];
        insta::assert_snapshot!(chart(&phases, 41_000, &Look::default()), @r"
        power  ██                                        2.0s
        dhcp     █                                       0.4s
        agent    ██████████████████                      17s
        wipe                       ████████████████████  20s so far
        ");
        assert_eq!(chart(&[], 0, &Look::default()), "");
    }

    proptest! {
        #[test]
        fn any_times_can_be_drawn(times in proptest::collection::vec((any::<u64>(), any::<u64>()), 1..6), now: u64) {
            let phases: Vec<_> = times.iter().map(|&(start, end)| phase("x", start, end)).collect();
            let text = chart(&phases, now, &Look::default());
            prop_assert_eq!(text.lines().count(), phases.len());
            for line in text.lines() {
                prop_assert!(line.matches('█').count() >= 1);
                prop_assert!(line.matches('█').count() <= 40);
            }
        }
    }
}
