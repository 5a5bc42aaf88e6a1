//! iPXE: what its scripts do, for the commands that Hostler's consist of.

use super::boot::{Board, Booted, Outcome};
use super::dhcp::{Profile, lease};
use super::download::Download;
use super::error::FirmwareError;
use super::http;
use super::loader;
use super::machine::Kind;
use std::time::Duration;

const AGENT: &str = "iPXE/1.21.1";

/// Asks for a script by DHCP and runs it, and those that it leads to.
pub(super) async fn run(board: Board<'_>) -> Result<Outcome, FirmwareError> {
    board.say("iPXE initialising devices...");
    let kind = board.machine.kind;
    let lease = lease(Profile::Ipxe(kind), board.machine, board.nic, board.console).await?;
    if !lease.file.starts_with("http://") {
        return Err(FirmwareError::LoaderLoop(lease.file));
    }
    let mut url = lease.file;
    let mut text = Download::new(Download::SCRIPT);
    fetch(board, &url, &mut text).await.map_err(|source| FirmwareError::Http { url: url.clone(), source })?;
    loop {
        let mut shell =
            Shell { board, script: Script::parse(&url, text.head())?, kernel: None, ramdisks: vec![] };
        match shell.run().await? {
            End::Outcome(outcome) => return Ok(outcome),
            End::Replaced { by, with } => (url, text) = (by, with),
        }
    }
}

async fn fetch(board: Board<'_>, url: &str, download: &mut Download) -> Result<(), http::HttpError> {
    http::get(board.nic, &board.machine.timing, url, AGENT, download).await?;
    board.say(&format!("{url}... ok, {} bytes", download.bytes()));
    Ok(())
}

/// A script, line by line.
struct Script {
    name: String,
    lines: Vec<Vec<String>>,
}

impl Script {
    fn parse(name: &str, bytes: &[u8]) -> Result<Self, FirmwareError> {
        let script = Self { name: name.to_owned(), lines: Vec::new() };
        let text = std::str::from_utf8(bytes).map_err(|_| script.error(0, "it is not text"))?;
        let mut lines = text.lines();
        if lines.next() != Some("#!ipxe") {
            return Err(script.error(0, "it does not begin with #!ipxe"));
        }
        if text.contains(['$', '"', '\'', '\\']) {
            return Err(script.error(0, "it has characters that Hostler's scripts do not have"));
        }
        let lines = lines.map(|line| line.split_whitespace().map(str::to_owned).collect()).collect();
        Ok(Self { lines, ..script })
    }

    /// `line` counts from 0 behind the first one.
    fn error(&self, line: usize, reason: impl Into<String>) -> FirmwareError {
        FirmwareError::Script { script: self.name.clone(), line: line + 2, reason: reason.into() }
    }

    fn label(&self, label: &str) -> Option<usize> {
        let label = format!(":{label}");
        self.lines.iter().position(|line| line.first() == Some(&label))
    }
}

/// What a script comes to.
enum End {
    Outcome(Outcome),
    Replaced { by: String, with: Download },
}

/// What a command comes to.
enum Done {
    /// Go on behind it.
    Ok,
    /// It failed, for this reason.
    Failed(String),
    /// Go on at this line.
    Goto(usize),
    End(End),
}

struct Kernel {
    args: Vec<String>,
    sha256: [u8; 32],
    bytes: u64,
}

struct Ramdisk {
    name: String,
    sha256: [u8; 32],
    bytes: u64,
}

struct Shell<'a> {
    board: Board<'a>,
    script: Script,
    kernel: Option<Kernel>,
    ramdisks: Vec<Ramdisk>,
}

