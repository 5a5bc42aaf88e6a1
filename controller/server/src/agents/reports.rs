//! What an agent says, and what is done about it.

use super::convert;
use super::session::Speaker;
use crate::api::status::internal;
use crate::controller::Controller;
use crate::pki::{Identity, SigningRequest};
use crate::storage::{Acknowledged, Piece, is_away};
use hostler_core::ids::RunId;
use hostler_core::input::{Blame, Profile, Report};
use hostler_core::time::Timestamp;
use hostler_proto::agent::v1::agent_message::Message as FromAgent;
use hostler_proto::agent::v1::controller_message::Message as ToAgent;
use hostler_proto::agent::v1::{Heartbeat, RunAck, RunFileData, RunFinished, RunOutput, SignRequest, Signed};
use hostler_proto::node::v1::Health;
use std::time::Duration;
use tonic::Status;

/// A piece of output or of a file that is larger was not sent by our agent.
const MAX_PIECE: usize = 1 << 20;

/// Deals with one message; returns what to answer, once what it says is stored. Output may be stored later:
/// `acknowledged` hears of it.
///
/// # Errors
/// What ends the session.
pub(super) async fn receive(
    controller: &Controller,
    speaker: Speaker,
    message: FromAgent,
    acknowledged: &Acknowledged,
) -> Result<Option<ToAgent>, Status> {
    match message {
        FromAgent::Heartbeat(_) | FromAgent::Progress(_) => Ok(None),
        FromAgent::Hello(_) => Err(Status::invalid_argument("Hello is the first message only")),
        FromAgent::SignRequest(request) => sign(controller, speaker, &request).await.map(Some),
        FromAgent::RunOutput(output) => {
            store_output(controller, speaker, output, acknowledged).await.map(Some)
        }
        FromAgent::RunFile(file) => store_file(controller, speaker, file).await.map(|()| None),
        FromAgent::RunFinished(finished) => finish(controller, speaker, finished).await.map(Some),
        FromAgent::RunStarted(started) => {
            speaker.report(controller, Report::RunStarted { run: RunId(started.run_id) }).await.map(|()| None)
        }
        FromAgent::Inspected(m) => {
            let inventory = convert::inventory(m.inventory.unwrap_or_default())?;
            speaker.report(controller, Report::Inspected { task: m.task_id, inventory }).await.map(|()| None)
        }
        FromAgent::Wiped(m) => {
            let disks = m.disks.into_iter().take(convert::MAX_LIST).map(convert::disk_wipe).collect();
            speaker.report(controller, Report::Wiped { task: m.task_id, disks }).await.map(|()| None)
        }
        FromAgent::Proved(m) => {
            let checks = m.checks.into_iter().take(convert::MAX_LIST).map(convert::check).collect();
            let report = Report::Proved { task: m.task_id, took_ms: m.duration_ms, checks };
            speaker.report(controller, report).await.map(|()| None)
        }
        FromAgent::Deployed(m) => {
            let (sha256, host_keys) = (convert::text(m.sha256), convert::host_keys(m.ssh_host_keys));
            let report = Report::Deployed { task: m.task_id, sha256, host_keys };
            speaker.report(controller, report).await.map(|()| None)
        }
        FromAgent::WrittenAhead(m) => {
            let report = Report::WrittenAhead { task: m.task_id, sha256: convert::text(m.sha256) };
            speaker.report(controller, report).await.map(|()| None)
        }
        FromAgent::StepFailed(m) => {
            let blame = if m.image_fault { Blame::Image } else { Blame::Machine };
            let report = Report::Failed { task: m.task_id, reason: convert::text(m.reason), blame };
            speaker.report(controller, report).await.map(|()| None)
        }
    }
}

/// A heartbeat as it is shown.
pub(super) const fn health(beat: &Heartbeat, now: Timestamp) -> Health {
    Health {
        load1: beat.load1,
        memory_available_bytes: beat.memory_available_bytes,
        uptime_s: beat.uptime_s,
        at_ms: now.0,
    }
}

