//! The URL of a PostgreSQL database, as libpq has it (PostgreSQL documentation, section "Connection Strings").

use super::passfile;
use crate::StoreError;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

/// Where Debian and its descendants have the server's socket.
const SOCKET_DIRECTORY: &str = "/var/run/postgresql";

/// How long the server may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(5);

/// How long nothing may be heard of what was sent.
const SILENCE: Duration = Duration::from_secs(15);

/// How to reach a database. Displayed, it is the URL without the password.
#[derive(Clone, Debug)]
pub struct PostgresUrl {
    pub(crate) config: Config,
    pub(crate) tls: Tls,
    shown: String,
}

/// How the connection is protected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Tls {
    /// Not at all.
    Disabled,
    /// The server shows a certificate that one of these authorities (PEM) gave to the host of the URL.
    VerifyFull { roots: PathBuf },
}

/// What is ours to read in a URL, and what is left of it.
#[derive(Default)]
struct Ours {
    sslmode: Option<String>,
    sslrootcert: Option<PathBuf>,
    passfile: Option<PathBuf>,
}

impl PostgresUrl {
    pub(super) fn parse(text: &str, dir: &Path) -> Result<Self, StoreError> {
        let (rest, ours) = split(text, dir)?;
        let mut config: Config = rest.parse().map_err(|e: tokio_postgres::Error| {
            let why = std::error::Error::source(&e).map_or_else(|| e.to_string(), ToString::to_string);
            StoreError::Url(format!("the URL of the database is not valid: {why}"))
        })?;
        fill(&mut config);
        let tls = ours.tls(is_local(&config))?;
        config.ssl_mode(if tls == Tls::Disabled { SslMode::Disable } else { SslMode::Require });
        config.connect_timeout(CONNECT).tcp_user_timeout(SILENCE).keepalives_idle(SILENCE);
        config.keepalives_interval(Duration::from_secs(5)).keepalives_retries(3);
        let shown = shown(&config);
        if config.get_password().is_none()
            && let Some(password) = password(&config, ours.passfile)?
        {
            config.password(password);
        }
        Ok(Self { config, tls, shown })
    }
}

impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

/// The URL without the password in it, and whether there was one. Credentials end at the first `@`, as for the client
/// library.
pub(super) fn without_password(text: &str) -> (String, bool) {
    let (scheme, rest) = text.split_once("://").unwrap_or(("postgres", text));
    let (credentials, rest) = rest.split_once('@').unwrap_or(("", rest));
    let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
    let at = if user.is_empty() { "" } else { "@" };
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    // A name with a percent sign in it may be the password's as well.
    let is_secret = |parameter: &&str| {
        let name = parameter.split('=').next().unwrap_or_default();
        name == "password" || name.contains('%')
    };
    let (secret, open): (Vec<_>, Vec<_>) = query.split('&').filter(|p| !p.is_empty()).partition(is_secret);
    let query = if open.is_empty() { String::new() } else { format!("?{}", open.join("&")) };
    (format!("{scheme}://{user}{at}{place}{query}"), !password.is_empty() || !secret.is_empty())
}

/// Takes from the URL what the client library does not know.
fn split(text: &str, dir: &Path) -> Result<(String, Ours), StoreError> {
    let mut ours = Ours::default();
    let Some((before, query)) = text.split_once('?') else { return Ok((text.to_owned(), ours)) };
    let mut rest = Vec::new();
    for parameter in query.split('&').filter(|p| !p.is_empty()) {
        match parameter.split_once('=') {
            Some(("sslmode", mode)) => ours.sslmode = Some(mode.to_owned()),
            Some(("sslrootcert", path)) => ours.sslrootcert = Some(dir.join(path)),
            Some(("passfile", path)) => ours.passfile = Some(dir.join(path)),
            Some(("ssl" | "sslcert" | "sslkey" | "sslcrl" | "channel_binding" | "gssencmode", _)) => {
                let name = parameter.split('=').next().unwrap_or_default();
                let why = format!("{name} is not supported; sslmode, sslrootcert and passfile are");
                return Err(StoreError::Url(why));
            }
            _ => rest.push(parameter),
        }
    }
    let before = before.to_owned();
    Ok((if rest.is_empty() { before } else { format!("{before}?{}", rest.join("&")) }, ours))
}

