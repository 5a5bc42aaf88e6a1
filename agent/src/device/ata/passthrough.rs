//! The command ATA PASS-THROUGH (16) (SAT-4 section 12.2.3).

use crate::device::bytes::{be16, u8_at};
use crate::device::error::EraseError;
use crate::device::scsi::{Refusal, Scsi, ScsiAnswer, ScsiCommand, Transfer, attempt, descriptor};
use std::time::Duration;

const ATA_PASS_THROUGH: u8 = 0x85;

/// All transfers of the agent are one sector.
pub(super) const SECTOR: usize = 512;

/// An ATA command, as the values of its registers.
#[derive(Clone, Debug, Default)]
pub(super) struct AtaCommand {
    pub(super) name: &'static str,
    pub(super) command: u8,
    pub(super) features: u16,
    pub(super) count: u16,
    pub(super) lba: u64,
    /// With registers of twice the width.
    pub(super) extended: bool,
    pub(super) data: Data,
    pub(super) timeout: Duration,
}

/// What an ATA command transfers.
#[derive(Clone, Debug, Default)]
pub(super) enum Data {
    /// Nothing; the answer has the registers.
    #[default]
    None,
    /// A sector from the device.
    Read,
    /// A sector to the device.
    Write(Vec<u8>),
}

/// The registers after a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Registers {
    /// Bits 7 to 0 of the LBA, 15 to 8 and so on.
    pub(super) lba: [u8; 6],
    /// Nothing if the translation leaves out the upper half although it is not zero.
    pub(super) count: Option<u16>,
}

impl AtaCommand {
    fn cdb(&self) -> Vec<u8> {
        const NON_DATA: u8 = 3;
        const PIO_IN: u8 = 4;
        const PIO_OUT: u8 = 5;
        const CHECK_CONDITION: u8 = 1 << 5;
        const FROM_DEVICE: u8 = 1 << 3;
        // So many blocks as the count says.
        const BLOCKS_BY_COUNT: u8 = 1 << 2 | 0b10;
        let (protocol, flags) = match self.data {
            Data::None => (NON_DATA, CHECK_CONDITION),
            Data::Read => (PIO_IN, FROM_DEVICE | BLOCKS_BY_COUNT),
            Data::Write(_) => (PIO_OUT, BLOCKS_BY_COUNT),
        };
        let [features_high, features] = self.features.to_be_bytes();
        let [count_high, count] = self.count.to_be_bytes();
        let lba = self.lba.to_le_bytes();
        let protocol = protocol << 1 | u8::from(self.extended);
        vec![
            ATA_PASS_THROUGH,
            protocol,
            flags,
            features_high,
            features,
            count_high,
            count,
            lba[3],
            lba[0],
            lba[4],
            lba[1],
            lba[5],
            lba[2],
            // LBA mode; security and identification commands do not care.
            if self.lba == 0 { 0 } else { 1 << 6 },
            self.command,
            0,
        ]
    }

    async fn attempt(&self, device: &dyn Scsi) -> Result<ScsiAnswer, EraseError> {
        let transfer = match &self.data {
            Data::None => Transfer::None,
            Data::Read => Transfer::Read(SECTOR),
            Data::Write(data) => Transfer::Write(data.clone()),
        };
        let command = ScsiCommand { cdb: self.cdb(), transfer, timeout: self.timeout };
        let answer = attempt(device, self.name, command).await?;
        if answer.status == 0 || is_success(&answer.sense) {
            Ok(answer)
        } else {
            Err(EraseError::Scsi { command: self.name, refusal: Refusal::of(&answer) })
        }
    }

    /// Does it, for its effect.
    pub(super) async fn perform(&self, device: &dyn Scsi) -> Result<(), EraseError> {
        self.attempt(device).await.map(drop)
    }

    /// Does it, for the sector that it reads.
    pub(super) async fn read(&self, device: &dyn Scsi) -> Result<Vec<u8>, EraseError> {
        let data = self.attempt(device).await?.data;
        if data.len() < SECTOR {
            return Err(EraseError::Malformed { command: self.name, what: "shorter than 512 bytes" });
        }
        Ok(data)
    }

