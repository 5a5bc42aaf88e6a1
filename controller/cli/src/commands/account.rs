//! `hostler account`

use crate::client::Client;
use crate::clock;
use crate::error::Error;
use crate::exit::Exit;
use crate::model::account::{LeaseAccount, Period, by_tenant};
use crate::moment;
use crate::render::{account as render, swf};
use crate::session::Session;
use clap::{Args, ValueEnum};
use hostler_proto::lease::v1::AccountLeasesRequest;
use hostler_proto::node::v1::ListNodesRequest;
use tokio_stream::StreamExt as _;
use tonic::{Response, Status};

const EXAMPLES: &str = "\
Examples:
  hostler account                                       # the last 30 days, by tenant
  hostler account --tenant kernel --since 2026-03-01 --until 2026-04-01
  hostler account --by lease --format csv > leases.csv
  hostler account --since 2026-01-01 --format swf > hostler.swf

Of each lease counts what lies within the period: in the queue, and with machines, which is from their assignment until
they are clean again. A node-hour is an hour of one machine. Tenants see their own account.
swf is the Standard Workload Format 2.2, in which one line is a lease that has ended and a processor is a machine.";

/// What is looked back on unless told otherwise.
const LAST_MS: u64 = 30 * 24 * 3_600_000;

/// Arguments of `hostler account`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Only this tenant
    #[arg(long, value_name = "TENANT")]
    tenant: Option<String>,
    /// From this moment on, in UTC [default: 30 days ago]
    #[arg(long, value_name = "DATE", value_parser = moment::parse)]
    since: Option<u64>,
    /// Up to this moment, in UTC [default: now]
    #[arg(long, value_name = "DATE", value_parser = moment::parse)]
    until: Option<u64>,
    /// What has a line
    #[arg(long, value_enum, default_value_t = By::Tenant, value_name = "tenant|lease", hide_possible_values = true)]
    by: By,
    /// How it is written [default: table, or json with --output json]
    #[arg(long, value_enum, value_name = "table|csv|json|swf", hide_possible_values = true)]
    format: Option<Format>,
}

/// What has a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum By {
    /// Each tenant
    Tenant,
    /// Each lease
    Lease,
}

/// How an account is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Table,
    /// Comma-separated values
    Csv,
    /// One JSON document
    Json,
    /// Standard Workload Format
    Swf,
}

pub(crate) async fn run(session: &Session, arguments: Arguments) -> Result<Exit, Error> {
    let now_ms = clock::now_ms();
    let until_ms = arguments.until.unwrap_or(now_ms);
    let period = Period { since_ms: arguments.since.unwrap_or(until_ms.saturating_sub(LAST_MS)), until_ms };
    let client = session.connect()?;
    let request = AccountLeasesRequest {
        tenant: arguments.tenant.unwrap_or_default(),
        since_ms: period.since_ms,
        until_ms,
    };
    let attempt = async || read(&client, request.clone()).await;
    let leases = client.call("account for the leases", attempt).await?;
    let (ui, leases) = (&session.ui, &leases[..]);
    let format = arguments.format.unwrap_or(if ui.is_json() { Format::Json } else { Format::Table });
    match (format, arguments.by) {
        (Format::Swf, _) => ui.print(&swf::file(leases, machines(&client).await))?,
        (Format::Json, By::Lease) => ui.json(leases)?,
        (Format::Json, By::Tenant) => ui.json(&by_tenant(leases, period, now_ms)[..])?,
        (Format::Csv, By::Lease) => ui.print(&render::leases_csv(leases, period, now_ms))?,
        (Format::Csv, By::Tenant) => ui.print(&render::tenants_csv(&by_tenant(leases, period, now_ms)))?,
        (Format::Table, By::Lease) => ui.print(&render::leases(leases, period, now_ms, &ui.out))?,
        (Format::Table, By::Tenant) => {
            ui.print(&render::tenants(&by_tenant(leases, period, now_ms), &ui.out))?
        }
    }
    Ok(Exit::Ok)
}

/// The whole of a stream that may be read again from its beginning.
async fn read(
    client: &Client<'_>,
    request: AccountLeasesRequest,
) -> Result<Response<Vec<LeaseAccount>>, Status> {
    let mut stream = client.leases().account_leases(request).await?.into_inner();
    let mut leases = Vec::new();
    while let Some(account) = stream.next().await {
        leases.push(LeaseAccount::from(account?));
    }
    Ok(Response::new(leases))
}

/// How many machines there are, if the controller tells.
async fn machines(client: &Client<'_>) -> Option<usize> {
    let attempt = async || client.nodes().list_nodes(ListNodesRequest::default()).await;
    let nodes = client.call("list the nodes", attempt).await.ok()?.nodes;
    Some(nodes.iter().filter(|node| node.state != "retired").count())
}
