//! Nodes for people.

use super::look::{Look, Tone};
use super::phases;
use super::record;
use super::table::{Table, or_dash, plain};
use super::time::{age, between, bytes, span, stamp};
use crate::model::node::{Boot, Disk, Health, Inventory, Node};
use std::fmt::Write as _;
use std::time::Duration;

/// One line for each node.
pub(crate) fn list<'a>(nodes: impl IntoIterator<Item = &'a Node>, now_ms: u64, look: &Look) -> String {
    let mut table = Table::new(look, &["NAME", "ARCH", "POOL", "STATE", "SINCE", "LEASE", "WHY"]).one_line();
    for node in nodes {
        table.row([
            plain(&node.name),
            plain(&node.arch),
            plain(&node.pool),
            (node.state.clone(), tone(node)),
            or_dash(node.since_ms.map(|at| age(now_ms, at))),
            or_dash(node.lease_id),
            or_dash(why(node)),
        ]);
    }
    table.render()
}

/// A change of one node, where nothing can be redrawn: "r1-n01 deploying, lease 7: writing image".
pub(crate) fn line(node: &Node) -> String {
    let mut line = format!("{} {}", node.name, node.state);
    if let Some(lease) = node.lease_id {
        let _ = write!(line, ", lease {lease}");
    }
    if let Some(why) = why(node) {
        let _ = write!(line, ": {why}");
    }
    line
}

/// Everything that an administrator needs at a glance.
pub(crate) fn show(node: &Node, now_ms: u64, look: &Look) -> String {
    let mut sheet = Sheet { text: headline(node, now_ms, look), look };
    state(&mut sheet, node, now_ms);
    machine(&mut sheet, node);
    if let Some(bmc) = &node.bmc {
        let shared = if bmc.shared { ", shared" } else { "" };
        sheet.section("BMC");
        sheet.line(&format!("{}, user {}, cipher suite {}{shared}", bmc.address, bmc.user, bmc.cipher_suite));
    }
    if let Some(inventory) = &node.inventory {
        hardware(&mut sheet, node, inventory);
    }
    sheet.list("Last wipe", node.last_wipe.iter().map(|wipe| record::wipe(wipe, look)));
    sheet.list("Failures", node.failures.iter().rev().map(|failure| record::failure(failure, now_ms, look)));
    sheet.list("Last proof", node.proof.iter().flat_map(|proof| record::proof(proof, now_ms, look)));
    if let Some(boot) = &node.boot {
        timeline(&mut sheet, boot, now_ms);
    }
    if !node.phases.is_empty() {
        sheet.section("Where the time went");
        sheet.text += &phases::chart(&node.phases, now_ms, look);
    }
    sheet.text
}

/// The disks that a wipe would erase.
pub(crate) fn disks_to_wipe(node: &Node) -> Vec<String> {
    let disks = node.inventory.iter().flat_map(|inventory| &inventory.disks);
    disks.filter(|disk| !is_spared(node, disk)).map(|disk| disk_line(node, disk)).collect()
}

/// Text under headings.
struct Sheet<'a> {
    text: String,
    look: &'a Look,
}

impl Sheet<'_> {
    fn section(&mut self, title: &str) {
        self.text.push('\n');
        self.text += &self.look.paint(Tone::Strong, title);
        self.text.push('\n');
    }

    fn line(&mut self, line: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "  {line}");
    }

    /// Lines under a heading, if there are any.
    fn list(&mut self, title: &str, lines: impl IntoIterator<Item = String>) {
        let mut lines = lines.into_iter().peekable();
        if lines.peek().is_some() {
            self.section(title);
        }
        lines.for_each(|line| self.line(&line));
    }

    fn fact(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.line(&format!("{name:<10} {value}"));
        }
    }
}

fn headline(node: &Node, now_ms: u64, look: &Look) -> String {
    let mut line =
        format!("{}  {}", look.paint(Tone::Strong, &node.name), look.paint(tone(node), &node.state));
    if let Some(since) = node.since_ms {
        let _ = write!(line, " for {} (since {})", between(since, now_ms), stamp(since));
    }
    line.push('\n');
    line
}

