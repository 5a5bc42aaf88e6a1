//! The answer of a controller that does not lead, as a status and back.

use crate::controller::v1::Elsewhere;
use prost::{Message as _, Name};
use tonic::{Code, Status};

/// `google.rpc.Status`, which the trailer `grpc-status-details-bin` holds.
#[derive(Clone, PartialEq, prost::Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<prost_types::Any>,
}

impl Name for Elsewhere {
    const NAME: &'static str = "Elsewhere";
    const PACKAGE: &'static str = "hostler.controller.v1";
}

impl Elsewhere {
    /// The status that says so.
    #[must_use]
    pub fn status(&self, message: impl Into<String>) -> Status {
        let message = message.into();
        // Encoding into memory does not fail.
        let details = prost_types::Any::from_msg(self).into_iter().collect();
        let code = Code::Unavailable;
        let status = RpcStatus { code: code as i32, message: message.clone(), details };
        Status::with_details(code, message, status.encode_to_vec().into())
    }

    /// What a status says about it, if it does.
    #[must_use]
    pub fn of(status: &Status) -> Option<Self> {
        let details = RpcStatus::decode(status.details()).ok()?.details;
        details.iter().find_map(|detail| detail.to_msg().ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_tells_what_was_put_into_it() {
        let there = Elsewhere { address: "https://192.0.2.2:7443".into(), name: "b".into(), epoch: 7 };
        let status = there.status("a stands by");
        assert_eq!((status.code(), status.message()), (Code::Unavailable, "a stands by"));
        assert_eq!(Elsewhere::of(&status), Some(there));
        assert_eq!(Elsewhere::of(&Status::unavailable("the store is away")), None);
        let garbled = Status::with_details(Code::Unavailable, "", vec![0xff; 9].into());
        assert_eq!(Elsewhere::of(&garbled), None);
    }
}
