//! Times, durations and sizes for people.

use std::time::{Duration, UNIX_EPOCH};

/// The end of the year 9999, the last that RFC 3339 can write.
const LAST_MS: u64 = 253_402_300_799_000;

/// "2026-03-21 10:12:33Z".
pub(crate) fn stamp(ms: u64) -> String {
    let time = UNIX_EPOCH + Duration::from_secs(ms.min(LAST_MS) / 1000);
    humantime::format_rfc3339_seconds(time).to_string().replacen('T', " ", 1)
}

/// "1.2s", "45s", "3m 12s", "2h 05m", "4d 03h": two units at most.
pub(crate) fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    if days > 0 {
        format!("{days}d {:02}h", hours % 24)
    } else if hours > 0 {
        format!("{hours}h {:02}m", minutes % 60)
    } else if minutes > 0 {
        format!("{minutes}m {:02}s", seconds % 60)
    } else if seconds >= 10 {
        format!("{seconds}s")
    } else {
        format!("{}.{}s", seconds, duration.subsec_millis() / 100)
    }
}

/// The time between two moments; zero if they are the wrong way round.
pub(crate) fn between(from_ms: u64, to_ms: u64) -> String {
    span(Duration::from_millis(to_ms.saturating_sub(from_ms)))
}

/// The age of something, in its largest unit: "12s", "3m", "2h", "4d".
pub(crate) fn age(now_ms: u64, then_ms: u64) -> String {
    let seconds = now_ms.saturating_sub(then_ms) / 1000;
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// "512 B", "4.0 KiB", "15.9 GiB".
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let mut unit = 0;
    let mut tenths = u128::from(count) * 10 / 1024;
    while tenths >= 10_240 {
        tenths /= 1024;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans() {
        let cases = [
            (0, "0.0s"),
            (1_250, "1.2s"),
            (45_000, "45s"),
            (192_000, "3m 12s"),
            (7_500_000, "2h 05m"),
            (356_400_000, "4d 03h"),
        ];
        for (ms, expected) in cases {
            assert_eq!(span(Duration::from_millis(ms)), expected);
        }
    }

    #[test]
    fn stamps_of_any_number() {
        assert_eq!(stamp(1_774_087_953_000), "2026-03-21 10:12:33Z");
        assert_eq!(stamp(u64::MAX), "9999-12-31 23:59:59Z");
    }

    #[test]
    fn sizes() {
        let cases = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (17_072_655_360, "15.9 GiB"),
            (u64::MAX, "15.9 EiB"),
        ];
        for (count, expected) in cases {
            assert_eq!(bytes(count), expected);
        }
    }

    #[test]
    fn ages() {
        assert_eq!(age(59_999, 0), "59s");
        assert_eq!(age(3_600_000, 0), "1h");
        assert_eq!(age(0, 5_000), "0s");
    }
}
