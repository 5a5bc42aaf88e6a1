//! From a request to its payload, and how fast disks are written and wiped on the way, beside `dd`.

use super::agent::{self, AtRest};
use super::spread::Spread;
use super::{BENCH, Options};
use crate::figure::Figure;
use anyhow::Context as _;
use hostler_checkout::programs::Programs;
use hostler_lab::image::{self, Kind};
use hostler_lab::layout::Layout;
use hostler_lab::machine::Machine;
use hostler_lab::room::Arch;
use hostler_lab::tenant::{Tenant, add_image};
use hostler_lab::{Lab, Plan, RoomSpec};
use serde_json::Value;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

const MIB: f64 = (1 << 20) as f64;
/// What makes the bulky image bulky, in MiB; `dd` writes as much.
const BULK_MIB: u64 = 256;
/// For one step of a machine that shares two processors with three others.
const CAP: Duration = Duration::from_secs(1200);

/// What one machine went through, in seconds and bytes per second.
struct Course {
    starts: Vec<f64>,
    wipes: Vec<f64>,
    wiped_by: String,
    write: f64,
    dd: f64,
    /// The lease that it still has, of a system in memory.
    lease: u64,
}

/// Leases each machine of the default room again and again, all of them beside each other, and at last leaves them
/// alone for a while.
///
/// # Errors
/// If a machine does not do what it is asked to.
pub(super) fn run(options: &Options, programs: &Programs) -> anyhow::Result<Vec<Figure>> {
    let lab = Lab::up(&Plan::with_programs("bench", RoomSpec::default(), programs.clone()))?;
    let images: Vec<_> =
        Arch::ALL.into_iter().flat_map(|arch| [(Kind::Tiny, arch), (Kind::Live, arch)]).collect();
    let ci = Tenant::new(&lab, &images)?;
    for arch in Arch::ALL {
        add_image(&lab, "bulk", arch, &bulk(&ci, arch)?)?;
    }
    let ci = &ci;
    let lab = &lab;
    let courses = beside(lab, |machine| course(lab, ci, machine, options.leases))?;
    println!("watching the agents for {} minutes", options.idle);
    let idle = Duration::from_secs(options.idle * 60);
    let at_rest = beside(lab, |machine| {
        let lease = courses.iter().find(|(name, _)| name == machine.name()).map(|(_, c)| c.lease);
        agent::watch(ci, lease.context("it has no lease")?, idle)
    })?;
    let mut figures: Vec<_> = courses.iter().flat_map(|(name, course)| course.figures(name)).collect();
    figures.extend(agent::sizes()?);
    figures
        .extend(at_rest.iter().flat_map(|(name, cost): &(String, AtRest)| cost.figures(name, options.idle)));
    Ok(figures)
}

/// Does something with each machine at once; the results by the machines' names.
fn beside<T: Send>(
    lab: &Lab,
    each: impl Fn(&Machine) -> anyhow::Result<T> + Sync,
) -> anyhow::Result<Vec<(String, T)>> {
    let each = &each;
    std::thread::scope(|scope| {
        let spawn = |machine| (machine, scope.spawn(move || each(machine)));
        let threads: Vec<_> = lab.machines().iter().map(spawn).collect();
        let join = |(machine, thread): (&Machine, std::thread::ScopedJoinHandle<'_, anyhow::Result<T>>)| {
            let result = thread.join().map_err(|_| anyhow::anyhow!("a thread panicked")).flatten();
            Ok((machine.name().to_owned(), result.with_context(|| machine.name().to_owned())?))
        };
        threads.into_iter().map(join).collect()
    })
}

/// The tiny image, not compressed, and behind it what no transport and no disk can make smaller.
fn bulk(ci: &Tenant<'_>, arch: Arch) -> anyhow::Result<PathBuf> {
    let tiny = image::cached(&Layout::new(), Kind::Tiny, arch)?;
    let path = ci.path(&format!("bulk-{}.raw", arch.name()));
    let mut zstd = std::process::Command::new("zstd");
    let status = zstd.args(["-q", "-d", "-f"]).arg(tiny).arg("-o").arg(&path).status()?;
    anyhow::ensure!(status.success(), "zstd ended with {status}");
    let mut file = std::io::BufWriter::new(std::fs::File::options().append(true).open(&path)?);
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..(BULK_MIB << 20) / 8 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        file.write_all(&state.to_le_bytes())?;
    }
    file.flush()?;
    Ok(path)
}

