//! What a process of `hostlerd` is: the only controller of its store, or one of several that lead in turn.

use crate::boot;
use crate::config::Config;
use crate::controller::Controller;
use crate::digest::sha256_hex;
use crate::executor::Executor;
use crate::keys::{SealKey, TokenKey};
use crate::leadership::{Office, Place, Won};
use crate::pki::Authority;
use crate::process::{self, Signals, raise_file_limit};
use crate::ramdisk;
use crate::record::{self, Record};
use crate::serve::{self, End, Start};
use crate::standby::{self, is_away};
use crate::storage;
use crate::writer::{Writer, patiently};
use anyhow::Context as _;
use hostler_store::{Member, Opened, PostgresUrl, StoreError, StoreUrl};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How long a store may be away when a controller opens it.
const STORE_START: Duration = Duration::from_secs(30);

/// How long what is left of a leader may take to end.
const GRACE: Duration = Duration::from_secs(5);

/// `hostlerd check-config`.
pub(crate) fn check(path: &Path) -> anyhow::Result<()> {
    let config = Config::load(path)?;
    Authority::load(&config.path(&config.keys.ca), &config.path(&config.keys.ca_key))?;
    SealKey::load(&config.path(&config.keys.seal))?;
    TokenKey::load(&config.path(&config.keys.token))?;
    boot::catalogue(&config)?;
    let problems = ramdisk::problems(&config.path(&config.boot.files));
    anyhow::ensure!(problems.is_empty(), "{}", problems.join("; "));
    println!("{} is valid", path.display());
    println!("  name   {}", config.name());
    println!("  gRPC   {} as {}", config.api.listen, config.api.url);
    println!("  store  {}", config.store()?);
    println!("  data   {}", config.artefacts()?);
    let boot = boot::settings(&config);
    println!("  DHCP   {}, HTTP {}, known to machines as {}", boot.dhcp, boot.http, boot.server);
    Ok(())
}

/// `hostlerd replay`.
pub(crate) fn replay(config: &Path, record: &Path) -> anyhow::Result<()> {
    let world = record::replay(record, Config::load(config)?.timing)?;
    println!("{}", serde_json::to_string_pretty(&world)?);
    Ok(())
}

/// `hostlerd serve`.
pub(crate) fn run(path: &Path, record: Option<&Path>) -> anyhow::Result<()> {
    start(path, record, |controller| controller.power.clone())
}

/// Runs the controller that the configuration at `path` describes until SIGTERM or SIGINT, with somebody else in the
/// place of the power commands.
///
/// # Errors
/// If the configuration is not valid, or something that the controller needs cannot be had any more.
pub fn serve_with<E: Executor + Clone>(path: &Path, executor: E) -> anyhow::Result<()> {
    start(path, None, |_| executor.clone())
}

fn start<E: Executor>(
    path: &Path,
    record: Option<&Path>,
    executor: impl Fn(&Controller) -> E,
) -> anyhow::Result<()> {
    raise_file_limit();
    let config = Config::load(path)?;
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .map_err(|_| anyhow::anyhow!("a TLS provider is installed already"))?;
    let (store, signals) = (config.store()?, Arc::new(Signals::hear()?));
    tracing::info!("the store is {store}, artefacts are at {}", config.artefacts()?);
    storage::check(&config)?;
    let lead = |opened: Opened, office: Arc<Office>| -> anyhow::Result<End> {
        let Opened { store, history } = opened;
        let record = record.map(Record::create).transpose()?;
        let opened = Writer::open(store, config.timing.clone(), record)?;
        let start = Start { config: config.clone(), opened, history, office, signals: signals.clone() };
        let runtime = process::runtime()?;
        let result = runtime.block_on(serve::lead(start, &executor));
        runtime.shutdown_timeout(GRACE);
        result
    };
    let StoreUrl::Postgres(url) = &store else {
        let opened =
            patiently(STORE_START, || hostler_store::open(&store)).context("cannot open the store")?;
        let me = Member { name: config.name(), address: config.api.url.clone(), ..Member::default() };
        return lead(opened, Arc::new(Office::alone(me))).map(drop);
    };
    let place = Place::take(path)?;
    let me = member(&config, &place)?;
    take_turns(&config, url, &me, &signals, lead)
}

/// Stands by and leads, again and again, until it is told to stop.
fn take_turns(
    config: &Config,
    url: &PostgresUrl,
    me: &Member,
    signals: &Arc<Signals>,
    lead: impl Fn(Opened, Arc<Office>) -> anyhow::Result<End>,
) -> anyhow::Result<()> {
    while let Some(Won { epoch, office, keeper }) = standby::wait(config, url, me, signals)? {
        let led = patiently(STORE_START, || hostler_store::open_as_leader(url, epoch))
            .context("cannot open the store")
            .and_then(|opened| lead(opened, office));
        match led {
            Ok(End::Told) => {
                keeper.resign();
                return Ok(());
            }
            Ok(End::Deposed) => {
                tracing::warn!(epoch, "another controller leads: this one stands by from now on")
            }
            Err(error) if is_superseded(&error) || is_away(&error) => {
                tracing::warn!(epoch, "this controller leads no more, and stands by: {error:#}");
            }
            Err(error) => {
                keeper.resign();
                return Err(error);
            }
        }
    }
    Ok(())
}

fn is_superseded(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(StoreError::Superseded { .. }))
}

fn member(config: &Config, place: &Place) -> anyhow::Result<Member> {
    let mut keys = Vec::new();
    for path in [&config.keys.ca, &config.keys.seal, &config.keys.token] {
        let path = config.path(path);
        keys.extend(std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?);
    }
    let (name, address, place) = (config.name(), config.api.url.clone(), place.name().to_owned());
    Ok(Member { name, address, place, keys: sha256_hex(&keys) })
}
