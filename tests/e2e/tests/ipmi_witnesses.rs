//! Programs of other people bear witness: `ipmitool` against the simulated controller, our client against `ipmi_sim`
//! of OpenIPMI. What both ends of ours got wrong alike would show here.

use hostler_bmc::{
    AuthenticationFailure, BootDevice, BootFlags, ChassisControl, CipherSuite, Error, Privilege, Secret,
    Session, Target, Timing, UserName,
};
use hostler_checkout::peers::peer;
use hostler_fleet::bmc::{BmcConfig, SimBmc};
use hostler_fleet::chassis::{self, Chassis};
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;
use tempfile::TempDir;
use tokio::process::{Child, Command};

const GUID: [u8; 16] = *b"\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff";
const PASSWORD: &str = "correct-horse";

/// `ipmitool` with a simulated controller to talk to.
struct Witness {
    ipmitool: PathBuf,
    bmc: SimBmc,
    chassis: Chassis,
    suite: &'static str,
}

impl Witness {
    async fn new(ipmitool: &Path, suite: &'static str) -> Self {
        let chassis = Chassis::new();
        let password = Secret::new(PASSWORD.as_bytes()).expect("a password");
        let config = BmcConfig::new(UserName::new("admin").expect("a user name"), password, GUID);
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let bmc = SimBmc::start(address, config, chassis.clone()).await.expect("a free port");
        Self { ipmitool: ipmitool.to_owned(), bmc, chassis, suite }
    }

    /// What it prints, with the runs of blanks made one.
    async fn says(&self, command: &str) -> String {
        let output = self.run(PASSWORD, command).await;
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "suite {}: ipmitool {command}: {out}{err}", self.suite);
        out
    }

    async fn run(&self, password: &str, command: &str) -> Output {
        let address = self.bmc.address();
        Command::new(&self.ipmitool)
            .args(["-I", "lanplus", "-H", &address.ip().to_string(), "-p", &address.port().to_string()])
            .args(["-C", self.suite, "-U", "admin", "-P", password])
            .args(command.split(' '))
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .expect("ipmitool starts")
    }
}

fn text(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n").collect()
}

#[tokio::test]
async fn ipmitool_switches_the_simulated_chassis() {
    let Some(ipmitool) = peer("ipmitool_switches_the_simulated_chassis", "ipmitool") else { return };
    for suite in ["3", "17"] {
        let witness = Witness::new(&ipmitool, suite).await;
        assert_eq!(witness.says("chassis power status").await, "Chassis Power is off\n");
        assert_eq!(witness.says("chassis power on").await, "Chassis Power Control: Up/On\n");
        assert_eq!(witness.says("chassis power status").await, "Chassis Power is on\n");
        assert_eq!(witness.says("chassis power cycle").await, "Chassis Power Control: Cycle\n");
        assert_eq!(witness.chassis.power().starts, 2);
        assert_eq!(witness.says("chassis power reset").await, "Chassis Power Control: Reset\n");
        assert_eq!(witness.says("chassis power off").await, "Chassis Power Control: Down/Off\n");
        assert!(!witness.chassis.power().on);
        let record = witness.bmc.journal().read();
        let actions = [
            ChassisControl::PowerOn,
            ChassisControl::PowerCycle,
            ChassisControl::HardReset,
            ChassisControl::PowerOff,
        ];
        assert_eq!(record.actions, actions);
        assert_eq!(record.sessions, record.closed_sessions);
        assert_eq!(witness.bmc.sessions(), 0);
    }
}

