//! What was checked, what it came to, how long it took.

use super::steps::{Kind, Step};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[derive(Default)]
pub(super) struct Report(Vec<Line>);

struct Line {
    name: &'static str,
    outcome: Outcome,
    counts: Counts,
    took: Duration,
}

enum Outcome {
    Passed,
    Failed,
    Skipped(String),
}

/// Tests, as cargo counts them, and those that were skipped for want of something.
#[derive(Default)]
struct Counts {
    passed: u64,
    failed: u64,
    skips: Vec<String>,
}

impl Report {
    /// Runs a step and notes what came of it. With `ci`, a skip is a failure.
    pub(super) fn run(&mut self, step: &Step, skips: &Path, ci: bool) {
        eprintln!("\n==> {}: {}", step.name, step.about);
        let started = Instant::now();
        let (mut outcome, counts) = match &step.kind {
            Kind::Command(command) => (status(command, skips), Counts::default()),
            Kind::Tests(command) => tests(command, skips),
            Kind::IfPossible { missing, command } => match missing() {
                None => (status(command, skips), Counts::default()),
                Some(reason) => (Outcome::Skipped(reason), Counts::default()),
            },
        };
        let skipped = matches!(outcome, Outcome::Skipped(_)) || !counts.skips.is_empty();
        if ci && skipped {
            eprintln!("a skip is a failure with CI=true");
            outcome = Outcome::Failed;
        }
        self.0.push(Line { name: step.name, outcome, counts, took: started.elapsed() });
    }

    pub(super) fn succeeded(&self) -> bool {
        !self.0.iter().any(|l| matches!(l.outcome, Outcome::Failed))
    }

    pub(super) fn print(&self) {
        println!(
            "\n{:<14}{:<10}{:>8}{:>8}{:>9}{:>9}",
            "step", "outcome", "passed", "failed", "skipped", "seconds"
        );
        for line in &self.0 {
            let outcome = match line.outcome {
                Outcome::Passed => "passed",
                Outcome::Failed => "FAILED",
                Outcome::Skipped(_) => "skipped",
            };
            let Counts { passed, failed, skips } = &line.counts;
            let seconds = line.took.as_secs();
            println!("{:<14}{outcome:<10}{passed:>8}{failed:>8}{:>9}{seconds:>9}", line.name, skips.len());
        }
        for line in &self.0 {
            if let Outcome::Skipped(reason) = &line.outcome {
                println!("skipped: {}: {reason}", line.name);
            }
            for skip in &line.counts.skips {
                println!("skipped: {skip}");
            }
        }
        let sum = |of: fn(&Counts) -> u64| self.0.iter().map(|l| of(&l.counts)).sum::<u64>();
        let steps_failed = self.0.iter().filter(|l| matches!(l.outcome, Outcome::Failed)).count();
        println!(
            "total: {} steps, {steps_failed} failed; {} tests passed, {} failed, {} skipped; {} s",
            self.0.len(),
            sum(|c| c.passed),
            sum(|c| c.failed),
            sum(|c| c.skips.len() as u64),
            self.0.iter().map(|l| l.took).sum::<Duration>().as_secs()
        );
    }
}

fn status(command: &Command, skips: &Path) -> Outcome {
    match again(command, skips).status() {
        Ok(status) if status.success() => Outcome::Passed,
        Ok(_) => Outcome::Failed,
        Err(error) => {
            eprintln!("{command:?}: {error}");
            Outcome::Failed
        }
    }
}

/// Runs cargo's tests, shows their output and adds up their results.
fn tests(command: &Command, skips: &Path) -> (Outcome, Counts) {
    // What earlier steps skipped is in their lines already.
    let _ = std::fs::write(skips, "");
    let mut counts = Counts::default();
    let mut child = match again(command, skips).stdout(Stdio::piped()).spawn() {
        Ok(child) => child,
        Err(error) => {
            eprintln!("{command:?}: {error}");
            return (Outcome::Failed, counts);
        }
    };
    for line in
        child.stdout.take().into_iter().flat_map(|out| BufReader::new(out).lines()).map_while(Result::ok)
    {
        println!("{line}");
        if let Some(result) = line.strip_prefix("test result: ") {
            let number = |word: &str| {
                let before = result.split(word).next()?;
                before.rsplit([' ', '.', ';']).find(|w| !w.is_empty())?.parse::<u64>().ok()
            };
            counts.passed += number(" passed").unwrap_or(0);
            counts.failed += number(" failed").unwrap_or(0);
        }
    }
    let text = std::fs::read_to_string(skips).unwrap_or_default();
    counts.skips = text.lines().map(|l| l.replace('\t', ": ")).collect();
    let passed = child.wait().is_ok_and(|s| s.success());
    (if passed { Outcome::Passed } else { Outcome::Failed }, counts)
}

/// The command, once more to be run: `Command` is not `Clone`.
fn again(command: &Command, skips: &Path) -> Command {
    let mut copy = Command::new(command.get_program());
    copy.args(command.get_args()).env("HOSTLER_SKIPS", skips);
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => copy.env(name, value),
            None => copy.env_remove(name),
        };
    }
    if let Some(dir) = command.get_current_dir() {
        copy.current_dir(dir);
    }
    copy
}
