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
    scripts(board, lease.file).await
}

/// Runs the script at `url`, and those that it leads to.
async fn scripts(board: Board<'_>, mut url: String) -> Result<Outcome, FirmwareError> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::firmware::Machine;
    use crate::network::{Cable, Nic, Ports};
    use std::io::{Read as _, Write as _};
    use std::net::{Ipv4Addr, SocketAddr, TcpListener};

    /// Serves `/script` and `/kernel`, each request on a connection of its own.
    fn serve(script: String) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut request = [0; 1024];
                let length = stream.read(&mut request).unwrap();
                let request = String::from_utf8_lossy(&request[..length]).into_owned();
                let (status, body) = match request.split(' ').nth(1) {
                    Some("/script") => ("200 OK", script.replace("SERVER", &address.to_string())),
                    Some("/kernel") => ("200 OK", "kernel".to_owned()),
                    _ => ("404 Not Found", String::new()),
                };
                let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n", body.len());
                stream.write_all((head + &body).as_bytes()).unwrap();
            }
        });
        address
    }

    async fn run(kind: Kind, script: &str) -> Result<Outcome, FirmwareError> {
        let address = serve(script.to_owned());
        let machine = Machine::new(kind, uuid::Uuid::nil());
        let nic = Nic::new([2; 6], Cable::new(Ipv4Addr::LOCALHOST), Ports::default(), Ipv4Addr::LOCALHOST);
        let board = Board { machine: &machine, nic: &nic, console: &|_| () };
        scripts(board, format!("http://{address}/script")).await
    }

    #[tokio::test]
    async fn what_ipxe_would_not_understand_is_noticed() {
        for (script, line) in [
            ("echo hello\n", 2),
            ("#!ipxe\nshell\n", 2),
            ("#!ipxe\necho hello\nexit\n", 3),
            ("#!ipxe\nkernel http://SERVER/absent || shell\n", 2),
            ("#!ipxe\ngoto nowhere\n", 2),
            ("#!ipxe\nkernel ${next-server}/kernel\n", 2),
            ("#!ipxe\nsleep long\n", 2),
        ] {
            let error = run(Kind::Bios, script).await.err();
            let found = match &error {
                Some(FirmwareError::Script { line, .. }) => Some(*line),
                _ => None,
            };
            assert_eq!(found, Some(line), "{script:?}: {error:?}");
        }
    }

    #[tokio::test]
    async fn a_script_that_ends_leaves_the_machine_at_a_prompt() {
        for script in [
            "#!ipxe\n",
            "#!ipxe\nkernel http://SERVER/absent\n",
            "#!ipxe\nkernel http://SERVER/kernel\nboot\n",
            "#!ipxe\nboot\n",
            "#!ipxe\nsanboot --no-describe --drive 0x80\n",
        ] {
            let error = run(Kind::Bios, script).await.err();
            assert!(matches!(error, Some(FirmwareError::Prompt { .. })), "{script:?}: {error:?}");
        }
    }

    #[tokio::test]
    async fn the_ramdisk_of_a_uefi_kernel_is_the_one_that_its_command_line_names() {
        let boots = |args| {
            let load = "initrd --name ramdisk http://SERVER/kernel";
            format!("#!ipxe\nkernel http://SERVER/kernel {args}\n{load}\nboot\n")
        };
        assert!(run(Kind::UefiX86, &boots("initrd=ramdisk quiet")).await.is_ok());
        assert!(run(Kind::UefiX86, &boots("quiet")).await.is_err());
        assert!(run(Kind::Bios, &boots("quiet")).await.is_ok());
    }
}
