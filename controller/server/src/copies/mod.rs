//! `hostlerd migrate`, `backup` and `restore`: copies of everything that is stored.

mod progress;
mod report;

use crate::config::Config;
use crate::writer::patiently;
use anyhow::Context as _;
use clap::ValueEnum;
use hostler_store::{StoreUrl, copy};
use progress::Progress;
use report::Report;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a database may take to come up.
const PATIENCE: Duration = Duration::from_secs(10);

/// How results are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    Text,
    /// One JSON object.
    Json,
}

/// From one store to another.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Nobody may use either store meanwhile: stop hostlerd first. The target is filled in one \
transaction and read back row by row before that ends. The source stays as it is.

Examples:
  hostlerd migrate --from sqlite:///etc/hostler/state.db --to postgres://hostler@/hostler
  hostlerd migrate --from 'postgres://hostler@db/hostler?sslmode=verify-full&sslrootcert=/etc/ssl/db.pem' \\
      --to sqlite:///etc/hostler/state.db"
)]
pub(crate) struct MigrateArgs {
    /// What is copied; relative paths are relative to the working directory.
    #[arg(long, value_name = "URL")]
    from: String,
    /// An empty database, or a file that does not exist yet.
    #[arg(long, value_name = "URL")]
    to: String,
    /// How the result is told.
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// To a file.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The controller may run, and goes on. The file is of one moment, ends with a digest, is the \
same for SQLite and PostgreSQL, and is for its owner only. Back up seal.key, token.key, ca.key and the data directory \
as well.

Examples:
  hostlerd backup --config /etc/hostler/hostlerd.toml /var/backups/hostler-$(date +%F)
  hostlerd backup --output json monday"
)]
pub(crate) struct BackupArgs {
    /// The file to make.
    file: PathBuf,
    /// Whose store.
    #[arg(long, value_name = "FILE", default_value = "hostlerd.toml")]
    config: PathBuf,
    /// How the result is told.
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// From a file.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The store of the configuration has to be empty: move state.db away, or make a new database. \
What happened since the backup is not known any more: every machine is held until `hostler node repair` has looked at \
it, and numbers are left out so that none means two things.

Examples:
  hostlerd restore --config /etc/hostler/hostlerd.toml /var/backups/hostler-2031-02-03"
)]
pub(crate) struct RestoreArgs {
    /// What `hostlerd backup` made.
    file: PathBuf,
    /// Whose store.
    #[arg(long, value_name = "FILE", default_value = "hostlerd.toml")]
    config: PathBuf,
    /// How the result is told.
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// `hostlerd migrate`.
pub(crate) fn migrate(args: &MigrateArgs) -> anyhow::Result<()> {
    let here = std::env::current_dir().context("there is no working directory")?;
    let from = StoreUrl::parse(&args.from, &here).context("--from")?;
    let to = StoreUrl::parse(&args.to, &here).context("--to")?;
    let mut progress = Progress::new();
    let copied = patiently(PATIENCE, || copy::migrate(&from, &to, &mut |step| progress.show(step)));
    progress.end();
    let next = vec![
        format!("set url = \"{to}\" in [store] of hostlerd.toml (with the password, or a password file)"),
        "start hostlerd, and keep the old store until it works".to_owned(),
    ];
    Report { did: format!("copied {from} to {to}"), copied: copied?, held: 0, next }.print(args.output)
}

/// `hostlerd backup`.
pub(crate) fn backup(args: &BackupArgs) -> anyhow::Result<()> {
    let from = Config::load(&args.config)?.store()?;
    let mut progress = Progress::new();
    let copied = patiently(PATIENCE, || copy::backup(&from, &args.file, &mut |step| progress.show(step)));
    progress.end();
    let did = format!("backed up {from} to {}", args.file.display());
    let next = vec!["back up seal.key, token.key, ca.key and the data directory as well".to_owned()];
    Report { did, copied: copied?, held: 0, next }.print(args.output)
}

/// `hostlerd restore`.
pub(crate) fn restore(args: &RestoreArgs) -> anyhow::Result<()> {
    let to = Config::load(&args.config)?.store()?;
    let mut progress = Progress::new();
    let restored = patiently(PATIENCE, || copy::restore(&args.file, &to, &mut |step| progress.show(step)));
    progress.end();
    let restored = restored?;
    let did = format!("restored {to} from {}", args.file.display());
    let next = restored_next(&args.config, restored.held);
    Report { did, copied: restored.copied, held: restored.held, next }.print(args.output)
}

fn restored_next(config: &Path, held: u64) -> Vec<String> {
    let mut next = vec![format!("start hostlerd: hostlerd serve --config {}", config.display())];
    if held > 0 {
        next.push("look at the leases that were open: hostler lease list --all".to_owned());
        next.push(format!("wipe the {held} machines that are held: hostler node repair NODE for each"));
    }
    next
}
