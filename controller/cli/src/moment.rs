//! Moments and spans that people write. Moments are in UTC, as exact as they like.

use std::time::{Duration, UNIX_EPOCH};

/// "90m", "1h 30m": at least a second. No span is not a short one: it is left out.
///
/// # Errors
/// A text for people.
pub(crate) fn span(text: &str) -> Result<Duration, String> {
    let span = humantime::parse_duration(text).map_err(|_| "not a duration, such as `90m` or `1h 30m`")?;
    if span < Duration::from_secs(1) {
        return Err("at least a second; leave it out if there is to be none".to_owned());
    }
    Ok(span)
}

/// "2026-03-21", "2026-03-21 18:00", "2026-03-21T18:00:30Z": Unix time in milliseconds. What is left out is zero.
///
/// # Errors
/// A text for people.
pub(crate) fn parse(text: &str) -> Result<u64, String> {
    let plain = text.trim().trim_end_matches(['Z', 'z']).replacen(['T', 't'], " ", 1);
    let whole = match plain.len() {
        10 => format!("{plain} 00:00:00"),
        16 => format!("{plain}:00"),
        _ => plain,
    };
    let moment = humantime::parse_rfc3339_weak(&whole);
    let moment = moment.ok().and_then(|moment| moment.duration_since(UNIX_EPOCH).ok());
    let moment = moment.ok_or("write it as 2026-03-21, 2026-03-21 18:00 or 2026-03-21T18:00:30Z, in UTC")?;
    u64::try_from(moment.as_millis()).map_err(|_| "a time that far away does not exist here".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_zero() {
        for (text, expected) in [
            ("2026-03-21", 1_774_051_200_000),
            ("2026-03-21 10:12", 1_774_087_920_000),
            ("2026-03-21T10:12Z", 1_774_087_920_000),
            ("2026-03-21T10:12:33Z", 1_774_087_953_000),
            ("2026-03-21 10:12:33", 1_774_087_953_000),
        ] {
            assert_eq!(parse(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn nothing_is_no_span() {
        assert_eq!(span("1h 30m"), Ok(Duration::from_secs(5_400)));
        for text in ["0s", "999ms", "soon", "-1s", ""] {
            assert!(span(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_no_moment() {
        for text in ["", "tomorrow", "2026-13-01", "2026-03-21 10:12+02:00", "1969-12-31", "10:12"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
