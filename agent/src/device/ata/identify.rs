//! The command IDENTIFY DEVICE (ACS-4 section 7.13) and what it says about erasing.

use super::passthrough::{AtaCommand, Data};
use crate::device::bytes::le16;
use crate::device::error::EraseError;
use crate::device::method::Action;
use crate::device::scsi::{QUICK, Scsi};
use std::time::Duration;

const IDENTIFY_DEVICE: u8 = 0xec;

/// The data of IDENTIFY DEVICE: 256 words.
pub(super) struct Identify(Vec<u8>);

/// Word 128.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Security {
    pub(super) supported: bool,
    /// A password is set.
    pub(super) enabled: bool,
    /// Nothing can be read or written before it is unlocked.
    pub(super) locked: bool,
    /// Nothing of this can be changed until the power is off.
    pub(super) frozen: bool,
    /// Too many wrong passwords were tried.
    pub(super) exhausted: bool,
    pub(super) enhanced: bool,
}

impl Identify {
    pub(super) async fn of(device: &dyn Scsi) -> Result<Self, EraseError> {
        let command = AtaCommand {
            name: "IDENTIFY DEVICE",
            command: IDENTIFY_DEVICE,
            count: 1,
            data: Data::Read,
            timeout: QUICK,
            ..AtaCommand::default()
        };
        command.read(device).await.map(Self)
    }

    fn word(&self, number: usize) -> u16 {
        le16(&self.0, number * 2)
    }

    /// Word 82 bit 1 and words 85 and 128.
    pub(super) fn security(&self) -> Security {
        let word = self.word(128);
        let bit = |bit: u16| word & 1 << bit != 0;
        Security {
            supported: self.word(82) & 1 << 1 != 0 && bit(0),
            enabled: self.word(85) & 1 << 1 != 0 || bit(1),
            locked: bit(2),
            frozen: bit(3),
            exhausted: bit(4),
            enhanced: bit(5),
        }
    }

    /// What SECURITY ERASE UNIT takes by words 89 and 90; nothing if the device does not say.
    pub(super) fn erase_time(&self, enhanced: bool) -> Option<Duration> {
        let word = u64::from(self.word(if enhanced { 90 } else { 89 }));
        // In pairs of minutes, in one of two widths.
        let (pairs, most) = if word & 1 << 15 == 0 { (word & 0xff, 0xff) } else { (word & 0x7fff, 0x7fff) };
        match pairs {
            0 => None,
            pairs if pairs == most => Some(Duration::MAX),
            pairs => Some(Duration::from_mins(2 * pairs)),
        }
    }

    /// Word 59 bits 12 to 15.
    pub(super) fn can_sanitize(&self, action: Action) -> bool {
        let bit = match action {
            Action::Crypto => 13,
            Action::Overwrite => 14,
            Action::BlockErase => 15,
        };
        self.can_sanitize_somehow() && self.word(59) & 1 << bit != 0
    }

    pub(super) fn can_sanitize_somehow(&self) -> bool {
        self.word(59) & 1 << 12 != 0
    }

    /// Word 82 bit 0 and word 85 bit 0: SMART is supported and switched on.
    pub(super) fn has_smart(&self) -> bool {
        self.word(82) & self.word(85) & 1 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_in_pairs_of_minutes_of_two_widths() {
        let minutes = |word: u16| {
            let mut data = vec![0; 512];
            data[178..180].copy_from_slice(&word.to_le_bytes());
            Identify(data).erase_time(false).map(|time| time.as_secs() / 60)
        };
        assert_eq!(minutes(0), None);
        assert_eq!(minutes(0x8000), None);
        assert_eq!(minutes(0x0001), Some(2));
        // What does not belong to the narrow form is not looked at.
        assert_eq!(minutes(0x7f10), Some(32));
        assert_eq!(minutes(0x8100), Some(512));
        assert_eq!(minutes(0x00ff), Some(u64::MAX / 60));
        assert_eq!(minutes(0xffff), Some(u64::MAX / 60));
    }
}
