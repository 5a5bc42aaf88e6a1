//! A management controller that never answers.

use crate::stage::PATIENCE;
use anyhow::Context as _;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

/// Remembers whose datagrams came, in their order. It ends when it is dropped.
#[derive(Debug)]
pub struct Sink {
    heard: Arc<Mutex<Vec<IpAddr>>>,
    task: AbortHandle,
}

impl Sink {
    /// On this socket.
    ///
    /// # Errors
    /// If the socket cannot be used.
    pub fn start(socket: UdpSocket) -> anyhow::Result<Self> {
        socket.set_nonblocking(true)?;
        let socket = tokio::net::UdpSocket::from_std(socket)?;
        let heard = Arc::<Mutex<Vec<IpAddr>>>::default();
        let ours = heard.clone();
        let listen = async move {
            while let Ok((_, from)) = socket.recv_from(&mut [0; 2048]).await {
                ours.lock().unwrap_or_else(PoisonError::into_inner).push(from.ip());
            }
        };
        Ok(Self { heard, task: tokio::spawn(listen).abort_handle() })
    }

    /// Who was heard so far.
    #[must_use]
    pub fn heard(&self) -> Vec<IpAddr> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until so many more datagrams have come from there.
    ///
    /// # Errors
    /// If they do not.
    pub async fn hears(&self, from: Ipv4Addr, more: usize) -> anyhow::Result<()> {
        let count = || self.heard().iter().filter(|heard| **heard == from).count();
        let wanted = count() + more;
        let heard = timeout(PATIENCE, async {
            while count() < wanted {
                sleep(Duration::from_millis(20)).await;
            }
        });
        heard.await.with_context(|| format!("{from} says nothing to the management controller"))
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.task.abort();
    }
}
