//! One stream in each direction, on which the controller has said Welcome.

use super::epoch::Epoch;
use crate::controllers::Controllers;
use crate::machine::Machine;
use hostler_proto::agent::v1::agent_message::Message as Up;
use hostler_proto::agent::v1::controller_message::Message;
use hostler_proto::agent::v1::{
    AgentMessage, ControllerMessage, Heartbeat, RunAck, Signed, StartRun, StopRun, Task,
};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::time::Interval;
use tonic::{Code, Status, Streaming};

/// Both directions, each of which is awaited by itself.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) up: Uplink,
    pub(crate) down: Downlink,
}

/// To the controller. Holds a few messages; whoever has more waits for [`Uplink::reserve`].
#[derive(Clone, Debug)]
pub(crate) struct Uplink(pub(super) mpsc::Sender<AgentMessage>);

impl Uplink {
    /// Waits until one more message can be taken. `None` if the link is gone, which [`Downlink::next`] tells as well.
    pub(crate) async fn reserve(&self) -> Option<Permit<'_>> {
        self.0.reserve().await.ok().map(Permit)
    }

    /// Sends something that is of no use later; drops it if there is no room.
    pub(crate) fn offer(&self, message: Up) {
        let _ = self.0.try_send(AgentMessage { message: Some(message) });
    }
}

/// Room for one message.
#[derive(Debug)]
pub(crate) struct Permit<'a>(mpsc::Permit<'a, AgentMessage>);

impl Permit<'_> {
    pub(crate) fn send(self, message: Up) {
        self.0.send(AgentMessage { message: Some(message) });
    }
}

/// What the controller may ask of an agent. Whether it may be asked of this one is the profile's business.
#[derive(Clone, Debug)]
pub(crate) enum Command {
    Task(Task),
    Signed(Signed),
    StartRun(StartRun),
    StopRun(StopRun),
    RunAck(RunAck),
}

/// What happened on a link.
#[derive(Debug)]
pub(crate) enum Down {
    Command(Command),
    /// The link is gone; open another.
    Ended {
        reason: String,
    },
    Fenced(Fenced),
}

/// The controller does not speak to this boot any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fenced {
    pub(crate) reason: String,
}

/// From the controller. Sends the heartbeats while it is awaited.
pub(crate) struct Downlink {
    pub(super) stream: Streaming<ControllerMessage>,
    pub(super) up: Uplink,
    pub(super) heartbeat: Interval,
    pub(super) machine: Arc<dyn Machine>,
    pub(super) epoch: Epoch,
    pub(super) controllers: Controllers,
}

impl std::fmt::Debug for Downlink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Downlink").field("epoch", &self.epoch).finish_non_exhaustive()
    }
}

impl Downlink {
    /// The next thing that happens. May be dropped and awaited again at any time.
    pub(crate) async fn next(&mut self) -> Down {
        loop {
            tokio::select! {
                received = self.stream.message() => {
                    if let Some(down) = self.receive(received) {
                        return down;
                    }
                }
                _ = self.heartbeat.tick() => self.beat(),
            }
        }
    }

    fn receive(&self, received: Result<Option<ControllerMessage>, Status>) -> Option<Down> {
        match received {
            Ok(Some(message)) => self.admit(message.message?).map(Down::Command),
            Ok(None) => Some(Down::Ended { reason: "the controller closed the stream".to_owned() }),
            Err(status) => Some(ended(&status)),
        }
    }

    fn admit(&self, message: Message) -> Option<Command> {
        let (epoch, command) = match message {
            Message::Task(task) => (Some(task.epoch), Command::Task(task)),
            Message::StartRun(start) => (Some(start.epoch), Command::StartRun(start)),
            Message::StopRun(stop) => (Some(stop.epoch), Command::StopRun(stop)),
            Message::Signed(signed) => (None, Command::Signed(signed)),
            Message::RunAck(ack) => (None, Command::RunAck(ack)),
            // Said again, since there are other controllers.
            Message::Welcome(welcome) => {
                self.controllers.heard(&welcome.controllers);
                return None;
            }
        };
        if epoch.is_none_or(|epoch| self.epoch.admits(epoch)) {
            return Some(command);
        }
        tracing::warn!(
            ?epoch,
            highest = self.epoch.highest(),
            "ignored a command of a controller that was replaced"
        );
        None
    }

    fn beat(&self) {
        let load = self.machine.load();
        self.up.offer(Up::Heartbeat(Heartbeat {
            load1: load.load1,
            memory_available_bytes: load.memory_available_bytes,
            uptime_s: load.uptime_s,
        }));
    }
}

/// What a stream's last status means.
pub(super) fn ended(status: &Status) -> Down {
    match status.code() {
        Code::PermissionDenied => Down::Fenced(Fenced { reason: status.message().to_owned() }),
        _ => Down::Ended { reason: crate::error::chain(status) },
    }
}
