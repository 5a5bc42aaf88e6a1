//! The controller's side of a handshake.

use super::config::BmcConfig;
use super::journal::Journal;
use super::slots::{Active, Opened, Slots, Stage};
use hostler_bmc::crypto::{SessionKeys, Transcript, random};
use hostler_bmc::packet::{
    Algorithms, OpenSessionRequest, OpenSessionResponse, OpenedSession, Rakp1, Rakp2, Rakp2Accepted, Rakp3,
    Rakp4, Rakp4Accepted, RakpStatus, Window,
};
use hostler_bmc::{CipherSuite, Privilege};
use std::net::SocketAddr;
use tokio::time::Instant;

/// One message of a login, with what it takes to answer it.
pub(super) struct Login<'f> {
    pub(super) config: &'f BmcConfig,
    pub(super) slots: &'f mut Slots,
    pub(super) journal: &'f Journal,
    pub(super) peer: SocketAddr,
    pub(super) now: Instant,
}

impl Login<'_> {
    pub(super) fn open(&mut self, request: &OpenSessionRequest, lowers_suite: bool) -> OpenSessionResponse {
        let OpenSessionRequest { tag, max_privilege, console_id, algorithms } = *request;
        let outcome = self.find_suite(algorithms).and_then(|suite| {
            let bmc_id = match self.slots.open(self.peer, console_id, suite, self.now) {
                Opened::New(id) => {
                    self.journal.write(|record| record.session_attempts += 1);
                    id
                }
                Opened::Again(id) => id,
                Opened::Full => {
                    self.journal.write(|record| record.session_attempts += 1);
                    return Err(RakpStatus::InsufficientResources);
                }
            };
            let none = Algorithms { integrity: 0, confidentiality: 0, ..algorithms };
            let algorithms = if lowers_suite { none } else { algorithms };
            Ok(OpenedSession { max_privilege, bmc_id, algorithms })
        });
        OpenSessionResponse { tag, console_id, outcome }
    }

    pub(super) fn challenge(&mut self, rakp1: &Rakp1) -> Option<Rakp2> {
        let slot = self.slots.find(rakp1.bmc_id, self.peer, self.now);
        let Some(slot) = slot.filter(|slot| !matches!(slot.stage, Stage::Active(_))) else {
            return Some(Rakp2 { tag: rakp1.tag, console_id: 0, outcome: Err(RakpStatus::InvalidSessionId) });
        };
        let (console_id, suite) = (slot.console_id, slot.suite);
        let outcome = match self.config.admits(rakp1) {
            Ok(()) => {
                let transcript = Transcript {
                    suite,
                    console_id,
                    bmc_id: rakp1.bmc_id,
                    console_random: rakp1.console_random,
                    bmc_random: random().ok()?,
                    guid: self.config.guid,
                    role: rakp1.role,
                    user: rakp1.user.clone(),
                };
                let code = transcript.rakp2_code(&self.config.password);
                let (bmc_random, guid) = (transcript.bmc_random, transcript.guid);
                slot.stage = Stage::Challenged(transcript);
                Ok(Rakp2Accepted { bmc_random, guid, code })
            }
            Err(status) => {
                self.journal.write(|record| record.failed_authentications += 1);
                self.slots.close(rakp1.bmc_id);
                Err(status)
            }
        };
        Some(Rakp2 { tag: rakp1.tag, console_id, outcome })
    }

    pub(super) fn activate(&mut self, rakp3: &Rakp3) -> Option<Rakp4> {
        let tag = rakp3.tag;
        let Some(slot) = self.slots.find(rakp3.bmc_id, self.peer, self.now) else {
            return Some(Rakp4 { tag, console_id: 0, outcome: Err(RakpStatus::InvalidSessionId) });
        };
        let console_id = slot.console_id;
        let transcript = match &slot.stage {
            Stage::Open => {
                return Some(Rakp4 { tag, console_id, outcome: Err(RakpStatus::InactiveSessionId) });
            }
            Stage::Active(active) => {
                let code = active.rakp4.clone();
                return Some(Rakp4 { tag, console_id, outcome: Ok(Rakp4Accepted { code }) });
            }
            Stage::Challenged(transcript) => transcript,
        };
        // A console that gives up expects no answer.
        let given = match &rakp3.outcome {
            Ok(accepted) => &accepted.code,
            Err(_) => return self.fail(rakp3.bmc_id),
        };
        if !transcript.rakp3_matches(&self.config.password, given) {
            self.fail(rakp3.bmc_id);
            return Some(Rakp4 { tag, console_id, outcome: Err(RakpStatus::InvalidIntegrityCheck) });
        }
        let active = self.config.activate(transcript)?;
        let code = active.rakp4.clone();
        slot.stage = Stage::Active(Box::new(active));
        self.journal.write(|record| record.sessions += 1);
        Some(Rakp4 { tag, console_id, outcome: Ok(Rakp4Accepted { code }) })
    }

    fn fail(&mut self, bmc_id: u32) -> Option<Rakp4> {
        self.journal.write(|record| record.failed_authentications += 1);
        self.slots.close(bmc_id);
        None
    }

    fn find_suite(&self, algorithms: Algorithms) -> Result<CipherSuite, RakpStatus> {
        let suite = CipherSuite::from_algorithms(algorithms).ok_or(RakpStatus::NoCipherSuiteMatch)?;
        if self.config.suites.contains(&suite) { Ok(suite) } else { Err(RakpStatus::NoCipherSuiteMatch) }
    }
}

impl BmcConfig {
    fn admits(&self, rakp1: &Rakp1) -> Result<(), RakpStatus> {
        if rakp1.user != self.user.as_str().as_bytes() {
            return Err(RakpStatus::UnauthorizedName);
        }
        match Privilege::from_code(rakp1.role) {
            None => Err(RakpStatus::InvalidRole),
            Some(role) if role > self.limit => Err(RakpStatus::UnauthorizedRole),
            Some(_) => Ok(()),
        }
    }

    fn activate(&self, transcript: &Transcript) -> Option<Active> {
        let sik = transcript.session_integrity_key(self.kg.as_ref().unwrap_or(&self.password));
        Some(Active {
            keys: SessionKeys::new(&sik).ok()?,
            privilege: Privilege::User,
            limit: Privilege::from_code(transcript.role)?.min(self.limit),
            inbound: Window::default(),
            sequence: 0,
            rakp4: transcript.rakp4_code(&sik),
        })
    }
}
