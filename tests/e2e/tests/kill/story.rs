//! What goes on while the controller is killed: machines are inspected and wiped, leased in two groups, run payloads,
//! and come back. One is given back as broken, and replaced. What the clients are told is written down, and checked at the
//! end.

use anyhow::{Context as _, ensure};
use hostler_e2e::stage::account::check_leases;
use hostler_e2e::stage::witness::now_ms;
use hostler_e2e::stage::{Following, Stage};
use hostler_e2e::told::{Record, check};
use hostler_fleet::dice::Dice;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs::read_to_string;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::sleep;

/// Whoever looks on does so this often.
const GLANCES: Duration = Duration::from_millis(150);

/// Two groups that want the same kind of machine, of which there is one more.
const GROUPS: [&str; 2] = ["server=1:x86_64 arm=1:aarch64", "client=1:x86_64 power=1:ppc64le"];

/// Kills and restarts the controller, one at a time.
pub(crate) struct Killer<'s> {
    stage: &'s Stage,
    busy: tokio::sync::Mutex<()>,
    /// First and last moment of each outage.
    outages: Mutex<Vec<u64>>,
}

impl<'s> Killer<'s> {
    pub(crate) fn of(stage: &'s Stage) -> Self {
        Self { stage, busy: tokio::sync::Mutex::new(()), outages: Mutex::new(Vec::new()) }
    }

    /// Ends the controller, and starts it again after a while.
    pub(crate) async fn strike(&self, down: Duration) -> anyhow::Result<()> {
        let _one_at_a_time = self.busy.lock().await;
        self.note();
        self.stage.kill()?;
        sleep(down).await;
        self.stage.start()?;
        self.note();
        Ok(())
    }

    /// Strikes again and again, at moments that the dice decide.
    pub(crate) async fn strike_at_random(&self, dice: &mut Dice, times: usize) -> anyhow::Result<()> {
        for _ in 0..times {
            sleep(Duration::from_millis(dice.roll() % 1200)).await;
            self.strike(Duration::from_millis(dice.roll() % 150)).await?;
        }
        Ok(())
    }

    fn note(&self) {
        self.outages.lock().unwrap_or_else(PoisonError::into_inner).push(now_ms());
    }

    pub(crate) fn moments(&self) -> Vec<u64> {
        self.outages.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// One round of it, with all that it does named after the seed.
pub(crate) struct Story<'s> {
    pub(crate) stage: &'s Stage,
    pub(crate) killer: &'s Killer<'s>,
    /// What its clients are told.
    pub(crate) record: &'s Record,
    pub(crate) seed: u64,
}

impl Story<'_> {
    /// From machines in any state to machines that are ready.
    pub(crate) async fn play(&self) -> anyhow::Result<()> {
        let coins = Dice::new(self.seed ^ 0x5707).roll();
        self.prepare().await?;
        let (one, other) = &tokio::try_join!(self.request(0), self.request(1))?;
        let play = async {
            tokio::try_join!(self.deployed(0, one, coins & 1 > 0), self.deployed(1, other, coins & 2 > 0))?;
            check_leases(self.stage).await?;
            self.record.extend(&self.stage.ci, other, &format!("{}-longer", self.seed), "30m").await?;
            let broken = self.replace(one).await?;
            tokio::try_join!(self.run(0, one), self.run(1, other))?;
            self.ask_for_replacement(one, &broken).await?;
            for lease in [one, other] {
                self.record.release(&self.stage.ci, lease).await?;
            }
            self.stage.all_ready().await.map(drop)
        };
        tokio::select! {
            played = play => played?,
            failed = self.look_on([one, other]) => return failed,
        }
        for lease in [one, other] {
            let lease = self.record.show(&self.stage.ci, lease).await?;
            ensure!(lease["state"] == "closed" && lease["close_reason"] == "released", "{lease}");
        }
        check(&self.record.told(), &self.record.last(&self.stage.admin).await?)
    }

    /// Looks at the leases again and again, until it is not wanted any more.
    async fn look_on(&self, leases: [&Value; 2]) -> anyhow::Result<()> {
        loop {
            for lease in leases {
                self.record.show(&self.stage.ci, lease).await?;
                sleep(GLANCES).await;
            }
        }
    }

    async fn prepare(&self) -> anyhow::Result<()> {
        self.stage.register(&self.stage.room().registration()).await?;
        for machine in self.stage.room().machines() {
            let answer = self.stage.admin.say(&format!("node repair {}", machine.plan().name)).await?;
            // One that was just registered, or whose repair was answered into a connection that was cut, may be there
            // already.
            ensure!(answer.code == Some(0) || answer.stderr.contains("is cleaning"), "{answer:?}");
        }
        self.stage.all_ready().await.map(drop)
    }

    /// The request of a group, which is the same lease however often it is made.
    async fn request(&self, group: usize) -> anyhow::Result<Value> {
        let (key, line) = (format!("{}-{group}", self.seed), format!("{} --image demo", GROUPS[group]));
        self.record.request(&self.stage.ci, "ci", &key, &line).await
    }

