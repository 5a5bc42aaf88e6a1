//! One agent's session: its reports become inputs, its node's state becomes its orders.

use super::orders::{News, Told};
use super::{AgentApi, enrol, reports};
use crate::api::status::{internal, refused};
use crate::controller::Controller;
use crate::pki::Identity;
use crate::storage::Acknowledged;
use crate::tls::Caller;
use hostler_core::ids::{BootId, NodeId, RunId};
use hostler_core::input::{Input, Profile, Report};
use hostler_core::node::{Node, Presence};
use hostler_proto::agent::v1::agent_message::Message as FromAgent;
use hostler_proto::agent::v1::agent_service_server::AgentService;
use hostler_proto::agent::v1::controller_message::Message as ToAgent;
use hostler_proto::agent::v1::{AgentMessage, ControllerMessage, Hello, Welcome};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

/// An agent that says nothing for this long after connecting is sent away.
const FIRST_WORD: Duration = Duration::from_secs(10);

/// Messages on their way to one agent.
const OUTBOX: usize = 16;

/// Who reports, from its certificate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Speaker {
    pub(super) node: NodeId,
    pub(super) boot: BootId,
    pub(super) profile: Profile,
}

#[tonic::async_trait]
impl AgentService for AgentApi {
    type SessionStream = ReceiverStream<Result<ControllerMessage, Status>>;

    async fn session(
        &self,
        request: Request<Streaming<AgentMessage>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let caller =
            request.extensions().get::<Caller>().cloned().ok_or_else(|| Status::internal("no caller"))?;
        let Some(Identity::Agent { node, boot, profile }) = caller.identity else {
            return Err(Status::permission_denied(
                "sessions are for agents, with the certificate of their boot",
            ));
        };
        let mut inbound = request.into_inner();
        let speaker = Speaker { node, boot, profile };
        let hello = first_word(&mut inbound).await?;
        enrol::check_protocol(hello.protocol)?;
        // Before the core hears of it, so that nobody takes a silence for its own that ends here.
        self.0.registry.heard(node, None);
        if let Err(status) = speaker.greet(&self.0, &hello).await {
            if status.code() == tonic::Code::PermissionDenied {
                speaker.record_fenced(&self.0, &status).await;
            }
            return Err(status);
        }
        let (outbox, outgoing) = mpsc::channel(OUTBOX);
        let session = Session {
            controller: self.0.clone(),
            speaker,
            caller,
            inbound,
            outbox,
            told: Told::by(&hello, self.0.epoch),
            stored: mpsc::unbounded_channel(),
        };
        self.0.tasks.spawn(session.run());
        Ok(Response::new(ReceiverStream::new(outgoing)))
    }
}

async fn first_word(inbound: &mut Streaming<AgentMessage>) -> Result<Hello, Status> {
    let first = tokio::time::timeout(FIRST_WORD, inbound.message()).await;
    match first
        .map_err(|_| Status::deadline_exceeded("the agent did not say hello"))??
        .and_then(|m| m.message)
    {
        Some(FromAgent::Hello(hello)) => Ok(hello),
        _ => Err(Status::invalid_argument("the first message of a session is Hello")),
    }
}

impl Speaker {
    pub(super) async fn report(&self, controller: &Controller, report: Report) -> Result<(), Status> {
        let Self { node, boot, profile } = *self;
        let input = Input::Agent { node, boot, profile, report };
        controller.submit(input).await.map(drop).map_err(|e| refused(&e))
    }

    async fn greet(&self, controller: &Controller, hello: &Hello) -> Result<(), Status> {
        let runs = hello.runs.iter().take(1024).map(|r| RunId(r.run_id)).collect();
        let (incarnation, proves) = (hello.incarnation, hello.proves);
        self.report(controller, Report::Hello { incarnation, runs, proves }).await
    }

    async fn record_fenced(&self, controller: &Controller, status: &Status) {
        if !controller.refusals.may_be_stored() {
            tracing::warn!(node = %self.node, "an agent was sent away: {}", status.message());
            return;
        }
        let message = format!("an agent of boot {} was sent away: {}", self.boot, status.message());
        let input = Input::Refused { node: Some(self.node), kind: "agent-fenced".into(), message };
        // The answer is a refusal in any case.
        let _ = controller.submit(input).await;
    }
}

/// One agent's session.
struct Session {
    controller: Arc<Controller>,
    speaker: Speaker,
    caller: Caller,
    inbound: Streaming<AgentMessage>,
    outbox: mpsc::Sender<Result<ControllerMessage, Status>>,
    told: Told,
    /// Output that was stored after it had been taken in: at most one message for each segment.
    stored: (Acknowledged, mpsc::UnboundedReceiver<(RunId, u64)>),
}

/// How a session ends.
enum End {
    /// The agent went away, or a newer session of it began.
    Gone,
    /// It must not speak any more: its connection is cut.
    Fenced(Status),
    /// It made no sense.
    Refused(Status),
}

