//! Numbers with units.

/// Name and size of each unit, in bytes.
pub(super) const BYTES: [(&str, u64); 11] = [
    ("B", 1),
    ("kB", 1_000),
    ("KiB", 1 << 10),
    ("MB", 1_000_000),
    ("MiB", 1 << 20),
    ("GB", 1_000_000_000),
    ("GiB", 1 << 30),
    ("TB", 1_000_000_000_000),
    ("TiB", 1 << 40),
    ("PB", 1_000_000_000_000_000),
    ("PiB", 1 << 50),
];

/// The same in bits per second.
pub(super) const BITS: [(&str, u64); 5] =
    [("bit", 1), ("kbit", 1_000), ("Mbit", 1_000_000), ("Gbit", 1_000_000_000), ("Tbit", 1_000_000_000_000)];

/// Digits after the point.
const MAX_FRACTION: usize = 9;

/// `digits` of a unit, where that is a whole number; "1.5" is understood.
pub(super) fn read(digits: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !is_number(whole) || digits.contains('.') && !is_number(fraction) || fraction.len() > MAX_FRACTION {
        return None;
    }
    let scale = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    let number = whole.parse::<u64>().map(u128::from).ok()? * scale
        + if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    let total = number.checked_mul(unit.into())?;
    (total % scale == 0).then_some(total / scale).and_then(|total| total.try_into().ok())
}

/// In the unit that gives the smallest whole number.
pub(super) fn print(number: u64, units: &[(&str, u64)]) -> String {
    let whole = |(_, size): &&(&str, u64)| number.is_multiple_of(*size);
    match units.iter().filter(whole).max_by_key(|(_, size)| *size).filter(|_| number > 0) {
        Some((unit, size)) => format!("{} {unit}", number / size),
        None => format!("{number} {}", units[0].0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_exact() {
        assert_eq!(read("1.5", 1 << 30), Some(3 << 29));
        assert_eq!(read("64", 1 << 30), Some(64 << 30));
        assert_eq!(read("0.1", 1_000), Some(100));
        for bad in ["", ".", "1.", ".5", "1.2.3", "-1", "+1", "1e3", "0.3333333333", "99999999999999999999"] {
            assert_eq!(read(bad, 1 << 10), None, "{bad}");
        }
        assert_eq!(read("0.1", 1), None, "there is no tenth of a byte");
        assert_eq!(read("17000", 1 << 50), None, "it is more than there can be");
    }

    #[test]
    fn the_unit_is_the_largest_that_fits() {
        for (number, text) in
            [(0, "0 B"), (1 << 36, "64 GiB"), (1_000_000_000_000, "1 TB"), (1537, "1537 B"), (2048, "2 KiB")]
        {
            assert_eq!(print(number, &BYTES), text);
        }
        assert_eq!(print(25_000_000_000, &BITS), "25 Gbit");
    }
}
