//! A controller in a directory of its own, as `hostlerd init` makes it: on loopback, on free ports, with waits that
//! suit simulated machines.

use crate::artefacts::{self, Scale};
use anyhow::{Context as _, bail};
use hostler_checkout::programs::Programs;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// Where the configuration says which store.
const STORE: &str = "\n[store]\n";

/// Where it says where artefacts are.
const ARTEFACTS: &str = "artefacts = ";

/// A controller's directory, and its process while one runs. Dropped, it ends the process.
#[derive(Debug)]
pub struct Installation {
    dir: PathBuf,
    host: Ipv4Addr,
    waits: Waits,
    binaries: Programs,
    ports: Ports,
    filter: Option<String>,
    /// The network namespace that its process is in; none for that of this process.
    namespace: Option<String>,
    hostlerd: Option<Child>,
}

/// Where the controller listens, all on one address.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    /// gRPC.
    pub api: u16,
    /// DHCP.
    pub dhcp: u16,
    /// TFTP.
    pub tftp: u16,
    /// HTTP.
    pub http: u16,
}

/// Waits of the controller, in milliseconds. Simulated machines are up in a second; a machine that is not is stuck.
#[derive(Clone, Copy, Debug)]
pub struct Waits {
    /// For a sign of the firmware.
    pub firmware_ms: u64,
    /// For the agent after that, and for each step that follows.
    pub step_ms: u64,
    /// Of an agent that counts as silent.
    pub silence_ms: u64,
    /// For a management controller to answer a request, and for a chassis to follow.
    pub bmc_ms: u64,
}

impl Default for Waits {
    /// Generous: a slow computer must not look like a broken machine.
    fn default() -> Self {
        Self { firmware_ms: 60_000, step_ms: 120_000, silence_ms: 20_000, bmc_ms: 6_000 }
    }
}

impl Installation {
    /// Makes the directory.
    ///
    /// # Errors
    /// If `hostlerd init` fails or the file system refuses.
    pub fn create(dir: &Path, binaries: &Programs, waits: Waits, scale: Scale) -> anyhow::Result<Self> {
        Self::create_at(Ipv4Addr::LOCALHOST, dir, binaries, waits, scale)
    }

    /// The same at another address than that of loopback.
    ///
    /// # Errors
    /// As [`Installation::create`].
    pub fn create_at(
        host: Ipv4Addr,
        dir: &Path,
        binaries: &Programs,
        waits: Waits,
        scale: Scale,
    ) -> anyhow::Result<Self> {
        let ports = Ports::free()?;
        let init = Command::new(binaries.path("hostlerd"))
            .arg("init")
            .arg(dir)
            .args(["--listen", &format!("{host}:{}", ports.api), "--boot-server", &host.to_string()])
            .output()
            .context("cannot start hostlerd")?;
        if !init.status.success() {
            bail!("hostlerd init failed: {}", String::from_utf8_lossy(&init.stderr));
        }
        fs::write(dir.join("hostlerd.toml"), config(host, ports, waits))?;
        artefacts::boot_files(&dir.join("boot"), scale)?;
        let (dir, binaries) = (dir.to_owned(), binaries.clone());
        Ok(Self { dir, host, waits, binaries, ports, filter: None, namespace: None, hostlerd: None })
    }

