//! The end of a session (section 22.19).

use super::request::Request;
use super::wire::Wire;
use crate::command::{CloseSession, Command as _, Repeat};
use crate::link::{Link, Patience};
use crate::packet::LanRequest;
use ipmi_rs_core::connection::Message;
use std::time::Duration;
use tokio::time::Instant;
use tracing::debug;

/// Says goodbye until it is answered, for at most four times `retransmit`: a controller that heard the goodbye and
/// whose answer was lost does not answer again.
pub(super) async fn close(link: &Link, wire: &mut Wire, retransmit: Duration) {
    let message = Message::from(CloseSession(wire.bmc_id()));
    let patience = Patience { retransmit, deadline: Instant::now() + retransmit * 4 };
    let mut request = Request::new(wire, CloseSession::NAME, &message, Repeat::Freely);
    let outcome = link.ask(&mut request, patience).await;
    wire.closed = true;
    if let Err(error) = outcome {
        debug!(%error, "the session is left to time out");
    }
}

/// The goodbye of a session that is dropped; `None` if it was said.
pub(super) fn goodbye(wire: &mut Wire) -> Option<Vec<u8>> {
    if std::mem::replace(&mut wire.closed, true) {
        return None;
    }
    let message = Message::from(CloseSession(wire.bmc_id()));
    let request = LanRequest {
        netfn: message.netfn_raw(),
        lun: 0,
        rq_seq: wire.next_rq_seq(),
        cmd: message.cmd(),
        data: message.data().to_vec(),
    };
    wire.seal(&request).ok()
}
