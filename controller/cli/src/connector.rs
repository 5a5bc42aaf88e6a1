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
/// How long TCP alone may take where others can be asked: the system of a host that is there answers at once, however
/// busy its controller is. Long enough for one packet to be lost.
const ELSEWHERE_TIMEOUT: Duration = Duration::from_secs(2);
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

/// How long to wait for a host that does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// Nobody else can be asked.
    Long,
    /// Others can.
    Short,
}

impl Patience {
    const fn tcp(self) -> Duration {
        match self {
            Self::Long => CONNECT_TIMEOUT,
            Self::Short => ELSEWHERE_TIMEOUT,
        }
    }
}

/// A channel that connects when it is first used, and again whenever it has to.
pub(crate) fn channel(address: Address, tls: ClientConfig, patience: Patience) -> Channel {
    let endpoint = Endpoint::from(address.uri.clone())
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(true);
    let tls = TlsConnector::from(Arc::new(tls));
    endpoint.connect_with_connector_lazy(tower::service_fn(move |_: Uri| {
        let (address, tls) = (address.clone(), tls.clone());
        async move { within(CONNECT_TIMEOUT, connect(&address, &tls, patience)).await.map(TokioIo::new) }
    }))
}

async fn within<T>(bound: Duration, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(bound, work).await.unwrap_or_else(|_| {
        let message = format!("no connection within {} s", bound.as_secs());
        Err(io::Error::new(io::ErrorKind::TimedOut, message))
    })
}

/// A connection on which the controller has said something.
///
/// In TLS 1.3 a client is done with the handshake before the server has looked at its certificate; that the server
/// refused it comes instead of the first data. The controller sends its HTTP/2 settings without waiting for ours (RFC
/// 9113 section 3.4 lets it), so waiting for them costs nothing, and tells a refusal, which is final, from a broken
/// connection, which is not.
async fn connect(
    address: &Address,
    tls: &TlsConnector,
    patience: Patience,
) -> io::Result<TlsStream<TcpStream>> {
    let tcp = within(patience.tcp(), TcpStream::connect((address.host.as_str(), address.port))).await?;
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
    use rustls::RootCertStore;
    use tokio::net::{TcpListener, TcpSocket};
    use tokio::time::Instant;

    /// A host that is cut off: nobody takes the one connection for which there is room, so that the system answers
    /// nobody else.
    async fn black_hole() -> (TcpListener, TcpStream) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(0).unwrap();
        let filled = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (listener, filled)
    }

    fn tls() -> TlsConnector {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        TlsConnector::from(Arc::new(config))
    }

    /// By a clock that goes on when nothing else does.
    #[tokio::test]
    async fn a_host_that_is_cut_off_is_left_sooner_if_there_are_others() {
        let (listener, _filled) = black_hole().await;
        let address = Address::parse(&format!("https://{}", listener.local_addr().unwrap())).unwrap();
        tokio::time::pause();
        for (patience, seconds) in [(Patience::Short, 2), (Patience::Long, 10)] {
            let began = Instant::now();
            let error = connect(&address, &tls(), patience).await.unwrap_err();
            assert_eq!((error.kind(), began.elapsed().as_secs()), (io::ErrorKind::TimedOut, seconds));
            assert_eq!(error.to_string(), format!("no connection within {seconds} s"));
        }
    }

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
