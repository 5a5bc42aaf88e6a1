//! What belongs to the process and not to the role that the controller has in it.

use anyhow::Context as _;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Signals, heard from the first moment on, whatever the controller is doing.
#[derive(Debug)]
pub(crate) struct Signals {
    /// SIGTERM or SIGINT came.
    pub(crate) stop: CancellationToken,
    /// Changes with each SIGHUP.
    pub(crate) hangup: watch::Receiver<()>,
    /// Hears them.
    _runtime: Runtime,
}

impl Signals {
    /// Begins to hear them.
    pub(crate) fn hear() -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let (stop, (hung_up, hangup)) = (CancellationToken::new(), watch::channel(()));
        let told = stop.clone();
        let inside = runtime.enter();
        let mut hangups = signal(SignalKind::hangup()).context("cannot hear SIGHUP")?;
        let mut terminate = signal(SignalKind::terminate()).context("cannot hear SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("cannot hear SIGINT")?;
        runtime.spawn(async move {
            loop {
                tokio::select! {
                    _ = hangups.recv() => drop(hung_up.send(())),
                    _ = terminate.recv() => told.cancel(),
                    _ = interrupt.recv() => told.cancel(),
                }
            }
        });
        drop(inside);
        Ok(Self { stop, hangup, _runtime: runtime })
    }
}

/// Each role has a runtime of its own: what is left of it when it ends, ends with it.
pub(crate) fn runtime() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

/// Each agent holds a connection: the soft limit on open files goes up to the hard one.
pub(crate) fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if setrlimit(Resource::Nofile, raised).is_err() {
        tracing::warn!(?limit, "the limit on open files cannot be raised");
    }
    if limit.maximum.is_some_and(|max| max < 4096) {
        tracing::warn!(?limit, "at most this many files can be open: a few thousand machines need more");
    }
}
