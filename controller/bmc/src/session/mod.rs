//! Sessions: opened by a handshake, used for one request at a time, closed.

mod close;
mod handshake;
mod request;
mod setback;
mod steps;
mod wire;

use crate::command::{Command, SetSessionPrivilege};
use crate::link::{Link, Patience};
use crate::{Error, Permit, Target, Timing};
use request::Request;
use tokio::time::{Instant, sleep};
use wire::Wire;

/// How long the network may hold up a datagram, in retransmission intervals.
const DATAGRAM_LIFE: u32 = 4;

/// A session with one controller. One request at a time; what comes late for an earlier one is never believed.
///
/// Dropped without [`Session::close`], it still sends one goodbye, so that a cancelled caller does not use up the
/// controller's few session slots. If that is lost, the controller frees the slot when it times out.
#[derive(Debug)]
pub struct Session {
    link: Link,
    wire: Wire,
    timing: Timing,
}

impl Session {
    /// Logs in and raises the session to the privilege level of `target`.
    ///
    /// # Errors
    /// [`Error::Unanswered`], [`Error::AuthenticationRefused`], [`Error::PrivilegeRefused`],
    /// [`Error::NoFreeSession`], [`Error::SuiteNotOffered`], [`Error::Protocol`]. Nothing was switched in any of these
    /// cases.
    pub async fn open(target: &Target, timing: Timing) -> Result<Self, Error> {
        Self::open_while(target, timing, &Permit::always()).await
    }

    /// The same, sending nothing once the permit is taken back.
    ///
    /// # Errors
    /// Also [`Error::NotPermitted`], from then on for every request.
    pub async fn open_while(target: &Target, timing: Timing, permit: &Permit) -> Result<Self, Error> {
        let deadline = Instant::now() + timing.open;
        let mut session = handshake::open(target, timing, permit, deadline).await?;
        match session.ask(SetSessionPrivilege(target.privilege), deadline).await {
            // 80h: not available to this user; 81h: above the limit of user or channel (section 22.18).
            Err(Error::Refused { code: 0x80 | 0x81, .. }) => Err(Error::PrivilegeRefused {
                bmc: target.address,
                user: target.user.clone(),
                privilege: target.privilege,
            }),
            Err(error) => Err(error),
            Ok(given) if given < target.privilege => Err(Error::PrivilegeRefused {
                bmc: target.address,
                user: target.user.clone(),
                privilege: target.privilege,
            }),
            Ok(_) => Ok(session),
        }
    }

    /// Sends `command` until it is answered. One that must not be carried out twice is sent once, or again only if
    /// the controller said that it was too busy.
    ///
    /// # Errors
    /// [`Error::Unanswered`], [`Error::Refused`], [`Error::Protocol`].
    pub async fn execute<C: Command>(&mut self, command: C) -> Result<C::Output, Error> {
        let deadline = Instant::now() + self.timing.request;
        self.ask(command, deadline).await
    }

    /// Frees the session slot of the controller.
    pub async fn close(mut self) {
        close::close(&self.link, &mut self.wire, self.timing.retransmit).await;
    }

    /// The controller.
    pub(crate) const fn bmc(&self) -> std::net::SocketAddr {
        self.link.bmc()
    }

    async fn ask<C: Command>(&mut self, command: C, deadline: Instant) -> Result<C::Output, Error> {
        let repeat = command.repeat();
        let message = command.into();
        let patience = Patience { retransmit: self.timing.retransmit, deadline };
        let mut request = Request::new(&mut self.wire, C::NAME, &message, repeat);
        let data = self.link.ask(&mut request, patience).await?;
        if request.haunts() {
            sleep(self.timing.retransmit * DATAGRAM_LIFE).await;
        }
        C::parse_success_response(&data).map_err(|problem| Error::Protocol {
            bmc: self.link.bmc(),
            request: C::NAME,
            problem: format!("{} bytes, {problem:?}", data.len()),
        })
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(goodbye) = close::goodbye(&mut self.wire) {
            self.link.send_once(&goodbye);
        }
    }
}
