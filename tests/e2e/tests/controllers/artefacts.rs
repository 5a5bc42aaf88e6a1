//! Two controllers whose output, files and images are in an object store: none has what the other one lacks.

use crate::another_leads;
use anyhow::Context as _;
use hostler_checkout::s3::Server;
use hostler_e2e::stage::{Engine, PATIENCE, Setup};
use std::fs;
use std::time::Duration;
use tokio::task::block_in_place;
use tokio::time::timeout;

/// What the payload says before it waits, and as much again.
const LINES: usize = 2_000;

const REPORT: &str =
    "<testsuite name=\"s\" tests=\"1\"><testcase name=\"t\" classname=\"c\"></testcase></testsuite>";

fn script(go: &str) -> String {
    format!(
        "i=0\nwhile [ $i -lt {LINES} ]; do echo \"line $i\"; i=$((i + 1)); done\n\
         while [ ! -e {go} ]; do sleep 0.05; done\n\
         while [ $i -lt $((2 * {LINES})) ]; do echo \"line $i\"; i=$((i + 1)); done\n\
         cat\necho '{REPORT}' > report.xml\n"
    )
}

fn objects(server: &Server, kind: &str) -> anyhow::Result<usize> {
    Ok(server.objects()?.iter().filter(|name| name.contains(kind)).count())
}

/// The leader is killed in the middle of a run, while somebody follows it.
#[tokio::test(flavor = "multi_thread")]
async fn invariant_5_output_in_an_object_store_survives_a_change_of_leaders() -> anyhow::Result<()> {
    let test = "invariant_5_output_in_an_object_store_survives_a_change_of_leaders";
    if !Engine::Postgres.is_there(test) {
        return Ok(());
    }
    let server = block_in_place(Server::start)?;
    let setup = Setup::of(1).with_replica().with_artefacts(server.url("lab"));
    let stage = setup.set().await?;
    stage.register_all().await?;
    let lease = stage.ci.lease("1").await?;
    let (go, file) = (stage.directory().join("go"), stage.directory().join("payload.sh"));
    fs::write(&file, script(&go.to_string_lossy()))?;
    let results = stage.directory().join("results");
    let run = format!(
        "run {} --script {} --junit report.xml --results {}",
        lease["id"],
        file.display(),
        results.display()
    );
    let mut run = stage.ci.follow(&run)?;
    run.until("the first half", |line| line["text"] == format!("line {}", LINES - 1)).await?;
    assert!(objects(&server, "/output/")? > 0, "what is shown is in the object store");

    stage.kill()?;
    another_leads(&stage.admin, "at-127.0.0.1").await?;
    fs::write(&go, "")?;
    let (code, _) = run.end().await?;
    assert_eq!(code, Some(0));
    let expected: String = (0..2 * LINES).map(|line| format!("line {line}\n")).collect();
    let name = &stage.room().machines()[0].plan().name;
    assert_eq!(fs::read_to_string(results.join(name).join("output.log"))?, expected);
    assert_eq!(fs::read_to_string(results.join(name).join("files/report.xml"))?.trim(), REPORT);
    assert_eq!(objects(&server, "/files/")?, 1);

    // The image was added through the other one; this one deploys it.
    assert!(objects(&server, "/images/")? > 0);
    stage.ci.ok(&format!("lease release {}", lease["id"])).await?;
    stage.all_ready().await?;
    let lease = stage.ci.lease("1").await?;
    stage.ci.ok(&format!("run {} -- true", lease["id"])).await?;
    let fetched = fs::read_dir(stage.replica()?.dir().join("data/cache/images"))?.count();
    assert_eq!(fetched, 1, "one image, for one architecture");
    stage.end().await
}

/// While the object store is away, machines work, nothing is shown that could be lost, and nothing is lost.
#[tokio::test(flavor = "multi_thread")]
async fn an_object_store_that_is_away_for_a_while_loses_no_output() -> anyhow::Result<()> {
    let server = block_in_place(Server::start)?;
    let stage = Setup::of(1).with_artefacts(server.url("lab")).set().await?;
    stage.register_all().await?;
    let lease = stage.ci.lease("1").await?;
    let (go, file) = (stage.directory().join("go"), stage.directory().join("payload.sh"));
    fs::write(&file, script(&go.to_string_lossy()))?;
    let mut run = stage.ci.follow(&format!("run {} --script {}", lease["id"], file.display()))?;
    run.until("the first half", |line| line["text"] == format!("line {}", LINES - 1)).await?;
    server.go_away();
    fs::write(&go, "")?;
    let log = stage.installation().log();
    let noticed = async {
        while !fs::read_to_string(&log)?.contains("store.artefacts: s3://artefacts/lab at http") {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        anyhow::Ok(())
    };
    timeout(PATIENCE, noticed).await.context("nobody notices that the object store is away")??;
    server.serve();
    let (code, seen) = run.end().await?;
    assert_eq!(code, Some(0));
    assert!(seen.iter().any(|line| line["text"] == format!("line {}", 2 * LINES - 1)));
    assert!(fs::read_to_string(&log)?.contains("answers again"));
    stage.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_refuses_ends_a_start_with_the_name_of_the_setting() -> anyhow::Result<()> {
    let server = block_in_place(Server::start)?;
    let stage = Setup::of(0).with_artefacts(server.url("lab")).set().await?;
    stage.kill()?;
    server.write_credentials(&server.credentials(), "not-this-one")?;
    let refused = block_in_place(|| stage.installation().hostlerd("serve").output())?;
    let told = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{told}");
    assert!(
        told.contains("store.artefacts: s3://artefacts/lab") && told.contains("credentials right"),
        "{told}"
    );
    assert!(!told.contains("not-this-one"), "{told}");
    stage.end().await
}
