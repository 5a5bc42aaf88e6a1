//! Payloads.

use super::{Result, exhausted};
use crate::event::Severity;
use crate::ids::{LeaseId, NodeId, RunId};
use crate::input::{Refusal, Reply};
use crate::lease::LeaseState;
use crate::node::{NodeState, Presence};
use crate::run::{Run, RunSpec, Task, TaskResult, TaskState};
use crate::text::clip;
use crate::world::World;

/// Runs that one lease may have; more are a loop that went wrong.
const MAX_RUNS: usize = 10_000;

/// Files of one task that are kept, and the longest path of one.
const MAX_FILES: usize = 1_000;
const MAX_PATH: usize = 1_024;

/// Bytes of everything that a run is told, but its standard input.
const MAX_TEXT: usize = 128 << 10;

/// Exit code of a payload that was stopped before any machine was told of it: 128 + SIGTERM.
const NEVER_STARTED: i32 = 143;

/// Patterns of files to collect.
const MAX_PATTERNS: usize = 64;

impl World {
    pub(super) fn on_start_run(&mut self, lease: LeaseId, key: String, spec: RunSpec) -> Result {
        if let Some(run) = self.run_by_key(lease, &key) {
            return if run.spec == spec {
                Ok(Reply::Run(run.id))
            } else {
                Err(Refusal::Conflict(format!("the idempotency key {key:?} was used for another run")))
            };
        }
        check(&key, &spec)?;
        let tasks = self.tasks_for(lease, &spec.role)?;
        if self.index().runs(lease).len() >= MAX_RUNS {
            return Err(Refusal::Conflict(format!("lease {lease} has had {MAX_RUNS} runs already")));
        }
        let id = self.meta.counters.next_run().ok_or_else(exhausted)?;
        let command = spec.command.join(" ").chars().take(120).collect::<String>();
        self.put_run(Run { id, lease, key, spec, tasks, requested: self.meta.now, stop: None });
        self.tell(Severity::Info, "run-requested", lease, format!("run {id}: {command}"));
        Ok(Reply::Run(id))
    }

    fn tasks_for(&self, id: LeaseId, role: &str) -> std::result::Result<Vec<Task>, Refusal> {
        let lease =
            self.leases.get(id).ok_or_else(|| Refusal::NotFound(format!("there is no lease {id}")))?;
        let LeaseState::Active { group, .. } = &lease.state else {
            return Err(Refusal::Conflict(format!(
                "lease {id} is not active: payloads run on active leases"
            )));
        };
        let mut tasks = Vec::new();
        for assigned in group {
            let member = &lease.spec.members[assigned.member];
            if role.is_empty() || member.role == role {
                self.has_come(id, assigned.node)?;
                let state = TaskState::Pending { incarnation: self.incarnation_heard(assigned.node) };
                tasks.push(Task { node: assigned.node, role: member.role.clone(), state });
            }
        }
        if tasks.is_empty() {
            let roles: Vec<_> = lease.spec.members.iter().map(|m| m.role.as_str()).collect();
            let text = format!("lease {id} has no role {role:?}; its roles: {}", roles.join(", "));
            return Err(Refusal::Invalid(text));
        }
        Ok(tasks)
    }

    /// Refuses a payload on a machine that is to take the place of another and has not come yet: whether it ever does is
    /// not known, and a group would wait for it with half of its members at work.
    fn has_come(&self, lease: LeaseId, node: NodeId) -> std::result::Result<(), Refusal> {
        match self.nodes.get(node) {
            Some(node) if matches!(node.state, NodeState::Deploying { .. }) => {
                Err(Refusal::Conflict(format!(
                    "{} is not there yet: it is being deployed since {}; wait with `hostler lease wait {lease}`, or run on \
                 another role",
                    node.spec.name,
                    node.since.utc()
                )))
            }
            _ => Ok(()),
        }
    }

    /// The incarnation of the deployed system on `node` whose agent is heard now, if one is.
    fn incarnation_heard(&self, node: NodeId) -> Option<u32> {
        let node = self.nodes.get(node).filter(|n| n.agent == Presence::Heard)?;
        node.state.boot().filter(|_| node.runs_deployed_system()).map(|b| b.incarnation)
    }

    /// The agent of the deployed system is heard: what waited for one is for this one.
    pub(super) fn bind_tasks(&mut self, node: NodeId) {
        let Some(heard) = self.incarnation_heard(node) else { return };
        for run in self.runs_on(node, TaskState::is_untold) {
            self.put_task(run, node, TaskState::Pending { incarnation: Some(heard) });
        }
    }

    /// The machines that were told of the run are told to end it; for the others it is over at once.
    pub(super) fn on_stop_run(&mut self, id: RunId, author: &str) -> Result {
        let at = self.meta.now;
        let run = self.runs.get_mut(id).ok_or_else(|| Refusal::NotFound(format!("there is no run {id}")))?;
        let why = run.stop.get_or_insert_with(|| format!("stopped by {author}"));
        for task in run.tasks.iter_mut().filter(|t| t.state.is_untold()) {
            let result =
                TaskResult { exit_code: NEVER_STARTED, killed: why.clone(), ..TaskResult::default() };
            task.state = TaskState::Finished { since: at, at, result };
        }
        Ok(Reply::Run(id))
    }

    pub(super) fn on_run_started(&mut self, node: NodeId, run: RunId) -> Result {
        let since = self.meta.now;
        self.move_task(run, node, |state| {
            matches!(state, TaskState::Pending { .. }).then_some(TaskState::Running { since })
        })
    }

