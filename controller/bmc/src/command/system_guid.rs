//! Which system a controller belongs to.

use super::Command;
use ipmi_rs_core::connection::{IpmiCommand, Message, NetFn, NotEnoughData};

/// Section 22.14.
#[derive(Clone, Copy, Debug)]
pub struct GetSystemGuid;

/// 16 bytes in whatever order the controller's maker thought right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SystemGuid(pub [u8; 16]);

impl SystemGuid {
    /// True if this is `uuid` (in the order of RFC 9562) in one of the three orders that occur: that of the IPMI
    /// specification (section 20.8, last byte first), that of SMBIOS (the first three fields turned round), or as it
    /// is.
    #[must_use]
    pub fn is(&self, uuid: [u8; 16]) -> bool {
        let mut ipmi = uuid;
        ipmi.reverse();
        let mut smbios = uuid;
        smbios[..4].reverse();
        smbios[4..6].reverse();
        smbios[6..8].reverse();
        [uuid, ipmi, smbios].contains(&self.0)
    }
}

impl From<GetSystemGuid> for Message {
    fn from(_: GetSystemGuid) -> Self {
        Self::new_request(NetFn::App, 0x37, Vec::new())
    }
}

impl IpmiCommand for GetSystemGuid {
    type Output = SystemGuid;
    type Error = NotEnoughData;

    fn parse_success_response(data: &[u8]) -> Result<SystemGuid, NotEnoughData> {
        data.first_chunk().copied().map(SystemGuid).ok_or(NotEnoughData)
    }
}

impl Command for GetSystemGuid {
    const NAME: &'static str = "Get System GUID";
}

#[cfg(test)]
mod tests {
    use super::SystemGuid;

    #[test]
    fn a_uuid_is_known_again_in_every_order() {
        let uuid = *b"\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff";
        let smbios = *b"\x33\x22\x11\x00\x55\x44\x77\x66\x88\x99\xaa\xbb\xcc\xdd\xee\xff";
        let ipmi = *b"\xff\xee\xdd\xcc\xbb\xaa\x99\x88\x77\x66\x55\x44\x33\x22\x11\x00";
        assert!([uuid, smbios, ipmi].map(SystemGuid).iter().all(|guid| guid.is(uuid)));
        assert!(!SystemGuid([0; 16]).is(uuid));
    }
}
