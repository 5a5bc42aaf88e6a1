//! One run, from its start to its result.

use super::collect::{Collected, collect};
use super::environment::compose;
use super::glob::Pattern;
use super::limits::Limits;
use super::live::Live;
use super::orphan::Group;
use super::process::{Payload, Process};
use super::pump::{Output, drain, pump};
use super::spool::Spool;
use crate::machine::Machine;
use hostler_proto::agent::v1::{RunFinished, StartRun};
use rustix::process::Signal;
use std::fs::File;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::unix::pipe;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// What a run is done with.
pub(crate) struct Assignment {
    pub(crate) start: StartRun,
    pub(crate) machine: Arc<dyn Machine>,
    pub(crate) node: String,
    pub(crate) spool: Spool,
    pub(crate) live: Arc<Live>,
    pub(crate) limits: Limits,
}

/// How a payload ended.
struct Ending {
    status: io::Result<ExitStatus>,
    /// Who ended it and why; empty if it ended by itself.
    killed: String,
}

/// Runs the payload and stores its result. Dropping the future kills the payload.
pub(crate) async fn supervise(assignment: Assignment) -> RunFinished {
    let mut result = match run(&assignment).await {
        Ok(result) => result,
        Err(error) => RunFinished { start_error: error.to_string(), ..RunFinished::default() },
    };
    result.run_id = assignment.start.run_id;
    result.output_bytes = assignment.live.length();
    let (spool, stored) = (assignment.spool, result.clone());
    if let Err(error) = blocking(move || spool.write_result(&stored)).await {
        // The controller hears of it all the same, unless the machine restarts before.
        tracing::error!(run = result.run_id, "cannot store the result: {error}");
    }
    result
}

/// Fails if the payload could not be started.
async fn run(assignment: &Assignment) -> io::Result<RunFinished> {
    let Assignment { start, spool, live, limits, .. } = assignment;
    let (process, mut pipe, file) = begin(assignment).await?;
    live.set_started();
    let mut output = Output::new(Arc::new(file), live.clone(), limits.output);
    let ending = attend(process, &mut pipe, &mut output, assignment).await;
    let (exit_code, mut killed) = match ending.status {
        Ok(status) => (exit_code(status), ending.killed),
        Err(error) => (128 + Signal::KILL.as_raw(), format!("the payload was lost: {error}")),
    };
    let (patterns, mut notes) = Pattern::parse_all(&start.junit);
    let (source, files, bounds) = (spool.work(), spool.files(), limits.files);
    let found = blocking(move || collect(&source, &patterns, &files, &bounds)).await;
    let Collected { files, totals, notes: more } = found.unwrap_or_else(|error| Collected {
        notes: vec![format!("the JUnit files could not be collected: {error}")],
        ..Collected::default()
    });
    notes.extend(more);
    for note in notes {
        if let Err(error) = output.note(&note).await {
            killed = format!("{killed} (and its output could not be stored: {error})");
            break;
        }
    }
    Ok(RunFinished { exit_code, killed, junit: Some(totals), files, ..RunFinished::default() })
}

async fn begin(assignment: &Assignment) -> io::Result<(Process, pipe::Receiver, File)> {
    let (spool, data) = (assignment.spool.clone(), assignment.start.stdin.clone());
    let (stdin, file) = blocking(move || {
        spool.create()?;
        Ok((spool.stdin(&data)?, spool.open_output()?))
    })
    .await?;
    let environment = compose(assignment.machine.as_ref(), &assignment.node, &assignment.start).await?;
    let (process, pipe) = Process::start(Payload {
        command: &assignment.start.command,
        environment: &environment,
        directory: &assignment.spool.work(),
        stdin,
    })?;
    if let Some(leader) = process.leader() {
        let spool = assignment.spool.clone();
        let remembered = blocking(move || spool.write_group(&Group::of(leader)?)).await;
        remembered.unwrap_or_else(|error| tracing::warn!("a payload would outlive this agent: {error}"));
    }
    Ok((process, pipe, file))
}

/// Stores the output until the payload has ended.
async fn attend(
    mut process: Process,
    pipe: &mut pipe::Receiver,
    output: &mut Output,
    assignment: &Assignment,
) -> Ending {
    let Assignment { start, live, limits, .. } = assignment;
    let limit = Duration::from_millis(start.timeout_ms);
    let ended = CancellationToken::new();
    let life = async {
        let ending = outlive(&mut process, limit, live, limits.grace).await;
        ended.cancel();
        ending
    };
    let store = async {
        if let Err(error) = pump(pipe, output, limits, &ended).await {
            live.stop(format!("its output could not be stored: {error}"));
        }
    };
    let (ending, ()) = tokio::join!(life, store);
    if let Err(error) = drain(pipe, output, limits.drain).await {
        tracing::warn!(run = start.run_id, "the last of the output may be lost: {error}");
    }
    ending
}

/// Waits for the payload, and ends it when its time is up or somebody says so.
async fn outlive(process: &mut Process, limit: Duration, live: &Live, grace: Duration) -> Ending {
    let time_is_up = async {
        match limit.is_zero() {
            true => std::future::pending().await,
            false => sleep(limit).await,
        }
    };
    let killed = tokio::select! {
        status = process.wait() => return Ending { status, killed: String::new() },
        () = time_is_up => format!("its time limit of {} s passed", limit.as_secs_f64()),
        reason = live.stopped() => reason,
    };
    process.signal(Signal::TERM);
    let status = match timeout(grace, process.wait()).await {
        Ok(status) => status,
        Err(_) => {
            process.signal(Signal::KILL);
            process.wait().await
        }
    };
    Ending { status, killed }
}

/// As a shell would say it.
fn exit_code(status: ExitStatus) -> i32 {
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(-1)
}

/// Runs what waits for a disk where it does not stop others.
pub(crate) async fn blocking<T: Send + 'static>(
    operation: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(operation).await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use tokio::sync::Notify;

    /// A shell that does not mind SIGTERM.
    fn stubborn(directory: &std::path::Path) -> (Process, pipe::Receiver) {
        let script = "trap '' TERM; echo ready; while :; do sleep 1000; done";
        let command = ["sh", "-c", script].map(str::to_owned);
        let environment = BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]);
        Process::start(Payload { command: &command, environment: &environment, directory, stdin: None })
            .unwrap()
    }

    #[tokio::test]
    async fn a_payload_that_does_not_listen_is_killed() {
        use tokio::io::AsyncReadExt as _;
        let directory = tempfile::tempdir().unwrap();
        let (mut process, mut output) = stubborn(directory.path());
        output.read_exact(&mut [0; 6]).await.unwrap();
        let live = Live::new(Arc::new(Notify::new()));
        live.stop("first".to_owned());
        live.stop("second".to_owned());
        let ending = outlive(&mut process, Duration::ZERO, &live, Duration::from_millis(50)).await;
        assert_eq!((exit_code(ending.status.unwrap()), ending.killed.as_str()), (137, "first"));
        // Its children held the pipe as well.
        assert_eq!(output.read_to_end(&mut Vec::new()).await.unwrap(), 0);
    }
}
