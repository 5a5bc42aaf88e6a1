//! What machines get from the boot server of a controller that stands by: one that got its script when that controller
//! led asks there again and again.

use crate::{leader, two_controllers};
use anyhow::{Context as _, ensure};
use hostler_agent::BootParams;
use hostler_checkout::postgres::Server;
use hostler_e2e::agent::{Key, enrol};
use hostler_e2e::puppet::Puppet;
use hostler_e2e::stage::{PATIENCE, Stage};
use hostler_fleet::network::Cable;
use hostler_proto::AGENT_PROTOCOL;
use serde_json::Value;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::block_in_place;
use tokio::time::{sleep, timeout};

const SCRIPT: &str = "boot/script.ipxe";

/// The boot server of the second controller.
fn server(stage: &Stage) -> anyhow::Result<SocketAddr> {
    let replica = stage.replica()?;
    Ok(SocketAddr::from((replica.host(), replica.ports().http)))
}

/// What the second controller answers to a machine at this address: status and body.
async fn get(stage: &Stage, from: Ipv4Addr, path: &str) -> anyhow::Result<(u16, Vec<u8>)> {
    let server = server(stage)?;
    let work = async {
        let mut stream = Cable::new(from).connect(server).await?;
        let request = format!("GET /{path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        anyhow::Ok(answer)
    };
    let answer = timeout(PATIENCE, work).await.context("no answer")??;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").context("no end of the head")?;
    let head = std::str::from_utf8(&answer[..end])?;
    let status = head.split(' ').nth(1).context("no status")?.parse()?;
    Ok((status, answer[end + 4..].to_vec()))
}

/// The script that it gets.
async fn script(stage: &Stage, from: Ipv4Addr) -> anyhow::Result<String> {
    let (status, body) = get(stage, from, SCRIPT).await?;
    ensure!(status == 200, "status {status}");
    Ok(String::from_utf8(body)?)
}

/// The script, once it says this. A machine asks again by itself.
async fn script_with(stage: &Stage, from: Ipv4Addr, text: &str) -> anyhow::Result<String> {
    let asked = timeout(PATIENCE, async {
        loop {
            let script = script(stage, from).await?;
            if script.contains(text) {
                return anyhow::Ok(script);
            }
            ensure!(script.contains("asks again in"), "nobody asks again: {script}");
            sleep(Duration::from_millis(50)).await;
        }
    });
    asked.await.with_context(|| format!("no script has {text}"))?
}

/// State and boot of the machine, and how many events there are of it.
async fn seen(stage: &Stage) -> anyhow::Result<(Value, Value, usize)> {
    let (node, events) = (stage.node("r1-n01").await?, stage.events().await?);
    let of_it = events.iter().filter(|event| event["node"] == "r1-n01").count();
    Ok((node["state"].clone(), node["boot"]["id"].clone(), of_it))
}

/// What the agent finds on the kernel's command line.
fn parameters(script: &str) -> anyhow::Result<BootParams> {
    let kernel = script.lines().find(|line| line.starts_with("kernel ")).context("no kernel")?;
    let arguments = kernel.split(" ||").next().context("no arguments")?;
    Ok(BootParams::parse(arguments)?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_answers_from_the_nodes_row_and_decides_nothing() -> anyhow::Result<()> {
    let test = "a_standby_answers_from_the_nodes_row_and_decides_nothing";
    let Some(stage) = two_controllers(test, 1).await? else { return Ok(()) };
    stage.register_all().await?;
    let machine = stage.machine("r1-n01")?.plan().address;
    let before = seen(&stage).await?;
    let waiting = script(&stage, machine).await?;
    ensure!(waiting.contains("ready, no boot was ordered") && waiting.contains("asks again in"), "{waiting}");
    let again = format!("http://{}/{SCRIPT}", server(&stage)?);
    ensure!(waiting.contains(&again), "it asks somebody else: {waiting}");
    // Nobody takes that for a restart of the machine.
    assert_eq!(seen(&stage).await?, before);

    // A stranger gets nothing.
    for path in [SCRIPT, "kernels/x86_64"] {
        assert_eq!(get(&stage, Ipv4Addr::new(127, 255, 0, 1), path).await?.0, 404);
    }
    for file in ["kernels/x86_64", "ramdisks/x86_64", "kernels/aarch64"] {
        let served = get(&stage, machine, file).await?;
        let stored = std::fs::read(stage.installation().dir().join("boot").join(file))?;
        ensure!(served == (200, stored), "{file} is another one");
    }
    assert_eq!(leader(&stage.admin.json("controller list").await?), Some("at-127.0.0.1"));
    stage.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_boot_that_the_leader_orders_is_started_from_a_standby() -> anyhow::Result<()> {
    let test = "a_boot_that_the_leader_orders_is_started_from_a_standby";
    let Some(stage) = two_controllers(test, 0).await? else { return Ok(()) };
    let puppet = Puppet::new(&stage, "puppet").await?;
    let mut registration = stage.room().registration();
    registration.node.push(puppet.registration());
    stage.register(&registration).await?;
    // Until its BMC has answered, it waits.
    let script = script_with(&stage, puppet.address(), "hostler.token=").await?;
    let (first, second) = (stage.installation().url(), stage.replica()?.url());
    ensure!(script.contains(&format!("hostler.controllers={first},{second}")), "{script}");
    let (parameters, key) = (parameters(&script)?, Key::generate()?);
    let token = parameters.token.expose();
    enrol(&stage.controller()?, puppet.address(), AGENT_PROTOCOL, token, &key).await??;
    // The present one: this boot is in use from now on.
    script_with(&stage, puppet.address(), "this boot is in use already").await?;
    stage.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_database_a_standby_gives_nothing_and_is_asked_again() -> anyhow::Result<()> {
    let test = "without_the_database_a_standby_gives_nothing_and_is_asked_again";
    let Some(stage) = two_controllers(test, 1).await? else { return Ok(()) };
    stage.register_all().await?;
    let machine = stage.machine("r1-n01")?.plan().address;
    script(&stage, machine).await?;
    block_in_place(|| stage.database().server().map(Server::stop))?;
    // Who it is cannot be known either.
    for path in [SCRIPT, "kernels/x86_64", SCRIPT] {
        assert_eq!(get(&stage, machine, path).await?.0, 404, "{path}");
    }
    block_in_place(|| stage.database().server()?.start_again())?;
    script_with(&stage, machine, "ready, no boot was ordered").await?;
    stage.all_ready().await?;
    stage.end().await
}