    /// Does it, for the registers as it leaves them.
    pub(super) async fn registers(&self, device: &dyn Scsi) -> Result<Registers, EraseError> {
        let sense = self.attempt(device).await?.sense;
        registers(&sense).ok_or(EraseError::Malformed { command: self.name, what: "no registers" })
    }
}

/// RECOVERED ERROR, ATA PASS THROUGH INFORMATION AVAILABLE: there was no error, and there are registers.
fn is_success(sense: &[u8]) -> bool {
    match u8_at(sense, 0) & 0x7f {
        0x70 => (u8_at(sense, 2) & 0xf, u8_at(sense, 12), u8_at(sense, 13)) == (1, 0, 0x1d),
        0x72 => (u8_at(sense, 1) & 0xf, u8_at(sense, 2), u8_at(sense, 3)) == (1, 0, 0x1d),
        _ => false,
    }
}

/// The ATA Status Return descriptor, or what of it fits into the fixed format (SAT-4 section 12.2.2).
fn registers(sense: &[u8]) -> Option<Registers> {
    const STATUS_RETURN: u8 = 0x09;
    match sense.first()? & 0x7f {
        0x70 if sense.len() >= 12 => {
            const COUNT_UPPER_NOT_ZERO: u8 = 1 << 6;
            let count = (sense[8] & COUNT_UPPER_NOT_ZERO == 0).then_some(u16::from(sense[6]));
            Some(Registers { lba: [sense[9], sense[10], sense[11], 0, 0, 0], count })
        }
        0x72 => {
            let found = descriptor(sense, STATUS_RETURN).filter(|descriptor| descriptor.len() >= 14)?;
            Some(Registers {
                lba: [found[7], found[9], found[11], found[6], found[8], found[10]],
                count: Some(be16(found, 4)),
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn identify_device_is_what_hdparm_sends() {
        let identify = AtaCommand { command: 0xec, count: 1, data: Data::Read, ..AtaCommand::default() };
        assert_eq!(identify.cdb(), [0x85, 8, 0x0e, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0xec, 0]);
    }

    #[test]
    fn registers_of_twice_the_width_go_to_their_places() {
        let command = AtaCommand {
            command: 0xb4,
            features: 0x0012,
            count: 0x0110,
            lba: 0x0605_0403_0201,
            extended: true,
            ..AtaCommand::default()
        };
        assert_eq!(command.cdb(), [0x85, 7, 0x20, 0x00, 0x12, 0x01, 0x10, 4, 1, 5, 2, 6, 3, 0x40, 0xb4, 0]);
    }

    #[test]
    fn both_formats_of_sense_data_have_registers() {
        let mut fixed = [0; 18];
        (fixed[0], fixed[2], fixed[7], fixed[13]) = (0x70, 1, 10, 0x1d);
        (fixed[6], fixed[9], fixed[10], fixed[11]) = (7, 1, 0x4f, 0xc2);
        assert!(is_success(&fixed));
        let expected = Registers { lba: [1, 0x4f, 0xc2, 0, 0, 0], count: Some(7) };
        assert_eq!(registers(&fixed), Some(expected));
        fixed[8] = 0x40;
        assert_eq!(registers(&fixed).unwrap().count, None);
        let descriptor = [
            0x72, 1, 0, 0x1d, 0, 0, 0, 14, // Header.
            9, 12, 1, 0, 0x80, 7, 4, 1, 5, 0x4f, 6, 0xc2, 0, 0x50,
        ];
        assert!(is_success(&descriptor));
        let expected = Registers { lba: [1, 0x4f, 0xc2, 4, 5, 6], count: Some(0x8007) };
        assert_eq!(registers(&descriptor), Some(expected));
        assert_eq!(registers(&descriptor[..16]), None);
    }

    proptest! {
        #[test]
        fn anything_can_be_looked_at_for_registers(
            format in prop_oneof![Just(0x70_u8), Just(0x72), any::<u8>()],
            rest in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            let data: Vec<u8> = std::iter::once(format).chain(rest).collect();
            registers(&data);
            is_success(&data);
        }
    }
}
