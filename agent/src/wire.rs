//! An HTTP/2 connection to the controller, over TLS, over whatever the machine calls a network.

use crate::machine::Machine;
use crate::url::ControllerUrl;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint, Uri};

/// How long a TCP and TLS handshake may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Connects once. The connection is given up when its peer has not answered a ping for `dead_after`: a cable that was
/// pulled says nothing.
pub(crate) async fn connect(
    machine: &Arc<dyn Machine>,
    controller: ControllerUrl,
    tls: &Arc<ClientConfig>,
    dead_after: Duration,
) -> Result<Channel, tonic::transport::Error> {
    let connector = tower::service_fn({
        let (machine, tls) = (machine.clone(), TlsConnector::from(tls.clone()));
        move |_: Uri| {
            let (machine, tls) = (machine.clone(), tls.clone());
            async move {
                let stream = machine.connect(controller.address()).await?;
                let name = ServerName::from(controller.address().ip());
                Ok::<_, io::Error>(TokioIo::new(tls.connect(name, stream).await?))
            }
        }
    });
    // "http", since the TLS below is ours: with "https" tonic would want to add its own.
    Endpoint::from_shared(format!("http://{}", controller.address()))?
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(dead_after / 2)
        .keep_alive_timeout(dead_after / 2)
        .keep_alive_while_idle(true)
        .connect_with_connector(connector)
        .await
}
