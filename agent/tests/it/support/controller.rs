//! A controller that does what a test says, over real mutual TLS.

use super::pki::{NOW_MS, Pki};
use super::stream::{Accepted, Certified};
use hostler_proto::agent::v1::agent_message::Message as FromAgent;
use hostler_proto::agent::v1::agent_service_server::{AgentService, AgentServiceServer};
use hostler_proto::agent::v1::controller_message::Message as ToAgent;
use hostler_proto::agent::v1::enrolment_service_server::{EnrolmentService, EnrolmentServiceServer};
use hostler_proto::agent::v1::{
    AgentMessage, ControllerMessage, EnrolRequest, EnrolResponse, Hello, Welcome,
};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};

/// Accepts what a test tells it to accept.
pub(crate) struct Controller {
    pub(crate) address: SocketAddr,
    pub(crate) state: Arc<State>,
    sessions: mpsc::Receiver<Session>,
    _server: JoinSet<()>,
}

pub(crate) struct State {
    pub(crate) pki: Arc<Pki>,
    /// Answers to Enrol; when there is none left, a certificate.
    pub(crate) refusals: Mutex<VecDeque<Status>>,
    pub(crate) enrolments: Mutex<Vec<EnrolRequest>>,
    /// Has one permit for each TLS handshake that came to nothing.
    pub(crate) handshake_failed: Semaphore,
    sessions: mpsc::Sender<Session>,
}

impl Controller {
    /// `presents` is whose certificate it has; `pki` is whose certificates it gives out.
    pub(crate) async fn start(pki: Arc<Pki>, presents: &Pki) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, sessions) = mpsc::channel(8);
        let state = Arc::new(State {
            pki,
            refusals: Mutex::default(),
            enrolments: Mutex::default(),
            handshake_failed: Semaphore::new(0),
            sessions: sender,
        });
        let mut server = JoinSet::new();
        server.spawn(serve(listener, TlsAcceptor::from(presents.server()), state.clone()));
        Self { address, state, sessions, _server: server }
    }

    /// The next session, of which only Hello was read.
    pub(crate) async fn session(&mut self) -> Session {
        self.sessions.recv().await.unwrap()
    }

    /// The next session, welcomed.
    pub(crate) async fn welcomed(&mut self) -> Session {
        let session = self.session().await;
        session.welcome(1).await;
        session
    }
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, state: Arc<State>) {
    let (sender, accepted) = mpsc::channel(8);
    let accept = async {
        while let Ok((stream, _)) = listener.accept().await {
            match acceptor.accept(stream).await {
                Ok(stream) => drop(sender.send(Ok::<_, std::io::Error>(Accepted(stream))).await),
                Err(_) => state.handshake_failed.add_permits(1),
            }
        }
    };
    let serve = Server::builder()
        .add_service(EnrolmentServiceServer::from_arc(state.clone()))
        .add_service(AgentServiceServer::from_arc(state.clone()))
        .serve_with_incoming(ReceiverStream::new(accepted));
    let (_, served) = tokio::join!(accept, serve);
    served.unwrap();
}

#[tonic::async_trait]
impl EnrolmentService for State {
    async fn enrol(&self, request: Request<EnrolRequest>) -> Result<Response<EnrolResponse>, Status> {
        let request = request.into_inner();
        let certificate_chain = self.pki.sign(&request.csr, "hostler://node/1/boot/1/ramdisk");
        self.enrolments.lock().unwrap().push(request);
        match self.refusals.lock().unwrap().pop_front() {
            Some(status) => Err(status),
            None => Ok(Response::new(EnrolResponse { certificate_chain, now_ms: NOW_MS })),
        }
    }
}

#[tonic::async_trait]
impl AgentService for State {
    type SessionStream = ReceiverStream<Result<ControllerMessage, Status>>;

    async fn session(
        &self,
        request: Request<Streaming<AgentMessage>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        if !request.extensions().get::<Certified>().is_some_and(|certified| certified.0) {
            return Err(Status::unauthenticated("a session needs a certificate"));
        }
        let mut inbound = request.into_inner();
        let Some(FromAgent::Hello(hello)) = inbound.message().await?.and_then(|m| m.message) else {
            return Err(Status::invalid_argument("no hello"));
        };
        let (outbound, messages) = mpsc::channel(8);
        let session = Session { hello, inbound, outbound };
        self.sessions.send(session).await.map_err(|_| Status::unavailable("the test is over"))?;
        Ok(Response::new(ReceiverStream::new(messages)))
    }
}

/// One session, in the hands of a test. Dropping it ends the stream.
pub(crate) struct Session {
    pub(crate) hello: Hello,
    inbound: Streaming<AgentMessage>,
    outbound: mpsc::Sender<Result<ControllerMessage, Status>>,
}

impl Session {
    pub(crate) async fn welcome(&self, epoch: u64) {
        self.send(ToAgent::Welcome(Welcome {
            epoch,
            heartbeat_interval_ms: 1000,
            now_ms: NOW_MS,
            controllers: Vec::new(),
        }))
        .await;
    }

    pub(crate) async fn send(&self, message: ToAgent) {
        self.outbound.send(Ok(ControllerMessage { message: Some(message) })).await.unwrap();
    }

    pub(crate) async fn refuse(self, status: Status) {
        self.outbound.send(Err(status)).await.unwrap();
    }

    /// The next message, whatever it is; `None` if the agent hung up.
    pub(crate) async fn any(&mut self) -> Option<FromAgent> {
        self.inbound.message().await.ok().flatten().and_then(|m| m.message)
    }

    /// The next message but heartbeats and progress; `None` if the agent hung up.
    pub(crate) async fn maybe(&mut self) -> Option<FromAgent> {
        loop {
            match self.any().await {
                Some(FromAgent::Heartbeat(_) | FromAgent::Progress(_)) => {}
                message => return message,
            }
        }
    }

    pub(crate) async fn next(&mut self) -> FromAgent {
        self.maybe().await.expect("the agent hung up")
    }
}
