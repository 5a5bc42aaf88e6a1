//! What a stage is made of.

use super::cli::{Cli, PATIENCE};
use super::database::{Database, Engine};
use super::{Stage, witness};
use anyhow::{Context as _, anyhow, ensure};
use hostler_checkout::programs::Programs;
use hostler_fleet::firmware::Timing;
use hostler_fleet::room::{Room, RoomOptions};
use std::iter;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::block_in_place;
use xtask::artefacts::{self, Scale};
use xtask::installation::{Installation, Waits};

/// Stages at the same time, in one process: a small computer has two cores, and each stage has a dozen busy tasks.
static TURNS: Semaphore = Semaphore::const_new(2);

/// Long enough for a busy computer. A machine whose boot fails by itself is tried again before a test gives up: one
/// that is started twice within seconds may get the end of a transfer that it aborted the first time.
pub const PATIENT: Waits = Waits { firmware_ms: 30_000, step_ms: 30_000, silence_ms: 20_000, bmc_ms: 6_000 };

/// For tests that climb the ladder. A machine is up within a second; these waits leave a busy computer some more.
pub const IMPATIENT: Waits = Waits { firmware_ms: 4_000, step_ms: 8_000, silence_ms: 8_000, bmc_ms: 1_000 };

/// Where a second controller is.
const REPLICA: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// What a stage is made of.
#[derive(Clone, Debug)]
pub struct Setup {
    /// How many machines.
    pub machines: usize,
    /// The same seed gives the same machines.
    pub seed: u64,
    /// Waits of the controller.
    pub waits: Waits,
    /// Where the controller's state is.
    pub engine: Engine,
    /// SQL that is executed in the database before the controller works with it.
    pub database: String,
    /// What the controller logs.
    pub log_filter: &'static str,
    /// A second controller stands by.
    pub replica: Option<Replica>,
    /// The URL of output, files and images; empty for the data directory.
    pub artefacts: String,
    /// How long a machine that was powered is busy with itself, before it asks the network for anything.
    pub self_test: Duration,
}

/// How a second controller comes to its keys and settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replica {
    /// They are copied.
    Copied,
    /// It is invited, and joins.
    Joined,
}

impl Setup {
    /// So many machines, and a controller that is patient.
    #[must_use]
    pub fn of(machines: usize) -> Self {
        Self {
            machines,
            seed: 1,
            waits: PATIENT,
            engine: Engine::Sqlite,
            database: String::new(),
            log_filter: "info",
            artefacts: String::new(),
            replica: None,
            self_test: Timing::default().self_test,
        }
    }

    /// The same with a controller that soon goes up the ladder.
    #[must_use]
    pub fn impatient(self) -> Self {
        Self { waits: IMPATIENT, ..self }
    }

    /// The same on the other engine, perhaps.
    #[must_use]
    pub fn on(self, engine: Engine) -> Self {
        Self { engine, ..self }
    }

    /// The same with two controllers on PostgreSQL.
    #[must_use]
    pub fn with_replica(self) -> Self {
        Self { replica: Some(Replica::Copied), engine: Engine::Postgres, ..self }
    }

    /// The same with two controllers on PostgreSQL, one of which was invited by the other.
    #[must_use]
    pub fn with_joined_replica(self) -> Self {
        Self { replica: Some(Replica::Joined), engine: Engine::Postgres, ..self }
    }

    /// The same with output, files and images at this URL.
    #[must_use]
    pub fn with_artefacts(self, url: String) -> Self {
        Self { artefacts: url, ..self }
    }

    /// The same with a database that keeps what was ever committed: see [`super::witness`].
    #[must_use]
    pub fn with_witness(self) -> Self {
        let triggers = witness::triggers(self.engine);
        self.with_database(triggers)
    }

    /// The same with this SQL executed in its database.
    #[must_use]
    pub fn with_database(mut self, sql: &str) -> Self {
        self.database.push_str(sql);
        self
    }

