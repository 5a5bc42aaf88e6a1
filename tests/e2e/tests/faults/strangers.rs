//! Machines that nobody registered, and those who ask for what is meant for another.

use hostler_e2e::puppet::Puppet;
use hostler_e2e::stage::Setup;
use hostler_fleet::machine::Stage;
use hostler_fleet::network::Cable;
use std::net::{Ipv4Addr, SocketAddr};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// What an HTTP GET from an address is answered with.
async fn get(from: Ipv4Addr, port: u16, path: &str) -> anyhow::Result<String> {
    let mut stream = Cable::new(from).connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: boot\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

const SCRIPTS: [&str; 4] = ["/boot/script.ipxe", "/boot/grub.cfg", "/grub/grub.cfg", "/grub.cfg"];

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_nobody_registered_gets_nothing() -> anyhow::Result<()> {
    let stage = Setup::of(2).set().await?;
    let mut registration = stage.room().registration();
    let stranger = stage.machine("r1-n02")?;
    registration.node.truncate(1);
    stage.register(&registration).await?;
    stranger.chassis().on();
    stage.stage_of(stranger, |stage| matches!(stage, Stage::Dead { .. })).await?;
    assert_eq!(stranger.stolen_command_line(), None);
    let console = stranger.console().lines().join("\n");
    assert!(console.contains("network boot failed: no DHCP offer"), "{console}");
    let http = stage.installation().ports().http;
    for path in SCRIPTS {
        let answer = get(stranger.plan().address, http, path).await?;
        assert!(answer.starts_with("HTTP/1.1 404"), "{path}: {answer}");
    }
    stage.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_9_a_script_is_rendered_for_its_own_address_only() -> anyhow::Result<()> {
    let stage = Setup::of(1).set().await?;
    stage.register_all().await?;
    let mut puppet = Puppet::new(&stage, "puppet").await?;
    let mut registration = stage.room().registration();
    registration.node.push(puppet.registration());
    stage.register(&registration).await?;
    // From here on the puppet's token is there to be had: it has booted, and its agent has not enrolled.
    let params = puppet.boot().await?;
    let http = stage.installation().ports().http;
    let script = get(puppet.address(), http, "/boot/script.ipxe").await?;
    assert!(script.contains(params.token.expose()), "it is rendered for the puppet: {script}");

    let neighbour = stage.machine("r1-n01")?.plan().address;
    for (who, from) in [("nobody", Ipv4Addr::LOCALHOST), ("a neighbour", neighbour)] {
        let guesses = ["/boot/script.ipxe?mac=puppet", "/boot/puppet", "//boot/../boot/script.ipxe"];
        for path in SCRIPTS.iter().chain(&guesses) {
            let answer = get(from, http, path).await?;
            assert!(!answer.contains("hostler.token"), "{who} gets {path}: {answer}");
        }
    }
    // The neighbour is ready: its own script makes it wait.
    let own = get(neighbour, http, "/boot/script.ipxe").await?;
    assert!(own.contains("ready, no boot was ordered"), "{own}");
    stage.end().await
}
