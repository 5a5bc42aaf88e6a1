//! The runs of this agent, and what the controller is to hear of them next.

use super::cursor::{Cursor, Next, View};
use super::limits::Limits;
use super::live::Live;
use super::spool::Spool;
use super::supervise::{Assignment, blocking, supervise};
use crate::machine::Machine;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _};
use hostler_proto::agent::v1::agent_message::Message as Up;
use hostler_proto::agent::v1::{
    KnownRun, RunAck, RunFileData, RunFinished, RunOutput, RunStarted, StartRun, StopRun,
};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::ops::Bound;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::Notify;

/// What a run ends with when the machine or the agent restarts under it: 128 + SIGKILL.
const LOST: i32 = 137;

/// Every run that the controller has not acknowledged as finished.
pub(crate) struct Runs {
    machine: Arc<dyn Machine>,
    node: String,
    limits: Limits,
    directory: PathBuf,
    runs: BTreeMap<u32, Run>,
    /// Polled here and not spawned, so that no payload outlives the agent.
    work: FuturesUnordered<BoxFuture<'static, RunFinished>>,
    /// Something has happened in a run that may have made a message.
    changed: Arc<Notify>,
    /// Answers about runs that there are none of here.
    refused: VecDeque<RunFinished>,
    /// The run that was served last; the next one is next.
    turn: u32,
}

struct Run {
    spool: Spool,
    live: Arc<Live>,
    /// Once it is over.
    result: Option<RunFinished>,
    cursor: Cursor,
    /// Why its spool cannot be read.
    unreadable: Option<String>,
}

impl Run {
    fn new(spool: Spool, live: Arc<Live>) -> Self {
        Self { spool, live, result: None, cursor: Cursor::default(), unreadable: None }
    }

    fn view(&self) -> View<'_> {
        let acked = self.live.acked();
        View {
            started: self.live.started(),
            length: if self.unreadable.is_some() { acked } else { self.live.length() },
            acked,
            result: self.result.as_ref(),
        }
    }

    /// What is in the spool cannot be read: the run ends with what the controller has of it.
    fn give_up(&mut self, run_id: u32, error: &io::Error) {
        tracing::error!(run = run_id, "the spool cannot be read: {error}");
        let reason = format!("its output was lost on the node: {error}");
        self.live.stop(reason.clone());
        self.unreadable = Some(reason);
        if let Some(result) = self.result.take() {
            self.set_result(result);
        }
    }

    fn set_result(&mut self, mut result: RunFinished) {
        if let Some(reason) = &self.unreadable {
            result.killed.clone_from(reason);
            result.output_bytes = self.live.acked();
            result.files.clear();
        }
        self.result = Some(result);
    }
}

impl Runs {
    /// Finds what earlier starts of the deployed system have left behind: results that the controller has not
    /// acknowledged, and runs that a restart of the machine has ended.
    pub(crate) async fn restore(machine: Arc<dyn Machine>, node: String, limits: Limits) -> io::Result<Self> {
        let directory = machine.spool().to_owned();
        let changed = Arc::new(Notify::new());
        let (from, wake) = (directory.clone(), changed.clone());
        let runs = blocking(move || restore(&from, &wake)).await?;
        Ok(Self {
            machine,
            node,
            limits,
            directory,
            runs,
            work: FuturesUnordered::new(),
            changed,
            refused: VecDeque::new(),
            turn: 0,
        })
    }

    /// For the Hello of the next link.
    pub(crate) fn known(&self) -> Vec<KnownRun> {
        let known = |(&run_id, run): (&u32, &Run)| KnownRun { run_id, finished: run.result.is_some() };
        self.runs.iter().map(known).collect()
    }

    /// What went out on the last link may not have arrived.
    pub(crate) fn begin_link(&mut self) {
        for run in self.runs.values_mut() {
            run.cursor = Cursor::from_acked(run.live.acked());
        }
    }

