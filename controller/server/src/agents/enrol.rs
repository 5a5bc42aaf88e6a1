//! Enrolment: a one-time token and a signing request become a certificate.

use super::AgentApi;
use crate::api::status::{internal, refused};
use crate::pki::{Identity, SigningRequest};
use crate::tls::Caller;
use hostler_core::input::{Input, Profile};
use hostler_proto::agent::v1::enrolment_service_server::EnrolmentService;
use hostler_proto::agent::v1::{EnrolRequest, EnrolResponse};
use hostler_proto::{AGENT_PROTOCOL, accepts_agent_protocol};
use std::time::Duration;
use tonic::{Request, Response, Status};

#[tonic::async_trait]
impl EnrolmentService for AgentApi {
    async fn enrol(&self, request: Request<EnrolRequest>) -> Result<Response<EnrolResponse>, Status> {
        let caller =
            request.extensions().get::<Caller>().cloned().ok_or_else(|| Status::internal("no caller"))?;
        let request = request.into_inner();
        check_protocol(request.protocol)?;
        let csr =
            SigningRequest::parse(&request.csr).map_err(|e| Status::invalid_argument(format!("{e:#}")))?;
        let Some(claims) = self.0.tokens.check(&request.token) else {
            self.record_forgery(&caller).await;
            return Err(Status::unauthenticated("the token is not one of this controller's"));
        };
        let redeem = Input::Enrol {
            boot: claims.boot,
            node: claims.node,
            mac: claims.mac,
            address: caller.address.ip().to_canonical(),
            key: csr.key_digest(),
        };
        if let Err(error) = self.0.submit(redeem).await {
            let status = refused(&error);
            let denied = status.code() == tonic::Code::PermissionDenied;
            return Err(if denied { Status::unauthenticated(status.message()) } else { status });
        }
        let who = Identity::Agent { node: claims.node, boot: claims.boot, profile: Profile::Ramdisk };
        let now = self.0.clock.now();
        let valid = Duration::from_secs(self.0.config.agents.certificate_s);
        let certificate_chain = self
            .0
            .authority
            .load()
            .sign(&csr, &who, now, valid)
            .map_err(|e| internal("a certificate", &e))?;
        Ok(Response::new(EnrolResponse { certificate_chain, now_ms: now.0 }))
    }
}

impl AgentApi {
    /// Somebody made a token up, or has one of another controller.
    async fn record_forgery(&self, caller: &Caller) {
        let address = caller.address.ip().to_canonical();
        let node = match address {
            std::net::IpAddr::V4(v4) => self.0.published.read(|w| w.node_by_address(v4).map(|n| n.id)),
            std::net::IpAddr::V6(_) => None,
        };
        if !self.0.refusals.may_be_stored() {
            tracing::warn!(%address, "a token that this controller did not make");
            return;
        }
        let message = format!("{address} came with a token that this controller did not make");
        // The answer is a refusal in any case.
        let _ = self.0.submit(Input::Refused { node, kind: "token-forged".into(), message }).await;
    }
}

/// This version and the one before are spoken.
pub(super) fn check_protocol(version: u32) -> Result<(), Status> {
    if accepts_agent_protocol(version) {
        return Ok(());
    }
    Err(Status::failed_precondition(format!(
        "the agent speaks protocol version {version}, this controller {} and {}: boot it with this controller's ramdisk",
        AGENT_PROTOCOL - 1,
        AGENT_PROTOCOL
    )))
}