#[tokio::test]
async fn ipmitool_orders_a_boot_device_of_the_simulated_controller() {
    let test = "ipmitool_orders_a_boot_device_of_the_simulated_controller";
    let Some(ipmitool) = peer(test, "ipmitool") else { return };
    for suite in ["3", "17"] {
        let witness = Witness::new(&ipmitool, suite).await;
        assert_eq!(witness.says("chassis bootdev pxe").await, "Set Boot Device to pxe\n");
        assert_eq!(witness.chassis.power().boot_device, chassis::BootDevice::Network);
        let flags = witness.says("chassis bootparam get 5").await;
        for expected in ["Boot Flag Valid", "Options apply to only next boot", "Force PXE"] {
            assert!(flags.contains(expected), "{flags}");
        }
        witness.says("chassis bootdev disk options=efiboot,persistent").await;
        assert_eq!(witness.chassis.power().boot_device, chassis::BootDevice::Disk);
        assert!(witness.chassis.power().persistent);
        let flags = witness.says("chassis bootparam get 5").await;
        for expected in
            ["Options apply to all future boots", "BIOS EFI boot", "Force Boot from default Hard-Drive"]
        {
            assert!(flags.contains(expected), "{flags}");
        }
    }
}

#[tokio::test]
async fn ipmitool_learns_what_the_simulated_controller_is() {
    let Some(ipmitool) = peer("ipmitool_learns_what_the_simulated_controller_is", "ipmitool") else { return };
    let witness = Witness::new(&ipmitool, "17").await;
    let info = witness.says("mc info").await;
    for expected in ["IPMI Version : 2.0", "Device ID : 32", "Chassis Device"] {
        assert!(info.contains(expected), "{info}");
    }
    assert!(witness.says("mc guid").await.contains("System GUID"));
    let suites = witness.says("channel getciphers ipmi 1").await;
    for expected in ["3 N/A hmac_sha1 hmac_sha1_96 aes_cbc_128", "17 N/A hmac_sha256 sha256_128 aes_cbc_128"]
    {
        assert!(suites.contains(expected), "{suites}");
    }
    witness.says("mc reset cold").await;
    // It does not wait for the answer to that; what it asks next is answered after it.
    witness.says("mc info").await;
    assert_eq!(witness.bmc.journal().read().cold_resets, 1);
}

#[tokio::test]
async fn ipmitool_is_refused_with_a_wrong_password() {
    let Some(ipmitool) = peer("ipmitool_is_refused_with_a_wrong_password", "ipmitool") else { return };
    for suite in ["3", "17"] {
        let witness = Witness::new(&ipmitool, suite).await;
        let output = witness.run("battery staple", "chassis power on").await;
        assert!(!output.status.success(), "{}", text(&output.stdout));
        assert!(!witness.chassis.power().on);
        let record = witness.bmc.journal().read();
        assert_eq!(record.sessions, 0);
        assert!(record.session_attempts > 0);
    }
}

/// `ipmi_sim`, with a file for a chassis.
struct IpmiSim {
    address: SocketAddr,
    dir: TempDir,
    _process: Child,
}

impl IpmiSim {
    fn start(program: &Path) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path();
        // Taken from the operating system and given back: `ipmi_sim` cannot pick one itself.
        let address = UdpSocket::bind("127.0.0.1:0").and_then(|s| s.local_addr()).expect("a free port");
        write(&path.join("chassis"), CHASSIS_PROGRAM);
        write(&path.join("power"), "0\n");
        write(&path.join("lan.conf"), &lan_conf(address, path));
        write(&path.join("bmc.emu"), EMULATED_BMC);
        let process = Command::new(program)
            .args(["--nostdio", "--nopersist", "-c", "lan.conf", "-f", "bmc.emu", "-s", "."])
            .current_dir(path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("ipmi_sim starts");
        Self { address, dir, _process: process }
    }

    fn target(&self) -> Target {
        Target {
            address: self.address,
            user: UserName::new("admin").expect("a user name"),
            password: Secret::new(PASSWORD.as_bytes()).expect("a password"),
            kg: None,
            suite: CipherSuite::Aes128Sha1,
            privilege: Privilege::Administrator,
        }
    }

    /// What the chassis program was told, one line each.
    fn told(&self) -> Vec<String> {
        let log = std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
        log.lines().map(str::to_owned).collect()
    }
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).expect("a writable directory");
}

