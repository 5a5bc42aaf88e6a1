//! From nothing to a link.

use super::epoch::Epoch;
use super::link::{Down, Downlink, Fenced, Link, Uplink, ended};
use super::memory::{Heard, Memory};
use crate::backoff::Backoff;
use crate::clock::Clock;
use crate::controllers::Controllers;
use crate::error::chain;
use crate::identity::Credentials;
use crate::machine::Machine;
use crate::tls::{self, TlsError};
use crate::wire;
use hostler_proto::AGENT_PROTOCOL;
use hostler_proto::agent::v1::agent_message::Message as Up;
use hostler_proto::agent::v1::agent_service_client::AgentServiceClient;
use hostler_proto::agent::v1::controller_message::Message;
use hostler_proto::agent::v1::{AgentMessage, ControllerMessage, Hello, KnownRun, Welcome};
use hostler_proto::rotation::Turn;
use rustls::ClientConfig;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

/// How long the controller may take to say Welcome.
const WELCOME_TIMEOUT: Duration = Duration::from_secs(15);

/// Messages that may wait for the network. The largest has 64 KiB.
const UPLINK_CAPACITY: usize = 16;

/// A payload's standard input has 4 MiB at most, and its environment is beside it.
const MESSAGE_LIMIT: usize = 6 << 20;

/// With which controllers to speak, as whom.
pub(crate) struct Contact {
    pub(crate) machine: Arc<dyn Machine>,
    pub(crate) clock: Arc<Clock>,
    pub(crate) controllers: Controllers,
    pub(crate) credentials: Credentials,
    /// Lower ones are not obeyed.
    pub(crate) epoch: u64,
    pub(crate) incarnation: u32,
    /// Where what is heard of the leadership is kept, if there is a place for it.
    pub(crate) memory: Option<Memory>,
}

/// Opens links.
pub(crate) struct Dialler {
    machine: Arc<dyn Machine>,
    clock: Arc<Clock>,
    controllers: Controllers,
    config: Arc<ClientConfig>,
    epoch: Epoch,
    incarnation: u32,
    memory: Option<Memory>,
    heartbeat: Duration,
    backoff: Backoff,
    /// When the latest link was opened.
    opened: Option<Instant>,
}

/// Why one try came to nothing.
enum Failure {
    Fenced(Fenced),
    /// The controller, whether it leads or not, said this or nothing.
    Refused(Status),
    Again(String),
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        match ended(&status) {
            Down::Fenced(fenced) => Self::Fenced(fenced),
            _ => Self::Refused(status),
        }
    }
}

impl Dialler {
    pub(crate) fn new(contact: Contact) -> Result<Self, TlsError> {
        Ok(Self {
            config: tls::mutual(&contact.credentials, &contact.clock)?,
            machine: contact.machine,
            clock: contact.clock,
            controllers: contact.controllers,
            memory: contact.memory,
            epoch: Epoch::at_least(contact.epoch),
            incarnation: contact.incarnation,
            heartbeat: Duration::from_secs(5),
            backoff: Backoff::new(Duration::from_millis(200), Duration::from_secs(5)),
            opened: None,
        })
    }

    /// Tries until a controller says Welcome or fences this agent. May be dropped and called again at any time.
    pub(crate) async fn open(&mut self, runs: &[KnownRun]) -> Result<Link, Fenced> {
        self.pause_after_link().await;
        loop {
            match self.attempt(runs).await {
                Ok(link) => {
                    self.opened = Some(Instant::now());
                    return Ok(link);
                }
                Err(Failure::Fenced(fenced)) => return Err(fenced),
                Err(Failure::Refused(status)) => {
                    self.tell_failure(&chain(&status));
                    self.pause(self.controllers.failed(&status)).await;
                }
                Err(Failure::Again(reason)) => {
                    self.tell_failure(&reason);
                    self.pause(self.controllers.lost()).await;
                }
            }
        }
    }

    fn tell_failure(&self, reason: &str) {
        tracing::info!(controller = %self.controllers.now(), "no session yet: {reason}");
    }

    async fn pause(&mut self, turn: Turn) {
        if turn == Turn::Later {
            sleep(self.backoff.next_delay()).await;
        }
    }

    /// After a link that lasted the next one follows soon; a controller that ends each link at once is not hammered.
    async fn pause_after_link(&mut self) {
        let Some(opened) = self.opened.take() else { return };
        if opened.elapsed() >= self.heartbeat {
            self.backoff.reset();
        }
        sleep(self.backoff.next_delay()).await;
    }

    async fn attempt(&mut self, runs: &[KnownRun]) -> Result<Link, Failure> {
        let (sender, receiver) = mpsc::channel(UPLINK_CAPACITY);
        let up = Uplink(sender);
        up.offer(Up::Hello(self.hello(runs)));
        let greeting = timeout(WELCOME_TIMEOUT, self.greet(receiver)).await;
        let (stream, welcome) = greeting.map_err(|_| Failure::Again("no Welcome came".to_owned()))??;
        self.adopt(&welcome)?;
        let mut heartbeat = interval(self.heartbeat);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let down = Downlink {
            stream,
            up: up.clone(),
            heartbeat,
            machine: self.machine.clone(),
            epoch: self.epoch.clone(),
            controllers: self.controllers.clone(),
        };
        Ok(Link { up, down })
    }

    async fn greet(
        &self,
        outgoing: mpsc::Receiver<AgentMessage>,
    ) -> Result<(Streaming<ControllerMessage>, Welcome), Failure> {
        let dead_after = (self.heartbeat * 4).clamp(Duration::from_secs(2), Duration::from_secs(60));
        let channel = wire::connect(&self.machine, self.controllers.now(), &self.config, dead_after)
            .await
            .map_err(|error| Failure::Again(chain(&error)))?;
        let mut stream = AgentServiceClient::new(channel)
            .max_decoding_message_size(MESSAGE_LIMIT)
            .session(ReceiverStream::new(outgoing))
            .await?
            .into_inner();
        let first = stream.message().await?.and_then(|m| m.message);
        match first {
            Some(Message::Welcome(welcome)) => Ok((stream, welcome)),
            Some(_) => Err(Failure::Again("the controller's first message was no Welcome".to_owned())),
            None => Err(Failure::Again("the controller closed the stream without a Welcome".to_owned())),
        }
    }

    fn adopt(&mut self, welcome: &Welcome) -> Result<(), Failure> {
        if !self.epoch.admits(welcome.epoch) {
            return Err(Failure::Again(format!(
                "a controller of epoch {} answered, but {} was heard before",
                welcome.epoch,
                self.epoch.highest()
            )));
        }
        self.clock.set(welcome.now_ms);
        self.controllers.heard(&welcome.controllers);
        if let Some(memory) = &mut self.memory {
            let controllers = [vec![self.controllers.now()], self.controllers.others()].concat();
            memory.keep(Heard { epoch: welcome.epoch, controllers });
        }
        let interval = Duration::from_millis(u64::from(welcome.heartbeat_interval_ms));
        self.heartbeat = interval.clamp(Duration::from_millis(100), Duration::from_secs(60));
        Ok(())
    }

    fn hello(&self, runs: &[KnownRun]) -> Hello {
        Hello {
            protocol: AGENT_PROTOCOL,
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            arch: self.machine.arch().to_owned(),
            incarnation: self.incarnation,
            runs: runs.to_vec(),
            proves: true,
        }
    }
}
