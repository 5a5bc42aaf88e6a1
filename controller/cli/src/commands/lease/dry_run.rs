//! `hostler lease request --dry-run`

use crate::clock;
use crate::error::Error;
use crate::exit::Exit;
use crate::model::preview::Preview;
use crate::render;
use crate::session::Session;
use hostler_proto::lease::v1::RequestLeaseRequest;

/// Shows what would come of the request. Whether it starts, waits or never starts is the exit code.
pub(super) async fn run(session: &Session, request: RequestLeaseRequest) -> Result<Exit, Error> {
    let client = session.connect()?;
    let attempt = async || client.leases().preview_lease(request.clone()).await;
    let preview: Preview = client.call("try the request", attempt).await?.into();
    session.ui.result(&preview, |preview, look| render::preview::preview(preview, clock::now_ms(), look))?;
    Ok(match preview {
        Preview { never: Some(_), .. } => Exit::Refused,
        Preview { fits_now: true, .. } => Exit::Ok,
        Preview { .. } => Exit::TimedOut,
    })
}
