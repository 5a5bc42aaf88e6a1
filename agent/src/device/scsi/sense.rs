//! Sense data (SPC-5 section 4.4): why a command did not end with GOOD.

use super::ScsiAnswer;
use crate::device::bytes::{be16, u8_at};
use std::fmt;

/// The parts of sense data that the agent looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sense {
    /// What kind of condition this is; zero is none.
    pub key: u8,
    /// Which one.
    pub code: u8,
    /// Which one of these.
    pub qualifier: u8,
    /// How far what is under way is, in 65,536ths.
    pub progress: Option<u16>,
}

/// Sense keys.
const NOT_READY: u8 = 0x2;
const UNIT_ATTENTION: u8 = 0x6;

/// The descriptor with what belongs to the sense key.
const SENSE_KEY_SPECIFIC: u8 = 0x02;

impl Sense {
    /// Decodes sense data of either format; what cannot be decoded is no sense.
    #[must_use]
    pub fn parse(data: &[u8]) -> Self {
        match u8_at(data, 0) & 0x7f {
            // 71h and 73h tell of an earlier command.
            0x70 => Self {
                key: u8_at(data, 2) & 0xf,
                code: u8_at(data, 12),
                qualifier: u8_at(data, 13),
                progress: progress(data.get(15..18).unwrap_or_default()),
            },
            0x72 => Self {
                key: u8_at(data, 1) & 0xf,
                code: u8_at(data, 2),
                qualifier: u8_at(data, 3),
                progress: descriptor(data, SENSE_KEY_SPECIFIC)
                    .and_then(|descriptor| progress(descriptor.get(4..7).unwrap_or_default())),
            },
            _ => Self::default(),
        }
    }

    pub(crate) fn is_unit_attention(self) -> bool {
        self.key == UNIT_ATTENTION
    }

    /// NOT READY, SANITIZE IN PROGRESS.
    pub(crate) fn is_sanitizing(self) -> bool {
        (self.key, self.code, self.qualifier) == (NOT_READY, 0x04, 0x1b)
    }

    /// SANITIZE COMMAND FAILED.
    pub(crate) fn has_sanitizing_failed(self) -> bool {
        (self.code, self.qualifier) == (0x31, 0x03)
    }
}

/// The sense key specific field, if it is valid and there is progress.
fn progress(field: &[u8]) -> Option<u16> {
    (u8_at(field, 0) & 0x80 != 0).then(|| be16(field, 1))
}

/// The first descriptor of a type in sense data of descriptor format, header included.
pub(crate) fn descriptor(data: &[u8], kind: u8) -> Option<&[u8]> {
    let end = usize::from(u8_at(data, 7)) + 8;
    let mut rest = data.get(8..end.min(data.len()))?;
    while rest.len() >= 2 {
        let length = usize::from(rest[1]) + 2;
        if rest[0] == kind {
            return Some(&rest[..length.min(rest.len())]);
        }
        rest = rest.get(length..)?;
    }
    None
}

/// A status that is not GOOD, with its sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    status: u8,
    sense: Sense,
}

impl Refusal {
    pub(crate) fn of(answer: &ScsiAnswer) -> Self {
        Self { status: answer.status, sense: Sense::parse(&answer.sense) }
    }
}

/// With the words of SPC-5 for what refuses to be erased usually has.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Sense { key, code, qualifier, .. } = self.sense;
        let words = match (key, code, qualifier) {
            (0, ..) => return write!(f, "status {:#04x}", self.status),
            (_, 0x04, 0x1b) => "sanitize in progress",
            (_, 0x20, 0x00) => "invalid command operation code",
            (_, 0x24, 0x00) => "invalid field in CDB",
            (_, 0x26, _) => "invalid field in parameter list",
            (_, 0x31, 0x03) => "sanitize command failed",
            (0x2, ..) => "not ready",
            (0x3, ..) => "medium error",
            (0x4, ..) => "hardware error",
            (0x5, ..) => "illegal request",
            (0x7, ..) => "data protect",
            (0xb, ..) => "aborted command",
            _ => "sense",
        };
        write!(f, "{words} ({key:#x}/{code:#04x}/{qualifier:#04x})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FIXED: [u8; 18] = [0x70, 0, 0x02, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x04, 0x1b, 0, 0x80, 0x40, 0x00];
    const DESCRIPTORS: [u8; 24] = [
        0x72, 0x02, 0x04, 0x1b, 0, 0, 0, 16, // Header, with the length of what follows.
        0x03, 0x06, 0, 0, 0, 0, 0, 0, // Stream commands, of no interest.
        0x02, 0x06, 0, 0, 0x80, 0x40, 0x00, 0, // Sense key specific.
    ];

    #[test]
    fn both_formats_say_the_same() {
        let expected = Sense { key: 2, code: 4, qualifier: 0x1b, progress: Some(0x4000) };
        assert_eq!(Sense::parse(&FIXED), expected);
        assert_eq!(Sense::parse(&DESCRIPTORS), expected);
        assert!(expected.is_sanitizing() && !expected.has_sanitizing_failed());
    }

    #[test]
    fn what_is_cut_off_is_not_there() {
        assert_eq!(Sense::parse(&FIXED[..15]).progress, None);
        assert_eq!(Sense::parse(&DESCRIPTORS[..20]).progress, None);
        assert_eq!(Sense::parse(&[0x71, 0, 2]), Sense::default());
        assert_eq!(Sense::parse(&[]), Sense::default());
    }

    #[test]
    fn a_refusal_is_told_in_words() {
        let mut answer = ScsiAnswer { status: 2, sense: FIXED.to_vec(), data: Vec::new() };
        assert_eq!(Refusal::of(&answer).to_string(), "sanitize in progress (0x2/0x04/0x1b)");
        answer.sense.clear();
        assert_eq!(Refusal::of(&answer).to_string(), "status 0x02");
    }

    proptest! {
        #[test]
        fn anything_can_be_parsed(
            format in prop_oneof![Just(0x70_u8), Just(0x72), any::<u8>()],
            rest in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            let data: Vec<u8> = std::iter::once(format).chain(rest).collect();
            let _ = Sense::parse(&data);
            descriptor(&data, 0x09);
        }
    }
}
