//! dnsmasq, for a room: the same reservations, loaders and names, by its own configuration.

use super::room::{EXPECTATIONS, Room};
use hostler_core::hardware::Firmware;
use hostler_fleet::network::Ports;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::net::UdpSocket;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// dnsmasq on port 69 of the room's server address and a free port for DHCP. Killed when dropped.
pub(crate) struct Dnsmasq {
    pub(crate) ports: Ports,
    /// It answers relays at this port of theirs: it does not know RFC 8357.
    pub(crate) relay_port: u16,
    child: Child,
    _files: tempfile::TempDir,
}

impl Dnsmasq {
    /// `None` if this user may not have port 69.
    pub(crate) fn start(program: &Path, room: &Room, script_url: &str, grub_config: &str) -> Option<Self> {
        UdpSocket::bind((room.server(), 69)).ok()?;
        let files = tempfile::tempdir().unwrap();
        lay_out(files.path(), grub_config);
        let dhcp = UdpSocket::bind((room.server(), 0)).unwrap().local_addr().unwrap().port();
        let config = files.path().join("dnsmasq.conf");
        std::fs::write(&config, configuration(room, files.path(), dhcp, script_url)).unwrap();
        let mut child = Command::new(program)
            .arg("--keep-in-foreground")
            .arg(format!("--conf-file={}", config.display()))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // It says so when its sockets are bound.
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        let first = log.find(|line| !line.is_empty()).unwrap_or_default();
        assert!(first.contains("started"), "{first}");
        // Its log has to be read, or it would wait for us to do so.
        std::thread::spawn(move || log.for_each(drop));
        let ports = Ports::default().with(room.server(), 67, dhcp);
        Some(Self { ports, relay_port: dhcp, child, _files: files })
    }
}

impl Drop for Dnsmasq {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn lay_out(root: &Path, grub_config: &str) {
    let put = |name: &str, bytes: &[u8]| {
        let path = root.join("tftp").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    };
    for expected in EXPECTATIONS {
        put(expected.loader_name(), &expected.loader());
    }
    put("grub/arm64-efi/http.mod", b"module");
    put("grub/grub.cfg", grub_config.replace("ARCH", "aarch64").as_bytes());
    put("grub.cfg", grub_config.replace("ARCH", "ppc64le").as_bytes());
}

fn configuration(room: &Room, files: &Path, dhcp: u16, script_url: &str) -> String {
    let (server, files) = (room.server(), files.display());
    let mut config = format!(
        "port=0\n\
         user=root\n\
         interface=lo\n\
         listen-address={server}\n\
         bind-interfaces\n\
         dhcp-alternate-port={dhcp},{}\n\
         dhcp-range=127.0.0.0,static,255.0.0.0,1h\n\
         dhcp-authoritative\n\
         no-ping\n\
         log-facility=-\n\
         pid-file={files}/pid\n\
         dhcp-leasefile={files}/leases\n\
         enable-tftp\n\
         tftp-root={files}/tftp\n\
         dhcp-match=set:ipxe,175\n\
         dhcp-match=set:x86_64-bios,option:client-arch,0\n\
         dhcp-match=set:x86_64-uefi,option:client-arch,7\n\
         dhcp-match=set:aarch64-uefi,option:client-arch,11\n\
         dhcp-boot=tag:ipxe,{script_url},,{server}\n",
        dhcp.wrapping_add(1),
    );
    for (client, expected) in room.clients().iter().zip(EXPECTATIONS) {
        let tag = format!("{}-{}", expected.arch, expected.firmware);
        // SLOF says what it is in its REQUEST only.
        let host =
            if expected.firmware == Firmware::OpenFirmware { format!("set:{tag},") } else { String::new() };
        writeln!(config, "dhcp-host={},{host}{}", client.mac, client.address).unwrap();
        writeln!(config, "dhcp-boot=tag:!ipxe,tag:{tag},{},,{server}", expected.loader_name()).unwrap();
    }
    config
}
