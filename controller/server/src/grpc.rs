//! The gRPC server, of a leader and of one that stands by.

use crate::agents::AgentApi;
use crate::api::Api;
use crate::controller::Controller;
use crate::pki::Authority;
use crate::process::Signals;
use crate::standby::Gate;
use crate::tls::{self, Credentials};
use anyhow::Context as _;
use hostler_proto::agent::v1::agent_service_server::AgentServiceServer;
use hostler_proto::agent::v1::enrolment_service_server::EnrolmentServiceServer;
use hostler_proto::controller::v1::controller_service_server::ControllerServiceServer;
use hostler_proto::lease::v1::lease_service_server::LeaseServiceServer;
use hostler_proto::node::v1::node_service_server::NodeServiceServer;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;

/// Between two renewals of the controller's own certificate, which is valid for much longer.
const RENEWAL: Duration = Duration::from_secs(24 * 3600);

/// Serves until the controller stops.
pub(crate) async fn serve(
    listener: TcpListener,
    credentials: Arc<Credentials>,
    controller: Arc<Controller>,
    gate: Gate,
) -> anyhow::Result<()> {
    let (sender, connections) = mpsc::channel(64);
    controller.tasks.spawn(tls::accept(listener, credentials, sender, controller.stop.clone()));
    let (api, agents) = (Api(controller.clone()), AgentApi(controller.clone()));
    tonic::transport::Server::builder()
        .http2_keepalive_interval(Some(Duration::from_secs(20)))
        .http2_keepalive_timeout(Some(Duration::from_secs(20)))
        .max_concurrent_streams(Some(256))
        .layer(gate)
        .add_service(LeaseServiceServer::new(api.clone()).max_decoding_message_size(8 << 20))
        .add_service(NodeServiceServer::new(api.clone()).max_decoding_message_size(64 << 20))
        .add_service(ControllerServiceServer::new(api))
        .add_service(EnrolmentServiceServer::new(agents.clone()).max_decoding_message_size(64 << 10))
        .add_service(AgentServiceServer::new(agents))
        .serve_with_incoming_shutdown(
            ReceiverStream::new(connections).map(Ok::<_, std::io::Error>),
            controller.stop.clone().cancelled_owned(),
        )
        .await
        .context("the gRPC server stopped")
}

/// Where clients and agents connect.
pub(crate) async fn listen(controller: &Controller) -> anyhow::Result<TcpListener> {
    let address = controller.config.api.listen;
    TcpListener::bind(address).await.with_context(|| format!("cannot listen for gRPC on {address}"))
}

/// A certificate of the controller's own.
pub(crate) fn credentials(controller: &Controller) -> anyhow::Result<Credentials> {
    let authority = controller.authority.load();
    let own = authority.issue_server(&controller.config.server_names(), controller.clock.now())?;
    Credentials::new(&authority, &own)
}

/// Gives the controller a new certificate each day, and at each SIGHUP, which has the CA's files read again as well.
pub(crate) async fn renew(controller: Arc<Controller>, credentials: Arc<Credentials>, signals: Arc<Signals>) {
    let mut hangup = signals.hangup.clone();
    loop {
        tokio::select! {
            () = controller.stop.cancelled() => return,
            () = tokio::time::sleep(RENEWAL) => {
                if let Err(error) = exchange(&controller, &credentials, &controller.authority.load()) {
                    tracing::error!("the controller's certificate could not be renewed: {error:#}");
                }
            }
            Ok(()) = hangup.changed() => match reload(&controller, &credentials) {
                Ok(()) => tracing::info!("credentials were exchanged"),
                Err(error) => tracing::error!("credentials stay as they were: {error:#}"),
            }
        }
    }
}

fn reload(controller: &Controller, credentials: &Credentials) -> anyhow::Result<()> {
    let config = &controller.config;
    let authority = Authority::load(&config.path(&config.keys.ca), &config.path(&config.keys.ca_key))?;
    exchange(controller, credentials, &authority)?;
    controller.authority.store(Arc::new(authority));
    Ok(())
}

fn exchange(controller: &Controller, credentials: &Credentials, authority: &Authority) -> anyhow::Result<()> {
    let own = authority.issue_server(&controller.config.server_names(), controller.clock.now())?;
    credentials.replace(authority, &own)
}
