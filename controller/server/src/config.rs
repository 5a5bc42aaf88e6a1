//! The configuration file: process settings only. Nodes, tenants and images are stored objects.

use crate::storage::Place;
use anyhow::{Context as _, bail};
use hostler_core::hardware::Arch;
use hostler_core::time::Timing;
use hostler_store::StoreUrl;
use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::{Path, PathBuf};

/// `hostlerd.toml`. Relative paths are relative to its directory.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) api: Api,
    #[serde(default)]
    pub(crate) store: StoreConfig,
    #[serde(default)]
    pub(crate) keys: Keys,
    pub(crate) boot: Boot,
    #[serde(default)]
    pub(crate) bmc: BmcConfig,
    #[serde(default)]
    pub(crate) agents: Agents,
    #[serde(default)]
    pub(crate) timing: Timing,
    /// Where the file was, for relative paths.
    #[serde(skip)]
    dir: PathBuf,
}

/// The gRPC service.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Api {
    /// Where clients and agents connect.
    pub(crate) listen: SocketAddr,
    /// How they reach it: `https://HOST:PORT`.
    pub(crate) url: String,
    /// What this controller is called among those that share its database; the name of the host unless given.
    name: Option<String>,
}

/// Where the state is.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct StoreConfig {
    /// Which store, as a URL; else the SQLite database of `path`.
    #[serde(skip_serializing)]
    url: Option<SecretUrl>,
    /// The SQLite database; `state.db` unless given.
    path: Option<PathBuf>,
    /// Run output, collected files and images, unless they are somewhere else.
    data: PathBuf,
    /// Where else, as a URL. What is on its way there, and a cache, are in `data`.
    #[serde(skip_serializing)]
    artefacts: Option<SecretUrl>,
    /// Bytes of images in that cache.
    pub(crate) cache_bytes: u64,
}

/// There may be a password in it.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
struct SecretUrl(String);

impl std::fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretUrl")
    }
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self { url: None, path: None, data: "data".into(), artefacts: None, cache_bytes: 64 << 30 }
    }
}

/// Files that `hostlerd init` wrote.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Keys {
    pub(crate) ca: PathBuf,
    pub(crate) ca_key: PathBuf,
    pub(crate) seal: PathBuf,
    pub(crate) token: PathBuf,
}

impl Default for Keys {
    fn default() -> Self {
        Self {
            ca: "ca.pem".into(),
            ca_key: "ca.key".into(),
            seal: "seal.key".into(),
            token: "token.key".into(),
        }
    }
}

/// The boot server.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Boot {
    /// The address by which machines know it.
    pub(crate) server: Ipv4Addr,
    /// Where DHCP requests arrive.
    #[serde(default = "dhcp_everywhere")]
    pub(crate) dhcp: SocketAddrV4,
    /// The interface on which DHCP is answered.
    #[serde(default)]
    pub(crate) interface: Option<String>,
    /// Where TFTP requests arrive; port 69 of `server` unless given.
    #[serde(default)]
    pub(crate) tftp: Option<SocketAddr>,
    /// Where HTTP requests arrive; port 80 of `server` unless given.
    #[serde(default)]
    pub(crate) http: Option<SocketAddr>,
    #[serde(default = "slash_24")]
    pub(crate) netmask: Ipv4Addr,
    #[serde(default)]
    pub(crate) router: Option<Ipv4Addr>,
    #[serde(default)]
    pub(crate) dns: Vec<Ipv4Addr>,
    /// Loaders, kernels and ramdisks.
    #[serde(default = "boot_files")]
    pub(crate) files: PathBuf,
    /// Kernel arguments for every ramdisk.
    #[serde(default)]
    pub(crate) kernel_args: Vec<String>,
    /// Where ramdisks print.
    #[serde(default)]
    pub(crate) console: Console,
    /// How long a machine that has nothing to boot waits before it asks again, in seconds.
    #[serde(default = "ten")]
    pub(crate) retry_s: u64,
}

/// The console of each architecture, as in `console=`; empty for the one that the firmware names.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Console {
    pub(crate) x86_64: String,
    pub(crate) aarch64: String,
    pub(crate) ppc64le: String,
}

impl Default for Console {
    fn default() -> Self {
        // Arm's firmware names it in a table (SPCR), which a wrong argument would override; PCs have no such habit.
        Self { x86_64: "ttyS0,115200".into(), aarch64: String::new(), ppc64le: "hvc0".into() }
    }
}

impl Console {
    pub(crate) fn of(&self, arch: Arch) -> Option<&str> {
        let console = match arch {
            Arch::X86_64 => &self.x86_64,
            Arch::Aarch64 => &self.aarch64,
            Arch::Ppc64le => &self.ppc64le,
        };
        (!console.is_empty()).then_some(console.as_str())
    }
}