fn state(sheet: &mut Sheet<'_>, node: &Node, now_ms: u64) {
    let reason = node.reason.as_deref();
    match reason.and_then(|reason| reason.strip_prefix("waits for ")) {
        Some(what) => sheet.fact("waits for", Some(what)),
        None => sheet.fact("because", reason),
    }
    sheet.fact(
        "gives up",
        node.deadline_ms.map(|at| format!("in {} ({})", between(now_ms, at), stamp(at))).as_deref(),
    );
    sheet.fact("lease", node.lease_id.map(|id| id.to_string()).as_deref());
    sheet.fact("agent", Some(&agent(node, now_ms)));
    for hold in &node.holds {
        let since = hold.since_ms.map(|at| format!(", {} ago", age(now_ms, at))).unwrap_or_default();
        let text = format!("{} by {}{since}: {}", hold.kind, hold.author, hold.reason);
        sheet.fact("hold", Some(&sheet.look.paint(Tone::Warn, &text)));
    }
}

fn agent(node: &Node, now_ms: u64) -> String {
    let word = if node.agent_connected { "connected" } else { "not connected" };
    let Some(Health { load1, memory_available_bytes, uptime_s, at_ms }) = &node.health else {
        return word.to_owned();
    };
    let heard = at_ms.map(|at| format!("; heard {} ago", age(now_ms, at))).unwrap_or_default();
    let up = span(Duration::from_secs(*uptime_s));
    format!("{word}; load {load1:.2}, {} free, up {up}{heard}", bytes(*memory_available_bytes))
}

fn machine(sheet: &mut Sheet<'_>, node: &Node) {
    sheet.section("Machine");
    sheet.fact("kind", Some(&format!("{}, {}, pool {}", node.arch, node.firmware, node.pool)));
    sheet.fact("network", Some(&format!("{}, {}", node.mac, node.address)));
    sheet.fact("rack", node.rack.as_deref());
    sheet.fact("switch", node.switch.as_deref());
    let labels: Vec<_> = node.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    sheet.fact("labels", Some(labels.join(", ")).filter(|labels| !labels.is_empty()).as_deref());
    sheet.fact("serial", node.serial.as_deref());
    sheet.fact("uuid", node.uuid.as_deref());
    sheet.fact("started by", Some(node.start.as_str()).filter(|start| *start != "kexec"));
    sheet.fact("keep disks", Some(node.keep_disks.join(", ")).filter(|disks| !disks.is_empty()).as_deref());
}

fn hardware(sheet: &mut Sheet<'_>, node: &Node, inventory: &Inventory) {
    sheet.section("Hardware, as inspected");
    sheet.fact("model", Some(format!("{} {}", inventory.manufacturer, inventory.product).trim()));
    sheet
        .fact("serial", mismatch(inventory.serial.as_deref(), node.serial.as_deref(), sheet.look).as_deref());
    sheet.fact("uuid", mismatch(inventory.uuid.as_deref(), node.uuid.as_deref(), sheet.look).as_deref());
    sheet.fact("processor", inventory.cpu_model.as_deref());
    sheet.fact("size", Some(&size(inventory)));
    sheet.fact("firmware", inventory.firmware.as_deref());
    sheet.fact("own BMC", inventory.bmc.as_deref());
    for disk in &inventory.disks {
        sheet.fact("disk", Some(&disk_line(node, disk)));
    }
    for nic in &inventory.nics {
        let link = match (nic.link, nic.speed_mbps) {
            (false, _) => "no link".to_owned(),
            (true, 0) => "link".to_owned(),
            (true, speed) => format!("{speed} Mbit/s"),
        };
        sheet.fact("interface", Some(&format!("{} {}, {link}", nic.name, nic.mac)));
    }
}

