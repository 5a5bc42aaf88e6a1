//! Text that others wrote and that is kept.

use std::time::Duration;

/// Bytes of such text that are kept in one place.
const KEPT: usize = 512;

/// The beginning of `text`, as much as is kept of what came from outside.
pub(crate) fn clip(text: &str) -> String {
    let mut kept = text[..text.floor_char_boundary(KEPT)].to_owned();
    if kept.len() < text.len() {
        kept.push('\u{2026}');
    }
    kept
}

/// "45 s", "2 min", "1 h 30 min", "3 d 2 h": two units at most, for people.
pub(crate) fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let (large, small) = match seconds {
        0..60 => (format!("{seconds} s"), (0, "")),
        60..3600 => (format!("{minutes} min"), (seconds % 60, "s")),
        3600..86_400 => (format!("{hours} h"), (minutes % 60, "min")),
        _ => (format!("{days} d"), (hours % 24, "h")),
    };
    if small.0 == 0 { large } else { format!("{large} {} {}", small.0, small.1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans() {
        for (seconds, expected) in [
            (0, "0 s"),
            (59, "59 s"),
            (120, "2 min"),
            (125, "2 min 5 s"),
            (5_400, "1 h 30 min"),
            (86_400, "1 d"),
            (266_400, "3 d 2 h"),
        ] {
            assert_eq!(span(Duration::from_secs(seconds)), expected);
        }
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        assert_eq!(clip("short"), "short");
        let long = "\u{e4}".repeat(400);
        assert_eq!(clip(&long), format!("{}\u{2026}", "\u{e4}".repeat(256)));
    }
}
