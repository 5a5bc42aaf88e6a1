//! The clients: each leases one machine and gives it back, again and again.

use crate::client::{Credentials, until};
use anyhow::ensure;
use hostler_proto::lease::v1::lease_service_client::LeaseServiceClient;
use hostler_proto::lease::v1::{
    CloseReason, GetLeaseRequest, LeaseState, MemberRequest, ReleaseLeaseRequest, RequestLeaseRequest,
};
use std::path::Path;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tonic::transport::Channel;

/// How much of it.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// At the same time, each with a connection of its own.
    pub clients: u32,
    /// Before anything counts.
    pub warm_up: Duration,
    /// In which cycles count that end in it.
    pub span: Duration,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Of each cycle that counts, from the request to the end of the wipe; sorted.
    latencies: Vec<Duration>,
    span: Duration,
    /// Cycles, also those that do not count.
    pub all: usize,
}

impl Outcome {
    /// Cycles per second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.span.as_secs_f64()
    }

    /// The latency that this part of all cycles did not exceed.
    #[must_use]
    pub fn percentile(&self, part: f64) -> Duration {
        let rank = (self.latencies.len() as f64 * part).ceil() as usize;
        self.latencies.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    }
}

impl Load {
    /// Runs the clients.
    ///
    /// # Errors
    /// If one cycle does not go as it should.
    pub async fn run(self, credentials: &Path) -> anyhow::Result<Outcome> {
        let credentials = Credentials::load(credentials)?;
        let mut clients = JoinSet::new();
        let mut channels = Vec::new();
        for _ in 0..self.clients {
            channels.push(credentials.connect().await?);
        }
        let begin = Instant::now() + self.warm_up;
        for (number, channel) in channels.into_iter().enumerate() {
            clients.spawn(client(number, channel, begin + self.span));
        }
        let (mut latencies, mut all) = (Vec::new(), 0);
        while let Some(cycles) = clients.join_next().await {
            let cycles = cycles??;
            all += cycles.len();
            let counts = |end: Instant| end >= begin && end < begin + self.span;
            latencies.extend(cycles.iter().filter(|(end, _)| counts(*end)).map(|(_, latency)| *latency));
        }
        latencies.sort();
        Ok(Outcome { latencies, span: self.span, all })
    }
}

/// Cycles until `end`: when each ended, and how long it took.
async fn client(number: usize, channel: Channel, end: Instant) -> anyhow::Result<Vec<(Instant, Duration)>> {
    let mut service = LeaseServiceClient::new(channel);
    let mut cycles = Vec::new();
    while Instant::now() < end {
        let began = Instant::now();
        cycle(&mut service, format!("client {number}, cycle {}", cycles.len())).await?;
        let ended = Instant::now();
        cycles.push((ended, ended - began));
    }
    Ok(cycles)
}

/// Request, wait until the machine is there, release, wait until it is wiped and free.
async fn cycle(service: &mut LeaseServiceClient<Channel>, idempotency_key: String) -> anyhow::Result<()> {
    let member = MemberRequest { count: 1, image: "bench".into(), ..MemberRequest::default() };
    let request =
        RequestLeaseRequest { idempotency_key, members: vec![member], ..RequestLeaseRequest::default() };
    let id = service.request_lease(request).await?.into_inner().id;
    let mut changes = service.watch_lease(GetLeaseRequest { id, ..Default::default() }).await?.into_inner();
    let active = until(&mut changes, LeaseState::Active).await?;
    ensure!(active.nodes.len() == 1 && active.nodes.iter().all(|n| n.up), "not a whole group: {active:?}");
    service.release_lease(ReleaseLeaseRequest { id, ..Default::default() }).await?;
    let closed = until(&mut changes, LeaseState::Closed).await?;
    ensure!(closed.close_reason() == CloseReason::Released, "not as asked for: {closed:?}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_latencies_that_were_seen() {
        let latencies = (1..=200).map(Duration::from_millis).collect();
        let outcome = Outcome { latencies, span: Duration::from_secs(2), all: 210 };
        assert_eq!(outcome.percentile(0.50), Duration::from_millis(100));
        assert_eq!(outcome.percentile(0.99), Duration::from_millis(198));
        assert!((outcome.rate() - 100.0).abs() < f64::EPSILON);
    }
}
