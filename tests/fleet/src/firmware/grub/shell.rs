//! Runs configurations.

use super::super::boot::{Board, Booted, Outcome};
use super::super::download::Download;
use super::super::error::FirmwareError;
use super::super::machine::Kind;
use super::files::Files;
use super::program::{self, Step, Word};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

/// Each configuration within another one takes stack, and UEFI gives 128 KiB of it.
const NESTING: usize = 32;

/// What is built into an image.
struct Image {
    /// Where it looks for its modules and, if it has no other place, its configuration.
    prefix: &'static str,
    platform: &'static str,
    config: &'static str,
    /// The root directory of the local disk has this loader, or this configuration.
    disk_loader: &'static str,
    /// Debian's network image for Arm has HTTP in a module.
    http_built_in: bool,
}

const fn image(kind: Kind) -> Image {
    match kind {
        Kind::Slof => Image {
            prefix: "boot/grub",
            platform: "powerpc-ieee1275",
            config: "grub.cfg",
            disk_loader: "/boot/grub/grub.cfg",
            http_built_in: true,
        },
        Kind::Bios | Kind::UefiX86 | Kind::UefiArm => Image {
            prefix: "/grub",
            platform: "arm64-efi",
            config: "/grub/grub.cfg",
            disk_loader: "/EFI/BOOT/BOOTAA64.EFI",
            http_built_in: false,
        },
    }
}

/// Loads its configuration from `server` and runs it.
pub(in super::super) async fn run(board: Board<'_>, server: Ipv4Addr) -> Result<Outcome, FirmwareError> {
    let image = image(board.machine.kind);
    board.say(&format!("Welcome to GRUB! ({})", image.platform));
    let mut files = Files::new(board, server, image.http_built_in);
    for list in ["command.lst", "fs.lst", "crypto.lst", "terminal.lst"] {
        // Served or not, it makes no difference; the answer has to come.
        let _ = files.tftp(&path(&image, list), &mut Download::new(0)).await;
    }
    let mut config = Download::new(Download::SCRIPT);
    if let Err(reason) = files.tftp(image.config, &mut config).await {
        board.say(&reason);
        return Err(FirmwareError::Prompt { script: image.config.to_owned() });
    }
    let configs = vec![Config { steps: program::parse(image.config, config.head())?, at: 0 }];
    let variables = BTreeMap::from([("prefix".to_owned(), image.prefix.to_owned())]);
    let shell = Shell { files, image, variables, configs, kernel: None, ramdisk: None, disk: false };
    shell.run().await
}

fn path(image: &Image, file: &str) -> String {
    format!("{}/{}/{file}", image.prefix, image.platform)
}

/// What a command comes to.
enum Done {
    Ok,
    Failed(String),
    End(Outcome),
}

struct Kernel {
    args: String,
    sha256: [u8; 32],
    bytes: u64,
}

/// A configuration that runs.
struct Config {
    steps: Vec<Step>,
    at: usize,
}

struct Shell<'a> {
    files: Files<'a>,
    image: Image,
    variables: BTreeMap<String, String>,
    /// The innermost one is the last.
    configs: Vec<Config>,
    kernel: Option<Kernel>,
    ramdisk: Option<([u8; 32], u64)>,
    /// The loader of the local disk was loaded.
    disk: bool,
}

