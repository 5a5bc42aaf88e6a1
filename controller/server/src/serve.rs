//! `hostlerd serve`: puts everything together, and takes it apart at the end.

use crate::agents::{AgentApi, Refusals, Registry, watch_silence};
use crate::api::{Api, Keepalives, watch_keepalives};
use crate::clock::Clock;
use crate::config::Config;
use crate::controller::Controller;
use crate::digest::sha256_hex;
use crate::executor::{Effects, EvidenceSink, Executor};
use crate::keys::{SealKey, TokenKey};
use crate::netboot::{Common, NetBoot};
use crate::pki::Authority;
use crate::power::Power;
use crate::published::Published;
use crate::ramdisk;
use crate::record::{self, Record};
use crate::storage::{Blobs, RunStore};
use crate::tls::{self, Credentials};
use crate::writer::{Inbox, Opened, Writer, patiently};
use anyhow::Context as _;
use arc_swap::ArcSwap;
use hostler_core::input::Input;
use hostler_proto::agent::v1::agent_service_server::AgentServiceServer;
use hostler_proto::agent::v1::enrolment_service_server::EnrolmentServiceServer;
use hostler_proto::lease::v1::lease_service_server::LeaseServiceServer;
use hostler_proto::node::v1::node_service_server::NodeServiceServer;
use hostler_pxe::{BootServer, Catalogue, Settings};
use hostler_store::{History, Opened as Store};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A step of the wall clock that is worth an event.
const CLOCK_STEP_MS: i64 = 5_000;

/// Between two tries to store that a deadline has passed.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// How long the store may be away when the controller starts: computers that start together do not wait for each other.
const STORE_START: Duration = Duration::from_secs(30);

/// Between two renewals of the controller's own certificate, which is valid for much longer.
const RENEWAL: Duration = Duration::from_secs(24 * 3600);

/// How long streams may take to end.
const GRACE: Duration = Duration::from_secs(5);

