//! What a process takes, from `/proc`.

use anyhow::Context as _;
use std::time::Duration;

/// `USER_HZ`, in which the kernel tells processor times on x86_64, aarch64 and ppc64le alike.
const TICKS_PER_SECOND: f64 = 100.0;

/// Resident memory, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Now.
    pub resident: u64,
    /// At most, until now.
    pub peak: u64,
}

/// The memory of a process (`VmRSS` and `VmHWM`, proc(5)).
///
/// # Errors
/// If there is no such process.
pub fn memory(pid: u32) -> anyhow::Result<Memory> {
    let path = format!("/proc/{pid}/status");
    let status = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let field = |name: &str| kibibytes(&status, name).with_context(|| format!("{path} has no {name}"));
    Ok(Memory { resident: field("VmRSS:")? << 10, peak: field("VmHWM:")? << 10 })
}

fn kibibytes(status: &str, name: &str) -> Option<u64> {
    status.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB")?.parse().ok())
}

/// The processor time that a process has had, in user space and in the kernel.
///
/// # Errors
/// If there is no such process.
pub fn processor_time(pid: u32) -> anyhow::Result<Duration> {
    let path = format!("/proc/{pid}/stat");
    let stat = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let ticks = ticks(&stat).with_context(|| format!("{path} makes no sense"))?;
    Ok(Duration::from_secs_f64(ticks as f64 / TICKS_PER_SECOND))
}

/// `utime` and `stime` are the 14th and 15th field; the second is a name in parentheses that may contain anything.
fn ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(") ")?.1.split(' ').skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

/// The processor time that all processes of this computer have had, and other guests of its host too.
///
/// # Errors
/// If `/proc/stat` cannot be read.
pub fn busy_time() -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string("/proc/stat").context("cannot read /proc/stat")?;
    let ticks = busy_ticks(&stat).context("/proc/stat makes no sense")?;
    Ok(Duration::from_secs_f64(ticks as f64 / TICKS_PER_SECOND))
}

/// The first line is "cpu", then user, nice, system, idle, iowait, irq, softirq and steal.
fn busy_ticks(stat: &str) -> Option<u64> {
    let fields = stat.lines().next()?.strip_prefix("cpu ")?.split_whitespace().take(8);
    let ticks: Vec<u64> = fields.map(|f| f.parse().ok()).collect::<Option<_>>()?;
    let idle = ticks.get(3)? + ticks.get(4)?;
    Some(ticks.iter().sum::<u64>() - idle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found() {
        assert_eq!(kibibytes("VmPeak:\t 9 kB\nVmHWM:\t    1234 kB\nVmRSS:\t 99 kB\n", "VmHWM:"), Some(1234));
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194560 1 0 0 0 30 12 0 0 20 0 1 0 100 1000 10";
        assert_eq!(ticks(stat), Some(42));
        assert_eq!(busy_ticks("cpu  1 2 4 1000 2000 8 16 32 64 0\ncpu0 1\n"), Some(63));
    }

    #[test]
    fn this_process_has_memory() {
        let memory = memory(std::process::id()).unwrap();
        assert!(memory.resident > 0 && memory.peak >= memory.resident);
        processor_time(std::process::id()).unwrap();
    }
}
