//! From a one-time token to a certificate.

use crate::backoff::Backoff;
use crate::clock::Clock;
use crate::controllers::Controllers;
use crate::error::chain;
use crate::http::{HttpError, fetch};
use crate::identity::{Credentials, KeyAndRequest, hex};
use crate::machine::Machine;
use crate::params::BootParams;
use crate::tls::{self, TlsError};
use crate::url::ControllerUrl;
use crate::wire;
use aws_lc_rs::digest::{SHA256, digest};
use hostler_proto::AGENT_PROTOCOL;
use hostler_proto::agent::v1::enrolment_service_client::EnrolmentServiceClient;
use hostler_proto::agent::v1::{EnrolRequest, EnrolResponse};
use hostler_proto::rotation::Turn;
use rustls::ClientConfig;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{sleep, timeout};
use tonic::{Code, Status};

/// How long the controller may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// A CA certificate has one or two kilobytes.
const CA_LIMIT: usize = 64 * 1024;

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// The CA certificate could not be fetched.
    #[error("cannot fetch the CA certificate")]
    FetchCa(#[from] HttpError),
    /// The CA certificate is not the one that the command line vouches for.
    #[error(
        "the CA certificate from {url} has the SHA-256 {found}, not {expected} as on the kernel command line"
    )]
    WrongCa {
        /// Where it came from.
        url: String,
        /// What it has.
        found: String,
        /// What it should have.
        expected: String,
    },
    /// The CA or the certificate that came is none.
    #[error("cannot use the certificate")]
    Tls(#[from] TlsError),
    /// No key could be made.
    #[error("cannot make a key")]
    Key(#[from] rcgen::Error),
    /// The controller will not have this machine; trying again would not help.
    #[error("the controller refused ({code:?}): {message}")]
    Refused {
        /// Its verdict.
        code: Code,
        /// Its words.
        message: String,
    },
}

/// Trades the token for a certificate. Goes on trying while the boot server or the controller is away.
pub(crate) async fn enrol(
    machine: &Arc<dyn Machine>,
    params: &BootParams,
    controllers: &Controllers,
    clock: &Arc<Clock>,
) -> Result<Credentials, EnrolError> {
    let ca = fetch_ca(machine.as_ref(), params).await?;
    let config = tls::server_authenticated(&ca, clock)?;
    let KeyAndRequest { key, request, fingerprint } = KeyAndRequest::generate()?;
    // The controller may want to read this on the console before it signs.
    tracing::info!("public key SHA-256 {fingerprint}");
    let response = ask(machine, params, controllers, &config, request).await?;
    tls::check_match(&response.certificate_chain, &key)?;
    clock.set(response.now_ms);
    Ok(Credentials { ca, certificate_chain: response.certificate_chain, key })
}

async fn fetch_ca(machine: &dyn Machine, params: &BootParams) -> Result<String, EnrolError> {
    let mut backoff = backoff();
    let pem = loop {
        match fetch(machine, &params.ca, CA_LIMIT).await {
            Ok(pem) => break pem,
            Err(error) if error.is_transient() => {
                tracing::warn!("cannot fetch the CA certificate yet: {}", chain(&error));
                sleep(backoff.next_delay()).await;
            }
            Err(error) => return Err(error.into()),
        }
    };
    let found = digest(&SHA256, &pem);
    if found.as_ref() != params.ca_sha256 {
        return Err(EnrolError::WrongCa {
            url: params.ca.to_string(),
            found: hex(found),
            expected: hex(params.ca_sha256),
        });
    }
    String::from_utf8(pem.into()).map_err(|_| TlsError::Pem { what: "CA certificate" }.into())
}

async fn ask(
    machine: &Arc<dyn Machine>,
    params: &BootParams,
    controllers: &Controllers,
    config: &Arc<ClientConfig>,
    csr: Vec<u8>,
) -> Result<EnrolResponse, EnrolError> {
    let mut backoff = backoff();
    loop {
        let request = EnrolRequest {
            protocol: AGENT_PROTOCOL,
            token: params.token.expose().to_owned(),
            csr: csr.clone(),
        };
        let answer = timeout(ANSWER_TIMEOUT, ask_once(machine, controllers.now(), config, request))
            .await
            .unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer")));
        match answer {
            Ok(response) => return Ok(response),
            Err(status) if is_final(status.code()) => {
                return Err(EnrolError::Refused {
                    code: status.code(),
                    message: status.message().to_owned(),
                });
            }
            Err(status) => {
                tracing::warn!(controller = %controllers.now(), "cannot enrol yet: {}", chain(&status));
                if controllers.failed(&status) == Turn::Later {
                    sleep(backoff.next_delay()).await;
                }
            }
        }
    }
}

async fn ask_once(
    machine: &Arc<dyn Machine>,
    controller: ControllerUrl,
    config: &Arc<ClientConfig>,
    request: EnrolRequest,
) -> Result<EnrolResponse, Status> {
    let channel = wire::connect(machine, controller, config, ANSWER_TIMEOUT)
        .await
        .map_err(|error| Status::unavailable(chain(&error)))?;
    let response = EnrolmentServiceClient::new(channel).enrol(request).await?;
    Ok(response.into_inner())
}

/// The same question would get the same answer.
const fn is_final(code: Code) -> bool {
    matches!(
        code,
        Code::Unauthenticated
            | Code::PermissionDenied
            | Code::FailedPrecondition
            | Code::InvalidArgument
            | Code::Unimplemented
    )
}

fn backoff() -> Backoff {
    Backoff::new(Duration::from_millis(250), Duration::from_secs(10))
}
