//! From power-on to the agent: `hostlerd`, and dnsmasq with nginx, which serve the same files to the same machines in
//! turn.

use super::BENCH;
use super::capture::{self, Frame};
use super::spread::Spread;
use crate::figure::Figure;
use anyhow::{Context as _, bail};
use hostler_checkout::programs::Programs;
use hostler_lab::machine::Machine;
use hostler_lab::{Lab, Plan, RoomSpec, Server};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};

const PEER: &str = "dnsmasq + nginx";

/// One boot of one machine.
#[derive(Clone, Copy, Debug)]
struct Boot {
    /// From power-on to the agent.
    wall_s: f64,
    /// From the first request to the last byte before the agent.
    server_s: f64,
    bytes: f64,
    /// Frames that the machine sent: in protocols that wait for each answer, round trips.
    sent: f64,
}

/// Boots the default room `pairs` times with each server, all machines at once, and compares.
///
/// # Errors
/// If a machine does not boot.
pub(super) fn run(pairs: u32, programs: &Programs) -> anyhow::Result<Vec<Figure>> {
    let mut boots: BTreeMap<String, [Vec<Boot>; 2]> = BTreeMap::new();
    for pair in 0..pairs {
        // In turn, so that neither always has the warmer caches.
        let order = if pair % 2 == 0 { [0, 1] } else { [1, 0] };
        for which in order {
            let server = [Server::Hostlerd, Server::Control][which];
            println!("pair {} of {pairs}: {server:?}", pair + 1);
            for (machine, boot) in round(server, programs)? {
                boots.entry(machine).or_default()[which].push(boot);
            }
        }
    }
    Ok(boots.iter().flat_map(|(machine, [ours, peers])| figures(machine, ours, peers)).collect())
}

fn round(server: Server, programs: &Programs) -> anyhow::Result<Vec<(String, Boot)>> {
    let mut plan = Plan::with_programs("bench", RoomSpec::default(), programs.clone());
    plan.server = server;
    let lab = Lab::up(&plan)?;
    let recorded = lab.dir().join("bench.pcap");
    let mut recorder = record(&lab, &recorded)?;
    // It ends what a boot server has to do with a boot.
    let up = lab.wait_for_agents()?;
    recorder.kill()?;
    recorder.wait()?;
    let pcap = fs::read(&recorded)?;
    let boot = |machine: &Machine| {
        let frames = capture::frames(&pcap, machine.identity.mac_bytes())?;
        let boot = Boot::of(&frames, powered_on(machine)?, up[machine.name()])
            .with_context(|| machine.name().to_owned())?;
        Ok((machine.name().to_owned(), boot))
    };
    lab.machines().iter().map(boot).collect()
}

fn record(lab: &Lab, to: &Path) -> anyhow::Result<Child> {
    let mut tcpdump = lab.namespace().command("tcpdump");
    tcpdump.args(["-Z", "root", "-U", "-n", "-s", "64", "-i", "boot0", "-w"]).arg(to);
    tcpdump.stderr(Stdio::null()).spawn().context("cannot start tcpdump")
}

/// When its BMC last gave it power, by the lab's record of the BMC's words.
fn powered_on(machine: &Machine) -> anyhow::Result<f64> {
    let log = fs::read_to_string(machine.dir().join("chassis.log"))?;
    let line = log.lines().rfind(|line| line.ends_with("power 1")).context("it never got power")?;
    Ok(line.split(' ').next().unwrap_or_default().parse()?)
}

impl Boot {
    fn of(frames: &[Frame], powered_on: f64, up: f64) -> anyhow::Result<Self> {
        let during: Vec<&Frame> = frames.iter().filter(|f| (powered_on..up).contains(&f.at)).collect();
        let (Some(first), Some(last)) = (during.iter().find(|f| f.sent), during.last()) else {
            bail!("no traffic of it was recorded")
        };
        Ok(Self {
            wall_s: up - powered_on,
            server_s: last.at - first.at,
            bytes: during.iter().map(|f| f.bytes as f64).sum(),
            sent: during.iter().filter(|f| f.sent).count() as f64,
        })
    }
}

fn figures(machine: &str, ours: &[Boot], peers: &[Boot]) -> [Figure; 4] {
    let compare = |what: &str, of: fn(&Boot) -> f64, unit| {
        let (mine, other) = (Spread::of(ours.iter().map(of)), Spread::of(peers.iter().map(of)));
        let metric = format!("{what}, {machine} ({mine}; peer {other})");
        Figure::new(BENCH, metric, mine.median, unit).against(PEER, other.median)
    };
    [
        compare("power-on to agent", |b| b.wall_s, "s"),
        compare("first request to last byte", |b| b.server_s, "s"),
        compare("on the wire", |b| b.bytes / f64::from(1 << 20), "MiB"),
        compare("frames that the machine sent", |b| b.sent, "frames"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boot_ends_with_the_agent() {
        let frame = |at: f64, bytes, sent| Frame { at, bytes, sent };
        let frames = [
            frame(1.0, 10, true),
            frame(11.0, 60, false),
            frame(12.0, 100, true),
            frame(15.5, 900, false),
            frame(21.0, 50, true),
        ];
        let boot = Boot::of(&frames, 10.0, 20.0).unwrap();
        assert_eq!((boot.wall_s, boot.server_s, boot.bytes, boot.sent), (10.0, 3.5, 1060.0, 1.0));
        assert!(Boot::of(&frames, 30.0, 40.0).is_err());
    }
}
