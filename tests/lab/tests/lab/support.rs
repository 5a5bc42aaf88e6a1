//! What the tests share.

use hostler_lab::layout::Layout;
use hostler_lab::ramdisks::Ramdisks;
use hostler_lab::room::Arch;
use hostler_lab::setup::foreign::Foreign;
use hostler_lab::setup::tools;
use hostler_lab::{Plan, RoomSpec};
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

/// For what takes emulated firmware up to a minute on an idle host.
pub(crate) const BOOT: Duration = Duration::from_secs(300);

/// True if this host can make `room`; else the test is recorded as skipped.
///
/// # Panics
/// In CI, where nothing may be skipped.
pub(crate) fn can_make(test: &str, room: &RoomSpec) -> bool {
    let missing = Foreign::new(&Layout::new()).missing(&room.architectures());
    match tools::check() {
        Err(error) => skip(test, &format!("{error:#}")),
        Ok(()) if !missing.is_empty() => skip(test, &format!("not fetched: {}", missing.join(", "))),
        Ok(()) => true,
    }
}

/// The same for machines that boot the agent.
pub(crate) fn can_run(test: &str, room: &RoomSpec) -> bool {
    let layout = Layout::new();
    let built = |arch: &Arch| layout.agent(*arch).exists();
    if !room.architectures().iter().all(built) {
        return skip(test, "the agents are not built; `cargo xtask agent --setup` builds them");
    }
    can_make(test, room)
}

/// True if there is time for what takes longer than every change can have.
pub(crate) fn is_full(test: &str) -> bool {
    if !full() {
        eprintln!("left out {test}: it runs with HOSTLER_FULL=true");
    }
    full()
}

/// True with `cargo xtask test --full`.
pub(crate) fn full() -> bool {
    std::env::var_os("HOSTLER_FULL").is_some_and(|value| value == "true")
}

fn skip(test: &str, reason: &str) -> bool {
    assert!(std::env::var_os("CI").is_none_or(|v| v != "true"), "{test}: {reason}");
    eprintln!("skipped {test}: {reason}");
    if let Some(file) = std::env::var_os("HOSTLER_SKIPS") {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(file).unwrap();
        writeln!(file, "{test}\t{reason}").unwrap();
    }
    false
}

/// A lab of machines that boot the agent's ramdisk. Emulated firmware is slow, and agents are heard of often, so that
/// what is lost is noticed soon.
pub(crate) fn plan(name: &str, room: RoomSpec) -> Plan {
    let mut plan = Plan::new(name, room).unwrap();
    plan.settings = "[agents]\nheartbeat_ms = 2000\n[timing]\nsilence_ms = 30000\n".parse().unwrap();
    plan
}

/// A lab whose machines are told to load what is no kernel: they reach the boot server and no further.
pub(crate) fn plan_without_kernel(name: &str, room: RoomSpec, dir: &Path) -> Plan {
    for arch in room.architectures() {
        for kind in ["kernels", "ramdisks"] {
            std::fs::create_dir_all(dir.join(kind)).unwrap();
            std::fs::write(dir.join(kind).join(arch.name()), "nothing that starts").unwrap();
        }
    }
    let mut plan = Plan::new(name, room).unwrap();
    plan.ramdisks = Ramdisks::Given(dir.to_owned());
    plan.settings = "[boot]\nretry_s = 1\n[timing]\nfirmware_ms = 90000\n".parse().unwrap();
    plan
}
