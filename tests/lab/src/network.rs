//! The networks of a lab: one that machines boot from, one for their BMCs.

use crate::layout;
use crate::namespace::Namespace;
use crate::process::{self, Process};
use crate::room::{BMC_SERVER, Identity, SERVER};
use anyhow::Context as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// The bridge that machines boot from.
pub const BOOT_BRIDGE: &str = "boot0";
/// The bridge with the addresses of the BMCs.
const BMC_BRIDGE: &str = "bmc0";

/// Makes bridges, taps and addresses.
pub(crate) fn create(namespace: &Namespace, machines: &[Identity]) -> anyhow::Result<()> {
    namespace.create()?;
    // Without the spanning tree's delays, which would cost a machine its first DHCP requests.
    let mut batch = format!(
        "link add {BOOT_BRIDGE} type bridge stp_state 0 forward_delay 0\n\
         addr add {SERVER}/24 broadcast + dev {BOOT_BRIDGE}\n\
         addr add fd77::1/64 dev {BOOT_BRIDGE} nodad\n\
         link set {BOOT_BRIDGE} up\n\
         link add {BMC_BRIDGE} type bridge\n\
         addr add {BMC_SERVER}/24 dev {BMC_BRIDGE}\n\
         link set {BMC_BRIDGE} up\n"
    );
    for machine in machines {
        let tap = machine.tap();
        batch += &format!(
            "tuntap add {tap} mode tap\n\
             link set {tap} master {BOOT_BRIDGE} up\n\
             addr add {}/24 dev {BMC_BRIDGE}\n",
            machine.bmc_address()
        );
    }
    feed(Command::new("ip").args(["-netns", namespace.name(), "-batch", "-"]), &batch)
}

/// Starts the router of the boot network: it advertises an IPv6 prefix and does nothing else. Without it, the iPXE of
/// Debian 12 waits 13 s for IPv6 after each good answer by DHCPv4.
pub(crate) fn start_router(namespace: &Namespace, dir: &Path) -> anyhow::Result<Process> {
    let config = dir.join("router.conf");
    let text = format!(
        "port=0\ninterface={BOOT_BRIDGE}\nbind-interfaces\nenable-ra\ndhcp-range=fd77::,ra-only,64\n\
         ra-param={BOOT_BRIDGE},10,1800\nleasefile-ro\n"
    );
    layout::write(&config, text)?;
    let mut dnsmasq = namespace.command("dnsmasq");
    dnsmasq.args(["--keep-in-foreground", "--log-facility=-", "--pid-file="]);
    dnsmasq.arg(format!("--conf-file={}", config.display()));
    process::spawn(&mut dnsmasq, &dir.join("router.log"))
}

/// A fault of the boot network of one machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Its DHCP requests are lost.
    NoDhcp,
    /// So many of a hundred packets are lost, in both directions.
    Loss(u8),
    /// Nothing passes.
    Cut,
}

/// Replaces the faults of the network by these.
///
/// # Errors
/// If `nft` refuses.
pub fn set_faults(namespace: &Namespace, faults: &[(&Identity, Fault)]) -> anyhow::Result<()> {
    let (mut from, mut to) = (String::new(), String::new());
    for (machine, fault) in faults {
        let tap = machine.tap();
        let matches = match fault {
            Fault::NoDhcp => {
                from += &format!("iifname \"{tap}\" udp dport 67 drop\n");
                continue;
            }
            Fault::Loss(percent) => format!("numgen random mod 100 < {percent} drop"),
            Fault::Cut => "drop".to_owned(),
        };
        from += &format!("iifname \"{tap}\" {matches}\n");
        to += &format!("oifname \"{tap}\" {matches}\n");
    }
    // The first line makes sure that there is a table to delete.
    let rules = format!(
        "table bridge lab\ndelete table bridge lab\ntable bridge lab {{\n\
         chain from {{ type filter hook prerouting priority 0;\n{from}}}\n\
         chain to {{ type filter hook postrouting priority 0;\n{to}}}\n}}\n"
    );
    feed(namespace.command("nft").args(["-f", "-"]), &rules)
}

/// Runs `command` with `input`.
fn feed(command: &mut Command, input: &str) -> anyhow::Result<()> {
    let mut child = command
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {command:?}"))?;
    child.stdin.take().context("no input")?.write_all(input.as_bytes())?;
    let output = child.wait_with_output()?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "{command:?} ended with {}: {}", output.status, stderr.trim());
    Ok(())
}
