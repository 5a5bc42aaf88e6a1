//! The machine rate: how fast a room of simulated machines becomes usable, with every protocol spoken over real
//! sockets: IPMI, DHCP, TFTP, HTTP, enrolment, inspection, wipe; then one mixed group and one payload on it.

use crate::client::{Credentials, until};
use crate::figure::Figure;
use crate::process::{self, Memory};
use anyhow::{Context as _, bail, ensure};
use hostler_checkout::programs::Programs;
use hostler_proto::lease::v1::lease_service_client::LeaseServiceClient;
use hostler_proto::lease::v1::run_event::Event;
use hostler_proto::lease::v1::{
    FollowRunRequest, GetLeaseRequest, Lease, LeaseState, MemberRequest, ReleaseLeaseRequest,
    RequestLeaseRequest, StartRunRequest, TaskState,
};
use hostler_proto::node::v1::WatchNodesRequest;
use hostler_proto::node::v1::node_service_client::NodeServiceClient;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tonic::transport::Channel;
use xtask::artefacts::{self, Scale};
use xtask::fleet::Fleet;
use xtask::installation::{Installation, Waits};

/// What is leased: role, machines, architecture.
const GROUP: [(&str, u32, &str); 3] =
    [("server", 2, "x86_64"), ("arm", 1, "aarch64"), ("power", 1, "ppc64le")];

/// On one computer, hundreds of machines that boot at once wait for each other.
const PATIENT: Waits = Waits { firmware_ms: 600_000, step_ms: 600_000, silence_ms: 60_000, bmc_ms: 15_000 };

const BENCH: &str = "machines";

/// Measures rooms of these sizes, and the size of the agent.
///
/// # Errors
/// If anything goes wrong: a rate with failed machines in it is none.
pub async fn run(rooms: &[u32], dir: &Path, binaries: &Programs) -> anyhow::Result<Vec<Figure>> {
    let agent = std::fs::metadata(binaries.path("hostler-agent")).context("there is no agent")?.len();
    let mut figures = vec![Figure::new(BENCH, "size of hostler-agent", mebibytes(agent), "MiB")];
    for &machines in rooms {
        eprintln!("machines: {machines}");
        let scene = tokio::task::block_in_place(|| Scene::set(machines, dir, binaries))?;
        figures.extend(report(machines, &scene.play().await?));
    }
    Ok(figures)
}

/// What was measured of one room.
#[derive(Clone, Copy, Debug)]
struct Outcome {
    ready: Duration,
    leased: Duration,
    payload: Duration,
    wiped: Duration,
    memory: Memory,
    processor: Duration,
}