/// How management controllers are spoken to.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct BmcConfig {
    /// Sessions at the same time.
    pub(crate) sessions: usize,
    /// When a request is sent again, in milliseconds.
    pub(crate) retransmit_ms: u64,
    /// When a request or the opening of a session is given up, in milliseconds.
    pub(crate) request_ms: u64,
    /// How long a chassis may take to follow, in milliseconds.
    pub(crate) settle_ms: u64,
    /// How long a BMC may take to come back from a cold reset, in milliseconds.
    pub(crate) reset_ms: u64,
}

impl Default for BmcConfig {
    fn default() -> Self {
        Self { sessions: 64, retransmit_ms: 700, request_ms: 15_000, settle_ms: 20_000, reset_ms: 180_000 }
    }
}

/// What agents are told.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Agents {
    /// Between heartbeats, in milliseconds.
    pub(crate) heartbeat_ms: u32,
    /// Validity of an agent's certificate, in seconds. It ends with the boot in any case.
    pub(crate) certificate_s: u64,
    /// Output kept of one task, in bytes.
    pub(crate) output_limit: u64,
}

impl Default for Agents {
    fn default() -> Self {
        Self { heartbeat_ms: 10_000, certificate_s: 31 * 24 * 3600, output_limit: 256 << 20 }
    }
}

const fn dhcp_everywhere() -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 67)
}

const fn slash_24() -> Ipv4Addr {
    Ipv4Addr::new(255, 255, 255, 0)
}

fn boot_files() -> PathBuf {
    "boot".into()
}

const fn ten() -> u64 {
    10
}

