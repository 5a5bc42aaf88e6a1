//! The session itself.

use super::{Command, done};
use crate::Privilege;
use ipmi_rs_core::connection::{IpmiCommand, Message, NetFn, NotEnoughData};

/// Section 22.18. Sessions begin at the level "user", whatever their handshake asked for.
#[derive(Clone, Copy, Debug)]
pub struct SetSessionPrivilege(pub Privilege);

impl From<SetSessionPrivilege> for Message {
    fn from(SetSessionPrivilege(privilege): SetSessionPrivilege) -> Self {
        Self::new_request(NetFn::App, 0x3b, vec![privilege.code()])
    }
}

impl IpmiCommand for SetSessionPrivilege {
    /// The level that the session has now.
    type Output = Privilege;
    type Error = NotEnoughData;

    fn parse_success_response(data: &[u8]) -> Result<Privilege, NotEnoughData> {
        data.first().and_then(|code| Privilege::from_code(*code)).ok_or(NotEnoughData)
    }
}

impl Command for SetSessionPrivilege {
    const NAME: &'static str = "Set Session Privilege Level";
}

/// Section 22.19: ends the session that the controller calls so.
#[derive(Clone, Copy, Debug)]
pub struct CloseSession(pub u32);

impl From<CloseSession> for Message {
    fn from(CloseSession(id): CloseSession) -> Self {
        Self::new_request(NetFn::App, 0x3c, id.to_le_bytes().to_vec())
    }
}

impl IpmiCommand for CloseSession {
    type Output = ();
    type Error = NotEnoughData;

    fn parse_success_response(data: &[u8]) -> Result<(), NotEnoughData> {
        done(data)
    }
}

impl Command for CloseSession {
    const NAME: &'static str = "Close Session";
}
