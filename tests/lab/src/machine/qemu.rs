//! The emulator's command line. Everything runs under software emulation, so that it runs everywhere.

use super::{Machine, disk};
use crate::command::run;
use crate::room::{DiskKind, Platform};
use anyhow::Context as _;
use std::path::Path;
use std::process::Command;

/// What its network card is called in QEMU.
pub(super) const NETWORK_CARD: &str = "nic0";

/// What firmware tries first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum First {
    Network,
    Disk,
}

/// Starts the emulator. It goes into the background once its devices are there, so what is wrong with them is known
/// when this returns.
pub(super) fn start(machine: &Machine, first: First, pid_file: &Path) -> anyhow::Result<()> {
    if let Some((_, variables)) = uefi_flash(machine.identity.spec.platform)
        && !machine.dir.join("vars.fd").exists()
    {
        crate::layout::copy(Path::new(variables), &machine.dir.join("vars.fd"))?;
    }
    crate::layout::make_dir(&machine.sockets)?;
    let mut qemu = Command::new("bash");
    qemu.args(["-c", WITHOUT_INHERITANCE, "bash"]).args(arguments(machine, first));
    qemu.args(["-daemonize", "-pidfile"]).arg(pid_file);
    run(&mut qemu).map(|_| ()).with_context(|| format!("{} does not start", machine.name()))
}

/// `ipmi_sim` bequeaths its sockets to whatever it starts. A machine that kept them would keep their addresses from the
/// next BMC when this one is killed. They are closed by a shell since closing what one does not own is not safe Rust.
///
/// Machines also yield to what is on the same computer for real: the controller and the tests.
const WITHOUT_INHERITANCE: &str = r#"for fd in /proc/self/fd/*; do
    fd=${fd##*/}
    [ $fd -le 2 ] || eval "exec $fd>&-"
done
exec nice -n5 "$@""#;

/// Program and arguments.
fn arguments(machine: &Machine, first: First) -> Vec<String> {
    let mut words = board(machine.identity.spec.platform);
    let spec = &machine.identity.spec;
    let mut add = |text: String| words.extend(text.split(' ').map(str::to_owned));
    add(format!("-name {} -display none -nodefaults -no-user-config -accel tcg -smp 1", spec.name));
    add(format!("-m {} -uuid {}", spec.memory_mib, machine.identity.uuid()));
    add(format!("-qmp unix:{},server=on,wait=off", machine.qmp_socket().display()));
    if let Some((code, _)) = uefi_flash(spec.platform) {
        add(format!("-drive if=pflash,format=raw,unit=0,readonly=on,file={code}"));
        add(format!("-drive if=pflash,format=raw,unit=1,file={}", machine.dir.join("vars.fd").display()));
    }
    if spec.platform != Platform::Power {
        let serial = machine.identity.serial();
        add(format!(
            "-smbios type=1,manufacturer=Hostler,product=lab-{},serial={serial}",
            spec.platform.firmware()
        ));
    }
    network(machine, first, &mut add);
    for number in 0..spec.disks.len() {
        attach_disk(machine, number, first, &mut add);
    }
    add("-device virtio-rng-pci".to_owned());
    serial_line(machine, &mut add);
    if machine.identity.has_inband_bmc() {
        let port = machine.identity.vm_port();
        add(format!("-chardev socket,id=ipmi0,host=127.0.0.1,port={port},reconnect=2"));
        add("-device ipmi-bmc-extern,id=bmc0,chardev=ipmi0 -device isa-ipmi-kcs,bmc=bmc0".to_owned());
    }
    words
}

/// Program, board and processor. The processors are those that boot fastest under emulation.
fn board(platform: Platform) -> Vec<String> {
    let words = match platform {
        // Without graphics, SeaBIOS and what calls it write to the serial line.
        Platform::Bios => "qemu-system-x86_64 -machine pc,graphics=off -cpu qemu64",
        Platform::Uefi => "qemu-system-x86_64 -machine q35 -cpu qemu64",
        Platform::Arm => "qemu-system-aarch64 -machine virt,gic-version=3 -cpu cortex-a72",
        // What is switched off are mitigations that emulation cannot have; QEMU would warn of each.
        Platform::Power => {
            "qemu-system-ppc64 -machine pseries,cap-cfpc=broken,cap-sbbc=broken,cap-ibs=broken,cap-ccf-assist=off \
             -cpu power9"
        }
    };
    words.split_whitespace().map(str::to_owned).collect()
}

/// Firmware code and empty variables.
fn uefi_flash(platform: Platform) -> Option<(&'static str, &'static str)> {
    match platform {
        Platform::Uefi => Some(("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd")),
        Platform::Arm => Some(("/usr/share/AAVMF/AAVMF_CODE.fd", "/usr/share/AAVMF/AAVMF_VARS.fd")),
        Platform::Bios | Platform::Power => None,
    }
}

fn network(machine: &Machine, first: First, add: &mut impl FnMut(String)) {
    let (identity, place) = (&machine.identity, if first == First::Network { 1 } else { 100 });
    let device = match identity.spec.platform {
        // Its option ROM is an iPXE, so the machine is an iPXE client from its first request on.
        Platform::Bios => "virtio-net-pci",
        // Without the ROM it is the firmware itself that boots from the network.
        Platform::Uefi | Platform::Arm => "virtio-net-pci,romfile=",
        Platform::Power => "spapr-vlan",
    };
    add(format!("-netdev tap,id=n0,ifname={},script=no,downscript=no,vhost=off", identity.tap()));
    let (head, tail) = device.split_once(',').map_or((device, String::new()), |(h, t)| (h, format!(",{t}")));
    let mac = identity.mac();
    add(format!("-device {head},id={NETWORK_CARD},netdev=n0,mac={mac},bootindex={place}{tail}"));
}

fn attach_disk(machine: &Machine, number: usize, first: First, add: &mut impl FnMut(String)) {
    let place = number + if first == First::Disk { 1 } else { 2 };
    let serial = format!("{}-{number}", machine.name());
    // Nothing of a lab has to survive the loss of the host's power.
    add(format!(
        "-drive if=none,id=d{number},{},cache=unsafe,discard=unmap,detect-zeroes=unmap",
        disk::drive(machine, number)
    ));
    let device = match machine.identity.spec.disks[number].kind {
        DiskKind::VirtioBlk => format!("virtio-blk-pci,drive=d{number},serial={serial},bootindex={place}"),
        DiskKind::Nvme => format!("nvme,drive=d{number},serial={serial},bootindex={place}"),
        DiskKind::VirtioScsi => {
            add(format!("-device virtio-scsi-pci,id=scsi{number}"));
            format!("scsi-hd,drive=d{number},bus=scsi{number}.0,serial={serial},bootindex={place}")
        }
    };
    add(format!("-device {device}"));
}

/// A telnet port for serial over LAN; everything that is written to the line is recorded as well.
fn serial_line(machine: &Machine, add: &mut impl FnMut(String)) {
    let (port, log) = (machine.identity.serial_port(), machine.console_file());
    add(format!(
        "-chardev socket,id=ser0,host=127.0.0.1,port={port},server=on,wait=off,telnet=on,logfile={},logappend=on",
        log.display()
    ));
    add(match machine.identity.spec.platform {
        Platform::Power => "-device spapr-vty,chardev=ser0".to_owned(),
        Platform::Bios | Platform::Uefi | Platform::Arm => "-serial chardev:ser0".to_owned(),
    });
}
