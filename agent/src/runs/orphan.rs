//! Payloads of an agent that was killed: whoever started them is gone, and nobody reads what they say. The agent after
//! it ends them, since the controller hears from it that they are over.

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process_group};
use std::fs;
use std::io;

/// A payload's process group, as it is remembered on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    leader: i32,
    /// When the leader was started, in clock ticks since the system was: its number may be given to others later.
    started: u64,
    /// The kernel's name for the time since the system was started.
    boot: String,
}

impl Group {
    /// The group that this process leads.
    pub(super) fn of(leader: Pid) -> io::Result<Self> {
        let leader = leader.as_raw_nonzero().get();
        let started = started(leader).ok_or_else(|| io::Error::other("the payload has ended"))?;
        Ok(Self { leader, started, boot: boot()? })
    }

    pub(super) fn to_text(&self) -> String {
        format!("{} {} {}\n", self.leader, self.started, self.boot)
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace();
        let (leader, started) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        Some(Self { leader, started, boot: words.next()?.to_owned() })
    }

    /// Kills what is left of the group; true if there was something. While one of them lives, no other group can have
    /// its number, whether its leader is still there or not.
    pub(super) fn kill(&self) -> bool {
        let same_system = boot().is_ok_and(|boot| boot == self.boot);
        let another = started(self.leader).is_some_and(|started| started != self.started);
        let Some(leader) = Pid::from_raw(self.leader).filter(|_| same_system && !another) else {
            return false;
        };
        match kill_process_group(leader, Signal::KILL) {
            Ok(()) => true,
            Err(Errno::SRCH) => false,
            Err(error) => {
                tracing::warn!(group = self.leader, "cannot end a payload of an agent before: {error}");
                false
            }
        }
    }
}

fn boot() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

/// The 22nd field of proc_pid_stat(5). The name before it may have spaces and parentheses in it.
fn started(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
    use std::process::{Child, Command};

    fn payload() -> (Child, Group) {
        let child = Command::new("sleep").arg("600").process_group(0).spawn().unwrap();
        let group = Group::of(Pid::from_child(&child)).unwrap();
        (child, group)
    }

    #[test]
    fn what_is_left_of_a_group_is_killed_and_nothing_else() {
        let (mut child, group) = payload();
        let read = Group::parse(&group.to_text()).unwrap();
        assert_eq!(read, group);
        let others = [
            Group { started: group.started + 1, ..group.clone() },
            Group { boot: "another".to_owned(), ..group.clone() },
        ];
        assert!(others.iter().all(|other| !other.kill()), "a number that was given again");
        assert!(child.try_wait().unwrap().is_none());
        assert!(read.kill());
        assert_eq!(child.wait().unwrap().signal(), Some(9));
        assert!(!read.kill(), "nothing is left");
        assert_eq!(Group::parse("7 eight"), None);
    }
}
