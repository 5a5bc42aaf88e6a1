//! A start with much to remember: from the process to the first answer.

use crate::client::Credentials;
use crate::control_plane::evidence::of_boot;
use crate::engine::Engine;
use crate::figure::Figure;
use anyhow::{Context as _, ensure};
use hostler_checkout::programs::Programs;
use hostler_core::course::{Course, Terms};
use hostler_core::hardware::{Arch, Firmware, Mac};
use hostler_core::ids::{LeaseId, TenantId};
use hostler_core::input::Input;
use hostler_core::lease::{CloseReason, Ended, Lease, LeaseSpec, LeaseState};
use hostler_core::node::{BmcSpec, NodeSpec, Sealed, Start};
use hostler_core::time::{Timestamp, Timing};
use hostler_core::world::{Change, World};
use hostler_proto::node::v1::ListNodesRequest;
use hostler_proto::node::v1::node_service_client::NodeServiceClient;
use hostler_store::{Batch, BatchNumber, Opened, StoreUrl};
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::task::block_in_place;
use xtask::artefacts::Scale;
use xtask::installation::{Installation, Waits};

/// What there is to remember.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Machines that are ready.
    pub nodes: u32,
    /// Leases that are over.
    pub leases: u32,
}

/// The aim, in seconds.
const AIM: f64 = 2.0;

/// A controller that does not answer by then never will.
const PATIENCE: Duration = Duration::from_secs(300);

/// Rows of one batch while the store is filled.
const CHUNK: usize = 5_000;

/// Measures a start on this engine.
///
/// # Errors
/// If the store cannot be filled, or the controller does not answer.
pub async fn run(
    engine: Engine,
    memory: Memory,
    dir: &Path,
    binaries: &Programs,
) -> anyhow::Result<Vec<Figure>> {
    let Memory { nodes, leases } = memory;
    eprintln!("start: {nodes} nodes, {leases} past leases, {}", engine.name());
    let store = block_in_place(|| engine.store(&dir.join("server")))?;
    let controller = dir.join("controller");
    let mut installation = Installation::create(&controller, binaries, Waits::default(), Scale::Small)?;
    if let Some(url) = &store.url {
        installation.use_store(url)?;
    }
    let url =
        store.url.clone().unwrap_or_else(|| format!("sqlite://{}", controller.join("state.db").display()));
    let url = StoreUrl::parse(&url, dir)?;
    block_in_place(|| fill(&url, memory))?;

    let began = Instant::now();
    let loaded = block_in_place(|| load(&url))?;
    let load = began.elapsed();
    ensure!(loaded.nodes.len() == nodes as usize, "not all nodes were loaded");

    let began = Instant::now();
    installation.start()?;
    let answered = first_answer(&installation, nodes).await?;
    let start = answered.duration_since(began);
    installation.stop()?;
    let figure = |what: &str, value: Duration| {
        let metric = format!("{what}, {nodes} nodes, {leases} past leases, {}", engine.name());
        Figure::new("store", metric, value.as_secs_f64(), "s").against("aim", AIM)
    };
    Ok(vec![figure("world loaded", load), figure("start to first answer", start)])
}

fn load(url: &StoreUrl) -> anyhow::Result<World> {
    let Opened { mut store, .. } = hostler_store::open(url)?;
    let mut world = World::new(Timing::default());
    world.restore(store.load()?.changes);
    Ok(world)
}

