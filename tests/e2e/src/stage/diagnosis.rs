//! What a stage looked like when a test failed on it.

use super::Stage;
use std::fmt::Write as _;
use std::iter;

const LOG_LINES: usize = 60;
const EVENTS: usize = 60;
const CONSOLE_LINES: usize = 8;

/// For people. Called while a test fails: what cannot be had is left out.
pub(super) fn of(stage: &Stage) -> String {
    let mut text = String::from("---- nodes\n");
    text.push_str(&said(stage, "node list"));
    text.push_str("---- leases\n");
    text.push_str(&said(stage, "lease list --all"));
    let _ = writeln!(text, "---- the last events\n{}", tail(&said(stage, "events"), EVENTS));
    text.push_str("---- machines\n");
    for machine in stage.room().machines() {
        let record = machine.bmc().journal().read();
        let _ = writeln!(
            text,
            "{}: {}, BMC: {:?}, {} sessions, {} failed",
            machine.plan().name,
            *machine.stage().borrow(),
            record.actions,
            record.sessions,
            record.failed_authentications
        );
        let lines = machine.console().lines();
        for line in lines.iter().skip(lines.len().saturating_sub(CONSOLE_LINES)) {
            let shown: String = line.chars().take(160).collect();
            let _ = writeln!(text, "    {shown}");
        }
    }
    for log in iter::once(stage.log()).chain(stage.replica().map(|replica| replica.log()).ok()) {
        let end = std::fs::read_to_string(&log).unwrap_or_default();
        let _ = writeln!(text, "---- the end of {}\n{}", log.display(), tail(&end, LOG_LINES));
    }
    text
}

fn said(stage: &Stage, line: &str) -> String {
    match stage.admin.command(&format!("--retry-for 2s {line}")).output() {
        Ok(output) => {
            [output.stdout, output.stderr].map(|b| String::from_utf8_lossy(&b).into_owned()).concat()
        }
        Err(error) => error.to_string(),
    }
}

fn tail(text: &str, count: usize) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}