/// "8 CPUs (4 cores, 1 socket), 32.0 GiB memory".
fn size(inventory: &Inventory) -> String {
    let plural = |count: u32| if count == 1 { "" } else { "s" };
    let (cores, sockets) = (inventory.cpu_cores, inventory.cpu_sockets);
    let made_of = match (cores, sockets) {
        (0, _) | (_, 0) => String::new(),
        _ => format!(" ({cores} core{}, {sockets} socket{})", plural(cores), plural(sockets)),
    };
    format!("{} CPUs{made_of}, {} memory", inventory.cpus, bytes(inventory.memory_bytes))
}

/// What was read, if it is not what was registered: then this may be another machine.
fn mismatch(read: Option<&str>, registered: Option<&str>, look: &Look) -> Option<String> {
    let (read, registered) = (read?, registered?);
    let differs = !read.eq_ignore_ascii_case(registered);
    differs.then(|| look.paint(Tone::Bad, &format!("{read}, registered as {registered}")))
}

fn disk_line(node: &Node, disk: &Disk) -> String {
    let kind = if disk.rotational { "rotating" } else { "flash" };
    let content = if disk.blank { "blank" } else { "holds data" };
    let spared = match (disk.remote, is_spared(node, disk)) {
        (true, _) => ", remote: never wiped",
        (false, true) => ", kept: never wiped",
        (false, false) => "",
    };
    let health = disk.health.as_ref().map(|health| format!(", health {health}")).unwrap_or_default();
    let model = if disk.model.is_empty() { String::new() } else { format!(", {}", disk.model) };
    let Disk { path, serial, size_bytes, .. } = disk;
    format!("{path} {}, {kind}{model}, serial {serial}{health}, {content}{spared}", bytes(*size_bytes))
}

fn is_spared(node: &Node, disk: &Disk) -> bool {
    disk.remote || node.keep_disks.contains(&disk.serial)
}

fn timeline(sheet: &mut Sheet<'_>, boot: &Boot, now_ms: u64) {
    let rung = if boot.rung == 0 { String::new() } else { format!(", try {}", boot.rung.saturating_add(1)) };
    let ordered = boot.ordered_ms.map(|at| format!(", ordered {} ago", age(now_ms, at))).unwrap_or_default();
    sheet.section(&format!("Boot {} to {}{rung}{ordered}", boot.id, boot.purpose));
    let start = boot.ordered_ms.unwrap_or(now_ms);
    let mut entry = |at, kind: &str, detail: &str| {
        sheet.line(format!("{:>8}  {kind:<10} {detail}", format!("+{}", between(start, at))).trim_end());
    };
    entry(start, "ordered", &format!("BMC: {}", boot.power));
    for evidence in &boot.evidence {
        entry(evidence.at_ms, &evidence.kind, &evidence.detail);
    }
    if boot.evidence.is_empty() {
        entry(now_ms, "…", "nothing was seen of it yet");
    }
}

fn why(node: &Node) -> Option<String> {
    if node.holds.is_empty() {
        return node.reason.clone();
    }
    let holds = node.holds.iter().map(|hold| format!("{} ({}): {}", hold.kind, hold.author, hold.reason));
    Some(holds.collect::<Vec<_>>().join("; "))
}

