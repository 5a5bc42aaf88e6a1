//! The HTTP clients of iPXE and GRUB.

use super::download::Download;
use super::machine::Timing;
use crate::network::Nic;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST};
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

/// Why a transfer failed.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Not `http://ADDRESS[:PORT]/PATH`: names cannot be resolved here.
    #[error("it is not http://ADDRESS[:PORT]/PATH")]
    Url,
    /// The connection.
    #[error("no connection")]
    Connect(#[source] io::Error),
    /// Broken off, or not HTTP.
    #[error("the transfer broke off")]
    Broken(#[source] hyper::Error),
    /// Nothing came for longer than firmware waits.
    #[error("nothing comes any more")]
    Stalled,
    /// Not 200.
    #[error("the server says {0}")]
    Status(StatusCode),
    /// Firmware sizes its buffer by it.
    #[error("the answer has no Content-Length")]
    NoLength,
    /// Fewer or more bytes than the length.
    #[error("{received} bytes came instead of {expected}")]
    WrongLength {
        /// As promised.
        expected: u64,
        /// As came.
        received: u64,
    },
}

/// Loads `url`.
///
/// # Errors
/// See [`HttpError`].
pub(super) async fn get(
    nic: &Nic,
    timing: &Timing,
    url: &str,
    agent: &str,
    download: &mut Download,
) -> Result<(), HttpError> {
    let (address, uri) = split(url)?;
    let host = uri.authority().map(|authority| authority.to_string()).unwrap_or_default();
    let request = Request::get(uri.path()).header(HOST, host).header("user-agent", agent);
    let request = request.body(Empty::<Bytes>::new()).map_err(|_| HttpError::Url)?;
    let stream = patience(timing.http, nic.cable().connect(address)).await?.map_err(HttpError::Connect)?;
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(HttpError::Broken)?;
    let mut transfer = pin!(async move {
        let response = patience(timing.http, sender.send_request(request)).await?;
        receive(response.map_err(HttpError::Broken)?, timing.http, download).await
    });
    tokio::select! {
        transferred = &mut transfer => transferred,
        // What went wrong with the connection, the transfer learns as well.
        _ = connection => transfer.await,
    }
}

fn split(url: &str) -> Result<(SocketAddr, Uri), HttpError> {
    let uri: Uri = url.parse().map_err(|_| HttpError::Url)?;
    let host = uri.host().filter(|_| uri.scheme_str() == Some("http")).ok_or(HttpError::Url)?;
    let address = host.parse().map_err(|_| HttpError::Url)?;
    Ok((SocketAddr::new(address, uri.port_u16().unwrap_or(80)), uri))
}

async fn receive(
    response: Response<Incoming>,
    limit: Duration,
    download: &mut Download,
) -> Result<(), HttpError> {
    if response.status() != StatusCode::OK {
        return Err(HttpError::Status(response.status()));
    }
    let length = response.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let expected: u64 = length.ok_or(HttpError::NoLength)?;
    let mut body = response.into_body();
    let before = download.bytes();
    while let Some(frame) = patience(limit, body.frame()).await? {
        if let Ok(data) = frame.map_err(HttpError::Broken)?.into_data() {
            download.take(&data);
        }
    }
    let received = download.bytes() - before;
    if received == expected { Ok(()) } else { Err(HttpError::WrongLength { expected, received }) }
}

async fn patience<T>(limit: Duration, step: impl Future<Output = T>) -> Result<T, HttpError> {
    tokio::time::timeout(limit, step).await.map_err(|_| HttpError::Stalled)
}
