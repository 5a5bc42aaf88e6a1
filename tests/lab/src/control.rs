//! The experiment without `hostlerd`: dnsmasq answers DHCP and TFTP, nginx HTTP. What boots here and not with
//! `hostlerd` is a fault of ours, and the recorded packets tell the difference.

use crate::layout::write;
use crate::namespace::Namespace;
use crate::network::BOOT_BRIDGE;
use crate::process::{self, Process};
use crate::room::{Arch, Identity, SERVER};
use std::fmt::Write as _;
use std::path::Path;

/// What is recorded of the boot network: DHCP, TFTP requests with what is accepted or refused of them (RFC 2347: OACK
/// and ERROR are the operations 6 and 5), and the beginnings of connections. Whole loaders would only make the record
/// long.
const CAPTURED: &str = "udp port 67 or udp port 68 or udp dst port 69 or udp[8:2] = 6 or udp[8:2] = 5 \
                        or (tcp port 80 and tcp[tcpflags] & tcp-syn != 0)";

/// Starts the servers, which serve `boot`, and the recording into `capture.pcap` in `dir`.
pub(crate) fn start(
    namespace: &Namespace,
    dir: &Path,
    boot: &Path,
    nginx: &Path,
    machines: &[Identity],
) -> anyhow::Result<Vec<Process>> {
    write(&boot.join("boot/script.ipxe"), ipxe_script())?;
    // GRUB images look in different places, depending on how they were built.
    for name in ["boot/grub.cfg", "grub/grub.cfg"] {
        write(&boot.join(name), grub_config())?;
    }
    let config = dir.join("control.conf");
    write(&config, dnsmasq_config(boot, machines))?;
    let mut tcpdump = namespace.command("tcpdump");
    tcpdump
        .args(["-Z", "root", "-U", "-n", "-i", BOOT_BRIDGE, "-w"])
        .arg(dir.join("capture.pcap"))
        .arg(CAPTURED);
    let mut dnsmasq = namespace.command("dnsmasq");
    dnsmasq.args(["--keep-in-foreground", "--log-facility=-", "--pid-file=", "--user=root"]);
    dnsmasq.arg(format!("--conf-file={}", config.display()));
    let config = dir.join("nginx.conf");
    write(&config, nginx_config(dir, boot))?;
    let mut http = namespace.command(nginx);
    http.args(["-e", "stderr", "-p"]).arg(dir).arg("-c").arg(config);
    Ok(vec![
        process::spawn(&mut tcpdump, &dir.join("tcpdump.log"))?,
        process::spawn(&mut dnsmasq, &dir.join("control.log"))?,
        process::spawn(&mut http, &dir.join("http.log"))?,
    ])
}

fn nginx_config(dir: &Path, boot: &Path) -> String {
    let temp = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|what| format!("{what}_temp_path {}/nginx-temp;\n", dir.display()));
    format!(
        "daemon off;\nuser root;\npid {dir}/nginx.pid;\nerror_log stderr;\nevents {{}}\n\
         http {{\naccess_log /dev/stdout;\nsendfile on;\ntcp_nopush on;\n{temp}\
         server {{\nlisten {SERVER}:80;\nroot {boot};\n}}\n}}\n",
        dir = dir.display(),
        boot = boot.display(),
        temp = temp.concat(),
    )
}

/// As `hostlerd` says to kernels: each line costs an emulated serial line its time.
const QUIET: &str = "loglevel=5 panic=10";

fn ipxe_script() -> String {
    format!(
        "#!ipxe\nkernel http://{SERVER}/kernels/x86_64 initrd=ramdisk {QUIET} console={}\n\
         initrd --name ramdisk http://{SERVER}/ramdisks/x86_64\nboot\n",
        Arch::X86_64.console()
    )
}

fn grub_config() -> String {
    let start = |arch: Arch| {
        let (name, console) = (arch.name(), arch.console());
        format!(
            "linux (http,{SERVER})/kernels/{name} {QUIET} console={console}\ninitrd (http,{SERVER})/ramdisks/{name}\n"
        )
    };
    format!(
        "insmod http\nif [ \"$grub_cpu\" = arm64 ]\nthen\n{}else\n{}fi\nboot\n",
        start(Arch::Aarch64),
        start(Arch::Ppc64le)
    )
}

/// The same answers that `hostlerd` gives: a loader by what the firmware says that it is, a script for iPXE. SLOF says
/// nothing, so it is known by its address.
fn dnsmasq_config(boot: &Path, machines: &[Identity]) -> String {
    let mut text = format!(
        "port=0\ninterface={BOOT_BRIDGE}\nbind-interfaces\nlog-dhcp\nno-ping\ndhcp-authoritative\n\
         dhcp-leasefile={leases}\ndhcp-range={SERVER},static\n\
         enable-ra\ndhcp-range=fd77::,ra-only,64\nra-param={BOOT_BRIDGE},10,1800\n\
         enable-tftp\ntftp-root={boot}\n\
         dhcp-match=set:ipxe,175\ndhcp-match=set:bios,option:client-arch,0\n\
         dhcp-match=set:x64,option:client-arch,7\ndhcp-match=set:arm64,option:client-arch,11\n\
         dhcp-boot=tag:ipxe,http://{SERVER}/boot/script.ipxe\n\
         dhcp-boot=tag:bios,tag:!ipxe,loaders/x86_64-bios.kpxe\n\
         dhcp-boot=tag:x64,tag:!ipxe,loaders/x86_64-uefi.efi\n\
         dhcp-boot=tag:arm64,loaders/aarch64-uefi.efi\n\
         dhcp-boot=tag:power,loaders/ppc64le-openfirmware.elf\n",
        leases = boot.with_file_name("leases").display(),
        boot = boot.display(),
    );
    for machine in machines {
        let tag = if machine.spec.platform.arch() == Arch::Ppc64le { "set:power," } else { "" };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "dhcp-host={},{tag}{}", machine.mac(), machine.address());
    }
    text
}