fn course(lab: &Lab, ci: &Tenant<'_>, machine: &Machine, leases: u32) -> anyhow::Result<Course> {
    let name = machine.name();
    let (mut starts, mut wipes) = (Vec::new(), Vec::new());
    let ready = || lab.wait_for_state(name, &["ready"], CAP);
    let release = |lease: u64| ci.ok(&format!("lease release {lease}"));
    let mut node = ready()?;
    for number in 1..=leases {
        wipes.push(wipe_rate(&node)?);
        let lease = lease(ci, machine, "tiny")?;
        starts.push(payload_started(ci, lease)?);
        release(lease)?;
        node = ready()?;
        println!("{name}: lease {number} of {leases} is over");
    }
    let bulky = lease(ci, machine, "bulk")?;
    let write = write_rate(&ci.lease(bulky)?)?;
    release(bulky)?;
    node = ready()?;
    let lease = lease(ci, machine, "live")?;
    let dd = dd_rate(ci, lease, &node)?;
    let wiped_by = node["last_wipe"][0]["method"].as_str().unwrap_or_default().to_owned();
    Ok(Course { starts, wipes, wiped_by, write, dd, lease })
}

fn lease(ci: &Tenant<'_>, machine: &Machine, image: &str) -> anyhow::Result<u64> {
    let (name, arch) = (machine.name(), machine.identity.spec.platform.arch().name());
    ci.lease_of(&format!("{name}=1:{arch},nodes={name} --image {image}"))
}

/// Seconds from the request to the start of its first payload, both as the controller saw them.
fn payload_started(ci: &Tenant<'_>, lease: u64) -> anyhow::Result<f64> {
    let text = ci.ok(&format!("run {lease} --output json -- true"))?;
    let last: Value = serde_json::from_str(text.lines().last().unwrap_or_default())?;
    let started = last["run"]["tasks"][0]["started_ms"].as_u64().context("the payload did not start")?;
    let requested = ci.lease(lease)?["requested_ms"].as_u64().context("nobody asked for the lease")?;
    Ok(seconds(requested, started))
}

/// Bytes per second of the image as it lies on the disk, from the order to its digest.
fn write_rate(lease: &Value) -> anyhow::Result<f64> {
    let phases = lease["nodes"][0]["phases"].as_array().context("no phases")?;
    let phase = phases.iter().find(|phase| phase["phase"] == "image").context("no image was written")?;
    let at = |key: &str| phase[key].as_u64().context("the phase has no end");
    Ok((BULK_MIB << 20) as f64 / seconds(at("start_ms")?, at("end_ms")?))
}

/// Bytes per second of the first disk, with what reading back took.
fn wipe_rate(node: &Value) -> anyhow::Result<f64> {
    let size = node["inventory"]["disks"][0]["size_bytes"].as_u64().context("it has no disk")?;
    let took = node["last_wipe"][0]["duration_ms"].as_u64().context("it was not wiped")?;
    Ok(size as f64 / seconds(0, took.max(1)))
}

/// Bytes per second that `dd` writes to the same disk, to its end.
fn dd_rate(ci: &Tenant<'_>, lease: u64, node: &Value) -> anyhow::Result<f64> {
    let disk = node["last_wipe"][0]["path"].as_str().context("it has no disk")?;
    let script = ci.path(&format!("dd-{lease}.sh"));
    let now = "cut -d' ' -f1 /proc/uptime";
    let dd = format!("dd if=/dev/zero of={disk} bs=1M count={BULK_MIB} conv=fsync 2>/dev/null");
    std::fs::write(&script, format!("began=$({now})\n{dd} || exit 1\necho $began $({now})\n"))?;
    let said = ci.ok(&format!("run {lease} --raw --script {}", script.display()))?;
    let times: Vec<f64> = said.split_whitespace().map(str::parse).collect::<Result<_, _>>().context(said)?;
    let [began, ended] = times[..] else { anyhow::bail!("dd told no times") };
    Ok((BULK_MIB << 20) as f64 / (ended - began))
}

fn seconds(from_ms: u64, to_ms: u64) -> f64 {
    (to_ms as f64 - from_ms as f64) / 1000.0
}

impl Course {
    fn figures(&self, name: &str) -> [Figure; 3] {
        let starts = Spread::of(self.starts.iter().copied());
        let wipes = Spread::of(self.wipes.iter().map(|rate| rate / MIB));
        let rate = |what: String, mine: f64| {
            Figure::new(BENCH, what, mine, "MiB/s").against("dd of zeros", (self.dd / MIB).round())
        };
        [
            Figure::new(BENCH, format!("request to payload, {name} ({starts})"), starts.median, "s"),
            rate(format!("image written and verified, {name}"), self.write / MIB),
            rate(format!("disk wiped and read back, {name} ({}; {wipes})", self.wiped_by), wipes.median),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rates_are_of_what_was_seen() {
        let phases = json!([{"phase": "agent", "start_ms": 1, "end_ms": 2}, {"phase": "image", "start_ms": 1000, "end_ms": 3000}]);
        let rate = write_rate(&json!({"nodes": [{"phases": phases}]})).unwrap();
        assert_eq!(rate / MIB, 128.0);
        let node =
            json!({"inventory": {"disks": [{"size_bytes": 1 << 30}]}, "last_wipe": [{"duration_ms": 500}]});
        assert_eq!(wipe_rate(&node).unwrap() / MIB, 2048.0);
        assert!(write_rate(&json!({"nodes": [{"phases": []}]})).is_err() && wipe_rate(&json!({})).is_err());
    }
}
