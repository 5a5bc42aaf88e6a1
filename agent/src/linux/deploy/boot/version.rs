//! Comparing versions (UAPI.10, as far as kernels need it).

use std::cmp::Ordering;

/// Numbers count as numbers and letters as letters; what else there is separates them. "~" comes before everything,
/// the end included, and a number is newer than a word.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        (a, b) = (skip(a), skip(b));
        match (a.strip_prefix('~'), b.strip_prefix('~')) {
            (Some(rest_a), Some(rest_b)) => {
                (a, b) = (rest_a, rest_b);
                continue;
            }
            (Some(_), None) => return Ordering::Less,
            (None, Some(_)) => return Ordering::Greater,
            (None, None) => {}
        }
        if a.is_empty() || b.is_empty() {
            return a.len().min(1).cmp(&b.len().min(1));
        }
        let ((x, rest_a), (y, rest_b)) = (part(a), part(b));
        let numbers = (x.starts_with(digit), y.starts_with(digit));
        let order = match numbers {
            (true, true) => number(x).cmp(&number(y)),
            (false, false) => x.cmp(y),
            (x, y) => x.cmp(&y),
        };
        if order != Ordering::Equal {
            return order;
        }
        (a, b) = (rest_a, rest_b);
    }
}

fn digit(c: char) -> bool {
    c.is_ascii_digit()
}

fn skip(text: &str) -> &str {
    text.trim_start_matches(|c: char| !c.is_ascii_alphanumeric() && c != '~')
}

/// The run of digits or letters at the beginning.
fn part(text: &str) -> (&str, &str) {
    let digits = text.starts_with(digit);
    let end = text.find(|c: char| if digits { !digit(c) } else { !c.is_ascii_alphabetic() });
    text.split_at(end.unwrap_or(text.len()))
}

/// To be compared by length first, so that no number is too large.
fn number(digits: &str) -> (usize, &str) {
    let digits = digits.trim_start_matches('0');
    (digits.len(), digits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn from_old_to_new() {
        let versions = [
            "",
            "0-rescue-abc",
            "4.18.0-80.el8",
            "5.14.0-70.13.1.el9",
            "5.14.0-284.el9",
            "6.1~rc1",
            "6.1",
            "6.1.0-9-amd64",
            "6.1.0-10-amd64",
            "99999999999999999999999999.0",
        ];
        for (n, a) in versions.iter().enumerate() {
            for (m, b) in versions.iter().enumerate() {
                assert_eq!(compare(a, b), n.cmp(&m), "{a} {b}");
            }
        }
    }

    proptest! {
        #[test]
        fn is_an_order(a in "[0-9a-z.~-]{0,12}", b in "[0-9a-z.~-]{0,12}", c in "[0-9a-z.~-]{0,12}") {
            prop_assert_eq!(compare(&a, &b), compare(&b, &a).reverse());
            if compare(&a, &b) != Ordering::Greater && compare(&b, &c) != Ordering::Greater {
                prop_assert_ne!(compare(&a, &c), Ordering::Greater);
            }
        }
    }
}