impl Session {
    async fn run(mut self) {
        let end = self.serve().await;
        match end {
            End::Gone => {}
            // An agent that does not read gets no reason; the stream ends all the same.
            End::Refused(status) => drop(self.outbox.try_send(Err(status))),
            End::Fenced(status) => {
                // Best effort: the cut ends the connection whether the agent reads this or not.
                let _ = tokio::time::timeout(Duration::from_millis(200), self.outbox.send(Err(status))).await;
                tokio::time::sleep(Duration::from_millis(100)).await;
                self.caller.cut.cancel();
            }
        }
    }

    async fn serve(&mut self) -> End {
        let controller = self.controller.clone();
        let entered = controller.registry.enter(self.speaker.node);
        let mut changes = controller.published.watch_node(self.speaker.node);
        let mut addresses = controller.office.watch_addresses();
        if self.send(ToAgent::Welcome(self.welcome())).await.is_err() {
            return End::Gone;
        }
        loop {
            // What was decided here may not count any more, and is told when it is known to.
            let may_tell = controller.office.may_act();
            if may_tell {
                match self.told.news(&controller, self.speaker) {
                    Ok(Some(news)) => match self.tell(news, &entered.end).await {
                        Ok(()) => continue,
                        Err(end) => return end,
                    },
                    Ok(None) => {}
                    Err(status) => return End::Fenced(status),
                }
            }
            tokio::select! {
                () = controller.stop.cancelled() => return End::Gone,
                () = controller.office.until_may_act(), if !may_tell => {}
                Ok(()) = addresses.changed() => if self.send(ToAgent::Welcome(self.welcome())).await.is_err() {
                    return End::Gone;
                },
                () = entered.end.cancelled() => return End::Gone,
                Some((run, bytes)) = self.stored.1.recv() => {
                    if self.send(reports::output_stored(run, bytes)).await.is_err() {
                        return End::Gone;
                    }
                }
                changed = changes.changed() => if changed.is_err() { return End::Gone },
                message = self.inbound.message() => match message {
                    Ok(Some(AgentMessage { message: Some(message) })) => {
                        if let Err(end) = self.receive(message).await {
                            return end;
                        }
                    }
                    Ok(Some(AgentMessage { message: None })) => {}
                    Ok(None) | Err(_) => return End::Gone,
                }
            }
        }
    }

    /// Sends an order; what a payload gets on its standard input is read here, where waiting for the disk holds up
    /// nobody else.
    async fn tell(&self, news: News, superseded: &CancellationToken) -> Result<(), End> {
        let News { mut message, stdin } = news;
        if let (ToAgent::StartRun(start), false) = (&mut message, stdin.is_empty()) {
            let read = self.controller.inputs.read(&stdin).await;
            start.stdin = read.map_err(|e| End::Refused(internal("standard input of a run", &e)))?;
        }
        tokio::select! {
            biased;
            () = self.controller.stop.cancelled() => Err(End::Gone),
            () = superseded.cancelled() => Err(End::Gone),
            sent = self.send(message) => sent.map_err(|_| End::Gone),
        }
    }

    async fn receive(&mut self, message: FromAgent) -> Result<(), End> {
        let health = match &message {
            FromAgent::Heartbeat(beat) => Some(reports::health(beat, self.controller.clock.now())),
            _ => None,
        };
        self.controller.registry.heard(self.speaker.node, health);
        self.speaker.is_back(&self.controller).await.map_err(End::Fenced)?;
        match reports::receive(&self.controller, self.speaker, message, &self.stored.0).await {
            Ok(Some(answer)) => self.send(answer).await.map_err(|_| End::Gone),
            Ok(None) => Ok(()),
            Err(status) if status.code() == tonic::Code::PermissionDenied => Err(End::Fenced(status)),
            Err(status) => Err(End::Refused(status)),
        }
    }

    async fn send(
        &self,
        message: ToAgent,
    ) -> Result<(), mpsc::error::SendError<Result<ControllerMessage, Status>>> {
        self.outbox.send(Ok(ControllerMessage { message: Some(message) })).await
    }

    fn welcome(&self) -> Welcome {
        Welcome {
            epoch: self.controller.epoch,
            heartbeat_interval_ms: self.controller.config.agents.heartbeat_ms,
            now_ms: self.controller.clock.now().0,
            controllers: self.controller.office.addresses(),
        }
    }
}

impl Speaker {
    /// Tells the core that an agent that it takes for silent, or its machine for restarting, is heard again on its open
    /// session.
    async fn is_back(&self, controller: &Controller) -> Result<(), Status> {
        let missed = |node: &Node| match node.agent {
            Presence::Silent { .. } => true,
            Presence::Absent => self.profile == Profile::Tenant && node.runs_deployed_system(),
            Presence::Heard => false,
        };
        let missed = controller.published.read(|w| w.nodes.get(self.node).is_some_and(missed));
        if missed { self.report(controller, Report::Back).await } else { Ok(()) }
    }
}
