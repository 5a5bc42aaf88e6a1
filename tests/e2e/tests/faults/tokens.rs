//! A one-time token in the wrong hands: each use is refused, recorded, and shown to whoever looks at the events.

use hostler_agent::BootParams;
use hostler_e2e::agent::{Key, Session, enrol};
use hostler_e2e::puppet::Puppet;
use hostler_e2e::stage::{IMPATIENT, PATIENCE, Setup, Stage};
use hostler_e2e::wire::Identity;
use hostler_proto::AGENT_PROTOCOL;
use hostler_proto::agent::v1::controller_message::Message as Down;
use std::net::Ipv4Addr;
use std::time::Duration;
use tonic::{Code, Status};

/// A puppet that is registered, and has booted for the first time.
async fn booted(stage: &Stage) -> anyhow::Result<(Puppet, BootParams)> {
    let mut puppet = Puppet::new(stage, "puppet").await?;
    let mut registration = stage.room().registration();
    registration.node.push(puppet.registration());
    stage.register(&registration).await?;
    let params = puppet.boot().await?;
    Ok((puppet, params))
}

async fn redeem(
    stage: &Stage,
    from: Ipv4Addr,
    token: &str,
    key: &Key,
) -> anyhow::Result<Result<Identity, Status>> {
    enrol(&stage.controller()?, from, AGENT_PROTOCOL, token, key).await
}

/// Tries the token; it is refused for this reason, and that is recorded.
async fn refused(stage: &Stage, from: Ipv4Addr, token: &str, why: &str) -> anyhow::Result<()> {
    let Err(status) = redeem(stage, from, token, &Key::generate()?).await? else {
        anyhow::bail!("a token was taken that should be refused: {why}");
    };
    assert_eq!(status.code(), Code::Unauthenticated, "{status}");
    assert!(status.message().contains(why), "{status}");
    assert!(!status.message().contains(token));
    let recorded = stage.event(why, |event| {
        event["kind"] == "token-refused" && event["message"].as_str().is_some_and(|m| m.contains(why))
    });
    let recorded = recorded.await?;
    assert_eq!(recorded["severity"], "incident");
    assert_eq!(recorded["node"], "puppet");
    assert!(recorded["message"].to_string().contains(&from.to_string()), "{recorded}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_good_for_one_key_from_one_address() -> anyhow::Result<()> {
    let stage = Setup::of(1).set().await?;
    let (mut puppet, params) = booted(&stage).await?;
    let (own, token) = (puppet.address(), params.token.expose());

    refused(&stage, Ipv4Addr::LOCALHOST, token, "it may only be used from").await?;
    let key = Key::generate()?;
    redeem(&stage, own, token, &key).await??;
    // An answer that was lost is asked for again.
    redeem(&stage, own, token, &key).await??;
    refused(&stage, own, token, "it was used with another key").await?;

    stage.admin.ok("node repair puppet").await?;
    refused(&stage, own, token, "a newer boot was ordered").await?;
    let fresh = puppet.boot().await?;
    assert_ne!(fresh.token.expose(), token);
    redeem(&stage, own, fresh.token.expose(), &key).await??;
    stage.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_was_tampered_with_is_a_forgery() -> anyhow::Result<()> {
    let stage = Setup::of(1).set().await?;
    let (puppet, params) = booted(&stage).await?;
    let token = params.token.expose();
    let mut other_node = token.to_owned();
    // The number of the node is in these letters.
    other_node.replace_range(9..10, if &token[9..10] == "A" { "B" } else { "A" });
    let other_key = "A".repeat(token.len());
    for forged in [other_node.as_str(), &other_key, &token[1..], "", "not base64 at all"] {
        let Err(status) = redeem(&stage, puppet.address(), forged, &Key::generate()?).await? else {
            anyhow::bail!("{forged:?} was taken");
        };
        assert_eq!(status.code(), Code::Unauthenticated, "{status}");
    }
    let recorded = stage.event_of("puppet", "token-forged").await?;
    assert_eq!(recorded["severity"], "incident");
    let forged = stage.events().await?.iter().filter(|event| event["kind"] == "token-forged").count();
    assert_eq!(forged, 5);
    // The true one is as good as before.
    redeem(&stage, puppet.address(), token, &Key::generate()?).await??;
    stage.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_ends_with_its_time() -> anyhow::Result<()> {
    let stage = Setup::of(1).impatient().set().await?;
    // With something on its disk the machine waits for an agreement, in a boot that goes on beyond its token.
    stage.soil("r1-n01", 0, b"something")?;
    stage.register(&stage.room().registration()).await?;
    let machine = stage.machine("r1-n01")?;
    stage.event_of("r1-n01", "hold").await?;
    let stolen = machine.stolen_command_line().unwrap_or_default();
    let (params, from) = (BootParams::parse(&stolen)?, machine.plan().address);
    let lifetime = IMPATIENT.firmware_ms * 2 + IMPATIENT.step_ms;
    let mut tries = tokio::time::interval(Duration::from_millis(lifetime / 8));
    let expired = async {
        loop {
            tries.tick().await;
            match redeem(&stage, from, params.token.expose(), &Key::generate()?).await? {
                Err(status) if status.message().contains("it has expired") => return anyhow::Ok(()),
                Err(status) => assert!(status.message().contains("another key"), "{status}"),
                Ok(_) => anyhow::bail!("a stolen token was taken"),
            }
        }
    };
    tokio::time::timeout(PATIENCE, expired).await??;
    assert_eq!(stage.node("r1-n01").await?["boot"]["id"], 1, "all this time it was the same boot");
    stage.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn this_protocol_and_the_one_before_are_spoken_and_no_other() -> anyhow::Result<()> {
    let stage = Setup::of(1).set().await?;
    let (puppet, params) = booted(&stage).await?;
    let (controller, from, token) = (stage.controller()?, puppet.address(), params.token.expose());
    let key = Key::generate()?;
    let unknown = |status: Status| {
        assert_eq!(status.code(), Code::FailedPrecondition, "{status}");
        assert!(status.message().contains("boot it with this controller's ramdisk"), "{status}");
        assert!(
            status
                .message()
                .contains(&format!("this controller {} and {AGENT_PROTOCOL}", AGENT_PROTOCOL - 1))
        );
    };
    for version in [0, AGENT_PROTOCOL + 1, u32::MAX] {
        let Err(status) = enrol(&controller, from, version, token, &key).await? else {
            anyhow::bail!("version {version} was taken");
        };
        unknown(status);
    }
    // Nothing of the token was used up by that.
    let identity = enrol(&controller, from, AGENT_PROTOCOL - 1, token, &key).await??;
    for version in [0, AGENT_PROTOCOL + 1, u32::MAX] {
        let Err(status) = Session::open(&controller, from, &identity, version).await? else {
            anyhow::bail!("version {version} was taken");
        };
        unknown(status);
    }
    for version in [AGENT_PROTOCOL - 1, AGENT_PROTOCOL] {
        let mut session = Session::open(&controller, from, &identity, version).await??;
        assert!(matches!(session.hear().await??, Down::Welcome(_)));
        assert!(matches!(session.hear().await??, Down::Task(_)));
    }
    stage.end().await
}
