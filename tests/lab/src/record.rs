//! What firmware and loaders ask a boot server for, recorded with the answers of dnsmasq: one text file for each
//! machine, which tests of our own boot server replay.

use crate::command::run;
use crate::layout::{self, Layout};
use crate::machine::Machine;
use crate::pcap::{self, Datagram};
use crate::room::Platform;
use crate::setup::foreign::Foreign;
use crate::{Lab, Plan, Server};
use anyhow::ensure;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

/// Boots the machines of `plan` with dnsmasq, until the agent runs on each, and writes a file for each into `dir`.
///
/// # Errors
/// If a machine does not boot, or says nothing.
pub fn boots(mut plan: Plan, dir: &Path) -> anyhow::Result<()> {
    plan.server = Server::Control;
    let lab = Lab::up(&plan)?;
    crate::say("the machines boot");
    // What comes after the agent is not of a boot.
    let up = lab.wait_for_agents()?;
    let capture = std::fs::read(lab.dir().join("capture.pcap"))?;
    for machine in lab.machines() {
        let packets = pcap::packets(&capture)?.into_iter().filter(|p| p.at < up[machine.name()]);
        let exchanges = exchanges(machine, packets.filter_map(|p| p.datagram()));
        ensure!(!exchanges.is_empty(), "{} asked for nothing", machine.name());
        let file = dir.join(format!("{}.txt", machine.name()));
        layout::write(&file, head(machine)? + &exchanges)?;
        crate::say(&format!("wrote {}", file.display()));
    }
    Ok(())
}

/// What a machine asked, and the answers to it: "> PROTOCOL HEX" and "< PROTOCOL HEX".
fn exchanges<'a>(machine: &Machine, datagrams: impl Iterator<Item = Datagram<'a>>) -> String {
    let (mac, address) = (machine.identity.mac_bytes(), machine.identity.address());
    let (mut text, mut asked) = (String::new(), None);
    for Datagram { from, to, data } in datagrams {
        let dhcp = data.get(28..34) == Some(&mac[..]) && [from.port(), to.port()].iter().all(is_dhcp);
        let requests = *from.ip() == address && to.port() == TFTP;
        let (protocol, question) = match dhcp {
            true => ("dhcp", to.port() == 67),
            false if requests => ("tftp", true),
            // Nothing of a transfer but the answer to the request just before it: a loader does one after the other.
            false if asked == Some(to) => ("tftp", false),
            false => continue,
        };
        asked = requests.then_some(from);
        let hex: String = data.iter().map(|byte| format!("{byte:02x}")).collect();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{} {protocol} {hex}", if question { '>' } else { '<' });
    }
    text
}

const TFTP: u16 = 69;

fn is_dhcp(port: &u16) -> bool {
    matches!(port, 67 | 68)
}

/// Which firmware and loaders these were, by Debian's packages.
fn head(machine: &Machine) -> anyhow::Result<String> {
    let (platform, address) = (machine.identity.spec.platform, machine.identity.address());
    // SLOF is among the data of QEMU.
    let (packages, grub) = match platform {
        Platform::Bios => (&["seabios", "ipxe-qemu"][..], None),
        Platform::Uefi => (&["ovmf", "ipxe"][..], None),
        Platform::Arm => (&["qemu-efi-aarch64"][..], Some("arm64-efi")),
        Platform::Power => (&["qemu-system-data"][..], Some("powerpc-ieee1275")),
    };
    let mut query = Command::new("dpkg-query");
    query.args(["-W", "-f", "${Package} ${Version}; "]).args(packages).arg("dnsmasq-base");
    let mut versions = run(&mut query)?;
    if let Some(platform) = grub {
        versions += &format!("GRUB {}", Foreign::new(&Layout::new()).grub_version(platform)?);
    }
    Ok(format!(
        "# What a machine asked for (>), and what dnsmasq answered (<). Recorded by `cargo xtask lab record`.\n\
         # {} with {}, {}, {address}. {}\n",
        platform.arch().name(),
        platform.firmware(),
        machine.identity.mac(),
        versions.trim_end_matches([';', ' ']),
    ))
}