    /// Makes the directory of another controller that shares keys, artefacts and store with this one, and is at another
    /// address of this computer.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn replica(&self, dir: &Path, host: Ipv4Addr) -> anyhow::Result<Self> {
        let ports = Ports::free()?;
        self.share(dir)?;
        for key in ["ca.pem", "ca.key", "seal.key", "token.key"] {
            fs::copy(self.dir.join(key), dir.join(key))?;
        }
        let text = fs::read_to_string(self.config())?;
        let store = text.split_once(STORE).map_or("", |(_, store)| store);
        fs::write(dir.join("hostlerd.toml"), config(host, ports, self.waits) + STORE + store)?;
        let (dir, binaries, filter) = (dir.to_owned(), self.binaries.clone(), self.filter.clone());
        Ok(Self { dir, host, waits: self.waits, binaries, ports, filter, namespace: None, hostlerd: None })
    }

    /// Makes the directory of another controller as an administrator does: with `hostlerd join`, a code, and nothing
    /// else but the boot files and the data directory.
    ///
    /// # Errors
    /// If the controller refuses, with what it says.
    pub fn join(&self, dir: &Path, host: Ipv4Addr, code: &Path) -> anyhow::Result<Self> {
        // The boot server has the same ports at another address.
        let ports = Ports { api: Ports::free()?.api, ..self.ports };
        self.share(dir)?;
        let (dir, binaries, filter) = (dir.to_owned(), self.binaries.clone(), self.filter.clone());
        let joined =
            Self { dir, host, waits: self.waits, binaries, ports, filter, namespace: None, hostlerd: None };
        let mut join = joined.hostlerd("join");
        join.args(["--listen", &format!("{host}:{}", ports.api), "--boot-server", &host.to_string()]);
        let join = join.arg("--file").arg(code).output().context("cannot start hostlerd")?;
        if !join.status.success() {
            bail!("hostlerd join failed with {}: {}", join.status, String::from_utf8_lossy(&join.stderr));
        }
        Ok(joined)
    }

    /// Makes a directory with the boot files of this one, and with its data unless they are elsewhere.
    fn share(&self, dir: &Path) -> anyhow::Result<()> {
        fs::create_dir_all(dir)?;
        let mut all = vec!["boot"];
        if !fs::read_to_string(self.config())?.contains(ARTEFACTS) {
            fs::create_dir_all(self.dir.join("data"))?;
            all.push("data");
        }
        for shared in all {
            std::os::unix::fs::symlink(self.dir.join(shared), dir.join(shared))?;
        }
        Ok(())
    }

    /// Has the next `hostlerd` keep its state in the store of this URL.
    ///
    /// # Errors
    /// If the configuration cannot be written.
    pub fn use_store(&self, url: &str) -> anyhow::Result<()> {
        let path = self.config();
        let text = fs::read_to_string(&path)?;
        let before = text.split(STORE).next().unwrap_or_default();
        Ok(fs::write(&path, format!("{before}{STORE}url = {url:?}\n"))?)
    }

    /// Has the next `hostlerd` keep output, files and images at this URL.
    ///
    /// # Errors
    /// If the configuration cannot be written.
    pub fn use_artefacts(&self, url: &str) -> anyhow::Result<()> {
        let path = self.config();
        let text = fs::read_to_string(&path)?;
        let section = if text.contains(STORE) { "" } else { STORE };
        Ok(fs::write(&path, format!("{text}{section}{ARTEFACTS}{url:?}\n"))?)
    }

    /// Starts `hostlerd`; its log goes to `hostlerd.log`.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(&mut self) -> anyhow::Result<()> {
        let log = File::options().create(true).append(true).open(self.log())?;
        let mut hostlerd = self.program("hostlerd");
        if let Some(filter) = &self.filter {
            hostlerd.env("HOSTLERD_LOG", filter);
        }
        let child = hostlerd
            .args(["serve", "--config"])
            .arg(self.config())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .context("cannot start hostlerd")?;
        self.hostlerd = Some(child);
        Ok(())
    }

    /// Has the next `hostlerd` run in this network namespace.
    pub fn move_to(&mut self, namespace: &str) {
        self.namespace = Some(namespace.to_owned());
    }

    /// One of the programs, where `hostlerd` is.
    fn program(&self, name: &str) -> Command {
        let program = self.binaries.path(name);
        let Some(namespace) = &self.namespace else { return Command::new(program) };
        let mut command = Command::new("ip");
        command.args(["netns", "exec", namespace]).arg(program);
        command
    }

    /// What `hostlerd` logs when it is started next, as `HOSTLERD_LOG` has it.
    pub fn set_log_filter(&mut self, filter: &str) {
        self.filter = Some(filter.to_owned());
    }

    /// Ends `hostlerd` as the loss of power would: SIGKILL.
    ///
    /// # Errors
    /// If it cannot be waited for.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        if let Some(mut child) = self.hostlerd.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// Ends `hostlerd` in an orderly way: SIGTERM.
    ///
    /// # Errors
    /// If it cannot be waited for.
    pub fn stop(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        let Some(mut child) = self.hostlerd.take() else { return Ok(None) };
        if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
            // It may have ended by itself.
            let _ = kill_process(pid, Signal::TERM);
        }
        Ok(Some(child.wait()?))
    }

    /// Leaves `hostlerd` running when this is dropped.
    pub fn keep(&mut self) {
        self.hostlerd = None;
    }

    /// The process id of `hostlerd` while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.hostlerd.as_ref().map(Child::id)
    }

    /// `hostler`, speaking as the administrator.
    #[must_use]
    pub fn hostler(&self) -> Command {
        self.hostler_as(&self.admin())
    }

    /// `hostler`, speaking with another credential.
    #[must_use]
    pub fn hostler_as(&self, credential: &Path) -> Command {
        let mut command = Command::new(self.binaries.path("hostler"));
        command.env("HOSTLER_CREDENTIALS", credential);
        command
    }

    /// The address at which it listens.
    #[must_use]
    pub const fn host(&self) -> Ipv4Addr {
        self.host
    }

    /// Where clients and agents connect.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://{}:{}", self.host, self.ports.api)
    }

    /// Sends a signal to `hostlerd`, if it runs.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let pid = self.pid().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        Ok(kill_process(pid.context("hostlerd does not run")?, signal)?)
    }

    /// The directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The programs.
    #[must_use]
    pub const fn binaries(&self) -> &Programs {
        &self.binaries
    }

    /// Where it listens.
    #[must_use]
    pub const fn ports(&self) -> Ports {
        self.ports
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.dir.join("hostlerd.toml")
    }

    /// `hostlerd`, to do something else than serve.
    #[must_use]
    pub fn hostlerd(&self, command: &str) -> Command {
        let mut hostlerd = self.program("hostlerd");
        hostlerd.arg(command).arg("--config").arg(self.config());
        hostlerd
    }

    /// The administrator's credential.
    #[must_use]
    pub fn admin(&self) -> PathBuf {
        self.dir.join("admin.toml")
    }

    /// What `hostlerd` logged.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.dir.join("hostlerd.log")
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        // Nothing more can be done about a process that cannot be ended.
        let _ = self.kill();
    }
}