    /// Starts a payload. For a run that is known nothing but the report of its start is repeated.
    pub(crate) fn start(&mut self, start: StartRun) {
        let run_id = start.run_id;
        if let Some(run) = self.runs.get_mut(&run_id) {
            run.cursor.repeat_start();
            return;
        }
        let spool = Spool::of(&self.directory, run_id);
        if spool.is_done() {
            tracing::warn!(run = run_id, "was finished and acknowledged, and is not started again");
            return;
        }
        if self.runs.len() >= self.limits.runs {
            return self.refuse(run_id, format!("there are {} runs on this node already", self.runs.len()));
        }
        tracing::info!(run = run_id, program = start.command.first(), "starts");
        let live = Arc::new(Live::new(self.changed.clone()));
        let assignment = Assignment {
            start,
            machine: self.machine.clone(),
            node: self.node.clone(),
            spool: spool.clone(),
            live: live.clone(),
            limits: self.limits,
        };
        self.work.push(supervise(assignment).boxed());
        self.runs.insert(run_id, Run::new(spool, live));
    }

    /// Has a payload ended. For a run that is over nothing happens: its result is on its way.
    pub(crate) fn stop(&mut self, stop: StopRun) {
        match self.runs.get(&stop.run_id) {
            Some(run) => run.live.stop(stop.reason),
            None if Spool::of(&self.directory, stop.run_id).is_done() => {}
            None => self.refuse(stop.run_id, "this agent does not know the run".to_owned()),
        }
    }

    /// Takes note of what the controller has stored.
    pub(crate) async fn acknowledge(&mut self, ack: RunAck) {
        let Some(run) = self.runs.get(&ack.run_id) else { return };
        run.live.acknowledge(ack.output_bytes);
        if !ack.finished || run.result.is_none() {
            return;
        }
        let spool = run.spool.clone();
        self.runs.remove(&ack.run_id);
        if let Err(error) = blocking(move || spool.finish()).await {
            tracing::warn!(run = ack.run_id, "cannot tidy up: {error}");
        }
    }

    /// Goes on with every run, until something has happened that may have made a message. May be dropped and awaited
    /// again at any time.
    pub(crate) async fn work(&mut self) {
        tokio::select! {
            () = self.changed.notified() => {}
            Some(result) = self.work.next() => self.finish(result),
        }
    }

    /// True if [`Runs::next_message`] has one.
    pub(crate) fn is_ready(&self) -> bool {
        !self.refused.is_empty() || self.next().is_some()
    }

    /// The next message; each run has its turn.
    pub(crate) async fn next_message(&mut self) -> Option<Up> {
        if let Some(refused) = self.refused.pop_front() {
            return Some(Up::RunFinished(refused));
        }
        let (run_id, next) = self.next()?;
        self.turn = run_id;
        let run = self.runs.get_mut(&run_id)?;
        match message(run_id, run, next).await {
            Ok(message) => {
                let mut cursor = run.cursor;
                cursor.advance(next, run.view());
                run.cursor = cursor;
                message
            }
            Err(error) => {
                run.give_up(run_id, &error);
                None
            }
        }
    }

    fn next(&self) -> Option<(u32, Next)> {
        let after = self.runs.range((Bound::Excluded(self.turn), Bound::Unbounded));
        let before = self.runs.range(..=self.turn);
        after
            .chain(before)
            .find_map(|(&run_id, run)| Some((run_id, run.cursor.next(run.view(), &self.limits)?)))
    }

    fn finish(&mut self, result: RunFinished) {
        tracing::info!(
            run = result.run_id,
            code = result.exit_code,
            killed = result.killed,
            "ended {}",
            result.start_error
        );
        if let Some(run) = self.runs.get_mut(&result.run_id) {
            run.set_result(result);
        }
    }

    fn refuse(&mut self, run_id: u32, reason: String) {
        tracing::warn!(run = run_id, "refused: {reason}");
        if self.refused.len() < self.limits.runs {
            self.refused.push_back(RunFinished { run_id, start_error: reason, ..RunFinished::default() });
        }
    }
}