impl Shell<'_> {
    async fn run(mut self) -> Result<Outcome, FirmwareError> {
        let mut ok = true;
        while let Some(config) = self.configs.last_mut() {
            let Some(step) = config.steps.get(config.at).cloned() else {
                self.configs.pop();
                continue;
            };
            config.at += 1;
            match step {
                Step::UnlessOk(otherwise) if !ok => config.at = otherwise,
                Step::UnlessOk(_) => {}
                // A command that fails does not end a configuration.
                Step::Run { line, words } => match self.command(line, &words).await? {
                    Done::Ok => ok = true,
                    Done::End(outcome) => return Ok(outcome),
                    Done::Failed(reason) => {
                        if !reason.is_empty() {
                            self.files.board.say(&reason);
                        }
                        ok = false;
                    }
                },
            }
        }
        Err(FirmwareError::Prompt { script: self.image.config.to_owned() })
    }

    async fn command(&mut self, line: usize, words: &[Word]) -> Result<Done, FirmwareError> {
        let words: Vec<String> = words.iter().map(|word| self.expand(word)).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["echo", text @ ..] => {
                self.files.board.say(&text.join(" "));
                Ok(Done::Ok)
            }
            ["set", assignment] => match assignment.split_once('=') {
                Some((name, value)) => {
                    self.variables.insert(name.to_owned(), value.to_owned());
                    Ok(Done::Ok)
                }
                None => Err(self.error(line, "set takes NAME=VALUE")),
            },
            ["sleep", seconds] => {
                let seconds = seconds.parse().map_err(|_| self.error(line, "sleep takes seconds"))?;
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                Ok(Done::Ok)
            }
            ["insmod", "http"] => Ok(self.insmod_http().await),
            ["linux", file, args @ ..] => Ok(self.linux(file, args).await),
            ["initrd", file] => Ok(self.initrd(file).await),
            ["boot"] => Ok(self.boot()),
            ["reboot"] => Ok(Done::End(Outcome::Restart)),
            ["search", "--no-floppy", "--file", file, "--set", variable] => {
                Ok(self.search(*file == self.image.disk_loader, variable))
            }
            ["search", "--no-floppy", "--label", "root", "--set", variable] => {
                Ok(self.search(self.files.board.machine.kind == Kind::Slof, variable))
            }
            ["chainloader", file] => Ok(self.chainloader(file)),
            ["configfile", file] => self.configfile(file).await,
            ["export", _] => Ok(Done::Ok),
            ["test", left, "=", right] if left == right => Ok(Done::Ok),
            ["test", _, "=", _] => Ok(Done::Failed(String::new())),
            _ => Err(self.error(line, format!("can't find command `{}'", words.join(" ")))),
        }
    }

    /// A variable that is not set is empty.
    fn expand(&self, word: &Word) -> String {
        if word.quoted {
            return word.text.clone();
        }
        let mut parts = word.text.split('$');
        let mut expanded = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let end = part.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(part.len());
            let (name, rest) = part.split_at(end);
            expanded += self.variables.get(name).map_or("", String::as_str);
            expanded += rest;
        }
        expanded
    }

    fn error(&self, line: usize, reason: impl Into<String>) -> FirmwareError {
        FirmwareError::Script { script: self.image.config.to_owned(), line, reason: reason.into() }
    }

    async fn insmod_http(&mut self) -> Done {
        if self.files.http {
            return Done::Ok;
        }
        match self.files.tftp(&path(&self.image, "http.mod"), &mut Download::new(0)).await {
            Ok(()) => {
                self.files.http = true;
                Done::Ok
            }
            Err(reason) => Done::Failed(reason),
        }
    }

    async fn linux(&mut self, file: &str, args: &[&str]) -> Done {
        let mut download = Download::new(0);
        if let Err(reason) = self.files.open(file, &mut download).await {
            return Done::Failed(reason);
        }
        let args =
            [&format!("BOOT_IMAGE={file}")[..]].iter().chain(args).copied().collect::<Vec<_>>().join(" ");
        self.kernel = Some(Kernel { args, bytes: download.bytes(), sha256: download.sha256() });
        Done::Ok
    }

    async fn initrd(&mut self, file: &str) -> Done {
        if self.kernel.is_none() {
            return Done::Failed("error: you need to load the kernel first.".to_owned());
        }
        let mut download = Download::new(0);
        match self.files.open(file, &mut download).await {
            Ok(()) => {
                let bytes = download.bytes();
                self.ramdisk = Some((download.sha256(), bytes));
                Done::Ok
            }
            Err(reason) => Done::Failed(reason),
        }
    }

    fn boot(&mut self) -> Done {
        if self.disk {
            return Done::End(Outcome::Booted(Booted::LocalDisk));
        }
        let Some(kernel) = &self.kernel else {
            return Done::Failed("error: you need to load the kernel first.".to_owned());
        };
        let Some((ramdisk_sha256, bytes)) = self.ramdisk else {
            return Done::Failed("the kernel finds no ramdisk and panics".to_owned());
        };
        let booted = Booted::Kernel {
            args: kernel.args.clone(),
            kernel_sha256: kernel.sha256,
            ramdisk_sha256,
            bytes: kernel.bytes + bytes,
        };
        Done::End(self.files.board.start_kernel(booted))
    }

    fn search(&mut self, there: bool, variable: &str) -> Done {
        if there && self.files.board.machine.bootable_disk {
            self.variables.insert(variable.to_owned(), "hd0,gpt2".to_owned());
            return Done::Ok;
        }
        Done::Failed("error: no such device.".to_owned())
    }

    fn chainloader(&mut self, file: &str) -> Done {
        let on_disk = self.variables.get("root").is_some_and(|root| root.starts_with("hd"));
        if on_disk && file == self.image.disk_loader {
            self.disk = true;
            return Done::Ok;
        }
        Done::Failed(format!("error: file `{file}' not found."))
    }

    /// That of the local disk starts its system; one from the network runs within this one.
    async fn configfile(&mut self, file: &str) -> Result<Done, FirmwareError> {
        let there = self.variables.get("root").map(|root| format!("({root}){}", self.image.disk_loader));
        if there.as_deref() == Some(file) {
            return Ok(Done::End(Outcome::Booted(Booted::LocalDisk)));
        }
        if self.configs.len() >= NESTING {
            return Err(self.error(0, "configurations are nested too deeply"));
        }
        let mut config = Download::new(Download::SCRIPT);
        if let Err(reason) = self.files.open(file, &mut config).await {
            return Ok(Done::Failed(reason));
        }
        self.configs.push(Config { steps: program::parse(file, config.head())?, at: 0 });
        Ok(Done::Ok)
    }
}
