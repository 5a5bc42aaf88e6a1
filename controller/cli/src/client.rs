//! The connection to the controller, and calls that outlive a restart of it.

use crate::connector::Address;
use crate::credentials::{self, Credentials};
use crate::error::Error;
use crate::retry::{Attempts, Bounds};
use crate::route::Route;
use crate::status;
use crate::ui::Ui;
use hostler_proto::controller::v1::controller_service_client::ControllerServiceClient;
use hostler_proto::lease::v1::lease_service_client::LeaseServiceClient;
use hostler_proto::node::v1::node_service_client::NodeServiceClient;
use std::path::Path;
use std::time::Duration;
use tokio::time::timeout;
use tonic::transport::Channel;
use tonic::{Response, Status};

/// Lists of ten thousand nodes are larger than the four MiB that gRPC allows by default.
const MAX_MESSAGE: usize = 64 << 20;
/// An answer to a single call that takes longer will not come.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a single call tries to reach the controller unless told otherwise.
const DEFAULT_RETRY: Duration = Duration::from_secs(60);

/// What may happen to a request whose answer got lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Doing it twice is doing it once.
    Freely,
    /// It may be sent again only if it is known not to have arrived.
    IfUnsent,
}

/// Speaks to the controller.
#[derive(Debug)]
pub(crate) struct Client<'a> {
    ui: &'a Ui,
    route: Route,
    retry_for: Option<Duration>,
}

impl<'a> Client<'a> {
    /// Reads the credentials. Connects when it is first used.
    ///
    /// # Errors
    /// [`Error::Credentials`].
    pub(crate) fn new(
        ui: &'a Ui,
        credentials: Option<&Path>,
        retry_for: Option<Duration>,
    ) -> Result<Self, Error> {
        let (credentials, path) = Credentials::load(credentials)?;
        if credentials::is_exposed(&path) {
            ui.warning(&format!(
                "{} holds a private key and can be read by others: chmod 600",
                path.display()
            ));
        }
        let parse = |field, address: &String| {
            Address::parse(address).map_err(|problem| {
                let path = path.clone();
                Error::from(credentials::Error::Unusable { path, field, problem })
            })
        };
        let first = parse("address", &credentials.address)?;
        let others = credentials.addresses.iter().map(|address| parse("addresses", address));
        let route = Route::new(first, others.collect::<Result<_, _>>()?, credentials.tls(&path)?);
        Ok(Self { ui, route, retry_for })
    }

    /// What CI jobs call.
    pub(crate) fn leases(&self) -> LeaseServiceClient<Channel> {
        LeaseServiceClient::new(self.route.channel()).max_decoding_message_size(MAX_MESSAGE)
    }

    /// What administrators call.
    pub(crate) fn nodes(&self) -> NodeServiceClient<Channel> {
        NodeServiceClient::new(self.route.channel()).max_decoding_message_size(MAX_MESSAGE)
    }

    /// What is said about controllers themselves.
    pub(crate) fn controllers(&self) -> ControllerServiceClient<Channel> {
        ControllerServiceClient::new(self.route.channel())
    }

    /// One call that may be repeated, tried for as long as the user allows. `action` completes "could not …".
    ///
    /// # Errors
    /// [`Error::Answer`], [`Error::Unreachable`].
    pub(crate) async fn call<T>(
        &self,
        action: impl Into<String>,
        attempt: impl AsyncFnMut() -> Result<Response<T>, Status>,
    ) -> Result<T, Error> {
        self.call_once(action, Repeat::Freely, attempt).await
    }

    /// The same for a call of which the caller says whether it may be repeated.
    ///
    /// # Errors
    /// Also [`Error::OutcomeUnknown`].
    pub(crate) async fn call_once<T>(
        &self,
        action: impl Into<String>,
        repeat: Repeat,
        mut attempt: impl AsyncFnMut() -> Result<Response<T>, Status>,
    ) -> Result<T, Error> {
        let action = action.into();
        let mut attempts = self.bounded(action.clone());
        loop {
            let no_answer = |_| Err(Status::from_error("no answer within a minute".into()));
            let status = match timeout(CALL_TIMEOUT, attempt()).await.unwrap_or_else(no_answer) {
                Ok(response) => {
                    attempts.succeeded();
                    return Ok(response.into_inner());
                }
                Err(status) => status,
            };
            match repeat {
                Repeat::IfUnsent if status::was_never_sent(&status) => {}
                Repeat::IfUnsent if status::is_local(&status) => {
                    return Err(Error::OutcomeUnknown { action, source: status.into() });
                }
                Repeat::IfUnsent => return Err(Error::Answer { action, source: status.into() }),
                Repeat::Freely => {}
            }
            attempts.failed(status).await?;
        }
    }

    /// For what is tried for as long as the user allows, and a minute otherwise.
    pub(crate) fn bounded(&self, action: impl Into<String>) -> Attempts<'_> {
        let bound = self.retry_for.unwrap_or(DEFAULT_RETRY);
        Attempts::new(self.ui, &self.route, action.into(), Bounds { first: bound, later: Some(bound) })
    }

    /// For streams that are opened again after each outage, forever unless the user set a bound.
    pub(crate) fn persistent(&self, action: impl Into<String>) -> Attempts<'_> {
        let first = self.retry_for.unwrap_or(DEFAULT_RETRY);
        Attempts::new(self.ui, &self.route, action.into(), Bounds { first, later: self.retry_for })
    }
}