    /// Whatever was answered is still so after a kill in the very next moment.
    async fn deployed(&self, group: usize, lease: &Value, killed: bool) -> anyhow::Result<()> {
        let wait = self.stage.ci.follow(&format!("lease wait {lease}"))?;
        if killed {
            self.killer.strike(Duration::ZERO).await?;
        }
        self.request(group).await?;
        let code = self.record.follow(wait).await?;
        ensure!(code == Some(0), "lease wait ended with {code:?}");
        Ok(())
    }

    /// A machine is given back, and another comes. Returns its name.
    async fn replace(&self, lease: &Value) -> anyhow::Result<String> {
        let shown = self.record.show(&self.stage.ci, lease).await?;
        let servers = shown["nodes"].as_array().into_iter().flatten().find(|node| node["role"] == "server");
        let broken = servers.and_then(|node| node["name"].as_str()).context("it has no server")?;
        self.ask_for_replacement(lease, broken).await?;
        let wait = self.stage.ci.follow(&format!("lease wait {lease}"))?;
        let code = self.record.follow(wait).await?;
        ensure!(code == Some(0), "lease wait ended with {code:?}");
        Ok(broken.to_owned())
    }

    /// However often it is asked for, before a kill and after it, it is the same replacement.
    async fn ask_for_replacement(&self, lease: &Value, broken: &str) -> anyhow::Result<()> {
        let key = format!("{}-broken", self.seed);
        self.record.replace(&self.stage.ci, lease, &key, broken).await.map(drop)
    }

    /// A payload that surely runs across a kill.
    async fn run(&self, group: usize, lease: &Value) -> anyhow::Result<()> {
        let payload = Payload::write(self.stage, &format!("{}-{group}", self.seed))?;
        let mut run = self.stage.ci.follow(&payload.command(lease))?;
        let asked_ms = run.asked_ms();
        let nodes = payload.has_begun(&mut run).await?;
        self.killer.strike(Duration::ZERO).await?;
        payload.go_on()?;
        let (code, lines) = run.end().await?;
        ensure!(code == Some(0), "the run ended with {code:?}: {:?}", lines.last());
        self.record.ran(lease, &payload.name, asked_ms, &lines)?;
        payload.check(&nodes)?;
        // Asked for again, it is the same run with the same end.
        let again = self.stage.ci.documents(&payload.command(lease)).await?;
        self.record.ran(lease, &payload.name, now_ms(), &again)
    }
}

/// A script that says much, waits in the middle, and leaves a report.
struct Payload {
    name: String,
    script: PathBuf,
    go: PathBuf,
    results: PathBuf,
}

const FIRST: usize = 20;
const BULK: usize = 20_000;
const REPORT: &str = "<testsuites><testsuite name=\"s\" tests=\"1\" failures=\"0\" errors=\"0\">\
                      <testcase classname=\"c\" name=\"n\"/></testsuite></testsuites>";

impl Payload {
    fn write(stage: &Stage, name: &str) -> anyhow::Result<Self> {
        let file = |suffix: &str| stage.directory().join(format!("{name}-{suffix}"));
        let (script, go, results) = (file("script"), file("go"), file("results"));
        let text = format!(
            "i=0\nwhile [ $i -lt {FIRST} ]; do echo \"$HOSTLER_NODE says $i\"; i=$((i + 1)); done\n\
             while [ ! -e {} ]; do sleep 0.05; done\n\
             yes \"$HOSTLER_NODE has much to say\" | head -n {BULK}\n\
             echo '{REPORT}' > report.xml\n\
             printf 'and no end'\n",
            go.display()
        );
        std::fs::write(&script, text)?;
        Ok(Self { name: name.to_owned(), script, go, results })
    }

    fn command(&self, lease: &Value) -> String {
        let (script, results) = (self.script.display(), self.results.display());
        format!(
            "run {lease} --script {script} --junit *.xml --results {results} --idempotency-key {}",
            self.name
        )
    }

    /// Waits until both machines have said the first part.
    async fn has_begun(&self, run: &mut Following) -> anyhow::Result<BTreeSet<String>> {
        let mut begun = BTreeSet::new();
        let last = format!("says {}", FIRST - 1);
        let both = run.until("the first part from both machines", |line| {
            if line["text"].as_str().is_some_and(|text| text.ends_with(&last)) {
                begun.insert(line["node"].as_str().unwrap_or_default().to_owned());
            }
            begun.len() == 2
        });
        both.await?;
        Ok(begun)
    }

    fn go_on(&self) -> anyhow::Result<()> {
        std::fs::write(&self.go, "").context("cannot let the payload go on")
    }

    /// Every byte came, once.
    fn check(&self, nodes: &BTreeSet<String>) -> anyhow::Result<()> {
        for node in nodes {
            let directory = self.results.join(node);
            let output = read_to_string(directory.join("output.log"))?;
            let mut expected: String = (0..FIRST).map(|i| format!("{node} says {i}\n")).collect();
            expected.push_str(&format!("{node} has much to say\n").repeat(BULK));
            expected.push_str("and no end");
            let (came, wanted) = (output.len(), expected.len());
            ensure!(output == expected, "{node}: {came} bytes came, {wanted} were written");
            ensure!(
                read_to_string(directory.join("files/report.xml"))?.trim() == REPORT,
                "{node}: the report"
            );
        }
        Ok(())
    }
}
