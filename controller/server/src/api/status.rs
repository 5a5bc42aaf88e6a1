//! From our errors to gRPC's: the one place where they are mapped.

use crate::writer::SubmitError;
use hostler_core::input::Refusal;
use hostler_store::StoreError;
use tonic::Status;

/// What the caller is told of an input that was not carried out.
pub(crate) fn refused(error: &SubmitError) -> Status {
    match error {
        SubmitError::Refused(Refusal::Invalid(text)) => Status::invalid_argument(text),
        SubmitError::Refused(Refusal::NotFound(text)) => Status::not_found(text),
        SubmitError::Refused(Refusal::Conflict(text)) => Status::failed_precondition(text),
        SubmitError::Refused(Refusal::Forbidden(text)) => Status::permission_denied(text),
        SubmitError::NotStored => Status::internal(error.to_string()),
        SubmitError::Elsewhere(leader) => leader.status(error.to_string()),
        SubmitError::Unavailable | SubmitError::Closed => Status::unavailable(error.to_string()),
    }
}

/// Something went wrong here, and the log says what; the caller is told only where. A store that is away comes back.
pub(crate) fn internal(what: &str, error: &anyhow::Error) -> Status {
    tracing::error!("{what}: {error:#}");
    if error.downcast_ref::<StoreError>().is_some_and(StoreError::is_unavailable) {
        return Status::unavailable(format!("{what}: the store cannot be used now: ask again"));
    }
    Status::internal(format!("{what}: the controller could not do it; its log says why"))
}
