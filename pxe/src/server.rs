//! The boot server as a whole.

use crate::content::Catalogue;
use crate::dhcp::DhcpServer;
use crate::http::HttpServer;
use crate::library::Library;
use crate::settings::{BaseUrl, NotABaseUrl, Settings};
use crate::source::BootSource;
use crate::tftp::Tftp;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Why a boot server could not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is taken, not of this machine, or its port needs a privilege.
    #[error("cannot listen for {protocol} on {address}")]
    Bind {
        /// DHCP, TFTP or HTTP.
        protocol: &'static str,
        /// The address in the settings.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// TFTP cannot be served on the wildcard address.
    #[error(
        "TFTP has to listen on addresses of this machine, not on {0}: PXE ROMs drop answers from another address"
    )]
    Wildcard(SocketAddr),
    /// The advertised URL.
    #[error(transparent)]
    Url(#[from] NotABaseUrl),
    /// A socket failed while serving.
    #[error("the {protocol} server stopped")]
    Serve {
        /// DHCP, TFTP or HTTP.
        protocol: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// A server panicked: a bug.
    #[error("a server panicked")]
    Panic(#[source] tokio::task::JoinError),
}

/// Where a boot server really listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// DHCP.
    pub dhcp: SocketAddr,
    /// TFTP, in the order of the settings.
    pub tftp: Vec<SocketAddr>,
    /// HTTP.
    pub http: SocketAddr,
}

/// A boot server that is bound. It answers once [`run`](Self::run) is polled.
pub struct BootServer {
    settings: Arc<Settings>,
    library: Arc<Library>,
    addresses: Addresses,
    dhcp: DhcpServer,
    tftp: Vec<Tftp>,
    http: HttpServer,
    stopped: CancellationToken,
}

impl BootServer {
    /// Binds all sockets.
    ///
    /// # Errors
    /// Whatever keeps one of them from being bound, or an advertised URL that scripts could not hold.
    pub async fn bind(
        settings: Settings,
        catalogue: Catalogue,
        source: Arc<dyn BootSource>,
    ) -> Result<Self, Error> {
        let http = HttpServer::bind(settings.http).await.map_err(bind("HTTP", settings.http))?;
        let http_address = http.address().map_err(bind("HTTP", settings.http))?;
        let base = match &settings.http_url {
            Some(url) => BaseUrl::parse(url)?,
            None => BaseUrl::parse(&format!("http://{}:{}", settings.server, http_address.port()))?,
        };
        let dhcp = DhcpServer::bind(&settings).map_err(bind("DHCP", settings.dhcp.into()))?;
        let dhcp_address = dhcp.address().map_err(bind("DHCP", settings.dhcp.into()))?;
        let library = Arc::new(Library { catalogue, source, base, retry: settings.retry });
        let stopped = CancellationToken::new();
        let mut tftp = Vec::new();
        for &address in &settings.tftp {
            tftp.push(bind_tftp(address, &library, &stopped).await?);
        }
        let (tftp, tftp_addresses) = tftp.into_iter().unzip();
        let addresses = Addresses { dhcp: dhcp_address, tftp: tftp_addresses, http: http_address };
        Ok(Self { settings: Arc::new(settings), library, addresses, dhcp, tftp, http, stopped })
    }

    /// Where it listens.
    #[must_use]
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// The start of all URLs that it gives out.
    #[must_use]
    pub fn base_url(&self) -> &BaseUrl {
        &self.library.base
    }

    /// Serves until `stop` is cancelled. Transfers in progress are cut off then; machines ask again.
    ///
    /// # Errors
    /// The first server that fails ends the others.
    pub async fn run(self, stop: CancellationToken) -> Result<(), Error> {
        let mut servers = JoinSet::new();
        // Dropped before `servers`: a transfer that is cut off here is no evidence.
        let stopped = self.stopped.drop_guard();
        let (dhcp, library) = (self.dhcp, self.library);
        let (base, source) = (library.base.clone(), library.source.clone());
        servers.spawn(async move { ("DHCP", dhcp.run(self.settings, base, source).await) });
        for tftp in self.tftp {
            servers.spawn(async move { ("TFTP", tftp.run().await) });
        }
        let http = self.http;
        servers.spawn(async move {
            http.run(library).await;
            ("HTTP", Ok(()))
        });
        let outcome = tokio::select! {
            () = stop.cancelled() => Ok(()),
            Some(ended) = servers.join_next() => match ended {
                Ok((_, Ok(()))) => Ok(()),
                Ok((protocol, Err(source))) => Err(Error::Serve { protocol, source }),
                Err(error) => Err(Error::Panic(error)),
            },
        };
        drop(stopped);
        servers.shutdown().await;
        outcome
    }
}

async fn bind_tftp(
    address: SocketAddr,
    library: &Arc<Library>,
    stopped: &CancellationToken,
) -> Result<(Tftp, SocketAddr), Error> {
    if address.ip().is_unspecified() {
        return Err(Error::Wildcard(address));
    }
    let tftp = Tftp::bind(address, library.clone(), stopped.clone()).await.map_err(bind("TFTP", address))?;
    let bound = tftp.address().map_err(bind("TFTP", address))?;
    Ok((tftp, bound))
}

fn bind(protocol: &'static str, address: SocketAddr) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::Bind { protocol, address, source }
}
