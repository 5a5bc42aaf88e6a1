//! `hostlerd init`: a directory with everything that a controller needs to start.

use crate::clock::Clock;
use crate::keys;
use crate::pki::{self, Authority, Identity};
use anyhow::{Context as _, bail};
use hostler_core::time::Timestamp;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What to write into the configuration file.
#[derive(Debug, clap::Args)]
pub(crate) struct InitArgs {
    /// The directory to make. It must not contain a controller yet.
    dir: PathBuf,
    /// Where clients and agents connect.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:7443")]
    listen: std::net::SocketAddr,
    /// How they reach it, if that is another address than the one listened on.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// The address by which machines know the boot server.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    boot_server: std::net::Ipv4Addr,
    /// Name in the first administrator's credential.
    #[arg(long, default_value = "admin")]
    admin: String,
}

/// Makes keys, CA, configuration and the first administrator's credential.
pub(crate) fn run(args: &InitArgs) -> anyhow::Result<()> {
    let dir = &args.dir;
    std::fs::create_dir_all(dir.join("boot")).with_context(|| format!("cannot make {}", dir.display()))?;
    let config = dir.join("hostlerd.toml");
    if config.exists() {
        bail!("{} exists: this directory has a controller already", config.display());
    }
    let now = Clock::starting_after(Timestamp(0)).now();
    let url = args.url.clone().unwrap_or_else(|| format!("https://{}", args.listen));
    let ca = pki::create(now)?;
    secret(&dir.join("ca.key"), &ca.key)?;
    public(&dir.join("ca.pem"), &ca.certificate)?;
    secret(&dir.join("seal.key"), &keys::generate()?)?;
    secret(&dir.join("token.key"), &keys::generate()?)?;
    let authority = Authority::load(&dir.join("ca.pem"), &dir.join("ca.key"))?;
    let who = Identity::Admin(args.admin.clone());
    let admin = authority.issue_client(&who, now, Duration::from_secs(365 * 24 * 3600))?;
    let credential = Credential::new(args.admin.clone(), url.clone(), authority.pem(), admin);
    secret(&dir.join("admin.toml"), &credential.to_toml())?;
    public(&config, &config_toml(args, &url))?;
    println!("made {}", dir.display());
    println!("  start it:    hostlerd serve --config {}", config.display());
    println!("  use it:      export HOSTLER_CREDENTIALS={}", dir.join("admin.toml").display());
    println!(
        "  back up:     seal.key, token.key, ca.key: without seal.key the stored BMC passwords are lost"
    );
    Ok(())
}

/// Everything that a client needs to speak for somebody; the file that the command line reads.
pub(crate) struct Credential {
    pub(crate) name: String,
    pub(crate) address: String,
    pub(crate) ca: String,
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Credential {
    pub(crate) fn new(name: String, address: String, ca: &str, issued: pki::Issued) -> Self {
        Self { name, address, ca: ca.to_owned(), certificate: issued.certificate, key: issued.key }
    }

    fn to_toml(&self) -> String {
        let Self { name, address, ca, certificate, key } = self;
        format!(
            "name = {name:?}\naddress = {address:?}\nca = \"\"\"\n{ca}\"\"\"\n\
             certificate = \"\"\"\n{certificate}\"\"\"\nkey = \"\"\"\n{key}\"\"\"\n"
        )
    }
}

fn config_toml(args: &InitArgs, url: &str) -> String {
    format!(
        r#"# Process settings of hostlerd. Machines, tenants and images are stored objects: see `hostler --help`.
# Relative paths are relative to this file. What is commented out is the default.

[api]
listen = "{listen}"
url = "{url}"

[boot]
server = "{server}"      # as machines know it
# dhcp = "0.0.0.0:67"
# interface = "eth1"     # where DHCP is answered, on a host with several
# tftp = "{server}:69"
# http = "{server}:80"
# netmask = "255.255.255.0"
# router = "10.0.0.254"
# dns = ["10.0.0.254"]
# files = "boot"         # loaders/, kernels/, ramdisks/
# kernel_args = []       # for every ramdisk

# [boot.console]         # where ramdisks print; "" for what the firmware says
# x86_64 = "ttyS0,115200"
# aarch64 = ""
# ppc64le = "hvc0"

# [store]                # see docs/store.md
# path = "state.db"      # SQLite, or url = "postgres://USER@HOST/DATABASE"
# data = "data"          # run output, collected files, images; or artefacts = "s3://BUCKET/PREFIX?region=REGION"

# [timing]               # how long to wait for what, in milliseconds, before the next rung of the ladder
# firmware_ms = 600000   # from the BMC's answer to the first packet of the machine
# silence_ms = 60000     # of an agent that counts as lost
"#,
        listen = args.listen,
        server = args.boot_server,
    )
}

fn public(path: &Path, text: &str) -> anyhow::Result<()> {
    write(path, text, 0o644)
}

fn secret(path: &Path, text: &str) -> anyhow::Result<()> {
    write(path, text, 0o600)
}

/// Never overwrites: a lost key cannot be made again.
pub(crate) fn write(path: &Path, text: &str, mode: u32) -> anyhow::Result<()> {
    let write = || -> std::io::Result<()> {
        let mut file: File = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}
