//! The one kind of range that downloads are resumed with (RFC 9110 section 14).

/// What of a file is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of it; also if the header is malformed or names several ranges, which may be ignored.
    All,
    /// `start..end`, which is not empty.
    Part {
        /// Offset of the first byte.
        start: u64,
        /// Offset behind the last byte.
        end: u64,
    },
    /// Nothing that there is.
    Unsatisfiable,
}

/// Reads the header `Range` for a file of `length` bytes.
pub(super) fn parse(header: Option<&str>, length: u64) -> Wanted {
    header.and_then(|header| single(header, length)).unwrap_or(Wanted::All)
}

fn single(header: &str, length: u64) -> Option<Wanted> {
    let (first, last) = header.strip_prefix("bytes=")?.split_once('-')?;
    let (start, end) = match (first, last) {
        ("", suffix) => (length.saturating_sub(number(suffix)?), length),
        (first, "") => (number(first)?, length),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                return None;
            }
            (first, last.saturating_add(1).min(length))
        }
    };
    Some(if start < end { Wanted::Part { start, end } } else { Wanted::Unsatisfiable })
}

/// Digits only: `parse` would take a sign as well.
fn number(s: &str) -> Option<u64> {
    s.bytes().all(|b| b.is_ascii_digit()).then(|| s.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ranges_of_ten_bytes() {
        let part = |start, end| Wanted::Part { start, end };
        for (header, expected) in [
            ("bytes=0-3", part(0, 4)),
            ("bytes=4-", part(4, 10)),
            ("bytes=-3", part(7, 10)),
            ("bytes=-30", part(0, 10)),
            ("bytes=8-99", part(8, 10)),
            ("bytes=0-18446744073709551615", part(0, 10)),
            ("bytes=10-", Wanted::Unsatisfiable),
            ("bytes=-0", Wanted::Unsatisfiable),
            ("bytes=3-2", Wanted::All),
            ("bytes=0-1,4-5", Wanted::All),
            ("bytes=+1-2", Wanted::All),
            ("lines=0-1", Wanted::All),
            ("bytes=-", Wanted::All),
        ] {
            assert_eq!(parse(Some(header), 10), expected, "{header}");
        }
    }

    proptest! {
        #[test]
        fn a_part_is_within_the_file(header in "bytes=[0-9]{0,20}-[0-9]{0,20}", length in any::<u64>()) {
            if let Wanted::Part { start, end } = parse(Some(&header), length) {
                prop_assert!(start < end && end <= length);
            }
        }
    }
}