impl Shell<'_> {
    async fn run(&mut self) -> Result<End, FirmwareError> {
        let mut at = 0;
        while let Some(line) = self.script.lines.get(at).cloned() {
            match self.line(at, &line).await? {
                Done::Ok => at += 1,
                Done::Goto(line) => at = line,
                Done::End(end) => return Ok(end),
                // A command that fails without `||` ends the script.
                Done::Failed(reason) => {
                    self.board.say(&reason);
                    break;
                }
            }
        }
        Err(FirmwareError::Prompt { script: self.script.name.clone() })
    }

    /// One line: commands joined by `||`.
    async fn line(&mut self, at: usize, words: &[String]) -> Result<Done, FirmwareError> {
        let mut done = Done::Ok;
        for command in words.split(|word| word == "||") {
            done = self.command(at, command).await?;
            match &done {
                Done::Failed(reason) => self.board.say(reason),
                Done::Ok | Done::Goto(_) | Done::End(_) => break,
            }
        }
        Ok(done)
    }

    async fn command(&mut self, at: usize, words: &[String]) -> Result<Done, FirmwareError> {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words.as_slice() {
            [] => Ok(Done::Ok),
            [label] if label.starts_with(':') => Ok(Done::Ok),
            ["echo", text @ ..] => {
                self.board.say(&text.join(" "));
                Ok(Done::Ok)
            }
            ["goto", label] => match self.script.label(label) {
                Some(line) => Ok(Done::Goto(line)),
                None => Err(self.script.error(at, format!("there is no label {label}"))),
            },
            ["sleep", seconds] => {
                let seconds = seconds.parse().map_err(|_| self.script.error(at, "sleep takes seconds"))?;
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                Ok(Done::Ok)
            }
            ["imgfree"] => {
                self.kernel = None;
                self.ramdisks.clear();
                Ok(Done::Ok)
            }
            ["kernel", url, args @ ..] => Ok(self.kernel(url, args).await),
            ["initrd", "--name", name, url] => Ok(self.initrd(name, url).await),
            ["boot"] => Ok(self.boot()),
            ["sanboot", "--no-describe", "--drive", "0x80"] => Ok(self.sanboot()),
            ["chain", "--replace", "--autofree", url] => Ok(self.replace(url).await),
            ["chain", url] => self.chain(url).await,
            ["reboot"] => Ok(Done::End(End::Outcome(Outcome::Restart))),
            _ => Err(self.script.error(at, format!("{:?}: command not found", words.join(" ")))),
        }
    }

    async fn kernel(&mut self, url: &str, args: &[&str]) -> Done {
        let mut download = Download::new(0);
        if let Err(error) = fetch(self.board, url, &mut download).await {
            return Done::Failed(format!("kernel: {error}"));
        }
        let args = args.iter().map(|&arg| arg.to_owned()).collect();
        self.kernel = Some(Kernel { args, bytes: download.bytes(), sha256: download.sha256() });
        Done::Ok
    }

    async fn initrd(&mut self, name: &str, url: &str) -> Done {
        let mut download = Download::new(0);
        if let Err(error) = fetch(self.board, url, &mut download).await {
            return Done::Failed(format!("initrd: {error}"));
        }
        let (name, bytes) = (name.to_owned(), download.bytes());
        self.ramdisks.push(Ramdisk { name, bytes, sha256: download.sha256() });
        Done::Ok
    }

    fn boot(&mut self) -> Done {
        let Some(kernel) = &self.kernel else { return Done::Failed("boot: no image".to_owned()) };
        let Some(ramdisk) = self.ramdisk(kernel) else {
            return Done::Failed("boot: the kernel finds no ramdisk and panics".to_owned());
        };
        let booted = Booted::Kernel {
            args: kernel.args.join(" "),
            kernel_sha256: kernel.sha256,
            ramdisk_sha256: ramdisk.sha256,
            bytes: kernel.bytes + ramdisk.bytes,
        };
        Done::End(End::Outcome(self.board.start_kernel(booted)))
    }

    /// A BIOS kernel is handed all of them; the UEFI stub finds the one that its command line names.
    fn ramdisk(&self, kernel: &Kernel) -> Option<&Ramdisk> {
        match self.board.machine.kind {
            Kind::UefiX86 | Kind::UefiArm => {
                let named = kernel.args.iter().find_map(|arg| arg.strip_prefix("initrd="))?;
                self.ramdisks.iter().find(|ramdisk| ramdisk.name == named)
            }
            Kind::Bios | Kind::Slof => self.ramdisks.first(),
        }
    }

    /// Seen of OVMF: the drive of the BIOS is not there.
    fn sanboot(&self) -> Done {
        if self.board.machine.kind != Kind::Bios || !self.board.machine.bootable_disk {
            return Done::Failed("sanboot: could not boot from drive 0x80".to_owned());
        }
        self.board.say("Booting from SAN device 0x80");
        Done::End(End::Outcome(Outcome::Booted(Booted::LocalDisk)))
    }

    async fn replace(&mut self, url: &str) -> Done {
        let mut with = Download::new(Download::SCRIPT);
        match fetch(self.board, url, &mut with).await {
            Ok(()) => Done::End(End::Replaced { by: url.to_owned(), with }),
            Err(error) => Done::Failed(format!("chain: {error}")),
        }
    }

    /// Of programs, Hostler's scripts chain only the one that starts the local disk of a UEFI machine.
    async fn chain(&mut self, url: &str) -> Result<Done, FirmwareError> {
        let mut program = Download::new(Download::HEADERS);
        if let Err(error) = fetch(self.board, url, &mut program).await {
            return Ok(Done::Failed(format!("chain: {error}")));
        }
        loader::check(Kind::UefiX86, url, &program)?;
        if self.board.machine.kind != Kind::UefiX86 {
            return Ok(Done::Failed("chain: exec format error".to_owned()));
        }
        if !self.board.machine.bootable_disk {
            return Ok(Done::Failed("error: no such device: /EFI/BOOT/BOOTX64.EFI.".to_owned()));
        }
        Ok(Done::End(End::Outcome(Outcome::Booted(Booted::LocalDisk))))
    }
}