/// Asks until the controller answers with all nodes.
async fn first_answer(installation: &Installation, nodes: u32) -> anyhow::Result<Instant> {
    let (credentials, began) = (Credentials::load(&installation.admin())?, Instant::now());
    loop {
        if let Ok(channel) = credentials.connect().await {
            let mut client = NodeServiceClient::new(channel).max_decoding_message_size(256 << 20);
            let listed = client.list_nodes(ListNodesRequest::default()).await?.into_inner().nodes;
            ensure!(listed.len() == nodes as usize, "{} of {nodes} nodes are there", listed.len());
            return Ok(Instant::now());
        }
        let log = || std::fs::read_to_string(installation.log()).unwrap_or_default();
        ensure!(began.elapsed() < PATIENCE, "the controller does not answer: {}", log());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn fill(url: &StoreUrl, memory: Memory) -> anyhow::Result<()> {
    let Opened { mut store, .. } = hostler_store::open(url)?;
    let mut number = BatchNumber { epoch: store.claim()?, batch: 0 };
    let mut world = ready(memory.nodes)?;
    let mut changes = world.take_changes();
    // Leases are numbered from 1: none was given out yet.
    for id in (1..=memory.leases).map(LeaseId) {
        changes.push(Change::Lease(Box::new(past(id))));
        changes.push(Change::ForgetLease(id));
    }
    for chunk in changes.chunks(CHUNK) {
        number.batch += 1;
        store.commit(&Batch { number, changes: chunk.to_vec() })?;
    }
    Ok(())
}

/// Machines that were inspected and wiped.
fn ready(nodes: u32) -> anyhow::Result<World> {
    let mut world = World::new(Timing::default());
    let now = Timestamp(1_000_000);
    world.apply(now, Input::AddTenant { name: "ci".into() }).reply.context("the tenant was refused")?;
    let nodes = (1..=nodes).map(|number| node(number, Arch::X86_64)).collect();
    world
        .apply(now, Input::Apply { author: "bench".into(), nodes })
        .reply
        .context("the nodes were refused")?;
    let boots: Vec<_> = world.nodes.values().filter_map(|n| Some((n.id, n.state.boot()?.id))).collect();
    for (node, boot) in boots {
        for input in of_boot(&world, node, boot).context("a node has no boot")? {
            world.apply(now, input).reply.context("evidence was refused")?;
        }
    }
    Ok(world)
}

/// A machine of this number, and its BMC.
pub(crate) fn node(number: u32, arch: Arch) -> (NodeSpec, BmcSpec) {
    let [_, a, b, c] = number.to_be_bytes();
    let spec = NodeSpec {
        name: format!("n{number}"),
        arch,
        firmware: if arch == Arch::Ppc64le { Firmware::OpenFirmware } else { Firmware::Uefi },
        pool: "default".into(),
        mac: Mac([2, 0, 0, a, b, c]),
        address: Ipv4Addr::new(127, 100 + a, b, c),
        serial: Some(format!("S{number}")),
        uuid: None,
        keep_disks: [].into(),
        start: Start::Kexec,
        rack: None,
        switch: None,
        labels: [].into(),
    };
    let address = format!("127.{}.{b}.{c}:623", 200 + a);
    let password = Sealed("sealed".into());
    (spec, BmcSpec { address, user: "admin".into(), password, cipher_suite: 17, shared: false })
}

fn past(id: LeaseId) -> Lease {
    let ended = Ended {
        reason: CloseReason::Released,
        detail: "released by ci".into(),
        at: Timestamp(2_000),
        active: Some(Timestamp(1_000)),
        had: Vec::new(),
    };
    let spec = LeaseSpec {
        members: Vec::new(),
        groupings: Vec::new(),
        duration_ms: 3_600_000,
        max_wait_ms: 3_600_000,
        purpose: "nightly".into(),
        ssh_keys: Vec::new(),
        terms: Terms::default(),
    };
    Lease {
        id,
        tenant: TenantId(1),
        key: format!("key {id}"),
        spec,
        requested: Timestamp(500),
        promise: None,
        setback: None,
        course: Course::default(),
        state: LeaseState::Closed { ended, at: Timestamp(3_000) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hostler_core::node::StateName;

    #[test]
    fn what_is_remembered_is_what_the_figure_says() {
        let dir = tempfile::tempdir().unwrap();
        let url = StoreUrl::Sqlite(dir.path().join("state.db"));
        fill(&url, Memory { nodes: 300, leases: 7_000 }).unwrap();
        let world = load(&url).unwrap();
        assert_eq!(world.nodes.values().filter(|n| n.state.name() == StateName::Ready).count(), 300);
        assert_eq!(world.leases.len(), 0, "they are over");
        let Opened { history, .. } = hostler_store::open(&url).unwrap();
        assert_eq!(history.leases(Some(TenantId(1)), 10_000).unwrap().len(), 7_000);
    }
}