/// `hostlerd check-config`.
pub(crate) fn check(path: &Path) -> anyhow::Result<()> {
    let config = Config::load(path)?;
    Authority::load(&config.path(&config.keys.ca), &config.path(&config.keys.ca_key))?;
    SealKey::load(&config.path(&config.keys.seal))?;
    TokenKey::load(&config.path(&config.keys.token))?;
    catalogue(&config)?;
    let problems = ramdisk::problems(&config.path(&config.boot.files));
    anyhow::ensure!(problems.is_empty(), "{}", problems.join("; "));
    println!("{} is valid", path.display());
    println!("  gRPC   {} as {}", config.api.listen, config.api.url);
    println!("  store  {}", config.store()?);
    let boot = settings(&config);
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
pub fn serve_with<E: Executor>(path: &Path, executor: E) -> anyhow::Result<()> {
    start(path, None, |_| executor)
}

fn start<E: Executor>(
    path: &Path,
    record: Option<&Path>,
    executor: impl FnOnce(&Controller) -> E,
) -> anyhow::Result<()> {
    raise_file_limit();
    let config = Config::load(path)?;
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .map_err(|_| anyhow::anyhow!("a TLS provider is installed already"))?;
    let url = config.store()?;
    let Store { store, history } =
        patiently(STORE_START, || hostler_store::open(&url)).context("cannot open the store")?;
    tracing::info!("the store is {url}");
    let record = record.map(Record::create).transpose()?;
    let opened = Writer::open(store, config.timing.clone(), record)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(serve(config, opened, history, executor));
    runtime.shutdown_timeout(GRACE);
    result
}

async fn serve<E: Executor>(
    config: Config,
    opened: Opened,
    history: Box<dyn History>,
    executor: impl FnOnce(&Controller) -> E,
) -> anyhow::Result<()> {
    let Opened { writer, inbox, published, clock, effects } = opened;
    let epoch = writer.epoch();
    let (mut writer, stop, tasks) =
        (WriterThread::start(writer)?, CancellationToken::new(), TaskTracker::new());
    let authority = Authority::load(&config.path(&config.keys.ca), &config.path(&config.keys.ca_key))?;
    let own = authority.issue_server(&server_names(&config), clock.now())?;
    let credentials = Arc::new(Credentials::new(&authority, &own)?);
    let tokens = Arc::new(TokenKey::load(&config.path(&config.keys.token))?);
    let seal = Arc::new(SealKey::load(&config.path(&config.keys.seal))?);

    let boot_server =
        bind_boot_server(&config, &authority, &published, &tokens, clock, &inbox, &tasks).await?;
    let listener = TcpListener::bind(config.api.listen)
        .await
        .with_context(|| format!("cannot listen for gRPC on {}", config.api.listen))?;

    let data = config.path(&config.store.data);
    let controller = Arc::new(Controller {
        epoch,
        clock,
        published: published.clone(),
        history: Arc::new(Mutex::new(history)),
        authority: ArcSwap::from_pointee(authority),
        power: Arc::new(Power::new(config.bmc.clone(), seal.clone(), published.clone())),
        seal,
        tokens,
        registry: Registry::new(),
        keepalives: Keepalives::default(),
        refusals: Refusals::new(),
        runs: RunStore::open(data.join("runs"), config.agents.output_limit)?,
        images: Blobs::open(data.join("images"))?,
        inputs: Blobs::open(data.join("inputs"))?,
        tasks: tasks.clone(),
        stop: stop.clone(),
        inbox,
        config,
    });
    controller.submit(Input::Started).await.context("the start could not be stored")?;
    let evidence = EvidenceSink { published, inbox: controller.inbox.clone() };
    tasks.spawn(executor(&controller).run(Effects { waiting: effects, stop: stop.clone(), evidence }));
    spawn_duties(&controller, &credentials);
    tracing::info!(listen = %controller.config.api.listen, epoch, "hostlerd is ready");

    let result = tokio::select! {
        result = serve_grpc(listener, credentials.clone(), controller.clone()) => result,
        result = boot_server.run(stop.clone()) => result.context("the boot server stopped"),
        result = writer.ended() => result,
        result = until_told_to_stop(&controller, &credentials) => result,
    };
    stop.cancel();
    tasks.close();
    // Streams that do not end in time are dropped with the runtime.
    let _ = tokio::time::timeout(GRACE, tasks.wait()).await;
    result
}

/// Starts what goes on beside the servers for as long as the controller runs.
fn spawn_duties(controller: &Arc<Controller>, credentials: &Arc<Credentials>) {
    controller.tasks.spawn(keep_time(controller.clone()));
    controller.tasks.spawn(watch_silence(controller.clone()));
    controller.tasks.spawn(watch_keepalives(controller.clone()));
    controller.tasks.spawn(renew(controller.clone(), credentials.clone()));
}

async fn serve_grpc(
    listener: TcpListener,
    credentials: Arc<Credentials>,
    controller: Arc<Controller>,
) -> anyhow::Result<()> {
    let (sender, connections) = mpsc::channel(64);
    controller.tasks.spawn(tls::accept(listener, credentials, sender, controller.stop.clone()));
    let (api, agents) = (Api(controller.clone()), AgentApi(controller.clone()));
    tonic::transport::Server::builder()
        .http2_keepalive_interval(Some(Duration::from_secs(20)))
        .http2_keepalive_timeout(Some(Duration::from_secs(20)))
        .max_concurrent_streams(Some(256))
        .add_service(LeaseServiceServer::new(api.clone()).max_decoding_message_size(8 << 20))
        .add_service(NodeServiceServer::new(api).max_decoding_message_size(64 << 20))
        .add_service(EnrolmentServiceServer::new(agents.clone()).max_decoding_message_size(64 << 10))
        .add_service(AgentServiceServer::new(agents))
        .serve_with_incoming_shutdown(
            ReceiverStream::new(connections).map(Ok::<_, std::io::Error>),
            controller.stop.clone().cancelled_owned(),
        )
        .await
        .context("the gRPC server stopped")
}

async fn bind_boot_server(
    config: &Config,
    authority: &Authority,
    published: &Arc<Published>,
    tokens: &Arc<TokenKey>,
    clock: Clock,
    inbox: &Inbox,
    tasks: &TaskTracker,
) -> anyhow::Result<BootServer> {
    let mut args = config.boot.kernel_args.clone();
    args.push(format!("hostler.controller={}", config.api.url));
    args.push(format!("hostler.ca={}", config.boot_url("ca.pem")));
    args.push(format!("hostler.ca_sha256={}", sha256_hex(authority.pem().as_bytes())));
    let (console, boot) = (config.boot.console.clone(), &config.boot);
    let common = Common { args, console, netmask: boot.netmask, router: boot.router };
    let source = NetBoot::new(published.clone(), tokens.clone(), clock, common, inbox.clone(), tasks);
    // Machines of the other architectures boot all the same.
    for problem in ramdisk::problems(&config.path(&config.boot.files)) {
        tracing::error!("{problem}");
    }
    let catalogue = catalogue(config)?.ca(authority.pem().as_bytes().to_vec());
    Ok(BootServer::bind(settings(config), catalogue, Arc::new(source)).await?)
}

fn catalogue(config: &Config) -> anyhow::Result<Catalogue> {
    let files = config.path(&config.boot.files);
    let images = config.path(&config.store.data).join("images");
    let catalogue = Catalogue::new().images(images);
    catalogue.directory(&files).with_context(|| format!("cannot read the boot files in {}", files.display()))
}

fn settings(config: &Config) -> Settings {
    let boot = &config.boot;
    let mut settings = Settings::new(boot.server);
    settings.dhcp = boot.dhcp;
    settings.dhcp_interface.clone_from(&boot.interface);
    if let Some(tftp) = boot.tftp {
        settings.tftp = vec![tftp];
    }
    if let Some(http) = boot.http {
        settings.http = http;
    }
    settings.http_url = Some(config.boot_url("").trim_end_matches('/').to_owned());
    settings.netmask = boot.netmask;
    settings.router = boot.router;
    settings.dns.clone_from(&boot.dns);
    settings.retry = Duration::from_secs(boot.retry_s);
    settings
}

fn server_names(config: &Config) -> Vec<String> {
    let mut names = vec![config.api_host().to_owned(), "localhost".to_owned()];
    if !config.api.listen.ip().is_unspecified() {
        names.push(config.api.listen.ip().to_string());
    }
    names.dedup();
    names
}

/// The writer works on a thread of its own: it waits for the disk.
struct WriterThread(tokio::task::JoinHandle<anyhow::Result<()>>);

impl WriterThread {
    fn start(writer: Writer) -> anyhow::Result<Self> {
        Ok(Self(tokio::task::spawn_blocking(move || writer.run())))
    }

    async fn ended(&mut self) -> anyhow::Result<()> {
        (&mut self.0).await.context("the writer panicked")??;
        anyhow::bail!("the writer ended")
    }
}

/// Fires deadlines, and notices when the wall clock is set.
async fn keep_time(controller: Arc<Controller>) {
    let mut deadline = controller.published.watch_deadline();
    let mut lead = controller.clock.wall_lead_ms();
    loop {
        let next = *deadline.borrow_and_update();
        let wait = next.map_or(Duration::from_secs(3600), |at| at.since(controller.clock.now()));
        tokio::select! {
            () = controller.stop.cancelled() => return,
            changed = deadline.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(wait.min(Duration::from_secs(30))) => {}
        }
        if next.is_some_and(|at| at <= controller.clock.now()) {
            // While the store cannot write, a deadline that has passed is no reason to ask it without pause.
            if controller.submit(Input::Tick).await.is_err() {
                tokio::time::sleep(STORE_PAUSE).await;
            }
        }
        let step = controller.clock.wall_lead_ms() - lead;
        if step.abs() > CLOCK_STEP_MS {
            lead += step;
            let _ = controller.submit(Input::ClockStepped { by_ms: step }).await;
        }
    }
}

/// Gives the controller a new certificate each day. The CA's files are read again by SIGHUP only.
async fn renew(controller: Arc<Controller>, credentials: Arc<Credentials>) {
    loop {
        tokio::select! {
            () = controller.stop.cancelled() => return,
            () = tokio::time::sleep(RENEWAL) => {}
        }
        if let Err(error) = exchange(&controller, &credentials, &controller.authority.load()) {
            tracing::error!("the controller's certificate could not be renewed: {error:#}");
        }
    }
}

fn exchange(controller: &Controller, credentials: &Credentials, authority: &Authority) -> anyhow::Result<()> {
    let own = authority.issue_server(&server_names(&controller.config), controller.clock.now())?;
    credentials.replace(authority, &own)
}

/// SIGHUP exchanges the credentials; SIGTERM and SIGINT end the controller.
async fn until_told_to_stop(controller: &Controller, credentials: &Credentials) -> anyhow::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    loop {
        tokio::select! {
            _ = hangup.recv() => match reload(controller, credentials) {
                Ok(()) => tracing::info!("credentials were exchanged"),
                Err(error) => tracing::error!("credentials stay as they were: {error:#}"),
            },
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
    }
    tracing::info!("stopping");
    Ok(())
}

fn reload(controller: &Controller, credentials: &Credentials) -> anyhow::Result<()> {
    let config = &controller.config;
    let authority = Authority::load(&config.path(&config.keys.ca), &config.path(&config.keys.ca_key))?;
    exchange(controller, credentials, &authority)?;
    controller.authority.store(Arc::new(authority));
    Ok(())
}

/// Each agent holds a connection: the soft limit on open files goes up to the hard one.
fn raise_file_limit() {
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
