//! Runs.

use super::{all, optional, time};
use crate::exit::Exit;
use crate::text::clean;
use hostler_proto::lease::v1 as pb;
use serde::Serialize;

/// One execution of a payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Run {
    pub(crate) id: u32,
    pub(crate) lease_id: u32,
    pub(crate) command: Vec<String>,
    pub(crate) tasks: Vec<Task>,
}

/// The part of a run that happens on one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Task {
    pub(crate) node: String,
    pub(crate) role: String,
    pub(crate) state: TaskState,
    /// Only if it finished by itself: the exit code, or 128 + signal.
    pub(crate) exit_code: Option<i32>,
    /// Why it ended, if not by itself.
    pub(crate) reason: Option<String>,
    pub(crate) output_bytes: u64,
    /// `None` if no JUnit file was collected.
    pub(crate) junit: Option<JUnit>,
    pub(crate) files: Vec<File>,
    pub(crate) started_ms: Option<u64>,
    pub(crate) finished_ms: Option<u64>,
}

/// Where a task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TaskState {
    Pending,
    Running,
    Finished,
    Killed,
    Lost,
    /// A word that this version does not know.
    Unknown,
}

/// The sums over a task's JUnit files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct JUnit {
    pub(crate) tests: u32,
    pub(crate) failures: u32,
    pub(crate) errors: u32,
    pub(crate) skipped: u32,
}

/// A file that a task left behind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct File {
    /// As the node named it: not to be trusted, and not cleaned, since it names the file on the wire.
    pub(crate) path: String,
    pub(crate) size: u64,
    pub(crate) sha256: String,
}

impl TaskState {
    /// True if nothing more will happen.
    pub(crate) const fn is_over(self) -> bool {
        matches!(self, Self::Finished | Self::Killed | Self::Lost)
    }
}

impl JUnit {
    /// Tests that did not pass.
    pub(crate) const fn failed(self) -> u32 {
        self.failures.saturating_add(self.errors)
    }
}

impl Task {
    /// What this task alone says about the run.
    pub(crate) fn exit(&self) -> Exit {
        match self.state {
            TaskState::Finished
                if self.exit_code == Some(0) && self.junit.is_none_or(|junit| junit.failed() == 0) =>
            {
                Exit::Ok
            }
            TaskState::Finished => Exit::Payload,
            TaskState::Killed => Exit::TimedOut,
            TaskState::Pending | TaskState::Running | TaskState::Lost | TaskState::Unknown => {
                Exit::Infrastructure
            }
        }
    }
}

impl Run {
    /// The exit code of the whole run. A lost machine explains the failure of its peers, and a failed payload the
    /// time that its peers waited for it in vain.
    pub(crate) fn exit(&self) -> Exit {
        let exits: Vec<_> = self.tasks.iter().map(Task::exit).collect();
        [Exit::Infrastructure, Exit::Payload, Exit::TimedOut]
            .into_iter()
            .find(|exit| exits.contains(exit))
            .unwrap_or(Exit::Ok)
    }
}

impl From<pb::Run> for Run {
    fn from(run: pb::Run) -> Self {
        Self {
            id: run.id,
            lease_id: run.lease_id,
            command: run.command.iter().map(|word| clean(word)).collect(),
            tasks: all(run.tasks),
        }
    }
}

impl From<pb::RunTask> for Task {
    fn from(task: pb::RunTask) -> Self {
        let state = match task.state() {
            pb::TaskState::Unspecified => TaskState::Unknown,
            pb::TaskState::Pending => TaskState::Pending,
            pb::TaskState::Running => TaskState::Running,
            pb::TaskState::Finished => TaskState::Finished,
            pb::TaskState::Killed => TaskState::Killed,
            pb::TaskState::Lost => TaskState::Lost,
        };
        Self {
            node: clean(&task.node),
            role: clean(&task.role),
            state,
            exit_code: (state == TaskState::Finished).then_some(task.exit_code),
            reason: optional(&task.reason),
            output_bytes: task.output_bytes,
            junit: task.junit.map(JUnit::from),
            files: all(task.files),
            started_ms: time(task.started_ms),
            finished_ms: time(task.finished_ms),
        }
    }
}

impl From<pb::JUnitTotals> for JUnit {
    fn from(totals: pb::JUnitTotals) -> Self {
        let pb::JUnitTotals { tests, failures, errors, skipped } = totals;
        Self { tests, failures, errors, skipped }
    }
}

impl From<pb::RunFile> for File {
    fn from(file: pb::RunFile) -> Self {
        let pb::RunFile { path, size, sha256 } = file;
        Self { path, size, sha256 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(state: pb::TaskState, exit_code: i32, failures: u32) -> Task {
        let junit = Some(pb::JUnitTotals { tests: 3, failures, ..Default::default() });
        pb::RunTask { state: state.into(), exit_code, junit, ..Default::default() }.into()
    }

    #[test]
    fn the_exit_code_of_a_run() {
        use pb::TaskState::{Finished, Killed, Lost, Running};
        let ok = task(Finished, 0, 0);
        let cases = [
            (vec![ok.clone()], Exit::Ok),
            (vec![ok.clone(), task(Finished, 3, 0)], Exit::Payload),
            (vec![ok.clone(), task(Finished, 0, 1)], Exit::Payload),
            (vec![ok.clone(), task(Killed, 0, 0)], Exit::TimedOut),
            (vec![task(Killed, 0, 0), task(Finished, 1, 0)], Exit::Payload),
            (vec![task(Finished, 1, 0), task(Lost, 0, 0)], Exit::Infrastructure),
            (vec![ok, task(Running, 0, 0)], Exit::Infrastructure),
        ];
        for (tasks, expected) in cases {
            let run = Run { id: 1, lease_id: 1, command: Vec::new(), tasks };
            assert_eq!(run.exit(), expected, "{:?}", run.tasks);
        }
    }

    /// The JSON of a run; scripts depend on every word of it.
    #[test]
    fn json() {
        let run = pb::Run {
            id: 5,
            lease_id: 7,
            command: vec!["make".to_owned(), "check".to_owned()],
            tasks: vec![pb::RunTask {
                node: "r1-n01".to_owned(),
                role: "server".to_owned(),
                state: pb::TaskState::Finished.into(),
                junit: Some(pb::JUnitTotals::default()),
                files: vec![pb::RunFile { path: "a.xml".to_owned(), size: 3, sha256: "00".to_owned() }],
                ..Default::default()
            }],
        };
        insta::assert_snapshot!(serde_json::to_string_pretty(&Run::from(run)).unwrap(), @r#"
        {
          "id": 5,
          "lease_id": 7,
          "command": [
            "make",
            "check"
          ],
          "tasks": [
            {
              "node": "r1-n01",
              "role": "server",
              "state": "finished",
              "exit_code": 0,
              "reason": null,
              "output_bytes": 0,
              "junit": {
                "tests": 0,
                "failures": 0,
                "errors": 0,
                "skipped": 0
              },
              "files": [
                {
                  "path": "a.xml",
                  "size": 3,
                  "sha256": "00"
                }
              ],
              "started_ms": null,
              "finished_ms": null
            }
          ]
        }
        "#);
    }
}
