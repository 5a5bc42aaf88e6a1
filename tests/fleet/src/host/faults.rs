//! What can be wrong with a disk.

use std::ops::Range;

/// What a disk makes of a command to erase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Erase {
    /// It does it.
    #[default]
    Works,
    /// It says that it cannot.
    Unsupported,
    /// It says that it did, and did not.
    Lies,
}

/// What is wrong with a disk. By default nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Discard.
    pub discard: Erase,
    /// Write zeroes.
    pub write_zeroes: Erase,
    /// Reading anything of it fails.
    pub unreadable: Option<Range<u64>>,
    /// Writing anything of it fails.
    pub unwritable: Option<Range<u64>>,
    /// It is not plugged in, or has not come up yet.
    pub absent: bool,
}

impl Faults {
    pub(super) fn hits(bad: Option<&Range<u64>>, range: &Range<u64>) -> bool {
        bad.is_some_and(|bad| bad.start < range.end && range.start < bad.end)
    }
}