fn report(machines: u32, outcome: &Outcome) -> Vec<Figure> {
    let figure =
        |what: &str, value, unit| Figure::new(BENCH, format!("{what}, {machines} machines"), value, unit);
    let minutes = outcome.ready.as_secs_f64() / 60.0;
    vec![
        figure("registered to ready", f64::from(machines) / minutes, "machines/min"),
        figure("mixed group of 4 active", outcome.leased.as_secs_f64(), "s"),
        figure("payload on the group done", outcome.payload.as_secs_f64(), "s"),
        figure("group wiped again", outcome.wiped.as_secs_f64(), "s"),
        figure("memory of hostlerd", mebibytes(outcome.memory.resident), "MiB"),
        figure("peak memory of hostlerd", mebibytes(outcome.memory.peak), "MiB"),
        figure("processor time of hostlerd", outcome.processor.as_secs_f64(), "s"),
    ]
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// A controller and a room that it does not know yet. Dropped, both end.
struct Scene {
    installation: Installation,
    fleet: Fleet,
    tenant: PathBuf,
    machines: u32,
}

impl Scene {
    fn set(machines: u32, dir: &Path, binaries: &Programs) -> anyhow::Result<Self> {
        let dir = dir.join(format!("machines-{machines}"));
        let mut installation = Installation::create(&dir.join("controller"), binaries, PATIENT, Scale::Demo)?;
        installation.start()?;
        let fleet = Fleet::start(binaries, &dir.join("fleet"), machines, installation.ports(), false)?;
        let tenant = dir.join("ci.toml");
        let scene = Self { installation, fleet, tenant, machines };
        scene.hostler(&["tenant", "add", "ci", "--write", &scene.tenant.to_string_lossy()])?;
        for (arch, path) in artefacts::images(&dir, Scale::Demo)? {
            scene.hostler(&["image", "add", "--name", "bench", "--arch", arch, &path.to_string_lossy()])?;
        }
        Ok(scene)
    }

    fn hostler(&self, arguments: &[&str]) -> anyhow::Result<()> {
        let output = self.installation.hostler().args(arguments).output().context("cannot start hostler")?;
        ensure!(
            output.status.success(),
            "hostler {}: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }

    async fn play(mut self) -> anyhow::Result<Outcome> {
        let admin = Credentials::load(&self.installation.admin())?.connect().await?;
        let began = Instant::now();
        let machines = self.fleet.apply_file();
        tokio::task::block_in_place(|| self.hostler(&["apply", "-f", &machines.to_string_lossy()]))?;
        until_all_ready(admin, self.machines as usize).await?;
        let ready = began.elapsed();

        let mut tenant = LeaseServiceClient::new(Credentials::load(&self.tenant)?.connect().await?);
        let began = Instant::now();
        let lease = lease(&mut tenant).await?;
        let leased = began.elapsed();

        let began = Instant::now();
        payload(&mut tenant, &lease).await?;
        let payload = began.elapsed();

        let began = Instant::now();
        tenant.release_lease(ReleaseLeaseRequest { id: lease.id, ..Default::default() }).await?;
        let mut changes =
            tenant.watch_lease(GetLeaseRequest { id: lease.id, ..Default::default() }).await?.into_inner();
        until(&mut changes, LeaseState::Closed).await?;
        let wiped = began.elapsed();

        let pid = self.installation.pid().context("hostlerd ended")?;
        let (memory, processor) = (process::memory(pid)?, process::processor_time(pid)?);
        tokio::task::block_in_place(|| self.fleet.stop())?;
        Ok(Outcome { ready, leased, payload, wiped, memory, processor })
    }
}

/// Watches the nodes until this many are ready.
async fn until_all_ready(admin: Channel, machines: usize) -> anyhow::Result<()> {
    let mut nodes =
        NodeServiceClient::new(admin).watch_nodes(WatchNodesRequest::default()).await?.into_inner();
    let mut ready = HashSet::new();
    while let Some(node) = nodes.message().await? {
        match node.state.as_str() {
            "ready" => drop(ready.insert(node.id)),
            "failed" => bail!("node {} failed: {}", node.id, node.reason),
            _ => {}
        }
        if ready.len() == machines {
            return Ok(());
        }
    }
    bail!("the changes ended with {} of {machines} machines ready", ready.len())
}

async fn lease(tenant: &mut LeaseServiceClient<Channel>) -> anyhow::Result<Lease> {
    let member = |(role, count, arch): (&str, u32, &str)| MemberRequest {
        role: role.to_owned(),
        count,
        arch: arch.to_owned(),
        image: "bench".to_owned(),
        ..MemberRequest::default()
    };
    let request = RequestLeaseRequest {
        idempotency_key: "bench".to_owned(),
        members: GROUP.map(member).into(),
        ..RequestLeaseRequest::default()
    };
    let id = tenant.request_lease(request).await?.into_inner().id;
    let mut changes = tenant.watch_lease(GetLeaseRequest { id, ..Default::default() }).await?.into_inner();
    until(&mut changes, LeaseState::Active).await
}

/// Runs a script on the whole group until its last byte of output is here.
async fn payload(tenant: &mut LeaseServiceClient<Channel>, lease: &Lease) -> anyhow::Result<()> {
    let request = StartRunRequest {
        idempotency_key: "bench".to_owned(),
        lease_id: lease.id,
        command: ["sh", "-c", "echo $HOSTLER_NODE among $HOSTLER_PEERS"].map(str::to_owned).into(),
        ..StartRunRequest::default()
    };
    let id = tenant.start_run(request).await?.into_inner().id;
    let follow = FollowRunRequest { id, ..FollowRunRequest::default() };
    let mut events = tenant.follow_run(follow).await?.into_inner();
    let (mut spoke, mut succeeded) = (HashSet::new(), HashSet::new());
    while let Some(event) = events.message().await? {
        match event.event {
            Some(Event::Output(chunk)) => drop(spoke.insert(chunk.node)),
            Some(Event::Task(task)) if task.state() == TaskState::Finished && task.exit_code == 0 => {
                succeeded.insert(task.node);
            }
            Some(Event::Task(_)) | None => {}
        }
    }
    let members = lease.nodes.len();
    ensure!(spoke.len() == members && succeeded.len() == members, "the payload did not succeed everywhere");
    Ok(())
}
