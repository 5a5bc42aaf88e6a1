//! Datagram in, datagram out.

use super::boot_options::BootOptions;
use super::commands::{Aftermath, Board, Reply};
use super::config::BmcConfig;
use super::discovery;
use super::faults::BmcFaults;
use super::journal::Journal;
use super::login::Login;
use super::slots::{Slots, Stage};
use crate::chassis::Chassis;
use hostler_bmc::packet::{
    Header, LanRequest, LanResponse, OpenSessionRequest, Packet, PayloadType, Protected, Rakp1, Rakp3,
    encode_plain, encode_v15,
};
use std::net::SocketAddr;
use tokio::time::Instant;

/// C0h: busy.
const NODE_BUSY: u8 = 0xc0;

/// What a controller is besides its socket.
pub(super) struct Firmware {
    config: BmcConfig,
    faults: BmcFaults,
    journal: Journal,
    chassis: Chassis,
    boot_options: BootOptions,
    slots: Slots,
}

impl Firmware {
    pub(super) fn new(config: BmcConfig, chassis: Chassis, faults: BmcFaults, journal: Journal) -> Self {
        let slots = Slots::new(config.slots, config.idle);
        Self { config, faults, journal, chassis, boot_options: BootOptions::default(), slots }
    }

    /// Sessions, half-open ones included.
    pub(super) fn sessions(&self) -> usize {
        self.slots.len()
    }

    /// The answer to `datagram`, which `peer` sent. What cannot be understood is not answered.
    pub(super) fn answer(&mut self, datagram: &[u8], peer: SocketAddr, now: Instant) -> Option<Vec<u8>> {
        match Packet::decode(datagram).ok()? {
            Packet::V15 { payload } => self.discover(payload).map(|response| encode_v15(&response)),
            Packet::Plain { header, payload } => self.log_in(header, payload, peer, now),
            Packet::Protected(packet) => self.serve(&packet, peer, now),
        }
    }

    fn discover(&self, payload: &[u8]) -> Option<Vec<u8>> {
        let request = LanRequest::decode(payload).ok()?;
        Some(respond(&request, discovery::answer(&self.config, self.faults.get(), &request)).encode())
    }

    fn log_in(&mut self, header: Header, payload: &[u8], peer: SocketAddr, now: Instant) -> Option<Vec<u8>> {
        let Self { config, faults, journal, slots, .. } = self;
        let mut login = Login { config, slots, journal, peer, now };
        let (kind, answer) = match header.payload {
            PayloadType::Ipmi => (PayloadType::Ipmi, self.discover(payload)?),
            PayloadType::OpenSessionRequest => {
                let request = OpenSessionRequest::decode(payload).ok()?;
                let response = login.open(&request, faults.get().lowers_suite);
                (PayloadType::OpenSessionResponse, response.encode())
            }
            PayloadType::Rakp1 => {
                (PayloadType::Rakp2, login.challenge(&Rakp1::decode(payload).ok()?)?.encode())
            }
            PayloadType::Rakp3 => {
                (PayloadType::Rakp4, login.activate(&Rakp3::decode(payload).ok()?)?.encode())
            }
            _ => return None,
        };
        Some(encode_plain(kind, &answer))
    }

    fn serve(&mut self, packet: &Protected<'_>, peer: SocketAddr, now: Instant) -> Option<Vec<u8>> {
        let faults = self.faults.get();
        let id = packet.header.session_id;
        let slot = self.slots.find(id, peer, now)?;
        let Stage::Active(session) = &mut slot.stage else { return None };
        let payload = session.keys.unseal(packet).ok()?;
        if packet.header.payload != PayloadType::Ipmi || !session.inbound.accept(packet.header.sequence) {
            return None;
        }
        let request = LanRequest::decode(&payload).ok()?;
        let mut board = Board {
            config: &self.config,
            faults,
            journal: &self.journal,
            chassis: &self.chassis,
            boot_options: &mut self.boot_options,
            aftermath: Aftermath::Nothing,
        };
        let reply =
            if self.faults.take_busy() { Err(NODE_BUSY) } else { board.execute(id, session, &request) };
        let aftermath = board.aftermath;
        session.sequence += 1;
        let header =
            Header { payload: PayloadType::Ipmi, session_id: slot.console_id, sequence: session.sequence };
        let answer = session.keys.seal(header, &respond(&request, reply).encode()).ok();
        match aftermath {
            Aftermath::Nothing => {}
            Aftermath::CloseThis => _ = self.slots.close(id),
            Aftermath::CloseAll => self.slots.clear(),
        }
        answer
    }
}

fn respond(request: &LanRequest, reply: Reply) -> LanResponse {
    let (completion, data) = reply.map_or_else(|code| (code, Vec::new()), |data| (0, data));
    let LanRequest { netfn, lun, rq_seq, cmd, .. } = *request;
    LanResponse { netfn: netfn + 1, lun, rq_seq, cmd, completion, data }
}
