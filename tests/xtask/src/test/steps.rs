//! What is checked, in order: what fails fastest comes first.

use crate::agent;
use hostler_checkout::workspace;
use std::process::Command;

/// The names of all steps.
pub(super) const NAMES: [&str; 11] = [
    "format",
    "lint",
    "dependencies",
    "documentation",
    "build",
    "unit",
    "database",
    "fleet",
    "agents",
    "lab",
    "demo",
];

/// One thing to check.
pub(super) struct Step {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) kind: Kind,
}

/// How its outcome is read.
pub(super) enum Kind {
    /// By its exit status.
    Command(Command),
    /// By its exit status, and cargo's test results are counted.
    Tests(Command),
    /// By its exit status; skipped, for the reason that `missing` gives, where it cannot run.
    IfPossible { missing: fn() -> Option<String>, command: Command },
}

/// All steps.
pub(super) fn all(full: bool) -> Vec<Step> {
    let step = |name, about, kind| Step { name, about, kind };
    let elsewhere = ["hostler-e2e", "hostler-lab", "hostler-store"];
    let exclude = elsewhere.map(|package| ["--exclude", package]).concat();
    let mut unit = with(cargo(&["test", "--locked", "--no-fail-fast", "--workspace"]), &exclude);
    let database = cargo(&["test", "--locked", "--no-fail-fast", "-p", "hostler-store"]);
    let mut fleet = cargo(&["test", "--locked", "--no-fail-fast", "-p", "hostler-e2e"]);
    let mut lab = cargo(&["test", "--locked", "--no-fail-fast", "-p", "hostler-lab"]);
    if full {
        for command in [&mut unit, &mut fleet, &mut lab] {
            command.env("HOSTLER_FULL", "true");
        }
        // What takes minutes tells how far it is.
        unit.args(["--", "--nocapture"]);
    }
    vec![
        step("format", "rustfmt", Kind::Command(cargo(&["fmt", "--all", "--check"]))),
        step(
            "lint",
            "clippy, warnings denied",
            Kind::Command(cargo(&[
                "clippy",
                "--locked",
                "--workspace",
                "--all-targets",
                "--",
                "-D",
                "warnings",
            ])),
        ),
        step(
            "dependencies",
            "cargo-deny: licences, bans, sources",
            Kind::IfPossible {
                missing: || {
                    (!has_deny()).then(|| "cargo deny is not installed; --setup installs it".to_owned())
                },
                command: cargo(&["deny", "check", "--hide-inclusion-graph", "bans", "licenses", "sources"]),
            },
        ),
        step("documentation", "rustdoc, warnings denied", Kind::Command(documentation())),
        step(
            "build",
            "programs and tests",
            Kind::Command(cargo(&["test", "--locked", "--workspace", "--no-run"])),
        ),
        step("unit", "unit and property tests", Kind::Tests(unit)),
        step("database", "the store, on SQLite and PostgreSQL", Kind::Tests(database)),
        step("fleet", "end to end, on simulated machines and beside real peers", Kind::Tests(fleet)),
        step(
            "agents",
            "static agents of all architectures",
            Kind::IfPossible { missing: agent::missing, command: xtask(&["agent"]) },
        ),
        // Much of a lab is waiting: two beside each other use both processors.
        step(
            "lab",
            "on emulated machines with real firmware",
            Kind::Tests(with(lab, &["--", "--test-threads=2"])),
        ),
        step("demo", "cargo xtask demo", Kind::Command(xtask(&["demo", "--json"]))),
    ]
}

fn documentation() -> Command {
    let mut command = cargo(&["doc", "--locked", "--workspace", "--no-deps", "--document-private-items"]);
    command.env("RUSTDOCFLAGS", "-D warnings");
    command
}

fn has_deny() -> bool {
    Command::new("cargo").args(["deny", "--version"]).output().is_ok_and(|o| o.status.success())
}

fn xtask(args: &[&str]) -> Command {
    with(cargo(&["run", "--locked", "-p", "xtask", "--"]), args)
}

fn cargo(args: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(workspace()).args(args);
    command
}

fn with(mut command: Command, args: &[&str]) -> Command {
    command.args(args);
    command
}
