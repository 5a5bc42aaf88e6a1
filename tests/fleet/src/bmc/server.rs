//! The socket of a simulated controller.

use super::config::BmcConfig;
use super::faults::{BmcFaults, Faults};
use super::firmware::Firmware;
use super::journal::Journal;
use crate::chassis::Chassis;
use hostler_bmc::packet::MAX_DATAGRAM;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};

/// A management controller that runs until it is dropped.
#[derive(Debug)]
pub struct SimBmc {
    address: SocketAddr,
    faults: BmcFaults,
    journal: Journal,
    sessions: Arc<AtomicUsize>,
    task: AbortHandle,
}

impl SimBmc {
    /// Answers on `address`; with port 0, the operating system picks one.
    ///
    /// # Errors
    /// If the address cannot be bound.
    pub async fn start(address: SocketAddr, config: BmcConfig, chassis: Chassis) -> io::Result<Self> {
        let socket = UdpSocket::bind(address).await?;
        let (faults, journal) = (BmcFaults::default(), Journal::default());
        let sessions = Arc::default();
        let server = Server {
            firmware: Firmware::new(config, chassis, faults.clone(), journal.clone()),
            faults: faults.clone(),
            sessions: Arc::clone(&sessions),
            answers: 0,
        };
        let address = socket.local_addr()?;
        let task = tokio::spawn(server.run(socket)).abort_handle();
        Ok(Self { address, faults, journal, sessions, task })
    }

    /// Where it answers.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it does wrong.
    #[must_use]
    pub const fn faults(&self) -> &BmcFaults {
        &self.faults
    }

    /// What happened to it.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// How many session slots are taken, half-open ones included, after the last datagram.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.sessions.load(Ordering::Acquire)
    }
}

impl Drop for SimBmc {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Server {
    firmware: Firmware,
    faults: BmcFaults,
    sessions: Arc<AtomicUsize>,
    /// How many answers there were, those that were lost among them.
    answers: u32,
}

impl Server {
    async fn run(mut self, socket: UdpSocket) {
        let mut buffer = [0; MAX_DATAGRAM];
        loop {
            // Errors are those of answers that nobody waited for.
            let Ok((len, peer)) = socket.recv_from(&mut buffer).await else { continue };
            let faults = self.faults.get();
            if faults.dead {
                continue;
            }
            let answer = self.firmware.answer(&buffer[..len], peer, Instant::now());
            self.sessions.store(self.firmware.sessions(), Ordering::Release);
            let Some(answer) = answer else { continue };
            if faults.delay > Duration::ZERO {
                sleep(faults.delay).await;
            }
            if !self.loses(faults) {
                // As above.
                let _ = socket.send_to(&answer, peer).await;
            }
        }
    }

    fn loses(&mut self, faults: Faults) -> bool {
        self.answers = self.answers.wrapping_add(1);
        faults.loses_every > 0 && self.answers.is_multiple_of(faults.loses_every)
    }
}
