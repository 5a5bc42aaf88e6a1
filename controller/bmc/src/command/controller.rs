//! The controller itself.

use super::{Command, Repeat, done};
use ipmi_rs_core::connection::{IpmiCommand, Message, NetFn, NotEnoughData};

/// Section 20.2: the controller starts anew; all its sessions end. The system keeps its power.
#[derive(Clone, Copy, Debug)]
pub struct ColdReset;

impl From<ColdReset> for Message {
    fn from(_: ColdReset) -> Self {
        Self::new_request(NetFn::App, 0x02, Vec::new())
    }
}

impl IpmiCommand for ColdReset {
    type Output = ();
    type Error = NotEnoughData;

    fn parse_success_response(data: &[u8]) -> Result<(), NotEnoughData> {
        done(data)
    }
}

impl Command for ColdReset {
    const NAME: &'static str = "Cold Reset";

    fn repeat(&self) -> Repeat {
        Repeat::Never
    }
}
