//! Payloads: starting, stopping, following.

use super::Api;
use super::caller::User;
use super::keepalive::Keeps;
use super::status::{internal, refused};
use super::streams::{self, Gone, Outbox, Stream};
use crate::storage::blocking;
use anyhow::Context as _;
use hostler_core::ids::{LeaseId, NodeId, RunId};
use hostler_core::input::{Input, Reply};
use hostler_core::run::{Run, RunSpec, Task, TaskState};
use hostler_core::world::World;
use hostler_proto::lease::v1 as wire;
use std::collections::BTreeMap;
use std::io::Write as _;
use tonic::Status;

/// Bytes in one message of output or of a file.
const CHUNK: usize = 256 << 10;

/// Bytes that a payload may be given on its standard input.
const MAX_STDIN: usize = 4 << 20;

pub(super) async fn start(
    api: &Api,
    user: &User,
    request: wire::StartRunRequest,
) -> Result<wire::Run, Status> {
    let lease = LeaseId(request.lease_id);
    api.check_lease(user, lease)?;
    if request.stdin.len() > MAX_STDIN {
        return Err(Status::invalid_argument("stdin: at most 4 MiB"));
    }
    let spec = RunSpec {
        role: request.role,
        command: request.command,
        environment: request.environment.into_iter().collect(),
        timeout_ms: (request.timeout_s > 0).then(|| request.timeout_s.saturating_mul(1000)),
        junit: request.junit,
        stdin_sha256: keep_stdin(api, request.stdin).await?,
    };
    let input = Input::StartRun { lease, key: request.idempotency_key, spec };
    match api.0.submit(input).await.map_err(|e| refused(&e))? {
        Reply::Run(id) => get(api, user, id.0).await,
        _ => Err(Status::internal("no run")),
    }
}

/// The bytes are where all controllers find them before the run that refers to them is stored.
async fn keep_stdin(api: &Api, stdin: Vec<u8>) -> Result<String, Status> {
    if stdin.is_empty() {
        return Ok(String::new());
    }
    let inputs = api.0.inputs.clone();
    let kept = async {
        let upload = inputs.clone();
        let (digest, _) = blocking(move || {
            let mut upload = upload.upload()?;
            upload.write_all(&stdin).context("the content cannot be stored")?;
            upload.finish()
        })
        .await?;
        inputs.share(&digest).await.map(|()| digest)
    };
    kept.await.map_err(|e| internal("standard input", &e))
}

pub(super) async fn stop(api: &Api, user: &User, id: u32) -> Result<wire::Run, Status> {
    get(api, user, id).await?;
    let input = Input::StopRun { run: RunId(id), author: user.label() };
    api.0.submit(input).await.map_err(|e| refused(&e))?;
    get(api, user, id).await
}

pub(super) async fn get(api: &Api, user: &User, id: u32) -> Result<wire::Run, Status> {
    let run = find(api, user, RunId(id)).await?;
    Ok(api.0.published.read(|w| view(w, &run)))
}

/// A run in memory, or an old one from the store, if its lease is the caller's.
async fn find(api: &Api, user: &User, id: RunId) -> Result<Run, Status> {
    let unknown = || Status::not_found(format!("you have no run {id}"));
    let run = match api.0.published.read(|w| w.runs.get(id).cloned()) {
        Some(run) => run,
        None => {
            let stored = api.0.history(move |h| h.run(id)).await.map_err(|e| internal("a run", &e))?;
            stored.ok_or_else(unknown)?
        }
    };
    let lease = run.lease;
    let known = api.0.published.read(|w| w.leases.get(lease).cloned());
    let lease = match known {
        Some(lease) => Some(lease),
        None => api.0.history(move |h| h.lease(lease)).await.map_err(|e| internal("a lease", &e))?,
    };
    let mine = lease.is_some_and(|l| api.0.published.read(|w| user.may_touch(w, &l)));
    if mine { Ok(run) } else { Err(unknown()) }
}

pub(super) async fn follow(
    api: &Api,
    user: &User,
    request: wire::FollowRunRequest,
) -> Result<Stream<wire::RunEvent>, Status> {
    let run = find(api, user, RunId(request.id)).await?;
    let names: BTreeMap<NodeId, String> =
        api.0.published.read(|w| run.tasks.iter().map(|t| (t.node, name(w, t.node))).collect());
    let followed = names.into_iter().map(|(node, name)| {
        let offset = request.offsets.get(&name).copied().unwrap_or(0);
        Followed { node, name, offset, shown: None }
    });
    let (followed, api, user) = (followed.collect(), api.clone(), user.clone());
    let keeps = request.keepalive.then(|| Keeps::alive(&api.0, run.lease));
    let (tasks, stop) = (api.0.tasks.clone(), api.0.stop.clone());
    Ok(streams::begin(&tasks, &stop, |outbox| async move {
        let _keeps = keeps;
        Follower { api, user, run: run.id, followed, outbox }.run().await
    }))
}

/// How far a reader is with one task.
struct Followed {
    node: NodeId,
    name: String,
    offset: u64,
    shown: Option<TaskState>,
}

/// Feeds one reader.
struct Follower {
    api: Api,
    user: User,
    run: RunId,
    followed: Vec<Followed>,
    outbox: Outbox<wire::RunEvent>,
}

