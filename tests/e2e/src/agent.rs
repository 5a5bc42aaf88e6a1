//! An agent that says whatever a test wants it to say.

use crate::wire::{Connection, Controller, Identity};
use anyhow::Context as _;
use hostler_proto::agent::v1::agent_message::Message as Up;
use hostler_proto::agent::v1::agent_service_client::AgentServiceClient;
use hostler_proto::agent::v1::controller_message::Message as Down;
use hostler_proto::agent::v1::enrolment_service_client::EnrolmentServiceClient;
use hostler_proto::agent::v1::{AgentMessage, ControllerMessage, EnrolRequest, Hello};
use rcgen::{CertificateParams, KeyPair};
use std::net::Ipv4Addr;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

/// A key, with the request to have it certified.
#[derive(Debug)]
pub struct Key {
    pem: String,
    request: Vec<u8>,
}

impl Key {
    /// A new one.
    ///
    /// # Errors
    /// If none can be made.
    pub fn generate() -> anyhow::Result<Self> {
        let key = KeyPair::generate()?;
        let request = CertificateParams::default().serialize_request(&key)?.der().to_vec();
        Ok(Self { pem: key.serialize_pem(), request })
    }
}

/// Trades a token for a certificate, from any address and with any key.
///
/// # Errors
/// The controller's words, within the outer result that of the connection.
pub async fn enrol(
    controller: &Controller,
    from: Ipv4Addr,
    protocol: u32,
    token: &str,
    key: &Key,
) -> anyhow::Result<Result<Identity, Status>> {
    let connection = controller.connect(from, None).await?;
    let request = EnrolRequest { protocol, token: token.to_owned(), csr: key.request.clone() };
    let answer = EnrolmentServiceClient::new(connection.channel).enrol(request).await;
    Ok(answer.map(|answer| Identity {
        certificate_chain: answer.into_inner().certificate_chain,
        key: key.pem.clone(),
    }))
}

/// A session on a connection of its own.
#[derive(Debug)]
pub struct Session {
    /// Below the session.
    pub connection: Connection,
    up: mpsc::Sender<AgentMessage>,
    down: Streaming<ControllerMessage>,
}

impl Session {
    /// Opens one, saying Hello.
    ///
    /// # Errors
    /// The controller's words, within the outer result that of the connection.
    pub async fn open(
        controller: &Controller,
        from: Ipv4Addr,
        identity: &Identity,
        protocol: u32,
    ) -> anyhow::Result<Result<Self, Status>> {
        let connection = controller.connect(from, Some(identity)).await?;
        let (up, outgoing) = mpsc::channel(16);
        let hello =
            Hello { protocol, agent_version: "any".into(), arch: "x86_64".into(), ..Hello::default() };
        up.send(AgentMessage { message: Some(Up::Hello(hello)) }).await?;
        let mut client = AgentServiceClient::new(connection.channel.clone());
        Ok(client.session(ReceiverStream::new(outgoing)).await.map(|down| Self {
            connection,
            up,
            down: down.into_inner(),
        }))
    }

    /// Says something. A session that is over does not hear it.
    pub async fn say(&self, message: Up) {
        let _ = self.up.send(AgentMessage { message: Some(message) }).await;
    }

    /// What the controller says next, or why it will say no more.
    ///
    /// # Errors
    /// If the stream just ends.
    pub async fn hear(&mut self) -> anyhow::Result<Result<Down, Status>> {
        match self.down.message().await {
            Ok(Some(message)) => Ok(Ok(message.message.context("an empty message")?)),
            Ok(None) => anyhow::bail!("the session ended without a word"),
            Err(status) => Ok(Err(status)),
        }
    }

    /// Hears everything until the controller says why it will say no more.
    ///
    /// # Errors
    /// If the stream just ends.
    pub async fn last_word(&mut self) -> anyhow::Result<Status> {
        loop {
            if let Err(status) = self.hear().await? {
                return Ok(status);
            }
        }
    }
}