    /// Sets the stage: a controller that runs, machines that it does not know, a tenant `ci`, and an image `demo` for
    /// each architecture.
    ///
    /// # Errors
    /// If the programs cannot be built, or the system refuses.
    pub async fn set(self) -> anyhow::Result<Stage> {
        let turn = turn().await?;
        let directory = tempfile::Builder::new().prefix("hostler-e2e-").tempdir()?;
        let controller = directory.path().join("controller");
        let mut installation = block_in_place(|| self.install(&controller))?;
        let database = block_in_place(|| self.engine.database(&controller))?;
        if self.engine != Engine::Sqlite {
            installation.use_store(&database.url())?;
        }
        if !self.artefacts.is_empty() {
            installation.use_artefacts(&self.artefacts)?;
        }
        let admin = Cli::new(&installation.binaries().path("hostler"), &installation.admin());
        if !self.database.is_empty() {
            prepare(&mut installation, &admin, &database, &self.database).await?;
        }
        installation.start()?;
        let replica = match self.replica {
            Some(how) => Some(replica(how, &installation, &admin, &directory.path().join("replica")).await?),
            None => None,
        };
        let room = self.room(&installation, replica.as_ref(), &directory.path().join("room")).await?;
        let mut stage = Stage {
            ci: admin.clone(),
            admin,
            installation: Mutex::new(installation),
            replica: replica.map(Mutex::new),
            database,
            room,
            directory,
            ended: false,
            _turn: turn,
        };
        stage.ci = stage.tenant("ci").await?;
        let images = block_in_place(|| artefacts::images(stage.directory(), Scale::Small))?;
        for (arch, path) in images {
            stage.admin.ok(&format!("image add --name demo --arch {arch} {}", path.display())).await?;
        }
        Ok(stage)
    }

    fn install(&self, dir: &Path) -> anyhow::Result<Installation> {
        let mut installation = Installation::create(dir, programs()?, self.waits, Scale::Small)?;
        installation.set_log_filter(self.log_filter);
        Ok(installation)
    }

    async fn room(
        &self,
        installation: &Installation,
        replica: Option<&Installation>,
        directory: &Path,
    ) -> anyhow::Result<Room> {
        let mut options = RoomOptions::new(self.machines, self.seed, directory.to_owned());
        for controller in iter::once(installation).chain(replica) {
            let (server, ports) = (controller.host(), controller.ports());
            options.ports = options.ports.with(server, 67, ports.dhcp).with(server, 69, ports.tftp);
        }
        options.other_servers = replica.map(Installation::host).into_iter().collect();
        options.timing = Timing {
            dhcp: [500, 500, 1_000, 2_000].map(Duration::from_millis),
            tftp: Duration::from_secs(1),
            tftp_retries: 4,
            http: Duration::from_secs(10),
            self_test: self.self_test,
        };
        Room::start(options).await.context("cannot set up the room")
    }
}

/// Whose turn it is: stages at the same time are bounded.
///
/// # Errors
/// If nobody is to have a turn any more.
pub async fn turn() -> anyhow::Result<SemaphorePermit<'static>> {
    Ok(TURNS.acquire().await?)
}

/// The programs, built once.
///
/// # Errors
/// If they cannot be built.
pub fn programs() -> anyhow::Result<&'static Programs> {
    static PROGRAMS: OnceLock<Result<Programs, String>> = OnceLock::new();
    let programs = PROGRAMS.get_or_init(|| Programs::given_or_built().map_err(|error| format!("{error:#}")));
    programs.as_ref().map_err(|error| anyhow!("{error}"))
}

/// Another controller that stands by, known to the administrator's credential.
async fn replica(
    how: Replica,
    first: &Installation,
    admin: &Cli,
    dir: &Path,
) -> anyhow::Result<Installation> {
    // The first one is to lead.
    admin.ok("controller list").await?;
    let mut replica = match how {
        Replica::Copied => first.replica(dir, REPLICA)?,
        Replica::Joined => {
            let code = dir.with_extension("code");
            admin.ok(&format!("controller invite at-{REPLICA} --write {}", code.display())).await?;
            block_in_place(|| first.join(dir, REPLICA, &code))?
        }
    };
    replica.start()?;
    let credential = first.admin();
    let known = std::fs::read_to_string(&credential)?;
    std::fs::write(&credential, format!("addresses = [{:?}]\n{known}", replica.url()))?;
    let began = Instant::now();
    while admin.json("controller list").await?["controllers"].as_array().map_or(0, Vec::len) < 2 {
        ensure!(began.elapsed() < PATIENCE, "the second controller does not stand by");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(replica)
}

/// Has the controller make its database, and changes it while the controller is down.
async fn prepare(
    installation: &mut Installation,
    admin: &Cli,
    database: &Database,
    sql: &str,
) -> anyhow::Result<()> {
    installation.start()?;
    admin.ok("node list").await?;
    block_in_place(|| {
        installation.stop()?;
        database.execute(sql).context("the test's own SQL makes no sense")
    })
}
