//! From nothing to an active session.
//!
//! ```text
//! console                                    BMC
//!   open session request   algorithms, id ->
//!                       <- algorithms, id    open session response
//!   RAKP message 1         user, random   ->
//!                       <- random, proof     RAKP message 2
//!   RAKP message 3         proof          ->
//!                       <- proof             RAKP message 4
//! ```
//!
//! Each question is repeated until it is answered. A controller that gets message 1 twice may think of another random
//! number and then finds the proof in message 3 wrong, and one that lost its state refuses it: neither says anything
//! about the password, since message 2 has proved it by then. Such a handshake is begun anew, with more patience.

use super::Session;
use super::setback::Failures;
use super::setback::Setback::{self, Final, Transient};
use super::steps::{Question, Step};
use super::wire::Wire;
use crate::crypto::{SessionKeys, Transcript, random};
use crate::link::{Link, Patience};
use crate::packet::{
    NAME_ONLY_LOOKUP, OpenSessionRequest, OpenedSession, PayloadType, Rakp1, Rakp2Accepted, Rakp3,
    Rakp3Accepted, RakpStatus, encode_plain,
};
use crate::{AuthenticationFailure, Error, Permit, Target, Timing};
use std::time::Duration;
use tokio::time::{Instant, sleep};
use tracing::debug;

const OPEN_TAG: u8 = 0;
const RAKP1_TAG: u8 = 1;
const RAKP3_TAG: u8 = 2;

/// A message of the middle of a handshake that is not answered within this many times the retransmission interval has
/// probably lost its session: 1 + 2 + 4 and a half.
const STEP_INTERVALS: u32 = 8;

/// An active session, still at the privilege level "user".
pub(super) async fn open(
    target: &Target,
    timing: Timing,
    permit: &Permit,
    deadline: Instant,
) -> Result<Session, Error> {
    let mut retransmit = timing.retransmit;
    loop {
        // A socket of its own, so that late answers to an earlier try go nowhere.
        let link = Link::connect(target.address, permit.clone()).await?;
        match Handshake::begin(target, link, timing, retransmit, deadline).await {
            Ok(session) => return Ok(session),
            Err(Final(error)) => return Err(error),
            Err(Transient(error)) if Instant::now() + retransmit >= deadline => return Err(error),
            Err(Transient(error)) => {
                debug!(%error, "the handshake is begun anew");
                sleep(retransmit).await;
                retransmit *= 2;
            }
        }
    }
}

/// One try.
struct Handshake<'t> {
    target: &'t Target,
    retransmit: Duration,
    deadline: Instant,
    console_id: u32,
    console_random: [u8; 16],
}

impl<'t> Handshake<'t> {
    async fn begin(
        target: &'t Target,
        link: Link,
        timing: Timing,
        retransmit: Duration,
        deadline: Instant,
    ) -> Result<Session, Setback> {
        let failures = Failures(target);
        let handshake = Self {
            target,
            retransmit,
            deadline,
            console_id: random().map(u32::from_le_bytes).map_err(|e| failures.crypto(e))?.max(1),
            console_random: random().map_err(|e| failures.crypto(e))?,
        };
        let opened = handshake.open_session(&link).await?;
        let transcript = handshake.exchange_randoms(&link, opened.bmc_id).await?;
        handshake.activate(link, &transcript, timing).await
    }

    async fn open_session(&self, link: &Link) -> Result<OpenedSession, Setback> {
        let question = OpenSessionRequest {
            tag: OPEN_TAG,
            max_privilege: self.target.privilege.code(),
            console_id: self.console_id,
            algorithms: self.target.suite.algorithms(),
        };
        let answer = self.ask(link, question, self.deadline).await?;
        let failures = Failures(self.target);
        let opened = answer.outcome.map_err(|status| failures.status(OpenSessionRequest::NAME, status))?;
        if opened.algorithms != self.target.suite.algorithms() {
            return Err(failures.other_suite(opened.algorithms));
        }
        Ok(opened)
    }

    /// Messages 1 and 2: after them, the controller has proved that it knows the password.
    async fn exchange_randoms(&self, link: &Link, bmc_id: u32) -> Result<Transcript, Setback> {
        let user = self.target.user.as_str().as_bytes().to_vec();
        let role = self.target.privilege.code() | NAME_ONLY_LOOKUP;
        let console_random = self.console_random;
        let question = Rakp1 { tag: RAKP1_TAG, bmc_id, console_random, role, user: user.clone() };
        let answer = self.ask(link, question, self.step_deadline()).await?;
        let failures = Failures(self.target);
        let Rakp2Accepted { bmc_random, guid, code } =
            answer.outcome.map_err(|status| failures.status(Rakp1::NAME, status))?;
        let (suite, console_id) = (self.target.suite, self.console_id);
        let transcript =
            Transcript { suite, console_id, bmc_id, console_random, bmc_random, guid, role, user };
        if transcript.rakp2_matches(&self.target.password, &code) {
            return Ok(transcript);
        }
        give_up(link, bmc_id);
        Err(failures.not_authentic(AuthenticationFailure::Password))
    }

    /// Messages 3 and 4.
    async fn activate(
        &self,
        link: Link,
        transcript: &Transcript,
        timing: Timing,
    ) -> Result<Session, Setback> {
        let (target, failures) = (self.target, Failures(self.target));
        let sik = transcript.session_integrity_key(target.kg.as_ref().unwrap_or(&target.password));
        let keys = SessionKeys::new(&sik).map_err(|error| failures.crypto(error))?;
        let code = transcript.rakp3_code(&target.password);
        let question =
            Rakp3 { tag: RAKP3_TAG, bmc_id: transcript.bmc_id, outcome: Ok(Rakp3Accepted { code }) };
        // The controller may believe message 3 while message 4 is lost, so from here on every way out has to say
        // goodbye, that of a cancelled caller too: this is what dropping a session does.
        let wire = Wire::new(target.address, keys, self.console_id, transcript.bmc_id);
        let session = Session { link, wire, timing };
        let answer = self.ask(&session.link, question, self.step_deadline()).await?;
        let accepted = answer.outcome.map_err(|status| failures.status(Rakp3::NAME, status))?;
        if transcript.rakp4_matches(&sik, &accepted.code) {
            return Ok(session);
        }
        Err(failures.not_authentic(AuthenticationFailure::Kg))
    }

    async fn ask<Q: Question>(
        &self,
        link: &Link,
        question: Q,
        deadline: Instant,
    ) -> Result<Q::Answer, Setback> {
        let mut step = Step { bmc: self.target.address, console_id: self.console_id, question };
        let patience = Patience { retransmit: self.retransmit, deadline };
        link.ask(&mut step, patience).await.map_err(Setback::of)
    }

    fn step_deadline(&self) -> Instant {
        (Instant::now() + self.retransmit * STEP_INTERVALS).min(self.deadline)
    }
}

/// Frees the half-open session. To the controller, this is a failed login.
fn give_up(link: &Link, bmc_id: u32) {
    let refusal = Rakp3 { tag: RAKP3_TAG, bmc_id, outcome: Err(RakpStatus::InvalidIntegrityCheck) };
    link.send_once(&encode_plain(PayloadType::Rakp3, &refusal.encode()));
}