impl Ports {
    /// Ports that are free now. Another process may take one before `hostlerd` does; it then says so and ends.
    ///
    /// None is of those that the system gives to clients: one that tries to reach `hostlerd` while it is down could be
    /// given the very port that it tries, and would reach itself.
    ///
    /// # Errors
    /// If none is free.
    pub fn free() -> anyhow::Result<Self> {
        const FIRST: u32 = 10_240;
        const COUNT: u32 = 32_768 - FIRST;
        static TRIED: AtomicU32 = AtomicU32::new(0);
        let begin = std::process::id().wrapping_mul(61);
        let next = || {
            let number = begin.wrapping_add(TRIED.fetch_add(1, Ordering::Relaxed)) % COUNT;
            u16::try_from(FIRST + number).unwrap_or(u16::MAX)
        };
        let mut candidates = std::iter::repeat_with(next).take(COUNT as usize).filter(|port| is_free(*port));
        let mut port = || candidates.next().context("no port is free");
        Ok(Self { api: port()?, dhcp: port()?, tftp: port()?, http: port()? })
    }
}

fn is_free(port: u16) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok()
}

fn config(host: Ipv4Addr, ports: Ports, waits: Waits) -> String {
    let Ports { api, dhcp, tftp, http } = ports;
    let Waits { firmware_ms, step_ms, silence_ms, bmc_ms } = waits;
    let heartbeat_ms = (silence_ms / 4).clamp(100, 5_000);
    let retransmit_ms = (bmc_ms / 10).clamp(100, 500);
    format!(
        r#"[api]
name = "at-{host}"
listen = "{host}:{api}"
url = "https://{host}:{api}"

[boot]
server = "{host}"
dhcp = "{host}:{dhcp}"
tftp = "{host}:{tftp}"
http = "{host}:{http}"
netmask = "255.0.0.0"
retry_s = 1

[bmc]
retransmit_ms = {retransmit_ms}
request_ms = {bmc_ms}
settle_ms = {bmc_ms}

[agents]
heartbeat_ms = {heartbeat_ms}

[timing]
power_ms = {firmware_ms}
firmware_ms = {firmware_ms}
enrol_ms = {step_ms}
inspect_ms = {step_ms}
wipe_ms = {step_ms}
deploy_ms = {step_ms}
deployed_ms = {step_ms}
silence_ms = {silence_ms}
"#
    )
}
