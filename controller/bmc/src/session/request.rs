//! One request of a session.

use super::wire::Wire;
use crate::Error;
use crate::command::Repeat;
use crate::link::Exchange;
use crate::packet::{LanRequest, LanResponse};
use ipmi_rs_core::connection::Message;

/// C0h: busy, nothing was done. C3h means that something may have been, so it counts as an answer.
const NODE_BUSY: u8 = 0xc0;

/// A request until its response is there.
pub(super) struct Request<'w> {
    wire: &'w mut Wire,
    name: &'static str,
    request: LanRequest,
    repeat: Repeat,
    /// True after the request went out and before the controller said that it is too busy for it.
    pending: bool,
    busy: bool,
    copies: u32,
}

impl<'w> Request<'w> {
    pub(super) fn new(wire: &'w mut Wire, name: &'static str, message: &Message, repeat: Repeat) -> Self {
        let request = LanRequest {
            netfn: message.netfn_raw(),
            lun: 0,
            rq_seq: wire.next_rq_seq(),
            cmd: message.cmd(),
            data: message.data().to_vec(),
        };
        Self { wire, name, request, repeat, pending: false, busy: false, copies: 0 }
    }

    /// True if a copy may still be under way that must not come after the next request.
    pub(super) fn haunts(&self) -> bool {
        self.repeat == Repeat::InARow && self.copies > 1
    }

    fn answers(&self, response: &LanResponse) -> bool {
        let request = &self.request;
        (response.netfn, response.cmd, response.rq_seq) == (request.netfn + 1, request.cmd, request.rq_seq)
    }

    fn refused(&self, code: u8) -> Error {
        Error::Refused { bmc: self.wire.bmc(), command: self.name, code }
    }
}

impl Exchange for Request<'_> {
    type Output = Vec<u8>;

    fn name(&self) -> &'static str {
        self.name
    }

    fn datagram(&mut self) -> Result<Option<Vec<u8>>, Error> {
        if self.pending && self.repeat == Repeat::Never {
            return Ok(None);
        }
        if self.busy {
            // Some controllers repeat their "busy" to a number that they have seen.
            self.request.rq_seq = self.wire.next_rq_seq();
        }
        self.pending = true;
        self.copies += 1;
        self.wire.seal(&self.request).map(Some)
    }

    fn answer(&mut self, datagram: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let Some(response) = self.wire.unseal(datagram) else { return Ok(None) };
        if !self.answers(&response) {
            return Ok(None);
        }
        match response.completion {
            0 => Ok(Some(response.data)),
            NODE_BUSY => {
                (self.pending, self.busy) = (false, true);
                Ok(None)
            }
            code => Err(self.refused(code)),
        }
    }

    fn unanswered(&self) -> Option<Error> {
        (self.busy && !self.pending).then(|| self.refused(NODE_BUSY))
    }
}
