//! Two controllers, their database, the clients and a management controller, each on a host of its own.

use anyhow::{Context as _, ensure};
use hostler_checkout::postgres::{Options, Server};
use hostler_e2e::partition::{Hosts, Relay, Sink};
use hostler_e2e::stage::{Cli, Engine, PATIENCE, PATIENT, programs, turn};
use serde_json::Value;
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::sync::SemaphorePermit;
use tokio::task::block_in_place;
use tokio::time::sleep;
use xtask::artefacts::Scale;
use xtask::installation::Installation;

/// The port of a database.
const POSTGRES: u16 = 5432;

/// Dropped, the controllers end first.
pub(super) struct Scene {
    /// It leads at first.
    pub(super) a: Installation,
    /// It stands by.
    pub(super) b: Installation,
    /// An administrator who knows both, and asks `a` first.
    pub(super) admin: Cli,
    /// The same who knows only `a`.
    pub(super) at_a: Cli,
    /// The same who knows only `b`.
    pub(super) at_b: Cli,
    /// The way to the database.
    pub(super) relay: Relay,
    pub(super) sink: Sink,
    pub(super) hosts: Hosts,
    _server: Server,
    directory: TempDir,
    _turn: SemaphorePermit<'static>,
}

impl Scene {
    /// Sets it; none after the skip of `test` was recorded.
    pub(super) async fn set(test: &str) -> anyhow::Result<Option<Self>> {
        if !Engine::Postgres.is_there(test) {
            return Ok(None);
        }
        let Some(hosts) = Hosts::new(test, ["a", "b", "db", "ci", "bmc"])? else { return Ok(None) };
        let turn = turn().await?;
        let directory = tempfile::Builder::new().prefix("hostler-e2e-").tempdir()?;
        let server = block_in_place(|| Server::start(Options::default()))?;
        let database = block_in_place(|| server.database())?;
        let (db, bmc) = (hosts.host("db")?, hosts.host("bmc")?);
        let relay = Relay::start(
            db.within(|| Ok(TcpListener::bind((db.address(), POSTGRES))?))?,
            server.socket_directory(),
        )?;
        let sink = Sink::start(bmc.within(|| Ok(UdpSocket::bind((bmc.address(), 623))?))?)?;
        let url = format!("postgres://hostler@{}/{}?sslmode=disable", relay.address(), database.name);

        let mut a = block_in_place(|| {
            let (address, dir) = (hosts.host("a")?.address(), directory.path().join("a"));
            Installation::create_at(address, &dir, programs()?, PATIENT, Scale::Small)
        })?;
        a.use_store(&url)?;
        a.move_to(hosts.host("a")?.namespace());
        let mut b = a.replica(&directory.path().join("b"), hosts.host("b")?.address())?;
        b.move_to(hosts.host("b")?.namespace());
        let credential = std::fs::read_to_string(a.admin())?;
        let client = |name: &str, text: String| -> anyhow::Result<Cli> {
            let path = directory.path().join(name);
            std::fs::write(&path, text)?;
            Ok(Cli::new(&a.binaries().path("hostler"), &path).within(hosts.host("ci")?.namespace()))
        };
        let at_a = client("a.toml", credential.clone())?;
        let at_b = client("b.toml", credential.replace(&a.url(), &b.url()))?;
        let admin = client("both.toml", format!("addresses = [{:?}]\n{credential}", b.url()))?;
        a.start()?;
        at_a.ok("controller list").await?;
        b.start()?;
        let scene =
            Self { a, b, admin, at_a, at_b, relay, sink, hosts, _server: server, directory, _turn: turn };
        let both = |seen: &Value| seen["controllers"].as_array().map_or(0, Vec::len) == 2;
        scene.until(&scene.at_a, "both are there", both).await?;
        Ok(Some(scene))
    }

    pub(super) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Registers a machine whose management controller never answers: it is asked again and again.
    pub(super) async fn register(&self) -> anyhow::Result<()> {
        let (nodes, secret): (PathBuf, _) =
            (self.directory().join("nodes.toml"), self.directory().join("secret"));
        std::fs::write(&secret, "sesame\n")?;
        let bmc = self.hosts.host("bmc")?.address();
        let text = format!(
            "[[node]]\nname = 'n1'\narch = 'x86_64'\nfirmware = 'bios'\nmac = '52:54:00:00:00:01'\n\
             address = '10.213.7.100'\n[node.bmc]\naddress = '{bmc}:623'\nuser = 'admin'\npassword_file = '{}'\n",
            secret.display()
        );
        std::fs::write(&nodes, text)?;
        self.admin.ok(&format!("apply -f {}", nodes.display())).await.map(drop)
    }

    /// Waits until `hostler controller list` is as wanted.
    pub(super) async fn until(
        &self,
        cli: &Cli,
        what: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> anyhow::Result<Value> {
        let began = Instant::now();
        loop {
            let answer = cli.say("--output json --retry-for 5s controller list").await?;
            if let Ok(seen) = serde_json::from_str(&answer.stdout)
                && wanted(&seen)
            {
                return Ok(seen);
            }
            ensure!(began.elapsed() < PATIENCE, "waited in vain for this: {what}: {answer:?}");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// The epoch of the one that leads.
    pub(super) async fn epoch(&self) -> anyhow::Result<u64> {
        let seen = self.at_b.json("controller list").await?;
        seen["epoch"].as_u64().context("no epoch")
    }

    /// What was answered is so, whoever is asked; what was refused is not.
    pub(super) async fn check(&self, told: &[&str], refused: &[&str]) -> anyhow::Result<()> {
        for cli in [&self.at_a, &self.at_b] {
            let tenants = cli.json("tenant list").await?;
            let tenants = tenants.as_array().context("no tenants")?;
            let has = |name: &&&str| tenants.iter().any(|tenant| tenant["name"] == **name);
            let (missing, extra) = (told.iter().find(|name| !has(name)), refused.iter().find(has));
            ensure!(missing.is_none() && extra.is_none(), "{missing:?} {extra:?}: {tenants:?}");
        }
        Ok(())
    }

    /// Ends both, and makes sure that neither panicked.
    pub(super) fn end(mut self) -> anyhow::Result<()> {
        for controller in [&mut self.a, &mut self.b] {
            if let Some(status) = block_in_place(|| controller.stop())? {
                ensure!(status.success(), "hostlerd ended with {status} when it was told to stop");
            }
            ensure!(!std::fs::read_to_string(controller.log())?.contains("panicked at"), "hostlerd panicked");
        }
        Ok(())
    }
}
