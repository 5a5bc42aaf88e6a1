//! Agents whose boot is over.

use anyhow::Context as _;
use hostler_agent::DeployedIdentity;
use hostler_e2e::agent::{Key, Session, enrol};
use hostler_e2e::puppet::Puppet;
use hostler_e2e::stage::{PATIENCE, Setup, is_ready};
use hostler_e2e::wire::Identity;
use hostler_proto::AGENT_PROTOCOL;
use hostler_proto::agent::v1::agent_message::Message as Up;
use hostler_proto::agent::v1::controller_message::Message as Down;
use hostler_proto::agent::v1::{DiskWipe, RunFinished, RunOutput, Wiped};
use tokio::time::timeout;
use tonic::Code;

fn stolen(identity: DeployedIdentity) -> Identity {
    Identity { certificate_chain: identity.certificate_chain, key: identity.key.expose().to_owned() }
}

/// The tenant was root and has kept certificate and key of its machine's agent.
#[tokio::test(flavor = "multi_thread")]
async fn invariant_4_an_agent_of_an_earlier_lease_is_sent_away() -> anyhow::Result<()> {
    let stage = Setup::of(1).set().await?;
    stage.register_all().await?;
    let machine = stage.machine("r1-n01")?;
    let (controller, from) = (stage.controller()?, machine.plan().address);
    let lease = stage.ci.lease("1").await?;
    let run = stage.ci.json(&format!("run {} -- echo mine", lease["id"])).await?;
    let kept = stolen(machine.host().installed()?.context("no system")?);
    stage.ci.ok(&format!("lease release {}", lease["id"])).await?;
    stage.all_ready().await?;

    let other = stage.tenant("other").await?;
    let next = other.lease("1").await?;
    for protocol in [AGENT_PROTOCOL, AGENT_PROTOCOL - 1] {
        let Err(status) = Session::open(&controller, from, &kept, protocol).await? else {
            anyhow::bail!("an agent of an earlier lease was welcome");
        };
        assert_eq!(status.code(), Code::PermissionDenied, "{status}");
        assert!(status.message().contains("is over"), "{status}");
    }
    let recorded = stage.event_of("r1-n01", "agent-fenced").await?;
    assert_eq!(recorded["severity"], "incident");

    // Nor does its certificate open anything else.
    let connection = controller.connect(from, Some(&kept)).await?;
    let mut leases =
        hostler_proto::lease::v1::lease_service_client::LeaseServiceClient::new(connection.channel.clone());
    let status = leases.list_leases(hostler_proto::lease::v1::ListLeasesRequest::default()).await.err();
    assert_eq!(status.map(|status| status.code()), Some(Code::PermissionDenied));

    // The present tenant noticed nothing.
    assert_eq!(run["exit"], 0);
    other.ok(&format!("run {} -- echo ours", next["id"])).await?;
    stage.end().await
}

/// The machine's network is down, and somebody else speaks with what its agent had: a session that is open when a
/// newer boot is ordered.
#[tokio::test(flavor = "multi_thread")]
async fn invariant_4_an_open_connection_is_cut_when_a_newer_boot_is_ordered() -> anyhow::Result<()> {
    let stage = Setup::of(1).set().await?;
    stage.register_all().await?;
    let machine = stage.machine("r1-n01")?;
    let lease = stage.ci.lease("1").await?;
    let started = stage.ci.json(&format!("run {} --detach -- sleep 1000", lease["id"])).await?;
    let run_id = u32::try_from(started["id"].as_u64().unwrap_or_default())?;
    let kept = stolen(machine.host().installed()?.context("no system")?);
    machine.cut_network();
    let opened = Session::open(&stage.controller()?, machine.plan().address, &kept, AGENT_PROTOCOL).await?;
    let mut session = opened?;
    assert!(matches!(session.hear().await??, Down::Welcome(_)));

    stage.ci.ok(&format!("lease release {}", lease["id"])).await?;
    let status = timeout(PATIENCE, session.last_word()).await??;
    assert_eq!(status.code(), Code::PermissionDenied, "{status}");
    // It may say what it wants: nobody hears it, and it is not asked whether it wants to hang up.
    session.say(Up::RunOutput(RunOutput { run_id, offset: 0, data: (&b"forged"[..]).into() })).await;
    session.say(Up::RunFinished(RunFinished { run_id, output_bytes: 6, ..RunFinished::default() })).await;
    timeout(PATIENCE, session.connection.ended()).await.context("the connection stays open")??;
    let runs = stage.ci.follow(&format!("run --attach {run_id}"))?.end().await?;
    let told = runs.1.iter().map(ToString::to_string).collect::<String>();
    assert!(told.contains("\"killed\"") && !told.contains("forged"), "{told}");

    machine.mend_network();
    stage.node_until("r1-n01", "ready", is_ready).await?;
    stage.end().await
}

/// The same for an agent in the ramdisk, which could say that a disk was wiped.
#[tokio::test(flavor = "multi_thread")]
async fn invariant_4_an_agent_of_an_earlier_boot_cannot_report_a_wipe() -> anyhow::Result<()> {
    let stage = Setup::of(1).set().await?;
    let mut puppet = Puppet::new(&stage, "puppet").await?;
    let mut registration = stage.room().registration();
    registration.node[0] = puppet.registration();
    stage.register(&registration).await?;
    let params = puppet.boot().await?;
    let (controller, from) = (stage.controller()?, puppet.address());
    let old = enrol(&controller, from, AGENT_PROTOCOL, params.token.expose(), &Key::generate()?).await??;
    let mut session = Session::open(&controller, from, &old, AGENT_PROTOCOL).await??;
    assert!(matches!(session.hear().await??, Down::Welcome(_)));
    let Down::Task(task) = session.hear().await?? else { anyhow::bail!("no task") };

    stage.admin.ok("node repair puppet").await?;
    let disks = vec![DiskWipe { verified: true, verified_bytes: 1, ..DiskWipe::default() }];
    session.say(Up::Wiped(Wiped { task_id: task.id + 3, disks })).await;
    let status = timeout(PATIENCE, session.last_word()).await??;
    assert_eq!(status.code(), Code::PermissionDenied, "{status}");
    timeout(PATIENCE, session.connection.ended()).await.context("the connection stays open")??;
    let Err(status) = Session::open(&controller, from, &old, AGENT_PROTOCOL).await? else {
        anyhow::bail!("an agent of an earlier boot was welcome");
    };
    assert_eq!(status.code(), Code::PermissionDenied, "{status}");
    assert_eq!(stage.node("puppet").await?["state"], "inspecting");
    stage.end().await
}
