//! A UDP relay that loses, doubles, delays and reorders. What it does to a datagram depends on the seed and on how
//! many there were before.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::sleep;

/// What happens to datagrams, each way.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// Percent that vanish.
    pub lost: u64,
    /// Percent that arrive twice.
    pub doubled: u64,
    /// Each copy is held up by anything up to this.
    pub held_up: Duration,
    /// The same seed is the same weather.
    pub seed: u64,
}

/// A relay in front of one server. It runs until it is dropped.
#[derive(Debug)]
pub struct BadNetwork {
    address: SocketAddr,
    task: AbortHandle,
}

impl BadNetwork {
    /// A relay to `server`.
    ///
    /// # Errors
    /// If no socket can be had.
    pub async fn before(server: SocketAddr, weather: Weather) -> io::Result<Self> {
        let front = Arc::new(UdpSocket::bind(("127.0.0.1", 0)).await?);
        let address = front.local_addr()?;
        let sky = Arc::new(Sky { weather, datagrams: AtomicU64::new(0) });
        Ok(Self { address, task: tokio::spawn(relay(front, server, sky)).abort_handle() })
    }

    /// Where clients send to.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for BadNetwork {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Sky {
    weather: Weather,
    datagrams: AtomicU64,
}

impl Sky {
    /// When each copy of the next datagram arrives.
    fn fate(&self) -> Vec<Duration> {
        let number = self.datagrams.fetch_add(1, Ordering::Relaxed);
        let mut dice = Dice(self.weather.seed.rotate_left(32) ^ number);
        if dice.percent() < self.weather.lost {
            return Vec::new();
        }
        let copies = if dice.percent() < self.weather.doubled { 2 } else { 1 };
        (0..copies)
            .map(|_| {
                self.weather.held_up.mul_f64(f64::from(u8::try_from(dice.percent()).unwrap_or(0)) / 100.0)
            })
            .collect()
    }
}

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn percent(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % 100
    }
}

/// Clients are told apart by address; each has a socket of its own towards the server.
async fn relay(front: Arc<UdpSocket>, server: SocketAddr, sky: Arc<Sky>) {
    let mut backs: BTreeMap<SocketAddr, Arc<UdpSocket>> = BTreeMap::new();
    // Dropped with this task, and everything under way with it.
    let mut tasks = JoinSet::new();
    let mut buffer = [0; 2048];
    loop {
        while tasks.try_join_next().is_some() {}
        let Ok((len, client)) = front.recv_from(&mut buffer).await else { continue };
        let back = match backs.entry(client) {
            Entry::Occupied(known) => Arc::clone(known.get()),
            Entry::Vacant(new) => {
                let Ok(back) = UdpSocket::bind(("127.0.0.1", 0)).await else { continue };
                let back = Arc::clone(new.insert(Arc::new(back)));
                tasks.spawn(relay_back(Arc::clone(&back), Arc::clone(&front), client, Arc::clone(&sky)));
                back
            }
        };
        for delay in sky.fate() {
            tasks.spawn(deliver(Arc::clone(&back), buffer[..len].to_vec(), server, delay));
        }
    }
}

async fn relay_back(back: Arc<UdpSocket>, front: Arc<UdpSocket>, client: SocketAddr, sky: Arc<Sky>) {
    let mut tasks = JoinSet::new();
    let mut buffer = [0; 2048];
    loop {
        while tasks.try_join_next().is_some() {}
        let Ok((len, _server)) = back.recv_from(&mut buffer).await else { continue };
        for delay in sky.fate() {
            tasks.spawn(deliver(Arc::clone(&front), buffer[..len].to_vec(), client, delay));
        }
    }
}

async fn deliver(socket: Arc<UdpSocket>, datagram: Vec<u8>, to: SocketAddr, delay: Duration) {
    sleep(delay).await;
    // A datagram that cannot be delivered is one more that is lost.
    let _ = socket.send_to(&datagram, to).await;
}
