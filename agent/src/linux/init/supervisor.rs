//! The first process: it starts the agent, buries orphans and restarts the machine when the agent fails.

use super::{console, mounts};
use rustix::fs::statfs;
use rustix::process::{Pid, WaitOptions};
use rustix::system::RebootCommand;
use std::convert::Infallible;
use std::fs;
use std::io;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Command, ExitCode, ExitStatus};
use std::time::Duration;

/// How long somebody has to read the console before the machine begins again from its firmware.
const READ_THE_CONSOLE: Duration = Duration::from_secs(60);

/// Of `magic.h`: what the kernel unpacks a ramdisk into.
const RAMFS: i64 = 0x8584_58f6;
const TMPFS: i64 = 0x0102_1994;

/// Seconds from a panic to the restart, where the kernel command line says nothing of it. A machine that hangs in a
/// panic has to be found by silence, which takes longer.
const PANIC: &str = "10";

/// There only if the ramdisk was built with a shell.
const SHELL: &str = "/bin/sh";

/// True in the first process of a ramdisk. In a container the first process has a file system of a disk below it, and
/// must not take the machine for its own.
#[must_use]
pub fn is_first_of_ramdisk() -> bool {
    std::process::id() == 1 && statfs("/").is_ok_and(|fs| matches!(fs.f_type, RAMFS | TMPFS))
}

/// Is the first process. Returns only if the machine cannot even be restarted; the kernel panics then, and restarts.
#[must_use]
pub fn run() -> ExitCode {
    let problems = mounts::essential();
    let console = console::take_over();
    tracing_subscriber::fmt().with_writer(io::stderr).with_target(false).with_ansi(false).init();
    for problem in problems {
        tracing::error!("{problem}");
    }
    if let Err(error) = console {
        tracing::warn!("cannot open the console: {error}");
    }
    greet();
    restart_after_panics();
    let error = match supervise() {
        Ok(never) => match never {},
        Err(error) => error,
    };
    tracing::error!("{error}; the machine restarts in {} s", READ_THE_CONSOLE.as_secs());
    std::thread::sleep(READ_THE_CONSOLE);
    rustix::fs::sync();
    if let Err(error) = rustix::system::reboot(RebootCommand::Restart) {
        tracing::error!("cannot restart the machine: {error}");
    }
    ExitCode::FAILURE
}

fn greet() {
    let system = rustix::system::uname();
    tracing::info!(
        "hostler-agent {} is init under Linux {} ({})",
        env!("CARGO_PKG_VERSION"),
        system.release().to_string_lossy(),
        system.machine().to_string_lossy()
    );
}

fn restart_after_panics() {
    for (file, value, only_if) in
        [("/proc/sys/kernel/panic", PANIC, Some("0")), ("/proc/sys/kernel/panic_on_oops", "1", None)]
    {
        let present = fs::read_to_string(file).unwrap_or_default();
        if only_if.is_none_or(|expected| present.trim() == expected)
            && let Err(error) = fs::write(file, value)
        {
            tracing::warn!("cannot write {file}: {error}");
        }
    }
}

/// Why the first process has nothing to supervise any more.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("cannot start the agent: {0}")]
    NotStarted(io::Error),
    #[error("the agent failed: see above")]
    Failed,
    #[error("the agent was ended by signal {0}")]
    Killed(i32),
    #[error("cannot wait for the agent: {0}")]
    Lost(io::Error),
}

fn supervise() -> Result<Infallible, Ended> {
    let agent = start_agent().map_err(Ended::NotStarted)?;
    start_shell();
    loop {
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == agent => {
                if let Some(ended) = failure(ExitStatus::from_raw(status.as_raw())) {
                    return Err(ended);
                }
                tracing::info!("the agent is done; waits for the controller to switch this machine");
            }
            // An orphan, or nothing.
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            // Nobody is left who could become an orphan.
            Err(rustix::io::Errno::CHILD) => loop {
                std::thread::park();
            },
            Err(error) => return Err(Ended::Lost(error.into())),
        }
    }
}

/// `None` if it did what it was told to.
fn failure(status: ExitStatus) -> Option<Ended> {
    match status.signal() {
        Some(signal) => Some(Ended::Killed(signal)),
        None => (!status.success()).then_some(Ended::Failed),
    }
}

fn start_agent() -> io::Result<Pid> {
    let child = Command::new("/proc/self/exe")
        .arg0("hostler-agent")
        .args(["ramdisk", "--yes-this-machine-is-mine", "--bring-up"])
        // The kernel puts words of its command line that it does not know into the environment.
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .spawn()?;
    pid(child.id())
}

/// For whoever debugs a ramdisk, which has to be built for it, and asked for it by whoever writes the command line.
fn start_shell() {
    let asked = fs::read_to_string("/proc/cmdline")
        .is_ok_and(|line| line.split_ascii_whitespace().any(|word| word == "hostler.debug=1"));
    if !asked || !Path::new(SHELL).exists() {
        return;
    }
    match Command::new(SHELL).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").spawn() {
        Ok(_) => tracing::warn!("a shell runs on the console: hostler.debug=1"),
        Err(error) => tracing::warn!("cannot start {SHELL}: {error}"),
    }
}

fn pid(raw: u32) -> io::Result<Pid> {
    i32::try_from(raw).ok().and_then(Pid::from_raw).ok_or_else(|| io::Error::other("no process id"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tests_do_not_own_this_machine() {
        assert!(!is_first_of_ramdisk());
    }

    #[test]
    fn only_an_agent_that_succeeded_is_not_a_failure() {
        let end_of = |script: &str| {
            let status = Command::new("/bin/sh").args(["-c", script]).status().unwrap();
            failure(status).map(|ended| ended.to_string())
        };
        assert_eq!(end_of("exit 0"), None);
        assert_eq!(end_of("exit 3").as_deref(), Some("the agent failed: see above"));
        assert_eq!(end_of("kill -9 $$").as_deref(), Some("the agent was ended by signal 9"));
    }
}
