//! Opens connections to the controller: TCP, then TLS 1.3 with our certificate.

use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncBufReadExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::{Channel, Endpoint, Uri};

/// How long TCP and TLS may take together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// An idle connection is asked for a sign of life after this.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// Without a sign of life for this long the connection is given up: the controller is dead or unreachable.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// Where the controller is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    uri: Uri,
    host: String,
    port: u16,
    name: ServerName<'static>,
}

impl Address {
    /// Parses `https://host:port`.
    ///
    /// # Errors
    /// What is wrong with it, to follow the name of the field.
    pub(crate) fn parse(address: &str) -> Result<Self, String> {
        let shape = || format!("is not of the form https://host:port, but {address:?}");
        let uri: Uri = address.parse().map_err(|_| shape())?;
        if uri.scheme_str() != Some("https") || !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(shape());
        }
        let port = uri.port_u16().ok_or_else(shape)?;
        let host = uri.host().map(|host| host.trim_matches(['[', ']']).to_owned()).ok_or_else(shape)?;
        let name = ServerName::try_from(host.clone()).map_err(|_| shape())?;
        Ok(Self { uri, host, port, name })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.uri.to_string().trim_end_matches('/'))
    }
}

/// A channel that connects when it is first used, and again whenever it has to.
pub(crate) fn channel(address: Address, tls: ClientConfig) -> Channel {
    let endpoint = Endpoint::from(address.uri.clone())
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(true);
    let tls = TlsConnector::from(Arc::new(tls));
    endpoint.connect_with_connector_lazy(tower::service_fn(move |_: Uri| {
        let (address, tls) = (address.clone(), tls.clone());
        async move {
            timeout(CONNECT_TIMEOUT, connect(&address, &tls))
                .await
                .unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "no connection within 10 s")))
                .map(TokioIo::new)
        }
    }))
}

/// A connection on which the controller has said something.
///
/// In TLS 1.3 a client is done with the handshake before the server has looked at its certificate; that the server
/// refused it comes instead of the first data. The controller sends its HTTP/2 settings without waiting for ours (RFC
/// 9113 section 3.4 lets it), so waiting for them costs nothing, and tells a refusal, which is final, from a broken
/// connection, which is not.
async fn connect(address: &Address, tls: &TlsConnector) -> io::Result<TlsStream<TcpStream>> {
    let tcp = TcpStream::connect((address.host.as_str(), address.port)).await?;
    tcp.set_nodelay(true)?;
    let mut stream = tls.connect(address.name.clone(), tcp).await?;
    if stream.fill_buf().await?.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "the controller closed the connection at once",
        ));
    }
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for good in ["https://127.0.0.1:7777", "https://[::1]:7777", "https://hostler.example:1/"] {
            assert!(Address::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "127.0.0.1:7777",
            "http://127.0.0.1:7777",
            "https://h",
            "https://h:1/x",
            "https://:1",
            "https://a b:1",
        ] {
            assert!(Address::parse(bad).is_err(), "{bad}");
        }
    }
}