impl Follower {
    async fn run(mut self) -> Result<(), Gone> {
        let mut changes = self.api.0.published.watch_run(self.run);
        loop {
            changes.mark_unchanged();
            let run = match find(&self.api, &self.user, self.run).await {
                Ok(run) => run,
                Err(status) => {
                    self.outbox.fail(status).await;
                    return Ok(());
                }
            };
            let mut over = true;
            for index in 0..self.followed.len() {
                over &= self.advance(index, &run).await?;
            }
            if over {
                return Ok(());
            }
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return Ok(()) },
                () = self.outbox.closed() => return Ok(()),
            }
        }
    }

    /// Sends what is new of one task; true when nothing more will come. Output goes before the news of its end.
    async fn advance(&mut self, index: usize, run: &Run) -> Result<bool, Gone> {
        let followed = &mut self.followed[index];
        let Some(task) = run.task(followed.node) else { return Ok(true) };
        loop {
            let offset = followed.offset;
            let data = match self.api.0.runs.read(self.run, followed.node, offset, CHUNK).await {
                Ok(data) if data.is_empty() => break,
                Ok(data) => data,
                Err(error) => {
                    self.outbox.fail(internal("output", &error)).await;
                    return Err(Gone);
                }
            };
            followed.offset += data.len() as u64;
            let output = wire::OutputChunk { node: followed.name.clone(), offset, data };
            self.outbox.send(event(wire::run_event::Event::Output(output))).await?;
        }
        if followed.shown.as_ref() != Some(&task.state) {
            followed.shown = Some(task.state.clone());
            let task = self.api.0.published.read(|w| task_view(w, run, task));
            self.outbox.send(event(wire::run_event::Event::Task(task))).await?;
        }
        Ok(task.state.is_over())
    }
}

const fn event(event: wire::run_event::Event) -> wire::RunEvent {
    wire::RunEvent { event: Some(event) }
}

pub(super) async fn file(
    api: &Api,
    user: &User,
    request: wire::GetRunFileRequest,
) -> Result<Stream<wire::FileChunk>, Status> {
    let run = find(api, user, RunId(request.id)).await?;
    let node = run.tasks.iter().find(|t| api.0.published.read(|w| name(w, t.node)) == request.node);
    let file = node.and_then(|task| match &task.state {
        TaskState::Finished { result, .. } => {
            result.files.iter().find(|f| f.path == request.path).map(|file| (task.node, file.clone()))
        }
        _ => None,
    });
    let Some((node, file)) = file else {
        let text = format!("run {} has no file {:?} of node {:?}", run.id, request.path, request.node);
        return Err(Status::not_found(text));
    };
    let (runs, id) = (api.0.runs.clone(), run.id);
    Ok(streams::begin(&api.0.tasks, &api.0.stop, |outbox| async move {
        let mut offset = 0;
        loop {
            match runs.read_file(id, node, &file, offset, CHUNK).await {
                Ok(data) if data.is_empty() => return Ok(()),
                Ok(data) => {
                    offset += data.len() as u64;
                    outbox.send(wire::FileChunk { data }).await?;
                }
                Err(error) => {
                    outbox.fail(internal("a file", &error)).await;
                    return Ok(());
                }
            }
        }
    }))
}

fn view(world: &World, run: &Run) -> wire::Run {
    wire::Run {
        id: run.id.0,
        lease_id: run.lease.0,
        tasks: run.tasks.iter().map(|t| task_view(world, run, t)).collect(),
        command: run.spec.command.clone(),
    }
}

fn name(world: &World, node: NodeId) -> String {
    world.nodes.get(node).map_or_else(|| node.to_string(), |n| n.spec.name.clone())
}

fn task_view(world: &World, run: &Run, task: &Task) -> wire::RunTask {
    let mut view =
        wire::RunTask { node: name(world, task.node), role: task.role.clone(), ..wire::RunTask::default() };
    match &task.state {
        TaskState::Pending { .. } => view.set_state(wire::TaskState::Pending),
        TaskState::Running { since } => {
            view.set_state(wire::TaskState::Running);
            view.started_ms = since.0;
        }
        TaskState::Lost { at, reason } => {
            let cut_off = world.leases.get(run.lease).is_some_and(|lease| task.state.was_cut_off(lease));
            view.set_state(if cut_off { wire::TaskState::Killed } else { wire::TaskState::Lost });
            view.finished_ms = at.0;
            view.reason.clone_from(reason);
        }
        TaskState::Finished { since, at, result } => {
            let killed = !result.killed.is_empty();
            view.set_state(if killed { wire::TaskState::Killed } else { wire::TaskState::Finished });
            view.started_ms = since.0;
            view.finished_ms = at.0;
            view.exit_code = result.code();
            view.reason = if killed { result.killed.clone() } else { result.start_error.clone() };
            view.output_bytes = result.output_bytes;
            view.junit = result.junit.map(|[tests, failures, errors, skipped]| wire::JUnitTotals {
                tests,
                failures,
                errors,
                skipped,
            });
            let file = |f: &hostler_core::run::File| wire::RunFile {
                path: f.path.clone(),
                size: f.size,
                sha256: f.sha256.clone(),
            };
            view.files = result.files.iter().map(file).collect();
        }
    }
    view
}
