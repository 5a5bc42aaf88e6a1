//! The state of a session on the wire: ids, keys, counters.

use crate::Error;
use crate::crypto::SessionKeys;
use crate::packet::{Header, LanRequest, LanResponse, Packet, PayloadType, Window};
use std::net::SocketAddr;
use tracing::debug;

/// What it takes to send and to believe packets of one session.
#[derive(Debug)]
pub(super) struct Wire {
    bmc: SocketAddr,
    keys: SessionKeys,
    console_id: u32,
    bmc_id: u32,
    /// Of the last packet that was sent.
    sequence: u32,
    inbound: Window,
    /// Of the last request: six bits.
    rq_seq: u8,
    /// True once a goodbye was said.
    pub(super) closed: bool,
}

impl Wire {
    pub(super) fn new(bmc: SocketAddr, keys: SessionKeys, console_id: u32, bmc_id: u32) -> Self {
        let (sequence, inbound, rq_seq) = (0, Window::default(), 0);
        Self { bmc, keys, console_id, bmc_id, sequence, inbound, rq_seq, closed: false }
    }

    pub(super) const fn bmc(&self) -> SocketAddr {
        self.bmc
    }

    /// What the controller calls the session.
    pub(super) const fn bmc_id(&self) -> u32 {
        self.bmc_id
    }

    /// A number that no request of late had.
    pub(super) const fn next_rq_seq(&mut self) -> u8 {
        self.rq_seq = (self.rq_seq + 1) & 0x3f;
        self.rq_seq
    }

    /// The datagram of `request`, with a sequence number of its own.
    pub(super) fn seal(&mut self, request: &LanRequest) -> Result<Vec<u8>, Error> {
        self.sequence = self.sequence.checked_add(1).ok_or_else(|| Error::Protocol {
            bmc: self.bmc,
            request: "a request",
            problem: "the session has used up its sequence numbers; open another".to_owned(),
        })?;
        let header = Header { payload: PayloadType::Ipmi, session_id: self.bmc_id, sequence: self.sequence };
        self.keys.seal(header, &request.encode()).map_err(|source| Error::Crypto { bmc: self.bmc, source })
    }

    /// The response in `datagram`, if it is one of this session that was not seen before.
    pub(super) fn unseal(&mut self, datagram: &[u8]) -> Option<LanResponse> {
        let packet = match Packet::decode(datagram) {
            Ok(Packet::Protected(packet)) => packet,
            Ok(_) => return None,
            Err(error) => {
                debug!(bmc = %self.bmc, %error, "a datagram was dropped");
                return None;
            }
        };
        let header = packet.header;
        if header.session_id != self.console_id || header.payload != PayloadType::Ipmi {
            return None;
        }
        let payload = self
            .keys
            .unseal(&packet)
            .inspect_err(|error| debug!(bmc = %self.bmc, %error, "a packet was not believed"))
            .ok()?;
        // Only what is authentic may move the window.
        if !self.inbound.accept(header.sequence) {
            debug!(bmc = %self.bmc, sequence = header.sequence, "a packet came twice or too late");
            return None;
        }
        LanResponse::decode(&payload)
            .inspect_err(|error| debug!(bmc = %self.bmc, %error, "a response was dropped"))
            .ok()
    }
}
