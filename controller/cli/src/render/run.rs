//! Runs for people.

use super::look::{Look, Tone};
use super::table::{Table, or_dash, plain};
use super::time::between;
use crate::exit::Exit;
use crate::model::run::{JUnit, Run, Task, TaskState};

/// The end of a run: a line for each node, and one for all of them.
pub(crate) fn summary(run: &Run, look: &Look) -> String {
    let titles = ["NODE", "ROLE", "RESULT", "TESTS", "FAILED", "SKIPPED", "TIME"];
    let mut table = Table::new(look, &titles).right(&[3, 4, 5, 6]);
    for task in &run.tasks {
        let failed = task.junit.map(JUnit::failed);
        let failed_tone = if failed.is_some_and(|failed| failed > 0) { Tone::Bad } else { Tone::Plain };
        table.row([
            plain(&task.node),
            plain(&task.role),
            result(task),
            or_dash(task.junit.map(|junit| junit.tests)),
            failed.map_or_else(|| or_dash(None::<u32>), |failed| (failed.to_string(), failed_tone)),
            or_dash(task.junit.map(|junit| junit.skipped)),
            or_dash(task.started_ms.zip(task.finished_ms).map(|(from, to)| between(from, to))),
        ]);
    }
    format!("{}{}\n", table.render(), verdict(run, look))
}

/// One task in a line: "r1-n01 (server): exit 0".
pub(crate) fn task(task: &Task) -> String {
    format!("{} ({}): {}", task.node, task.role, result(task).0)
}

fn result(task: &Task) -> (String, Tone) {
    let because = task.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    match (task.state, task.exit()) {
        (TaskState::Finished, exit) => {
            let tone = if exit == Exit::Ok { Tone::Good } else { Tone::Bad };
            (format!("exit {}{because}", task.exit_code.unwrap_or_default()), tone)
        }
        (TaskState::Killed, _) => (format!("killed{because}"), Tone::Bad),
        (TaskState::Lost, _) => (format!("lost{because}"), Tone::Bad),
        (TaskState::Pending, _) => ("pending".to_owned(), Tone::Faint),
        (TaskState::Running, _) => ("running".to_owned(), Tone::Busy),
        (TaskState::Unknown, _) => ("unknown".to_owned(), Tone::Warn),
    }
}

fn verdict(run: &Run, look: &Look) -> String {
    let passed = run.tasks.iter().filter(|task| task.exit() == Exit::Ok).count();
    let word = match run.exit() {
        Exit::Ok => look.paint(Tone::Good, "passed"),
        Exit::Payload => look.paint(Tone::Bad, "failed"),
        Exit::TimedOut => look.paint(Tone::Bad, "ended early"),
        _ => look.paint(Tone::Bad, "incomplete, machines were lost"),
    };
    let sum = |count: fn(JUnit) -> u32| {
        run.tasks.iter().filter_map(|task| task.junit).map(|junit| u64::from(count(junit))).sum::<u64>()
    };
    let (tests, failed) = (sum(|junit| junit.tests), sum(JUnit::failed));
    let tests = if run.tasks.iter().any(|task| task.junit.is_some()) {
        format!("; {failed} of {tests} tests failed")
    } else {
        String::new()
    };
    format!("run {} {word}: {passed} of {} nodes succeeded{tests}", run.id, run.tasks.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(
        node: &str,
        state: TaskState,
        exit_code: Option<i32>,
        reason: Option<&str>,
        junit: Option<JUnit>,
    ) -> Task {
        Task {
            node: node.to_owned(),
            role: "server".to_owned(),
            state,
            exit_code,
            reason: reason.map(str::to_owned),
            output_bytes: 0,
            junit,
            files: Vec::new(),
            started_ms: Some(1_000),
            finished_ms: (state != TaskState::Lost).then_some(64_000),
        }
    }

    #[test]
    fn a_mixed_run() {
        let junit = JUnit { tests: 12, failures: 2, errors: 1, skipped: 3 };
        let run = Run {
            id: 5,
            lease_id: 7,
            command: Vec::new(),
            tasks: vec![
                task(
                    "r1-n01",
                    TaskState::Finished,
                    Some(0),
                    None,
                    Some(JUnit { failures: 0, errors: 0, ..junit }),
                ),
                task("r1-n02", TaskState::Finished, Some(0), None, Some(junit)),
                task("r1-n03", TaskState::Killed, None, Some("time limit of 1 min"), None),
                task("r1-n04", TaskState::Lost, None, Some("its agent was not heard for 2 min"), None),
            ],
        };
        insta::assert_snapshot!(summary(&run, &Look::default()), @r"
        NODE    ROLE    RESULT                                   TESTS  FAILED  SKIPPED    TIME
        r1-n01  server  exit 0                                      12       0        3  1m 03s
        r1-n02  server  exit 0                                      12       3        3  1m 03s
        r1-n03  server  killed: time limit of 1 min                  -       -        -  1m 03s
        r1-n04  server  lost: its agent was not heard for 2 min      -       -        -       -
        run 5 incomplete, machines were lost: 1 of 4 nodes succeeded; 3 of 24 tests failed
        ");
    }

    #[test]
    fn a_good_run() {
        let run = Run {
            id: 5,
            lease_id: 7,
            command: Vec::new(),
            tasks: vec![task("a", TaskState::Finished, Some(0), None, None)],
        };
        insta::assert_snapshot!(summary(&run, &Look::default()), @r"
        NODE  ROLE    RESULT  TESTS  FAILED  SKIPPED    TIME
        a     server  exit 0      -       -        -  1m 03s
        run 5 passed: 1 of 1 nodes succeeded
        ");
    }
}
