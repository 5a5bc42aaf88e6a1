//! Numbers out of what a device answered, which may be shorter than it should be: what is missing reads as zero.

pub(crate) fn u8_at(data: &[u8], offset: usize) -> u8 {
    data.get(offset).copied().unwrap_or_default()
}

pub(crate) fn le16(data: &[u8], offset: usize) -> u16 {
    u16::from_le_bytes(array(data, offset))
}

pub(crate) fn le32(data: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes(array(data, offset))
}

pub(crate) fn le128(data: &[u8], offset: usize) -> u128 {
    u128::from_le_bytes(array(data, offset))
}

pub(crate) fn be16(data: &[u8], offset: usize) -> u16 {
    u16::from_be_bytes(array(data, offset))
}

fn array<const N: usize>(data: &[u8], offset: usize) -> [u8; N] {
    std::array::from_fn(|index| offset.checked_add(index).map_or(0, |at| u8_at(data, at)))
}
