//! Which system a controller belongs to.

use super::Command;
use ipmi_rs_core::connection::{IpmiCommand, Message, NetFn, NotEnoughData};
use std::fmt;

/// Section 22.14.
#[derive(Clone, Copy, Debug)]
pub struct GetSystemGuid;

/// 16 bytes, printed as a UUID in the order in which they came. Whether that is the order of RFC 9562, of SMBIOS or of
/// the IPMI specification (section 20.8), makers disagree; whoever compares has to allow for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SystemGuid(pub [u8; 16]);

impl fmt::Display for SystemGuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = u128::from_be_bytes(self.0);
        let field = |shift: u32, digits: u32| n >> shift & ((1 << (digits * 4)) - 1);
        let (a, b, c, d, e) = (field(96, 8), field(80, 4), field(64, 4), field(48, 4), field(0, 12));
        write!(f, "{a:08x}-{b:04x}-{c:04x}-{d:04x}-{e:012x}")
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
    fn it_prints_as_a_uuid() {
        let guid = SystemGuid(*b"\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff");
        assert_eq!(guid.to_string(), "00112233-4455-6677-8899-aabbccddeeff");
    }
}
