//! Leases whose jobs die, whose payloads fail, or that are needed for longer.

use anyhow::Context as _;
use hostler_e2e::stage::{Cli, Setup};
use serde_json::Value;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};

/// A CI job: a shell that keeps a lease alive beside what it does. Killed like that of a CI system that loses a worker.
struct Job {
    shell: Child,
    said: Lines<BufReader<ChildStderr>>,
}

async fn job(cli: &Cli, lease: &Value) -> anyhow::Result<Job> {
    let keepalive = cli.command(&format!("lease keepalive {lease}"));
    let mut shell = Command::new("sh");
    shell.args(["-c", "\"$@\" & wait", "job"]).arg(keepalive.get_program()).args(keepalive.get_args());
    shell.envs(keepalive.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let mut shell = shell.kill_on_drop(true).stderr(Stdio::piped()).spawn()?;
    let mut said = BufReader::new(shell.stderr.take().context("no stderr")?).lines();
    // It has to be there before its parent dies.
    said.next_line().await?.context("it ended at once")?;
    Ok(Job { shell, said })
}

async fn closed(cli: &Cli, lease: &Value) -> anyhow::Result<Value> {
    let mut watch = cli.follow(&format!("lease wait {lease}"))?;
    watch.until("the lease closed", |lease| lease["close_reason"] != Value::Null).await
}

/// Each lease may be without a heartbeat for ten seconds. One is kept alive, through a restart of the controller as well;
/// of the other, which was requested later, the job dies.
#[tokio::test(flavor = "multi_thread")]
async fn a_lease_ends_when_its_job_dies_and_not_before() -> anyhow::Result<()> {
    let stage = Setup::of(2).set().await?;
    stage.register_all().await?;
    let kept = stage.ci.lease("1 --keepalive 10s").await?["id"].clone();
    let lives = job(&stage.ci, &kept).await?;
    let lost = stage.ci.lease("1 --keepalive 10s").await?["id"].clone();
    let mut dies = job(&stage.ci, &lost).await?;
    stage.kill()?;
    stage.start()?;
    dies.shell.kill().await?;
    let event = stage.event("the lease of the job that died", |event| {
        event["kind"] == "lease-ended" && event["lease_id"] == lost
    });
    let message = event.await?["message"].to_string();
    assert!(message.contains("nobody has kept it alive for 10 s"), "{message}");
    assert_eq!(closed(&stage.ci, &lost).await?["close_reason"], "abandoned");
    assert_eq!(stage.ci.json(&format!("lease show {kept}")).await?["state"], "active");
    drop((lives.said, lives.shell));
    stage.end().await
}

/// The machine stays as the failed payload left it, until somebody has looked at it.
#[tokio::test(flavor = "multi_thread")]
async fn a_lease_with_a_failed_run_is_held_until_it_is_released_again() -> anyhow::Result<()> {
    let stage = Setup::of(1).set().await?;
    stage.register_all().await?;
    let id = stage.ci.lease("1 --on-failure hold:1h").await?["id"].clone();
    let failed = stage.ci.say(&format!("run {id} -- false")).await?;
    assert_eq!(failed.code, Some(1), "{failed:?}");
    let unknown = stage.ci.say(&format!("run {id} -- no-such-program")).await?;
    assert_eq!(unknown.code, Some(1), "what cannot be started has failed: {unknown:?}");
    let held = &stage.ci.json(&format!("lease release {id}")).await?[0];
    assert_eq!(held["state"], "active");
    assert_ne!(held["held_ms"], Value::Null);
    let reason = held["reason"].to_string();
    assert!(reason.contains("failed on r1-n01: exit code 1"), "{reason}");
    stage.event("a hold", |event| event["kind"] == "lease-held" && event["lease_id"] == id).await?;
    stage.ci.ok(&format!("run {id} -- uname")).await?;

    stage.ci.ok(&format!("lease release {id}")).await?;
    assert_eq!(closed(&stage.ci, &id).await?["close_reason"], "released");
    stage.all_ready().await?;
    stage.end().await
}

/// Neither a repeated request nor a restart of the controller extends a lease a second time.
#[tokio::test(flavor = "multi_thread")]
async fn a_lease_is_extended_once_for_each_key() -> anyhow::Result<()> {
    let stage = Setup::of(1).set().await?;
    stage.register_all().await?;
    let lease = stage.ci.lease("1 --duration 1h").await?;
    let (id, end) = (&lease["id"], stage.ci.json(&format!("lease show {}", lease["id"])).await?);
    let line = format!("lease extend {id} --by 30m --idempotency-key once");
    let extended = stage.ci.json(&line).await?;
    stage.kill()?;
    stage.start()?;
    let again = stage.ci.json(&line).await?;
    assert_eq!(again["until_ms"], extended["until_ms"]);
    let now = stage.ci.json(&format!("lease show {id}")).await?;
    assert_eq!(now["expires_ms"].as_u64(), end["expires_ms"].as_u64().map(|end| end + 30 * 60_000));
    stage.admin.ok(&format!("lease extend {id} --by 1m")).await?;
    let other = stage.tenant("other").await?;
    assert_eq!(other.say(&format!("lease extend {id} --by 1m")).await?.code, Some(3));
    stage.ci.ok(&format!("lease release {id}")).await?;
    assert_eq!(stage.ci.say(&format!("lease extend {id} --by 1m")).await?.code, Some(3));
    stage.end().await
}

/// Every moment of a lease is in its row, also after a restart and when memory has let go of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_lease_is_accounted_for() -> anyhow::Result<()> {
    let stage = Setup::of(2).set().await?;
    stage.register_all().await?;
    let id = stage.ci.lease("2 --purpose nightly").await?["id"].clone();
    stage.ci.ok(&format!("lease release {id}")).await?;
    stage.all_ready().await?;
    stage.kill()?;
    stage.start()?;
    let leases = stage.ci.json("account --by lease").await?;
    let lease = &leases[0];
    assert_eq!(
        (&lease["id"], &lease["purpose"], &lease["close_reason"]),
        (&id, &"nightly".into(), &"released".into())
    );
    let moment = |name: &str| lease[name].as_u64().with_context(|| format!("no {name}: {lease}"));
    let moments = [
        moment("waits_from_ms")?,
        moment("assigned_ms")?,
        moment("active_ms")?,
        moment("ended_ms")?,
        moment("closed_ms")?,
    ];
    assert!(moments.is_sorted(), "{moments:?}");
    let sums = stage.admin.json("account --tenant ci").await?;
    assert_eq!((&sums[0]["tenant"], &sums[0]["leases"]), (&"ci".into(), &1.into()));
    let hours = sums[0]["node_hours"].as_object().context("no hours")?;
    let total: f64 = hours.values().filter_map(Value::as_f64).sum();
    let expected = 2 * (moments[4] - moments[1]);
    assert_eq!((total * 3_600_000.0).round() as u64, expected, "two machines, from assignment to clean");

    let other = stage.tenant("other").await?;
    assert_eq!(other.json("account --by lease").await?, Value::Array(Vec::new()));
    assert_eq!(other.say("account --tenant ci").await?.code, Some(3));
    let swf = stage.admin.ok("account --format swf").await?;
    let jobs: Vec<_> = swf.lines().filter(|line| !line.starts_with(';')).collect();
    assert_eq!(jobs.len(), 1, "{swf}");
    assert_eq!(jobs[0].split(' ').count(), 18, "{swf}");
    stage.end().await
}
