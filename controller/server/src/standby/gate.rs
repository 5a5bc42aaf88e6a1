//! Which calls a controller that stands by answers.

use super::replica::Replica;
use futures::future::BoxFuture;
use std::sync::Arc;
use std::task::{Context, Poll};
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

/// Calls that read what is committed and nothing else. Those that keep a lease alive are for the leader, and so is
/// whatever goes on: it would see nothing happen here.
const READS: [&str; 8] = [
    "/hostler.lease.v1.LeaseService/ListLeases",
    "/hostler.lease.v1.LeaseService/PreviewLease",
    "/hostler.lease.v1.LeaseService/GetRun",
    "/hostler.node.v1.NodeService/ListNodes",
    "/hostler.node.v1.NodeService/GetNode",
    "/hostler.node.v1.NodeService/ListImages",
    "/hostler.node.v1.NodeService/ListTenants",
    "/hostler.node.v1.NodeService/ListEvents",
];

/// What is answered from what this controller knows anyway.
const OWN: &str = "/hostler.controller.v1.ControllerService/ListControllers";

/// Lets through what may be answered here.
#[derive(Clone)]
pub(crate) struct Gate(Option<Arc<Replica>>);

impl Gate {
    /// Of a leader: it answers everything.
    pub(crate) const fn open() -> Self {
        Self(None)
    }

    /// Of one that stands by.
    pub(super) const fn of(replica: Arc<Replica>) -> Self {
        Self(Some(replica))
    }
}

async fn admit(replica: &Arc<Replica>, path: &str) -> Result<(), Status> {
    if path == OWN {
        return Ok(());
    }
    if READS.contains(&path) {
        return replica.refresh().await;
    }
    Err(replica.elsewhere())
}

impl<S> Layer<S> for Gate {
    type Service = Gated<S>;

    fn layer(&self, inner: S) -> Gated<S> {
        Gated { inner, gate: self.clone() }
    }
}

/// The services behind the gate.
#[derive(Clone)]
pub(crate) struct Gated<S> {
    inner: S,
    gate: Gate,
}

impl<S> Service<http::Request<Body>> for Gated<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let Some(replica) = self.gate.0.clone() else { return Box::pin(self.inner.call(request)) };
        // The one that said that it is ready is the one to be called.
        let next = self.inner.clone();
        let mut ready = std::mem::replace(&mut self.inner, next);
        Box::pin(async move {
            match admit(&replica, request.uri().path()).await {
                Ok(()) => ready.call(request).await,
                Err(status) => Ok(status.into_http()),
            }
        })
    }
}