    pub(super) fn on_run_finished(&mut self, node: NodeId, run: RunId, result: TaskResult) -> Result {
        let (at, result) = (self.meta.now, bounded(result));
        self.move_task(run, node, |state| match state {
            TaskState::Running { .. } | TaskState::Pending { .. } if result.lost => {
                Some(TaskState::Lost { at, reason: result.killed })
            }
            TaskState::Running { since } => Some(TaskState::Finished { since: *since, at, result }),
            TaskState::Pending { .. } => Some(TaskState::Finished { since: at, at, result }),
            TaskState::Finished { .. } | TaskState::Lost { .. } => None,
        })
    }

    /// An agent may only speak of runs of the lease that its node is in.
    fn move_task(
        &mut self,
        run: RunId,
        node: NodeId,
        next: impl FnOnce(&TaskState) -> Option<TaskState>,
    ) -> Result {
        let lease = self.nodes.get(node).and_then(|n| n.state.lease());
        let owned = self.runs.get(run).is_some_and(|r| Some(r.lease) == lease && r.task(node).is_some());
        if !owned {
            return Err(Refusal::Forbidden(format!("run {run} has no task on this node")));
        }
        let task = self.runs.get(run).and_then(|r| r.task(node));
        if let Some(state) = task.and_then(|t| next(&t.state)) {
            self.put_task(run, node, state);
            self.note_failure(run, node);
        }
        Ok(Reply::Done)
    }

    /// What an agent that says hello does not know, it will not finish. What nobody was told of waits for it.
    pub(super) fn reconcile_runs(&mut self, node: NodeId, incarnation: u32, known: &[RunId]) {
        let gone = |state: &TaskState| match state {
            TaskState::Running { .. } => true,
            TaskState::Pending { incarnation: told } => told.is_some_and(|told| told != incarnation),
            TaskState::Finished { .. } | TaskState::Lost { .. } => false,
        };
        for run in self.runs_on(node, gone).into_iter().filter(|run| !known.contains(run)) {
            self.lose_task(run, node, "the machine restarted while the payload ran");
            self.note_failure(run, node);
        }
        self.bind_tasks(node);
    }

    pub(super) fn lose_runs(&mut self, lease: LeaseId, reason: &str) {
        let open: Vec<_> = self
            .runs_of(lease)
            .flat_map(|r| r.tasks.iter().filter(|t| !t.state.is_over()).map(|t| (r.id, t.node)))
            .collect();
        for (run, node) in open {
            self.lose_task(run, node, reason);
        }
    }

    /// What one node was told of whose system is gone.
    pub(super) fn lose_tasks_of(&mut self, node: NodeId, reason: &str) {
        for run in self.runs_on(node, |state| !state.is_over() && !state.is_untold()) {
            self.lose_task(run, node, reason);
            self.note_failure(run, node);
        }
    }

    /// What runs or waits on one node, which leaves its lease.
    pub(super) fn lose_all_tasks_of(&mut self, node: NodeId, reason: &str) {
        for run in self.runs_on(node, |state| !state.is_over()) {
            self.lose_task(run, node, reason);
            self.note_failure(run, node);
        }
    }

    /// The runs of the lease that `node` is in whose task there is in such a state.
    fn runs_on(&self, node: NodeId, such: impl Fn(&TaskState) -> bool) -> Vec<RunId> {
        let Some(lease) = self.nodes.get(node).and_then(|n| n.state.lease()) else { return Vec::new() };
        let chosen = |run: &&Run| run.task(node).is_some_and(|task| such(&task.state));
        self.runs_of(lease).filter(chosen).map(|run| run.id).collect()
    }

    fn lose_task(&mut self, run: RunId, node: NodeId, reason: &str) {
        let state = TaskState::Lost { at: self.meta.now, reason: reason.to_owned() };
        self.put_task(run, node, state);
    }

    fn put_task(&mut self, run: RunId, node: NodeId, state: TaskState) {
        if let Some(task) = self.runs.get_mut(run).and_then(|r| r.tasks.iter_mut().find(|t| t.node == node)) {
            task.state = state;
        }
    }
}

/// What is kept of a result: the tenant is root on the machine that reports it.
fn bounded(mut result: TaskResult) -> TaskResult {
    result.killed = clip(&result.killed);
    result.start_error = clip(&result.start_error);
    result.files.truncate(MAX_FILES);
    result.files.retain(|f| f.path.len() <= MAX_PATH && f.sha256.len() <= 64);
    result
}

fn check(key: &str, spec: &RunSpec) -> std::result::Result<(), Refusal> {
    super::check::key(key)?;
    if spec.command.first().is_none_or(String::is_empty) {
        return Err(Refusal::Invalid("command: name a program".into()));
    }
    if let Some(name) = spec.environment.keys().find(|k| k.starts_with("HOSTLER_")) {
        return Err(Refusal::Invalid(format!(
            "environment: {name}: names beginning with HOSTLER_ are the agent's"
        )));
    }
    if let Some(name) = spec.environment.keys().find(|k| k.is_empty() || k.contains(['=', '\0'])) {
        return Err(Refusal::Invalid(format!("environment: {name:?} is no name of a variable")));
    }
    if spec.command.iter().chain(spec.environment.values()).any(|s| s.contains('\0')) {
        return Err(Refusal::Invalid("command and environment: no NUL bytes".into()));
    }
    let names = spec.environment.keys();
    let texts = spec.command.iter().chain(names).chain(spec.environment.values()).chain(&spec.junit);
    if texts.map(String::len).sum::<usize>() > MAX_TEXT || spec.junit.len() > MAX_PATTERNS {
        let text = "command, environment and JUnit patterns: at most 128 KiB together, and 64 patterns";
        return Err(Refusal::Invalid(text.into()));
    }
    Ok(())
}
