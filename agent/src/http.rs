//! A small HTTP/1.1 client: one GET on one connection, streamed.

use crate::machine::Machine;
use crate::url::HttpUrl;
use bytes::{Bytes, BytesMut};
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Body as _, Incoming};
use hyper_util::rt::TokioIo;
use std::io;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How long a server may say nothing.
const SILENCE: Duration = Duration::from_secs(30);

/// Why a file could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// No connection.
    #[error("cannot connect to {url}")]
    Connect {
        /// What was asked for.
        url: String,
        /// What came back.
        #[source]
        source: io::Error,
    },
    /// The connection broke, or what came is not HTTP.
    #[error("the transfer of {url} broke off")]
    Transfer {
        /// What was asked for.
        url: String,
        /// What came back.
        #[source]
        source: hyper::Error,
    },
    /// Nothing came for too long.
    #[error("the server of {url} said nothing for {} s", SILENCE.as_secs())]
    Silence {
        /// What was asked for.
        url: String,
    },
    /// The server has it not, or not for us.
    #[error("the server of {url} answered {status}")]
    Status {
        /// What was asked for.
        url: String,
        /// Its answer. A redirection is not followed.
        status: StatusCode,
    },
    /// It is larger than it may be.
    #[error("{url} is larger than {limit} bytes")]
    TooLarge {
        /// What was asked for.
        url: String,
        /// What would have been accepted.
        limit: usize,
    },
}

impl HttpError {
    /// True if the next try may well succeed: the server was not reached, or the connection broke.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::Transfer { .. } | Self::Silence { .. } => true,
            Self::Status { status, .. } => status.is_server_error(),
            Self::TooLarge { .. } => false,
        }
    }
}

/// A file on its way.
#[derive(Debug)]
pub(crate) struct Download {
    url: String,
    length: Option<u64>,
    body: Incoming,
    // Drives the connection, for as long as the download is wanted.
    _connection: JoinSet<()>,
}

impl Download {
    /// Asks for a file and waits until the server begins to send it.
    pub(crate) async fn start(machine: &dyn Machine, url: &HttpUrl) -> Result<Self, HttpError> {
        let start = Self::connect_and_ask(machine, url);
        timeout(SILENCE, start).await.unwrap_or_else(|_| Err(HttpError::Silence { url: url.to_string() }))
    }

    async fn connect_and_ask(machine: &dyn Machine, url: &HttpUrl) -> Result<Self, HttpError> {
        let broke = |source| HttpError::Transfer { url: url.to_string(), source };
        let stream = machine
            .connect(url.address())
            .await
            .map_err(|source| HttpError::Connect { url: url.to_string(), source })?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(broke)?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            // What goes wrong is reported by the body as well.
            let _ = connection.await;
        });
        let request = Request::get(url.path())
            .header(header::HOST, url.address().to_string())
            .header(header::USER_AGENT, concat!("hostler-agent/", env!("CARGO_PKG_VERSION")))
            .header(header::CONNECTION, "close")
            .body(Empty::<Bytes>::new())
            .map_err(|e| HttpError::Connect { url: url.to_string(), source: io::Error::other(e) })?;
        let response = sender.send_request(request).await.map_err(broke)?;
        if response.status() != StatusCode::OK {
            return Err(HttpError::Status { url: url.to_string(), status: response.status() });
        }
        let body = response.into_body();
        Ok(Self { url: url.to_string(), length: body.size_hint().exact(), body, _connection: driver })
    }

    /// How many bytes the server has announced, if it has.
    pub(crate) const fn length(&self) -> Option<u64> {
        self.length
    }

    /// The next piece, or `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, HttpError> {
        loop {
            let frame = timeout(SILENCE, self.body.frame())
                .await
                .map_err(|_| HttpError::Silence { url: self.url.clone() })?;
            match frame.transpose() {
                Err(source) => return Err(HttpError::Transfer { url: self.url.clone(), source }),
                Ok(None) => return Ok(None),
                // Trailers are of no use here.
                Ok(Some(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }
}

/// A whole file of at most `limit` bytes.
pub(crate) async fn fetch(machine: &dyn Machine, url: &HttpUrl, limit: usize) -> Result<Bytes, HttpError> {
    let mut download = Download::start(machine, url).await?;
    let mut whole = BytesMut::new();
    while let Some(piece) = download.next().await? {
        if whole.len().saturating_add(piece.len()) > limit {
            return Err(HttpError::TooLarge { url: url.to_string(), limit });
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole.freeze())
}