/// Called as `chassis get|set power|boot [value]`.
const CHASSIS_PROGRAM: &str = "cd \"$(dirname \"$0\")\" || exit 1
case \"$1 $2\" in
    'get power') echo \"power:$(cat power)\" ;;
    'set power') echo \"$3\" > power; echo \"$1 $2 $3\" >> log ;;
    'get boot') echo boot:default ;;
    set*) echo \"$1 $2 $3\" >> log ;;
esac
";

const EMULATED_BMC: &str = "mc_setbmc 0x20
mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02
mc_enable 0x20
";

fn lan_conf(address: SocketAddr, dir: &Path) -> String {
    format!(
        "name \"witness\"
set_working_mc 0x20
  startlan 1
    addr {} {}
    priv_limit admin
    allowed_auths_callback none md2 md5 straight
    allowed_auths_user none md2 md5 straight
    allowed_auths_operator none md2 md5 straight
    allowed_auths_admin none md2 md5 straight
    guid 00112233445566778899aabbccddeeff
  endlan
  chassis_control \"/bin/sh {}\"
  startnow false
  user 1 true \"\" \"\" user 10 none md2 md5 straight
  user 2 true \"admin\" \"{PASSWORD}\" admin 10 none md2 md5 straight
",
        address.ip(),
        address.port(),
        dir.join("chassis").display()
    )
}

/// As patient as a program takes to start.
const PATIENT: Timing = Timing {
    retransmit: Duration::from_millis(100),
    request: Duration::from_secs(20),
    open: Duration::from_secs(60),
};

#[tokio::test]
async fn our_client_switches_the_chassis_of_ipmi_sim() {
    let Some(program) = peer("our_client_switches_the_chassis_of_ipmi_sim", "ipmi_sim") else { return };
    let sim = IpmiSim::start(&program);
    let mut session = Session::open(&sim.target(), PATIENT).await.unwrap();
    assert_eq!(session.device_id().await.unwrap().manufacturer_id, 0x1291);
    assert_eq!(session.system_guid().await.unwrap().0, GUID);
    assert!(!session.chassis_status().await.unwrap().power_on);
    session.chassis_control(ChassisControl::PowerOn).await.unwrap();
    assert!(session.chassis_status().await.unwrap().power_on);
    session.chassis_control(ChassisControl::PowerCycle).await.unwrap();
    session.ensure_power(false, Duration::from_secs(20)).await.unwrap();
    let network = BootFlags { device: BootDevice::Network, uefi: false, persistent: false };
    session.set_boot_flags(network).await.unwrap();
    session.restart(Duration::from_secs(20)).await.unwrap();
    session.close().await;
    let told = sim.told();
    assert!(told.contains(&"set boot pxe".to_owned()), "{told:?}");
    let power: Vec<_> = told.iter().filter_map(|line| line.strip_prefix("set power ")).collect();
    assert_eq!(power.first(), Some(&"1"), "{told:?}");
    assert_eq!(power.last(), Some(&"1"), "{told:?}");
}

#[tokio::test]
async fn our_client_is_told_why_ipmi_sim_refuses() {
    let Some(program) = peer("our_client_is_told_why_ipmi_sim_refuses", "ipmi_sim") else { return };
    let sim = IpmiSim::start(&program);
    Session::open(&sim.target(), PATIENT).await.unwrap().close().await;

    let wrong = Target { password: Secret::new(b"battery staple").unwrap(), ..sim.target() };
    let error = Session::open(&wrong, PATIENT).await.unwrap_err();
    let reason = AuthenticationFailure::Password;
    assert!(matches!(error, Error::AuthenticationRefused { reason: r, .. } if r == reason), "{error}");

    let wrong = Target { user: UserName::new("root").unwrap(), ..sim.target() };
    let error = Session::open(&wrong, PATIENT).await.unwrap_err();
    assert!(matches!(error, Error::AuthenticationRefused { .. }), "{error}");

    // It speaks SHA-1 only.
    let other = Target { suite: CipherSuite::Aes128Sha256, ..sim.target() };
    let error = Session::open(&other, PATIENT).await.unwrap_err();
    assert!(matches!(error, Error::SuiteNotOffered { .. }), "{error}");
}