impl Ours {
    fn tls(&self, is_local: bool) -> Result<Tls, StoreError> {
        let refuse = |why: &str| Err(StoreError::Url(why.to_owned()));
        match (self.sslmode.as_deref(), &self.sslrootcert) {
            (None, None) if is_local => Ok(Tls::Disabled),
            (None, _) => refuse(
                "the database is on another host: say sslmode=verify-full&sslrootcert=FILE, or sslmode=disable if \
                 the network between is trusted",
            ),
            (Some("disable"), _) => Ok(Tls::Disabled),
            (Some("verify-full"), Some(roots)) => Ok(Tls::VerifyFull { roots: roots.clone() }),
            (Some("verify-full"), None) => refuse(
                "sslmode=verify-full wants sslrootcert=FILE, the certificate of the authority that the server's is of",
            ),
            (Some("allow" | "prefer" | "require" | "verify-ca"), _) => refuse(
                "this sslmode does not make sure whom it speaks to; use sslmode=verify-full&sslrootcert=FILE, or \
                 sslmode=disable",
            ),
            (Some(_), _) => refuse("sslmode is verify-full or disable"),
        }
    }
}

/// What the URL leaves open, from libpq's environment and its defaults.
fn fill(config: &mut Config) {
    let variable = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        config.host(variable("PGHOST").unwrap_or_else(|| SOCKET_DIRECTORY.to_owned()));
    }
    if config.get_ports().is_empty()
        && let Some(port) = variable("PGPORT").and_then(|port| port.parse().ok())
    {
        config.port(port);
    }
    if config.get_user().is_none()
        && let Some(user) = variable("PGUSER").or_else(|| variable("USER"))
    {
        config.user(user);
    }
    if config.get_dbname().is_none()
        && let Some(name) = variable("PGDATABASE").or_else(|| config.get_user().map(str::to_owned))
    {
        config.dbname(name);
    }
    config.application_name("hostlerd");
}

fn is_local(config: &Config) -> bool {
    config.get_hostaddrs().iter().all(std::net::IpAddr::is_loopback)
        && config.get_hosts().iter().all(|host| match host {
            Host::Unix(_) => true,
            Host::Tcp(name) => {
                name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|a| a.is_loopback())
            }
        })
}

fn host(config: &Config) -> String {
    match config.get_hosts().first() {
        Some(Host::Tcp(name)) => name.clone(),
        Some(Host::Unix(path)) => path.display().to_string(),
        None => config.get_hostaddrs().first().map(ToString::to_string).unwrap_or_default(),
    }
}

fn port(config: &Config) -> u16 {
    config.get_ports().first().copied().unwrap_or(5432)
}

/// The URL again, without anything that is secret.
fn shown(config: &Config) -> String {
    let (user, name) = (config.get_user().unwrap_or_default(), config.get_dbname().unwrap_or_default());
    let (host, port) = (host(config), port(config));
    if host.starts_with('/') {
        format!("postgres://{user}@/{name}?host={host}&port={port}")
    } else {
        format!("postgres://{user}@{host}:{port}/{name}")
    }
}

/// The password from the environment or a file, in libpq's order.
fn password(config: &Config, passfile: Option<PathBuf>) -> Result<Option<String>, StoreError> {
    let set = |name| std::env::var_os(name).filter(|value: &OsString| !value.is_empty());
    if passfile.is_none()
        && let Some(password) = set("PGPASSWORD")
    {
        return password
            .into_string()
            .map(Some)
            .map_err(|_| StoreError::Url("PGPASSWORD is not valid UTF-8".to_owned()));
    }
    let named = passfile.or_else(|| set("PGPASSFILE").map(PathBuf::from));
    let must_be_there = named.is_some();
    let home = || set("HOME").map(|home| Path::new(&home).join(".pgpass"));
    let Some(path) = named.or_else(home).filter(|path| must_be_there || path.exists()) else {
        return Ok(None);
    };
    let wanted = passfile::Wanted {
        host: &host(config),
        port: port(config),
        database: config.get_dbname().unwrap_or_default(),
        user: config.get_user().unwrap_or_default(),
    };
    passfile::password(&path, &wanted)
}