/// Signs the deployed agent's key, over the ramdisk agent's channel: no token is written to the tenant's disk.
async fn sign(controller: &Controller, speaker: Speaker, request: &SignRequest) -> Result<ToAgent, Status> {
    let csr = SigningRequest::parse(&request.csr).map_err(|e| Status::invalid_argument(format!("{e:#}")))?;
    speaker.report(controller, Report::SignRequest).await?;
    let who = Identity::Agent { node: speaker.node, boot: speaker.boot, profile: Profile::Tenant };
    let valid = Duration::from_secs(controller.config.agents.certificate_s);
    let certificate_chain = controller
        .authority
        .load()
        .sign(&csr, &who, controller.clock.now(), valid)
        .map_err(|e| internal("a certificate", &e))?;
    Ok(ToAgent::Signed(Signed { certificate_chain }))
}

/// Only for runs of the lease that the agent's node is in, and only of the boot that was deployed for it.
fn check_run(controller: &Controller, speaker: Speaker, run: RunId) -> Result<(), Status> {
    let allowed = controller.published.read(|w| {
        let node = w.nodes.get(speaker.node).filter(|n| n.current(speaker.boot).is_some());
        let lease = node.and_then(|n| n.state.lease());
        w.runs.get(run).is_some_and(|r| Some(r.lease) == lease && r.task(speaker.node).is_some())
    });
    if allowed && speaker.profile == Profile::Tenant {
        Ok(())
    } else {
        Err(Status::permission_denied(format!("run {run} is not of this agent's lease")))
    }
}

fn check_piece(data: &[u8]) -> Result<(), Status> {
    if data.len() > MAX_PIECE { Err(Status::invalid_argument("a piece has at most 1 MiB")) } else { Ok(()) }
}

/// Tells an agent how much of its output it need not keep.
pub(super) const fn output_stored(run: RunId, output_bytes: u64) -> ToAgent {
    ToAgent::RunAck(RunAck { run_id: run.0, output_bytes, finished: false })
}

/// The agent comes back and sends again what was not acknowledged.
fn not_stored(error: &anyhow::Error, otherwise: fn(String) -> Status) -> Status {
    let why = format!("{error:#}");
    if is_away(error) { Status::unavailable(why) } else { otherwise(why) }
}

async fn store_output(
    controller: &Controller,
    speaker: Speaker,
    output: RunOutput,
    acknowledged: &Acknowledged,
) -> Result<ToAgent, Status> {
    let run = RunId(output.run_id);
    check_run(controller, speaker, run)?;
    check_piece(&output.data)?;
    let piece = Piece { offset: output.offset, data: output.data };
    let stored = controller.runs.append(run, speaker.node, piece, acknowledged).await;
    Ok(output_stored(run, stored.map_err(|e| not_stored(&e, Status::out_of_range))?))
}

async fn store_file(controller: &Controller, speaker: Speaker, file: RunFileData) -> Result<(), Status> {
    let run = RunId(file.run_id);
    check_run(controller, speaker, run)?;
    check_piece(&file.data)?;
    let piece = Piece { offset: file.offset, data: file.data };
    let stored = controller.runs.append_file(run, speaker.node, file.path, piece).await;
    stored.map_err(|e| not_stored(&e, Status::out_of_range))
}

async fn finish(controller: &Controller, speaker: Speaker, finished: RunFinished) -> Result<ToAgent, Status> {
    let run = RunId(finished.run_id);
    check_run(controller, speaker, run)?;
    let output_bytes = finished.output_bytes;
    let result = convert::task_result(finished)?;
    let stored = controller.runs.finish(run, speaker.node, result.files.clone()).await;
    stored.map_err(|e| not_stored(&e, Status::data_loss))?;
    speaker.report(controller, Report::RunFinished { run, result }).await?;
    Ok(ToAgent::RunAck(RunAck { run_id: run.0, output_bytes, finished: true }))
}