async fn message(run_id: u32, run: &Run, next: Next) -> io::Result<Option<Up>> {
    let spool = run.spool.clone();
    Ok(match next {
        Next::Started => Some(Up::RunStarted(RunStarted { run_id })),
        Next::Output { offset, length } => {
            let data = blocking(move || spool.read_output(offset, length)).await?.into();
            Some(Up::RunOutput(RunOutput { run_id, offset, data }))
        }
        Next::File { index, offset, length } => {
            let file = run.result.as_ref().and_then(|result| result.files.get(index));
            let path = file.map(|file| file.path.clone()).unwrap_or_default();
            let data = blocking(move || spool.read_file(index, offset, length)).await?.into();
            Some(Up::RunFile(RunFileData { run_id, path, offset, data }))
        }
        Next::Finished => run.result.clone().map(Up::RunFinished),
    })
}

fn restore(directory: &std::path::Path, changed: &Arc<Notify>) -> io::Result<BTreeMap<u32, Run>> {
    let mut runs = BTreeMap::new();
    for run_id in Spool::list(directory)? {
        let spool = Spool::of(directory, run_id);
        if spool.is_done() {
            continue;
        }
        let result = match spool.read_result() {
            Ok(Some(result)) => result,
            Ok(None) => lost(run_id, &spool)?,
            Err(error) => {
                tracing::warn!(run = run_id, "the result cannot be read: {error}");
                lost(run_id, &spool)?
            }
        };
        let live = Arc::new(Live::new(changed.clone()));
        live.set_length(result.output_bytes);
        runs.insert(run_id, Run { result: Some(result), ..Run::new(spool, live) });
    }
    Ok(runs)
}

fn lost(run_id: u32, spool: &Spool) -> io::Result<RunFinished> {
    if spool.read_group().is_some_and(|group| group.kill()) {
        tracing::warn!(run = run_id, "ended what an agent before this one had left running");
    }
    let result = RunFinished {
        run_id,
        exit_code: LOST,
        killed: "the machine or its agent restarted while the payload ran".to_owned(),
        output_bytes: spool.output_length()?,
        lost: true,
        ..RunFinished::default()
    };
    spool.write_result(&result)?;
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn what_a_power_cut_has_left_behind_is_taken_for_lost() {
        let spool = tempfile::tempdir().unwrap();
        let file = |path: &str, text: &[u8]| {
            let path = spool.path().join("runs").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        file("1/output", b"said");
        file("2/result", b"\xff\xff not protobuf");
        file("3/done", b"");
        file("not-a-run/output", b"");
        file("stray", b"");
        let whole = RunFinished { run_id: 4, exit_code: 5, output_bytes: 9, ..RunFinished::default() };
        file("4/result", &prost::Message::encode_to_vec(&whole));
        for _ in 0..2 {
            let runs = restore(spool.path(), &Arc::default()).unwrap();
            let found: Vec<_> = runs
                .iter()
                .map(|(&id, run)| (id, run.live.length(), run.result.as_ref().unwrap().exit_code))
                .collect();
            assert_eq!(found, [(1, 4, LOST), (2, 0, LOST), (4, 9, 5)]);
        }
    }
    #[test]
    fn a_payload_whose_agent_was_killed_is_ended() {
        use super::super::orphan::Group;
        use std::os::unix::process::CommandExt as _;
        let directory = tempfile::tempdir().unwrap();
        let spool = Spool::of(directory.path(), 1);
        spool.create().unwrap();
        let mut payload = std::process::Command::new("sleep").arg("600").process_group(0).spawn().unwrap();
        spool.write_group(&Group::of(rustix::process::Pid::from_child(&payload)).unwrap()).unwrap();
        let runs = restore(directory.path(), &Arc::default()).unwrap();
        assert!(!payload.wait().unwrap().success());
        let result = runs[&1].result.as_ref().unwrap();
        assert!(result.lost && result.exit_code == LOST);
        assert_eq!(result.killed, "the machine or its agent restarted while the payload ran");
    }
}
