//! `hostlerd join`: makes this host another controller of an installation that runs elsewhere.
//!
//! * `code` is what an administrator was given, `trust` whom it has this host believe, `ask` the way to the leader.
//! * `settings` is what all controllers have alike; `files` where the keys go.

mod ask;
mod code;
mod error;
mod files;
mod settings;
mod trust;

pub(crate) use code::encode;
pub(crate) use error::JoinError;
pub(crate) use settings::shared;

use crate::config::Config;
use crate::copies::Output;
use crate::{init, process};
use anyhow::Context as _;
use files::KeyFiles;
use hostler_proto::controller::v1::{JoinCode, JoinResponse};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::json;
use settings::Own;
use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// Fetch from a controller that runs what this host needs to be another one.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "An administrator makes the code with `hostler controller invite NAME`. It is good once, and not for \
long. The keys travel over TLS, from a controller of the certificate authority that the code names and from nobody \
else. Nothing that is here is overwritten; a configuration that is here stays, and what is different in it is told.

Examples:
  hostler controller invite lab-b | ssh lab-b hostlerd join --file - \\
      --config /etc/hostler/hostlerd.toml --listen 10.0.0.2:7443 --boot-server 10.0.0.2
  hostlerd join --file lab-b.code --config hostlerd.toml     # that is there"
)]
pub(crate) struct JoinArgs {
    /// What `hostler controller invite` printed. Others on this host may see it there: prefer --file.
    #[arg(required_unless_present = "file", conflicts_with = "file")]
    code: Option<String>,
    /// A file with it; - for standard input.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The configuration, which is made unless it is there. The keys go beside it, or where it says.
    #[arg(long, value_name = "FILE", default_value = "hostlerd.toml")]
    config: PathBuf,
    /// Where clients and agents connect to this host.
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<SocketAddr>,
    /// How they reach it, if that is another address than the one listened on.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// The address by which machines know the boot server of this host.
    #[arg(long, value_name = "ADDRESS")]
    boot_server: Option<Ipv4Addr>,
    /// How the result is told.
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// Fetches keys and settings, and says what is to be done next.
pub(crate) fn run(args: &JoinArgs) -> anyhow::Result<()> {
    let code = code::decode(&read_code(args)?)?;
    let host = Host::of(args, &code)?;
    host.keys.check(&code.ca_sha256)?;
    let (name, ca_sha256) = (code.name.clone(), code.ca_sha256.clone());
    let answer = process::runtime()?.block_on(ask::ask(code))?;
    check(&answer, &ca_sha256)?;
    // What cannot be used is told before anything is written.
    let made = host.configuration(&name, &answer)?;
    host.keys.write(&answer)?;
    if let Some(text) = &made {
        init::write(&args.config, text, 0o600)?;
    }
    host.report(&name, &answer)?.print(args.output)
}

fn read_code(args: &JoinArgs) -> anyhow::Result<String> {
    match (&args.code, &args.file) {
        (Some(code), _) => Ok(code.clone()),
        (None, Some(path)) if path == Path::new("-") => {
            let mut text = String::new();
            std::io::stdin().take(1 << 16).read_to_string(&mut text).context("cannot read standard input")?;
            Ok(text)
        }
        (None, Some(path)) => {
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
        }
        (None, None) => Err(JoinError::NoCode.into()),
    }
}

/// The controller showed the right authority; what it sent has to be of the same one.
fn check(answer: &JoinResponse, ca_sha256: &[u8]) -> Result<(), JoinError> {
    let unusable = |why: &str| JoinError::Unusable(why.to_owned());
    let ca = CertificateDer::from_pem_slice(answer.ca.as_bytes());
    let ca = ca.map_err(|_| unusable("the certificate of the authority is no PEM"))?;
    if !trust::is_it(&ca, ca_sha256) {
        return Err(unusable("its certificate authority is another one than the code names"));
    }
    let secrets = [&answer.ca_key, &answer.seal_key, &answer.token_key];
    if secrets.iter().any(|key| key.is_empty()) { Err(unusable("a key is missing")) } else { Ok(()) }
}

/// This host: what it has, and what was said of it.
struct Host<'a> {
    args: &'a JoinArgs,
    keys: KeyFiles,
    /// The configuration that is there.
    known: Option<Config>,
}

impl<'a> Host<'a> {
    fn of(args: &'a JoinArgs, code: &JoinCode) -> anyhow::Result<Self> {
        if args.config.exists() {
            let known = Config::load(&args.config)?;
            if known.name() != code.name {
                let (invited, ours, config) = (code.name.clone(), known.name(), args.config.clone());
                return Err(JoinError::Name { invited, ours, config }.into());
            }
            return Ok(Self { args, keys: KeyFiles::of(&known), known: Some(known) });
        }
        if args.listen.is_none() || args.boot_server.is_none() {
            return Err(JoinError::Addresses(args.config.clone()).into());
        }
        let dir = args.config.parent().unwrap_or(Path::new("."));
        Ok(Self { args, keys: KeyFiles::in_directory(dir), known: None })
    }

    /// The configuration that is to be written; none if there is one.
    fn configuration(&self, name: &str, answer: &JoinResponse) -> anyhow::Result<Option<String>> {
        let (None, Some(listen), Some(boot_server)) = (&self.known, self.args.listen, self.args.boot_server)
        else {
            return Ok(None);
        };
        let url = self.args.url.clone().unwrap_or_else(|| format!("https://{listen}"));
        let own = Own { name, listen, url: &url, boot_server };
        let text = settings::configuration(&answer.settings, own, &answer.controller)?;
        Config::parse(&text, &self.args.config)?;
        Ok(Some(text))
    }

    fn report(&self, name: &str, answer: &JoinResponse) -> anyhow::Result<Report> {
        let config = self.args.config.display().to_string();
        let differences = match &self.known {
            Some(known) => settings::differences(&answer.settings, known)?,
            None => Vec::new(),
        };
        let mut next: Vec<_> = differences.iter().map(|d| format!("make {config} the same: {d}")).collect();
        if self.known.is_none() {
            let store = settings::store(&answer.settings).unwrap_or_default();
            next.push(format!(
                "see that this host reaches the store, {store}, and has the password or files it wants"
            ));
            next.push(format!(
                "look at [boot] in {config}: interface, router and dns are of this host's network"
            ));
        }
        next.push(
            "have the same boot files and the same data directory here (docs/controllers.md)".to_owned(),
        );
        next.push(format!("hostlerd check-config --config {config}"));
        next.push(format!("hostlerd serve --config {config}"));
        Ok(Report { name: name.to_owned(), from: answer.controller.clone(), config, differences, next })
    }
}

/// What was done, and what is to be done next.
struct Report {
    name: String,
    from: String,
    config: String,
    differences: Vec<String>,
    next: Vec<String>,
}

impl Report {
    fn print(&self, output: Output) -> anyhow::Result<()> {
        let Self { name, from, config, differences, next } = self;
        match output {
            Output::Text => {
                println!("{name} has the keys of {from}; its configuration is {config}");
                next.iter().for_each(|next| println!("  next: {next}"));
            }
            Output::Json => {
                let report = json!({"name": name, "from": from, "config": config, "differences": differences, "next": next});
                println!("{}", serde_json::to_string_pretty(&report)?);
            }
        }
        Ok(())
    }
}
