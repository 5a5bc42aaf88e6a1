//! What a payload may ask of the machine that it runs on: to restart, to switch itself off, to panic.

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::io::Errno;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::unix::pipe;

/// What software can do to its machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Go through the firmware again.
    Restart,
    /// Power off.
    Off,
    /// Stand still, with power.
    Panic,
}

/// Programs in the directory that comes first in `PATH`: a payload that restarts its machine must not restart the one
/// that simulates it.
#[derive(Debug)]
pub(super) struct Orders {
    programs: PathBuf,
    pipe: PathBuf,
}

/// One script under all names. `exec` of a payload is over when it has written.
const SCRIPT: &str = r#"#!/bin/sh
case "${0##*/} $*" in
    reboot*|"shutdown -r"*) order=restart ;;
    panic*) order=panic ;;
    *) order=off ;;
esac
echo "$order" > "${0%/*}/../orders"
"#;

const NAMES: [&str; 5] = ["reboot", "shutdown", "poweroff", "halt", "panic"];

impl Orders {
    pub(super) fn new(host: &Path) -> io::Result<Self> {
        let (programs, pipe) = (host.join("bin"), host.join("orders"));
        fs::create_dir_all(&programs)?;
        for name in NAMES {
            let path = programs.join(name);
            fs::write(&path, SCRIPT)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        }
        match mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0) {
            Ok(()) | Err(Errno::EXIST) => Ok(Self { programs, pipe }),
            Err(error) => Err(error.into()),
        }
    }

    /// Where the programs are.
    pub(super) fn programs(&self) -> &Path {
        &self.programs
    }

    /// The next order. What was ordered before nobody listened is forgotten.
    pub(super) async fn next(&self) -> io::Result<Order> {
        // Open for writing as well, so that it does not end when a payload closes it.
        let pipe = pipe::OpenOptions::new().read_write(true).open_receiver(&self.pipe)?;
        let mut lines = BufReader::new(pipe).lines();
        loop {
            match lines.next_line().await?.as_deref() {
                Some("restart") => return Ok(Order::Restart),
                Some("off") => return Ok(Order::Off),
                Some("panic") => return Ok(Order::Panic),
                Some(_) => {}
                None => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn programs_of_the_machine_order_it_about() {
        let directory = tempfile::tempdir().unwrap();
        let orders = Orders::new(directory.path()).unwrap();
        for (program, argument, order) in [
            ("reboot", "", Order::Restart),
            ("shutdown", "-r", Order::Restart),
            ("shutdown", "now", Order::Off),
            ("poweroff", "", Order::Off),
            ("panic", "", Order::Panic),
        ] {
            let mut command = tokio::process::Command::new("/bin/sh");
            command.arg(orders.programs().join(program)).arg(argument).kill_on_drop(true);
            let (next, status) = tokio::join!(orders.next(), command.status());
            assert!(status.unwrap().success());
            assert_eq!(next.unwrap(), order, "{program} {argument}");
        }
    }
}
