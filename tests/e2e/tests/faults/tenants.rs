//! Tenants do not see or touch what is another's.

use hostler_e2e::stage::Setup;

const REFUSED: Option<i32> = Some(3);

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_is_nobody_elses() -> anyhow::Result<()> {
    let stage = Setup::of(2).set().await?;
    stage.register_all().await?;
    let other = stage.tenant("other").await?;
    let lease = stage.ci.lease("1:x86_64 --purpose hush-hush").await?;
    let (id, node) = (&lease["id"], lease["nodes"][0]["name"].as_str().unwrap_or_default());
    let run = stage.ci.json(&format!("run {id} --detach -- echo whisper")).await?;
    let run = &run["id"];

    for line in [
        format!("lease show {id}"),
        format!("lease wait {id}"),
        format!("lease release {id}"),
        format!("events --lease {id}"),
        format!("run {id} -- cat /etc/shadow"),
        format!("run --attach {run}"),
        format!("run --stop {run}"),
    ] {
        let answer = other.say(&line).await?;
        assert_eq!(answer.code, REFUSED, "{line}: {answer:?}");
        let told = format!("{}{}", answer.stdout, answer.stderr);
        assert!(
            !told.contains("hush-hush") && !told.contains("whisper") && !told.contains(node),
            "{line}: {told}"
        );
    }
    for line in ["lease list --all", "node list"] {
        let told = other.ok(&format!("{line} --output json")).await?;
        assert!(!told.contains("hush-hush"), "{line}: {told}");
    }
    assert_eq!(other.json("lease list --all").await?.as_array().map(Vec::len), Some(0));

    // The same idempotency key is another request when another tenant says it.
    let request = "lease request 1 --image demo --idempotency-key same";
    let (ours, theirs) = (stage.ci.json(request).await?, other.json(request).await?);
    assert_ne!(ours["id"], theirs["id"]);
    let again = other.json(request).await?;
    assert_eq!(again["id"], theirs["id"]);

    let lease = stage.ci.json(&format!("lease show {id}")).await?;
    assert_eq!(lease["state"], "active");
    stage.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_is_no_administrator() -> anyhow::Result<()> {
    let stage = Setup::of(1).set().await?;
    stage.register_all().await?;
    let file = stage.directory().join("machines.toml");
    for line in [
        format!("apply -f {}", file.display()),
        "node drain r1-n01 --reason mine".to_owned(),
        "node retire r1-n01 --yes".to_owned(),
        "node repair r1-n01".to_owned(),
        "node power r1-n01 off".to_owned(),
        "node approve-wipe r1-n01 --yes".to_owned(),
        "tenant add friend".to_owned(),
        "tenant list".to_owned(),
        "events".to_owned(),
        format!("image add --name mine --arch x86_64 {}", file.display()),
    ] {
        let answer = stage.ci.say(&line).await?;
        assert_eq!(answer.code, REFUSED, "{line}: {answer:?}");
    }
    let node = stage.node("r1-n01").await?;
    assert_eq!((node["state"].as_str(), node["holds"].as_array().map(Vec::len)), (Some("ready"), Some(0)));
    assert_eq!(stage.machine("r1-n01")?.bmc().journal().read().power_actions, 1);
    stage.end().await
}
