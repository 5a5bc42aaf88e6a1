//! The network between controllers, database and clients is cut, and comes back.

mod scene;

use crate::leader;
use anyhow::ensure;
use hostler_e2e::stage::Cli;
use scene::Scene;
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;
use tokio::time::sleep;

/// Longer than a lease of the leadership, and than the time after which another one would take over.
const LONG: Duration = Duration::from_secs(10);

fn name(host: Ipv4Addr) -> String {
    format!("at-{host}")
}

fn leads(name: &str) -> impl Fn(&Value) -> bool {
    move |seen: &Value| leader(seen) == Some(name)
}

/// Somebody who asks for a change is told in time that it cannot be made, and why.
async fn refused(cli: &Cli, tenant: &str, why: &str) -> anyhow::Result<()> {
    let answer = cli.say(&format!("--retry-for 1s tenant add {tenant}")).await?;
    ensure!(answer.code == Some(5) && answer.stderr.contains(why), "{answer:?}");
    Ok(())
}

async fn add(cli: &Cli, tenant: &str) -> anyhow::Result<()> {
    cli.ok(&format!("tenant add {tenant}")).await.map(drop)
}

/// The first one leads, as it did in this epoch.
async fn nobody_took_over(scene: &Scene, epoch: u64) -> anyhow::Result<()> {
    let seen = scene.at_b.json("controller list").await?;
    let expected = (Some(&*name(scene.a.host())), Some(epoch));
    assert_eq!((leader(&seen), seen["epoch"].as_u64()), expected, "{seen}");
    Ok(())
}

/// The first one is killed, and the other one leads.
async fn take_over(scene: &mut Scene) -> anyhow::Result<()> {
    scene.a.kill()?;
    scene.until(&scene.at_b, "the other one leads", leads(&name(scene.b.host()))).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_6_a_leader_that_is_cut_off_from_the_database_writes_and_commands_nothing()
-> anyhow::Result<()> {
    let test = "invariant_6_a_leader_that_is_cut_off_from_the_database_writes_and_commands_nothing";
    let Some(scene) = Scene::set(test).await? else { return Ok(()) };
    let (a, b) = (scene.a.host(), scene.b.host());
    let epoch = scene.epoch().await?;
    add(&scene.admin, "before").await?;
    scene.register().await?;
    scene.sink.hears(a, 1).await?;

    scene.hosts.cut("a", "db")?;
    refused(&scene.at_a, "refused", "is not ready").await?;
    scene.until(&scene.at_b, "the other one leads", leads(&name(b))).await?;
    // Who asks the old one first goes on to the new one.
    add(&scene.admin, "meanwhile").await?;
    scene.sink.hears(b, 3).await?;
    refused(&scene.at_a, "refused", "is not ready").await?;

    scene.hosts.mend("a", "db")?;
    let stands_by = |seen: &Value| seen["answered_by"] == name(a) && leads(&name(b))(seen);
    scene.until(&scene.at_a, "the old one stands by", stands_by).await?;
    // Who knows the old one only is sent on.
    add(&scene.at_a, "after").await?;
    scene.check(&["before", "meanwhile", "after"], &["refused"]).await?;
    assert_eq!(scene.epoch().await?, epoch + 1, "the leadership changed once");
    let heard = scene.sink.heard();
    let new = heard.iter().skip_while(|from| **from != IpAddr::V4(b));
    ensure!(new.clone().all(|from| *from == IpAddr::V4(b)), "two command one machine: {heard:?}");
    scene.end()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_clients_cannot_reach_goes_on_and_the_other_one_answers_what_reads()
-> anyhow::Result<()> {
    let test = "a_leader_that_clients_cannot_reach_goes_on_and_the_other_one_answers_what_reads";
    let Some(scene) = Scene::set(test).await? else { return Ok(()) };
    let epoch = scene.epoch().await?;
    add(&scene.admin, "before").await?;
    scene.hosts.cut("a", "ci")?;
    let tenants = scene.admin.ok("tenant list").await?;
    ensure!(tenants.contains("before"), "{tenants}");
    refused(&scene.admin, "late", "no answer from").await?;
    scene.hosts.mend("a", "ci")?;
    add(&scene.admin, "late").await?;
    scene.check(&["before", "late"], &[]).await?;
    let seen = scene.until(&scene.at_a, "it leads", leads(&name(scene.a.host()))).await?;
    assert_eq!(seen["epoch"], epoch, "nobody took over: {seen}");
    scene.end()
}

#[tokio::test(flavor = "multi_thread")]
async fn controllers_that_cannot_reach_each_other_do_not_notice() -> anyhow::Result<()> {
    let test = "controllers_that_cannot_reach_each_other_do_not_notice";
    let Some(mut scene) = Scene::set(test).await? else { return Ok(()) };
    let epoch = scene.epoch().await?;
    scene.hosts.cut("a", "b")?;
    sleep(LONG).await;
    add(&scene.admin, "meanwhile").await?;
    // Who asks the one that stands by is sent on all the same.
    add(&scene.at_b, "too").await?;
    scene.check(&["meanwhile", "too"], &[]).await?;
    nobody_took_over(&scene, epoch).await?;
    // Nor does one need the other to take over.
    take_over(&mut scene).await?;
    add(&scene.admin, "after").await?;
    scene.end()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_database_makes_controllers_slow_and_nothing_else() -> anyhow::Result<()> {
    let test = "a_slow_database_makes_controllers_slow_and_nothing_else";
    let Some(mut scene) = Scene::set(test).await? else { return Ok(()) };
    let epoch = scene.epoch().await?;
    scene.relay.delay(Duration::from_millis(250));
    for tenant in ["first", "second"] {
        add(&scene.admin, tenant).await?;
        let tenants = scene.at_b.ok("tenant list").await?;
        ensure!(tenants.contains(tenant), "{tenants}");
    }
    sleep(LONG).await;
    nobody_took_over(&scene, epoch).await?;
    take_over(&mut scene).await?;
    add(&scene.admin, "third").await?;
    scene.relay.delay(Duration::ZERO);
    scene.a.start()?;
    add(&scene.admin, "fourth").await?;
    scene.check(&["first", "second", "third", "fourth"], &[]).await?;
    assert_eq!(scene.epoch().await?, epoch + 1, "the leadership changed once");
    scene.end()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_nobody_can_reach_comes_back_and_nothing_is_lost() -> anyhow::Result<()> {
    let test = "a_database_that_nobody_can_reach_comes_back_and_nothing_is_lost";
    let Some(scene) = Scene::set(test).await? else { return Ok(()) };
    add(&scene.admin, "before").await?;
    for controller in ["a", "b"] {
        scene.hosts.cut(controller, "db")?;
    }
    refused(&scene.admin, "late", "no answer from").await?;
    sleep(LONG).await;
    refused(&scene.at_a, "late", "is not ready").await?;
    for controller in ["a", "b"] {
        scene.hosts.mend(controller, "db")?;
    }
    // By itself, and with one that leads.
    add(&scene.admin, "after").await?;
    let is_one = |seen: &Value| {
        let all = seen["controllers"].as_array().map_or(&[][..], Vec::as_slice);
        let role = |role: &str| all.iter().filter(|controller| controller["role"] == role).count();
        (role("leads"), role("stands-by")) == (1, 1)
    };
    scene.until(&scene.at_a, "one leads, one stands by", is_one).await?;
    scene.until(&scene.at_b, "one leads, one stands by", is_one).await?;
    scene.check(&["before", "after"], &[]).await?;
    scene.end()
}