fn tone(node: &Node) -> Tone {
    match node.state.as_str() {
        "failed" => Tone::Bad,
        "retired" | "registered" => Tone::Faint,
        _ if !node.holds.is_empty() => Tone::Warn,
        "ready" => Tone::Good,
        _ => Tone::Busy,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::lease::Phase;
    use crate::model::node::{Bmc, DiskWipe, Evidence, Hold, Nic};

    const T: u64 = 1_774_087_953_000;

    fn ready() -> Node {
        Node {
            id: 1,
            name: "r1-n01".to_owned(),
            arch: "x86_64".to_owned(),
            firmware: "uefi".to_owned(),
            pool: "default".to_owned(),
            mac: "52:54:00:00:00:01".to_owned(),
            address: "127.16.0.1".to_owned(),
            serial: Some("SIM0001".to_owned()),
            uuid: None,
            keep_disks: vec!["SER1".to_owned()],
            start: "kexec".to_owned(),
            rack: Some("r1".to_owned()),
            switch: None,
            labels: [("gpu".to_owned(), "a100".to_owned())].into(),
            bmc: Some(Bmc {
                address: "127.17.0.1:6230".to_owned(),
                user: "admin".to_owned(),
                cipher_suite: 17,
                shared: true,
            }),
            state: "ready".to_owned(),
            reason: None,
            since_ms: Some(T),
            deadline_ms: None,
            holds: Vec::new(),
            lease_id: None,
            agent_connected: true,
            standby: None,
            image_ahead: None,
            power_on: None,
            health: Some(Health {
                load1: 0.25,
                memory_available_bytes: 512 << 20,
                uptime_s: 192,
                at_ms: Some(T),
            }),
            boot: None,
            inventory: None,
            last_wipe: Vec::new(),
            phases: Vec::new(),
            failures: Vec::new(),
            proof: None,
            drain: None,
        }
    }

    fn failed() -> Node {
        let disk = |path: &str, serial: &str, blank| Disk {
            path: path.to_owned(),
            serial: serial.to_owned(),
            model: "QEMU HARDDISK".to_owned(),
            size_bytes: 8 << 30,
            rotational: false,
            blank,
            remote: false,
            health: Some("ok".to_owned()),
        };
        let hold = |kind: &str, reason: &str| Hold {
            kind: kind.to_owned(),
            author: "alice".to_owned(),
            reason: reason.to_owned(),
            since_ms: Some(T - 7_200_000),
        };
        let wipe = |path: &str, method: &str, problem: Option<&str>| DiskWipe {
            path: path.to_owned(),
            serial: String::new(),
            method: method.to_owned(),
            verified: problem.is_none(),
            verified_bytes: 68 << 20,
            duration_ms: 412,
            problem: problem.map(str::to_owned),
            notes: problem.is_none().then(|| "ata-secure-erase: a password is set".to_owned()),
        };
        let evidence = |kind: &str, detail: &str, after| Evidence {
            kind: kind.to_owned(),
            detail: detail.to_owned(),
            at_ms: T + after,
        };
        Node {
            name: "r1-n02".to_owned(),
            state: "failed".to_owned(),
            reason: Some("no hello from the agent within 5 min".to_owned()),
            holds: vec![hold("drain", "new power supply"), hold("quarantine", "three failed boots")],
            agent_connected: false,
            health: None,
            deadline_ms: Some(T + 600_000),
            inventory: Some(Inventory {
                serial: Some("SIM0099".to_owned()),
                uuid: None,
                manufacturer: "QEMU".to_owned(),
                product: "Standard PC".to_owned(),
                cpus: 8,
                cpu_cores: 4,
                cpu_sockets: 1,
                cpu_model: Some("EPYC 7543".to_owned()),
                memory_bytes: 32 << 30,
                disks: vec![disk("/dev/vda", "SER1", false), disk("/dev/vdb", "SER2", true)],
                nics: vec![Nic {
                    name: "eth0".to_owned(),
                    mac: "52:54:00:00:00:01".to_owned(),
                    link: true,
                    speed_mbps: 1000,
                }],
                firmware: Some("uefi".to_owned()),
                bmc: None,
            }),
            last_wipe: vec![wipe("/dev/vda", "kept", Some("to be kept")), wipe("/dev/vdb", "discard", None)],
            boot: Some(Boot {
                id: 17,
                purpose: "prepare".to_owned(),
                ordered_ms: Some(T),
                power: "on".to_owned(),
                rung: 1,
                evidence: vec![
                    evidence("dhcp", "DISCOVER, UEFI x86_64", 8_100),
                    evidence("tftp", "ipxe.efi", 9_400),
                ],
            }),
            phases: vec![
                Phase { phase: "power".to_owned(), start_ms: T, end_ms: Some(T + 8_100) },
                Phase { phase: "dhcp".to_owned(), start_ms: T + 8_100, end_ms: None },
            ],
            ..ready()
        }
    }

    #[test]
    fn listed() {
        let leased = Node { state: "leased".to_owned(), lease_id: Some(7), reason: None, ..ready() };
        insta::assert_snapshot!(list(&[ready(), leased, failed()], T + 90_000, &Look::default()), @r"
        NAME    ARCH    POOL     STATE   SINCE  LEASE  WHY
        r1-n01  x86_64  default  ready   1m     -      -
        r1-n01  x86_64  default  leased  1m     7      -
        r1-n02  x86_64  default  failed  1m     -      drain (alice): new power supply; quarantine (alice): three failed boots
        ");
        assert_eq!(
            line(&failed()),
            "r1-n02 failed: drain (alice): new power supply; quarantine (alice): three failed boots"
        );
    }

    #[test]
    fn a_ready_node() {
        insta::assert_snapshot!(show(&ready(), T + 90_000, &Look::default()), @r"
        r1-n01  ready for 1m 30s (since 2026-03-21 10:12:33Z)
          agent      connected; load 0.25, 512.0 MiB free, up 3m 12s; heard 1m ago

        Machine
          kind       x86_64, uefi, pool default
          network    52:54:00:00:00:01, 127.16.0.1
          rack       r1
          labels     gpu=a100
          serial     SIM0001
          keep disks SER1

        BMC
          127.17.0.1:6230, user admin, cipher suite 17, shared
        ");
    }

    #[test]
    fn a_failed_node() {
        insta::assert_snapshot!(show(&failed(), T + 40_500, &Look::default()), @r"
        r1-n02  failed for 40s (since 2026-03-21 10:12:33Z)
          because    no hello from the agent within 5 min
          gives up   in 9m 19s (2026-03-21 10:22:33Z)
          agent      not connected
          hold       drain by alice, 2h ago: new power supply
          hold       quarantine by alice, 2h ago: three failed boots

        Machine
          kind       x86_64, uefi, pool default
          network    52:54:00:00:00:01, 127.16.0.1
          rack       r1
          labels     gpu=a100
          serial     SIM0001
          keep disks SER1

        BMC
          127.17.0.1:6230, user admin, cipher suite 17, shared

        Hardware, as inspected
          model      QEMU Standard PC
          serial     SIM0099, registered as SIM0001
          processor  EPYC 7543
          size       8 CPUs (4 cores, 1 socket), 32.0 GiB memory
          firmware   uefi
          disk       /dev/vda 8.0 GiB, flash, QEMU HARDDISK, serial SER1, health ok, holds data, kept: never wiped
          disk       /dev/vdb 8.0 GiB, flash, QEMU HARDDISK, serial SER2, health ok, blank
          interface  eth0 52:54:00:00:00:01, 1000 Mbit/s

        Last wipe
          /dev/vda left alone: to be kept
          /dev/vdb by discard in 0.4s, 68.0 MiB read back, all zero; note: ata-secure-erase: a password is set

        Boot 17 to prepare, try 2, ordered 40s ago
             +0.0s  ordered    BMC: on
             +8.1s  dhcp       DISCOVER, UEFI x86_64
             +9.4s  tftp       ipxe.efi

        Where the time went
          power  ████████                                  8.1s
          dhcp           ████████████████████████████████  32s so far
        ");
    }

    #[test]
    fn what_a_node_waits_for_is_said_once() {
        for (reason, expected) in [
            ("waits for its agent to enrol", "\n  waits for  its agent to enrol\n"),
            ("in the hands of lease 2", "\n  because    in the hands of lease 2\n"),
        ] {
            let node = Node { reason: Some(reason.to_owned()), ..ready() };
            let text = show(&node, T, &Look::default());
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn kept_disks_are_not_wiped() {
        assert_eq!(
            disks_to_wipe(&failed()),
            ["/dev/vdb 8.0 GiB, flash, QEMU HARDDISK, serial SER2, health ok, blank"]
        );
    }
}