impl Config {
    /// Reads and checks the file.
    pub(crate) fn load(path: &Path) -> anyhow::Result<Self> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text, path)
    }

    /// Checks the text of the file at `path`.
    pub(crate) fn parse(text: &str, path: &Path) -> anyhow::Result<Self> {
        let mut config: Self =
            toml::from_str(text).with_context(|| format!("{} is not valid", path.display()))?;
        config.dir = path.parent().unwrap_or(Path::new(".")).to_owned();
        config.check().with_context(|| format!("{} is not valid", path.display()))?;
        Ok(config)
    }

    /// A path of the file, seen from here.
    pub(crate) fn path(&self, path: &Path) -> PathBuf {
        self.dir.join(path)
    }

    /// Which store.
    pub(crate) fn store(&self) -> anyhow::Result<StoreUrl> {
        match (&self.store.url, &self.store.path) {
            (None, None) => Ok(StoreUrl::Sqlite(self.path(Path::new("state.db")))),
            (None, Some(path)) => Ok(StoreUrl::Sqlite(self.path(path))),
            (Some(url), None) => StoreUrl::parse(&url.0, &self.dir).context("store.url"),
            (Some(_), Some(_)) => bail!("store.url and store.path are one or the other"),
        }
    }

    /// Where run output, collected files and images are.
    pub(crate) fn artefacts(&self) -> anyhow::Result<Place> {
        match &self.store.artefacts {
            None => Ok(Place::Directory(self.data())),
            Some(url) => Place::parse(&url.0, &self.dir).context("store.artefacts"),
        }
    }

    /// The URL of that as it was written; none for the data directory. What opens it stands elsewhere.
    pub(crate) fn artefacts_url(&self) -> Option<&str> {
        self.store.artefacts.as_ref().map(|url| url.0.as_str())
    }

    /// The directory of this host for whatever is too large for the store.
    pub(crate) fn data(&self) -> PathBuf {
        self.path(&self.store.data)
    }

    /// The URL of the store as it was written, but for the password unless that is wanted; none for a file.
    ///
    /// # Errors
    /// If it is wanted, and comes from somewhere else.
    pub(crate) fn store_url(&self, with_password: bool) -> anyhow::Result<Option<String>> {
        let Some(SecretUrl(url)) = &self.store.url else { return Ok(None) };
        let (open, has_password) = hostler_store::without_password(url);
        if with_password && !has_password {
            bail!("there is no password in store.url: it comes from a file or the environment");
        }
        Ok(Some(if with_password { url.clone() } else { open }))
    }

    /// What this controller is called.
    pub(crate) fn name(&self) -> String {
        let host = || rustix::system::uname().nodename().to_string_lossy().into_owned();
        self.api.name.clone().unwrap_or_else(host)
    }

    /// The host of the API's URL, for certificates.
    pub(crate) fn api_host(&self) -> &str {
        let rest = self.api.url.trim_start_matches("https://");
        rest.rsplit_once(':').map_or(rest, |(host, _)| host).trim_matches(['[', ']'])
    }

    /// The names in the controller's own certificate.
    pub(crate) fn server_names(&self) -> Vec<String> {
        let mut names = vec![self.api_host().to_owned(), "localhost".to_owned()];
        if !self.api.listen.ip().is_unspecified() {
            names.push(self.api.listen.ip().to_string());
        }
        names.dedup();
        names
    }

    /// The URL of something that the boot server serves.
    pub(crate) fn boot_url(&self, path: &str) -> String {
        let port = self.boot.http.map_or(80, |http| http.port());
        format!("http://{}:{port}/{path}", self.boot.server)
    }

    fn check(&self) -> anyhow::Result<()> {
        let url: http::Uri = self.api.url.parse().context("api.url is no URL")?;
        if url.scheme_str() != Some("https") || url.port_u16().is_none() || url.path() != "/" {
            bail!("api.url is of the form https://HOST:PORT, not {:?}", self.api.url);
        }
        if self.bmc.sessions == 0 {
            bail!("bmc.sessions is at least 1");
        }
        if self.agents.heartbeat_ms == 0 || u64::from(self.agents.heartbeat_ms) * 2 > self.timing.silence_ms {
            bail!("agents.heartbeat_ms is more than 0 and at most half of timing.silence_ms");
        }
        if u32::from(self.boot.netmask).leading_ones() + u32::from(self.boot.netmask).trailing_zeros() != 32 {
            bail!("boot.netmask is of the form 255.255.255.0, not {}", self.boot.netmask);
        }
        if self.boot.retry_s == 0 {
            bail!("boot.retry_s is at least 1");
        }
        self.artefacts()?;
        self.store().map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<Config, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hostlerd.toml");
        std::fs::write(&path, text).unwrap();
        Config::load(&path).map_err(|e| format!("{e:#}").replace(&*path.to_string_lossy(), "hostlerd.toml"))
    }

    const SMALL: &str = "[api]\nlisten = \"127.0.0.1:7443\"\nurl = \"https://127.0.0.1:7443\"\n[boot]\nserver = \"127.0.0.1\"\n";

    #[test]
    fn a_small_file_is_enough() {
        let config = check(SMALL).unwrap();
        assert_eq!(config.api_host(), "127.0.0.1");
        assert_eq!(config.timing, Timing::default());
    }

    #[test]
    fn a_store_is_a_path_or_a_url() {
        let store =
            |text: &str| check(&format!("{SMALL}[store]\n{text}\n")).map(|c| c.store().unwrap().to_string());
        assert!(check(SMALL).unwrap().store().unwrap().to_string().ends_with("/state.db"));
        assert!(store("path = \"other.db\"").unwrap().ends_with("/other.db"));
        assert_eq!(store("url = \"sqlite:///var/x.db\"").unwrap(), "sqlite:///var/x.db");
        let url = "url = \"postgres://ada:s3cret@localhost/lab\"";
        assert_eq!(store(url).unwrap(), "postgres://ada@localhost:5432/lab");
        let both = store(&format!("path = \"x\"\n{url}")).unwrap_err();
        assert!(both.contains("one or the other"), "{both}");
        let wrong = store("url = \"postgres://ada:s3cret@db/lab\"").unwrap_err();
        assert!(
            wrong.contains("store.url") && wrong.contains("sslmode") && !wrong.contains("s3cret"),
            "{wrong}"
        );
        let config = check(&format!("{SMALL}[store]\n{url}\n")).unwrap();
        assert!(!format!("{config:?}").contains("s3cret"));
    }

    #[test]
    fn artefacts_are_in_the_data_directory_or_at_a_url() {
        let place = |text: &str| {
            check(&format!("{SMALL}[store]\n{text}\n")).map(|c| c.artefacts().unwrap().to_string())
        };
        assert!(place("").unwrap().ends_with("/data"));
        assert!(place("data = \"other\"").unwrap().ends_with("/other"));
        assert_eq!(place("artefacts = \"s3://lab/ci?region=eu\"").unwrap(), "s3://lab/ci");
        let wrong = place("artefacts = \"s3://AKIA:s3cret@lab\"").unwrap_err();
        assert!(wrong.contains("store.artefacts: ") && !wrong.contains("s3cret"), "{wrong}");
    }

    #[test]
    fn mistakes_are_shown_with_their_place() {
        let typo = check(&SMALL.replace("listen", "lisen")).unwrap_err();
        assert!(typo.contains("line 2") && typo.contains("unknown field `lisen`"), "{typo}");
        let url = check(&SMALL.replace("https://", "http://")).unwrap_err();
        assert!(url.contains("api.url is of the form https://HOST:PORT"), "{url}");
        let beat = check(&format!("{SMALL}[agents]\nheartbeat_ms = 50000\n")).unwrap_err();
        assert!(beat.contains("at most half of timing.silence_ms"), "{beat}");
    }
}
