//! Datagrams to one controller and back: what is sent until it is answered.

use crate::packet::MAX_DATAGRAM;
use crate::{Error, Permit};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::time::{Instant, sleep_until, timeout_at};
use tracing::trace;

/// How often the wait between repetitions doubles.
const MAX_BACKOFF: u32 = 4;

/// One question that is asked until it is answered.
pub(crate) trait Exchange {
    /// What an answer comes to.
    type Output;

    /// What is asked, for people.
    fn name(&self) -> &'static str;

    /// The next datagram to send, made afresh for each repetition; `None` if it must not be repeated now.
    fn datagram(&mut self) -> Result<Option<Vec<u8>>, Error>;

    /// What `datagram`, which came in, means. `None` if it does not answer the question.
    fn answer(&mut self, datagram: &[u8]) -> Result<Option<Self::Output>, Error>;

    /// What is known better than that nothing came back.
    fn unanswered(&self) -> Option<Error> {
        None
    }
}

/// How long an exchange may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// Until the first repetition.
    pub(crate) retransmit: Duration,
    /// When it is given up.
    pub(crate) deadline: Instant,
}

/// A socket that only hears one controller.
#[derive(Debug)]
pub(crate) struct Link {
    socket: UdpSocket,
    bmc: SocketAddr,
    permit: Permit,
}

impl Link {
    /// A socket on any free port.
    pub(crate) async fn connect(bmc: SocketAddr, permit: Permit) -> Result<Self, Error> {
        let any: IpAddr =
            if bmc.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let open = async {
            let socket = UdpSocket::bind((any, 0)).await?;
            socket.connect(bmc).await?;
            Ok(socket)
        };
        open.await.map(|socket| Self { socket, bmc, permit }).map_err(|source| Error::Socket { bmc, source })
    }

    pub(crate) const fn bmc(&self) -> SocketAddr {
        self.bmc
    }

    /// Sends without waiting and without caring: for goodbyes.
    pub(crate) fn send_once(&self, datagram: &[u8]) {
        if let Err(error) = self.socket.try_send(datagram) {
            trace!(bmc = %self.bmc, %error, "the goodbye was not sent");
        }
    }

    /// Asks until the answer is there or patience is over.
    pub(crate) async fn ask<E: Exchange + Send>(
        &self,
        exchange: &mut E,
        patience: Patience,
    ) -> Result<E::Output, Error> {
        let started = Instant::now();
        let mut buffer = vec![0; MAX_DATAGRAM];
        let mut wait = patience.retransmit;
        let mut datagrams = 0;
        let mut last_error = None;
        while Instant::now() < patience.deadline {
            if let Some(datagram) = exchange.datagram()? {
                if !self.permit.is_given() {
                    return Err(Error::NotPermitted { bmc: self.bmc, request: exchange.name(), datagrams });
                }
                datagrams += 1;
                last_error = self.socket.send(&datagram).await.err().or(last_error);
            }
            let until = (Instant::now() + wait).min(patience.deadline);
            while let Some(received) = self.receive(&mut buffer, until, &mut last_error).await {
                if let Some(output) = exchange.answer(received)? {
                    return Ok(output);
                }
                trace!(bmc = %self.bmc, request = exchange.name(), "a datagram that answers something else");
            }
            wait = (wait * 2).min(patience.retransmit * MAX_BACKOFF);
        }
        Err(exchange.unanswered().unwrap_or(Error::Unanswered {
            bmc: self.bmc,
            request: exchange.name(),
            datagrams,
            waited: started.elapsed(),
            source: last_error,
        }))
    }

    /// The next datagram before `until`.
    async fn receive<'b>(
        &self,
        buffer: &'b mut [u8],
        until: Instant,
        last_error: &mut Option<io::Error>,
    ) -> Option<&'b [u8]> {
        // A flood of datagrams keeps the socket ready, and a timeout around it would never be looked at.
        if Instant::now() >= until {
            return None;
        }
        match timeout_at(until, self.socket.recv(buffer)).await {
            Ok(Ok(len)) => buffer.get(..len),
            Ok(Err(error)) => {
                // "Port unreachable" and the like: the controller may be starting, so it is asked again all the same.
                *last_error = Some(error);
                sleep_until(until).await;
                None
            }
            Err(_elapsed) => None,
        }
    }
}
