//! Asks the controllers, one after the other, until the leader answers.

use super::{JoinError, trust};
use anyhow::Context as _;
use hostler_proto::controller::v1::controller_service_client::ControllerServiceClient;
use hostler_proto::controller::v1::{Elsewhere, JoinCode, JoinRequest, JoinResponse};
use hostler_proto::rotation::{Rotation, Turn};
use http::Uri;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::Endpoint;
use tonic::{Code, Status};

/// How long all of it may take: longer than a change of leaders.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long one controller may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(3);

/// How long it may take to answer.
const ANSWER: Duration = Duration::from_secs(15);

/// Before all are asked again.
const PAUSE: Duration = Duration::from_millis(500);

/// What came of one attempt.
enum Came {
    Answer(Box<JoinResponse>),
    SentOn(Option<String>),
    Nothing(String),
    Refusal(String),
}

/// Redeems the code. An answer that is lost is asked for again.
pub(super) async fn ask(code: JoinCode) -> anyhow::Result<JoinResponse> {
    let tls = Arc::new(trust::tls(&code.ca_sha256)?);
    let mut attempt = vec![0; 32];
    aws_lc_rs::rand::fill(&mut attempt).ok().context("the system gave no random bytes")?;
    let mut addresses = code.addresses.clone().into_iter();
    let mut rotation = Rotation::new(addresses.next().ok_or(JoinError::Damaged)?, addresses);
    let request = JoinRequest { code: Some(code), attempt };
    let (until, mut problems) = (Instant::now() + PATIENCE, BTreeMap::new());
    loop {
        let address = rotation.now().clone();
        let turn = match one(&address, &tls, &request).await {
            Came::Answer(response) => return Ok(*response),
            Came::Refusal(why) => return Err(JoinError::Refused { address, why }.into()),
            Came::SentOn(leader) => {
                problems.insert(address, "stands by".to_owned());
                rotation.sent_on(leader)
            }
            Came::Nothing(why) => {
                problems.insert(address, why);
                rotation.lost()
            }
        };
        if Instant::now() >= until {
            let all = problems.into_iter().map(|(address, why)| format!("{address}: {why}"));
            return Err(JoinError::Unreachable(all.collect()).into());
        }
        if turn == Turn::Later {
            sleep(PAUSE).await;
        }
    }
}

async fn one(address: &str, tls: &Arc<ClientConfig>, request: &JoinRequest) -> Came {
    let late = |_| io::Error::new(io::ErrorKind::TimedOut, "it does not answer");
    let stream = match timeout(CONNECT, connect(address, tls)).await.map_err(late).flatten() {
        Ok(stream) => stream,
        Err(error) => return Came::Nothing(error.to_string()),
    };
    match timeout(ANSWER, call(stream, request.clone())).await {
        Ok(Ok(response)) => Came::Answer(Box::new(response)),
        Ok(Err(status)) => came_of(&status),
        Err(_) => Came::Nothing("it does not answer".to_owned()),
    }
}

/// What a status means for a host that joins.
fn came_of(status: &Status) -> Came {
    if let Some(leader) = Elsewhere::of(status) {
        return Came::SentOn(Some(leader.address).filter(|address| !address.is_empty()));
    }
    match status.code() {
        Code::Unavailable | Code::Unknown | Code::Cancelled => Came::Nothing(status.message().to_owned()),
        Code::Unimplemented => Came::Refusal("it is of a version that lets nobody join".to_owned()),
        _ => Came::Refusal(status.message().to_owned()),
    }
}

async fn connect(address: &str, tls: &Arc<ClientConfig>) -> io::Result<TlsStream<TcpStream>> {
    let invalid = || io::Error::new(io::ErrorKind::InvalidInput, "this is no address of a controller");
    let uri: Uri = address.parse().map_err(|_| invalid())?;
    let host = uri.host().ok_or_else(invalid)?.trim_matches(['[', ']']).to_owned();
    let port = uri.port_u16().ok_or_else(invalid)?;
    let name = ServerName::try_from(host.clone()).map_err(|_| invalid())?;
    let tcp = TcpStream::connect((host, port)).await?;
    TlsConnector::from(tls.clone()).connect(name, tcp).await
}

async fn call(stream: TlsStream<TcpStream>, request: JoinRequest) -> Result<JoinResponse, Status> {
    let stream = Mutex::new(Some(stream));
    let connector = tower::service_fn(move |_: Uri| {
        let stream = stream.lock().unwrap_or_else(PoisonError::into_inner).take();
        std::future::ready(
            stream.map(TokioIo::new).ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected)),
        )
    });
    // "http", since the TLS is ours.
    let endpoint = Endpoint::from_static("http://controller");
    let channel = endpoint.connect_with_connector(connector).await;
    let channel = channel.map_err(|error| Status::unavailable(crate::chain(&error)))?;
    ControllerServiceClient::new(channel).join(request).await.map(tonic::Response::into_inner)
}
