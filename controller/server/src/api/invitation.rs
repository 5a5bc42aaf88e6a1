//! Other controllers are invited, and fetch the keys.

use super::Api;
use super::status::{internal, refused};
use crate::config::Config;
use crate::digest::{hex, sha256, sha256_hex};
use crate::join;
use crate::keys::InvitationClaims;
use crate::storage::blocking;
use anyhow::Context as _;
use hostler_core::input::{Input, JoinRequest, Reply};
use hostler_core::invitation::Invitation;
use hostler_core::time::Timestamp;
use hostler_proto::controller::v1 as wire;
use hostler_store::StoreUrl;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use std::net::IpAddr;
use std::path::Path;
use tonic::Status;

/// How long an invitation is good, unless said otherwise.
const VALID_S: u64 = 15 * 60;

/// Bytes that a process chooses at random, at least.
const ATTEMPT: usize = 16;

/// `Invite`.
pub(super) async fn invite(
    api: &Api,
    author: String,
    request: wire::InviteRequest,
) -> Result<wire::InviteResponse, Status> {
    let wire::InviteRequest { name, valid_s, with_store_password } = request;
    check_store(&api.0.config, with_store_password)?;
    if api.0.office.has_heard_of(&name) {
        return Err(Status::failed_precondition(format!(
            "a controller is called {name}: `hostler controller list` shows it"
        )));
    }
    let valid_ms = if valid_s == 0 { VALID_S } else { valid_s }.saturating_mul(1000);
    let input = Input::Invite { author, name, valid_ms, with_password: with_store_password };
    let invitation = match api.0.submit(input).await.map_err(|e| refused(&e))? {
        Reply::Invitation(number) => find(api, number)?,
        _ => return Err(Status::internal("no invitation")),
    };
    let ca = CertificateDer::from_pem_slice(api.0.authority.load().pem().as_bytes())
        .map_err(|e| internal("the CA certificate", &e.into()))?;
    let code = wire::JoinCode {
        number: invitation.number,
        name: invitation.name.clone(),
        expires_ms: invitation.expires.0,
        addresses: api.0.office.addresses(),
        ca_sha256: sha256(&ca).as_ref().to_vec(),
        proof: api.0.tokens.prove(&claims(&invitation)),
    };
    Ok(wire::InviteResponse {
        code: join::encode(&code),
        name: code.name,
        expires_ms: code.expires_ms,
        addresses: code.addresses,
        ca_sha256: hex(&code.ca_sha256),
    })
}

/// `Join`. What is to be sent is read first: a code is not used up by what this controller lacks.
pub(super) async fn join(
    api: &Api,
    address: IpAddr,
    request: wire::JoinRequest,
) -> Result<wire::JoinResponse, Status> {
    let wire::JoinRequest { code, attempt } = request;
    let code = code.ok_or_else(|| Status::invalid_argument("code: missing"))?;
    if attempt.len() < ATTEMPT {
        return Err(Status::invalid_argument(format!("attempt: at least {ATTEMPT} random bytes")));
    }
    let expires = Timestamp(code.expires_ms);
    let claims = InvitationClaims { number: code.number, name: &code.name, expires };
    if !api.0.tokens.proves(&claims, &code.proof) {
        record_forgery(api, address).await;
        return Err(Status::unauthenticated("the code is not one of this controller's"));
    }
    let with_password = api
        .0
        .published
        .read(|w| w.meta.invitations.get(code.number).is_some_and(|known| known.with_password));
    let answer = everything(api, with_password).await.map_err(|e| internal("keys and settings", &e))?;
    let (number, by) = (code.number, sha256_hex(&attempt));
    let request = JoinRequest { number, name: code.name, expires, address, by };
    api.0.submit(Input::Join(request)).await.map_err(|e| refused(&e))?;
    Ok(answer)
}

const fn claims(invitation: &Invitation) -> InvitationClaims<'_> {
    let Invitation { number, name, expires, .. } = invitation;
    InvitationClaims { number: *number, name: name.as_str(), expires: *expires }
}

fn find(api: &Api, number: u32) -> Result<Invitation, Status> {
    let found = api.0.published.read(|w| w.meta.invitations.get(number).cloned());
    found.ok_or_else(|| Status::internal("no invitation"))
}

/// Several controllers need a database that all of them reach.
fn check_store(config: &Config, with_password: bool) -> Result<(), Status> {
    if !matches!(config.store(), Ok(StoreUrl::Postgres(_))) {
        return Err(Status::failed_precondition(
            "the store is a file of this controller, which no other one can share: `hostlerd migrate` moves it to \
             PostgreSQL",
        ));
    }
    config.store_url(with_password).map(drop).map_err(|e| Status::failed_precondition(e.to_string()))
}

/// Keys and settings, for one that has proved that it may have them.
async fn everything(api: &Api, with_password: bool) -> anyhow::Result<wire::JoinResponse> {
    let controller = api.0.clone();
    blocking(move || {
        let config = &controller.config;
        let read = |path: &Path| {
            let path = config.path(path);
            std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
        };
        Ok(wire::JoinResponse {
            controller: config.name(),
            ca: read(&config.keys.ca)?,
            ca_key: read(&config.keys.ca_key)?,
            seal_key: read(&config.keys.seal)?,
            token_key: read(&config.keys.token)?,
            settings: join::shared(config, with_password)?,
        })
    })
    .await
}

/// Somebody made a code up, or has one of another installation.
async fn record_forgery(api: &Api, address: IpAddr) {
    if !api.0.refusals.may_be_stored() {
        tracing::warn!(%address, "a code to join that this controller did not make");
        return;
    }
    let message = format!("{address} came with a code to join that this controller did not make");
    // The answer is a refusal in any case.
    let _ = api.0.submit(Input::Refused { node: None, kind: "join-refused".into(), message }).await;
}
