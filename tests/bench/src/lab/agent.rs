//! What the agent costs a machine that does nothing.

use super::BENCH;
use crate::figure::Figure;
use anyhow::Context as _;
use hostler_lab::layout::Layout;
use hostler_lab::room::Arch;
use hostler_lab::tenant::Tenant;
use std::time::Duration;

/// Resident KiB, processor time in user and system mode in ticks, and the machine's uptime in seconds: proc(5).
const LOOK: &str = "set -- $(pidof hostler-agent)\n\
                    echo $(grep VmRSS /proc/$1/status | tr -dc 0-9) $(cut -d' ' -f14,15 /proc/$1/stat) \
                    $(cut -d' ' -f1 /proc/uptime)\n";

/// Ticks of a second, on every architecture.
const TICKS: f64 = 100.0;

/// An agent that nobody asked for anything.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct AtRest {
    resident_kib: f64,
    /// Processor time over real time.
    share: f64,
}

#[derive(Clone, Copy, Debug)]
struct Look {
    resident_kib: f64,
    processor_s: f64,
    uptime_s: f64,
}

/// Looks at the agent of a leased machine twice, `idle` apart.
///
/// # Errors
/// If the payloads that look at it fail.
pub(super) fn watch(ci: &Tenant<'_>, lease: u64, idle: Duration) -> anyhow::Result<AtRest> {
    let script = ci.path(&format!("look-{lease}.sh"));
    std::fs::write(&script, LOOK)?;
    let look = || Look::read(&ci.ok(&format!("run {lease} --raw --script {}", script.display()))?);
    let before = look()?;
    // What is measured is the passing of time.
    std::thread::sleep(idle);
    Ok(AtRest::between(before, look()?))
}

impl Look {
    fn read(text: &str) -> anyhow::Result<Self> {
        let numbers: Vec<f64> = text
            .split_whitespace()
            .map(str::parse)
            .collect::<Result<_, _>>()
            .with_context(|| text.to_owned())?;
        let [resident_kib, user, system, uptime_s] = numbers[..] else {
            anyhow::bail!("these are not four numbers: {text}")
        };
        Ok(Self { resident_kib, processor_s: (user + system) / TICKS, uptime_s })
    }
}

impl AtRest {
    fn between(before: Look, after: Look) -> Self {
        let share = (after.processor_s - before.processor_s) / (after.uptime_s - before.uptime_s);
        Self { resident_kib: after.resident_kib, share }
    }

    pub(super) fn figures(&self, name: &str, minutes: u64) -> [Figure; 2] {
        let memory = format!("agent's resident memory, {name}");
        let time = format!("agent's processor time in {minutes} idle minutes, {name}");
        [
            Figure::new(BENCH, memory, self.resident_kib / 1024.0, "MiB"),
            Figure::new(BENCH, time, self.share * minutes as f64 * 60.0, "s"),
        ]
    }
}

/// The static programs, as `cargo xtask agent` built them.
///
/// # Errors
/// If one is not there.
pub(super) fn sizes() -> anyhow::Result<Vec<Figure>> {
    let size = |arch: Arch| {
        let path = Layout::new().agent(arch);
        let file = path.metadata().with_context(|| path.display().to_string())?;
        let mib = file.len() as f64 / f64::from(1 << 20);
        Ok(Figure::new(BENCH, format!("size of the static agent, {}", arch.name()), mib, "MiB"))
    };
    Arch::ALL.into_iter().map(size).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_at_rest_is_what_lies_between_two_looks() {
        let (before, after) =
            (Look::read("9000 100 50 10.0").unwrap(), Look::read("9216 250 100 74.0\n").unwrap());
        assert_eq!(AtRest::between(before, after), AtRest { resident_kib: 9216.0, share: 0.031_25 });
        assert!(Look::read("9000 100").is_err() && Look::read("pidof: not found").is_err());
    }
}
