//! A transaction that the database refuses.

use hostler_e2e::stage::Setup;
use hostler_proto::lease::v1::lease_service_client::LeaseServiceClient;
use hostler_proto::lease::v1::{Lease, ListLeasesRequest, MemberRequest, RequestLeaseRequest};
use hostler_proto::node::v1::RepairNodeRequest;
use hostler_proto::node::v1::node_service_client::NodeServiceClient;
use rusqlite::{Connection, TransactionBehavior};
use std::net::Ipv4Addr;
use tokio::task::JoinSet;
use tonic::{Code, Status};

/// A lease with this purpose cannot be stored.
const POISON: &str = "
CREATE TRIGGER poison BEFORE INSERT ON lease WHEN json_extract(NEW.body, '$.spec.purpose') = 'poison'
BEGIN SELECT RAISE(ABORT, 'this lease is poison'); END;
";

const REQUESTS: usize = 12;

fn is_poison(number: usize) -> bool {
    number % 4 == 1
}

fn request(number: usize) -> RequestLeaseRequest {
    RequestLeaseRequest {
        idempotency_key: format!("request {number}"),
        members: vec![MemberRequest { count: 1, image: "demo".into(), ..MemberRequest::default() }],
        purpose: if is_poison(number) { "poison" } else { "food" }.into(),
        ..RequestLeaseRequest::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_input_that_cannot_be_stored_takes_no_other_with_it() -> anyhow::Result<()> {
    let stage = Setup::of(1).with_database(POISON).set().await?;
    stage.register_all().await?;
    let connection = stage.controller()?.connect(Ipv4Addr::LOCALHOST, Some(&stage.ci.identity()?)).await?;
    let mut client = LeaseServiceClient::new(connection.channel.clone());

    // While somebody else has the database, requests gather in front of it, and come into one batch.
    let mut database = Connection::open(stage.database().file()?)?;
    let lock = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut requests = JoinSet::new();
    for number in 0..REQUESTS {
        let mut client = client.clone();
        requests.spawn(async move { (number, client.request_lease(request(number)).await) });
    }
    // What is asked on the same connection afterwards is answered from memory: by then the requests have arrived.
    for _ in 0..REQUESTS {
        client.list_leases(ListLeasesRequest::default()).await?;
    }
    drop(lock);

    for (number, answer) in requests.join_all().await {
        check_answer(number, answer.map(tonic::Response::into_inner));
    }
    let food = (0..REQUESTS).filter(|number| !is_poison(*number)).count();
    let leases = client.list_leases(ListLeasesRequest::default()).await?.into_inner().leases;
    assert_eq!(leases.iter().map(|lease| lease.purpose.as_str()).collect::<Vec<_>>(), vec!["food"; food]);
    let events = stage.events().await?;
    let recorded: Vec<_> = events.iter().filter(|event| event["kind"] == "not-stored").collect();
    assert_eq!(recorded.len(), REQUESTS - food);
    assert!(recorded[0]["message"].to_string().contains("this lease is poison"), "{}", recorded[0]);

    // The controller goes on, now and after a restart, and whoever asks again is told the same.
    stage.event("the first lease active", |event| event["kind"] == "lease-active").await?;
    check_answer(1, client.request_lease(request(1)).await.map(tonic::Response::into_inner));
    stage.kill()?;
    stage.start()?;
    let after = stage.ci.json("lease list").await?;
    assert_eq!(after.as_array().map(Vec::len), Some(food));
    stage.end().await
}

/// While the database does not take it, it has not happened: for nobody.
#[tokio::test(flavor = "multi_thread")]
async fn invariant_5_nothing_is_answered_shown_or_done_before_it_is_stored() -> anyhow::Result<()> {
    let stage = Setup::of(1).set().await?;
    stage.register_all().await?;
    let connection = stage.controller()?.connect(Ipv4Addr::LOCALHOST, Some(&stage.admin.identity()?)).await?;
    let mut leases = LeaseServiceClient::new(connection.channel.clone());
    let before = stage.machine("r1-n01")?.bmc().journal().read();

    let mut database = Connection::open(stage.database().file()?)?;
    let lock = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut nodes = NodeServiceClient::new(connection.channel.clone());
    let mut asked = JoinSet::new();
    asked.spawn({
        let mut leases = leases.clone();
        async move { leases.request_lease(request(0)).await.map(drop) }
    });
    asked.spawn(async move {
        let request = RepairNodeRequest { name: "r1-n01".into() };
        nodes.repair_node(request).await.map(drop)
    });
    for _ in 0..100 {
        let shown = leases.list_leases(ListLeasesRequest::default()).await?.into_inner().leases;
        assert!(shown.is_empty(), "{shown:?}");
    }
    assert!(asked.try_join_next().is_none(), "somebody was answered");
    assert_eq!(stage.machine("r1-n01")?.bmc().journal().read(), before, "power was touched");

    // And it never happened, if the controller does not live to see it stored.
    stage.kill()?;
    drop(lock);
    for answer in asked.join_all().await {
        assert!(answer.is_err());
    }
    stage.start()?;
    assert_eq!(stage.admin.json("lease list --all").await?.as_array().map(Vec::len), Some(0));
    stage.all_ready().await?;
    assert_eq!(stage.machine("r1-n01")?.bmc().journal().read(), before);
    stage.end().await
}

fn check_answer(number: usize, answer: Result<Lease, Status>) {
    match answer {
        Ok(lease) => assert!(!is_poison(number) && lease.purpose == "food", "{number}: {lease:?}"),
        Err(status) => {
            assert!(is_poison(number), "{number}: {status}");
            assert_eq!(status.code(), Code::Internal);
            assert_eq!(status.message(), "this could not be stored; nothing was changed");
        }
    }
}
