//! FRU data by the IPMI Platform Management FRU Information Storage Definition v1.0: a header, a board area and a
//! product area.

/// Bytes of the storage.
pub(super) const SIZE: usize = 256;
/// Areas are measured in these.
const UNIT: usize = 8;
/// The type of a field in 8-bit ASCII.
const ASCII: u8 = 0xc0;
/// Marks the end of an area's fields.
const END: u8 = 0xc1;

/// The content of the storage.
pub(super) fn image(name: &str, serial: &str) -> Vec<u8> {
    // A manufacturing date that is not known.
    let board = area(&[0, 0, 0, 0], &["Hostler", "lab board", serial, "LAB-1", ""]);
    let product = area(&[0], &["Hostler", "lab", "LAB-1", "1", serial, name, ""]);
    let unit = |length: usize| u8::try_from(length / UNIT).unwrap_or_default();
    let mut image = vec![1, 0, 0, 1, 1 + unit(board.len()), 0, 0];
    image.push(checksum(&image));
    image.extend(board);
    image.extend(product);
    image.resize(SIZE, 0);
    image
}

/// An area: version, length, (language and) what `before` has, fields, padding, checksum. Language 0 is English.
fn area(before: &[u8], fields: &[&str]) -> Vec<u8> {
    const LONGEST: usize = 31;
    let mut body = before.to_vec();
    for field in fields {
        let text = &field.as_bytes()[..field.len().min(LONGEST)];
        body.push(ASCII | u8::try_from(text.len()).unwrap_or_default());
        body.extend(text);
    }
    body.push(END);
    let length = (2 + body.len() + 1).next_multiple_of(UNIT);
    let mut area = vec![1, u8::try_from(length / UNIT).unwrap_or_default()];
    area.extend(body);
    area.resize(length - 1, 0);
    area.push(checksum(&area));
    area
}

/// What makes the sum of all bytes zero.
fn checksum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)).wrapping_neg()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_parts_add_up_to_zero() {
        let image = image("a-name-that-is-as-long-as-names-c", "77000000-0000-4000-8000-000000000001");
        assert_eq!(image.len(), SIZE);
        let sum = |bytes: &[u8]| bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
        assert_eq!(sum(&image[..8]), 0);
        for offset in [image[3], image[4]] {
            let area = &image[usize::from(offset) * 8..];
            assert_eq!(sum(&area[..usize::from(area[1]) * 8]), 0);
        }
    }
}
