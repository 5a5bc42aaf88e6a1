//! `hostler tenant list`

use crate::clock;
use crate::error::Error;
use crate::exit::Exit;
use crate::model::admin::Tenant;
use crate::render::look::Look;
use crate::render::table::{Table, or_dash, plain};
use crate::render::time::age;
use crate::session::Session;
use clap::Args;
use hostler_proto::node::v1::ListTenantsRequest;

const EXAMPLES: &str = "\
Examples:
  hostler tenant list";

/// Arguments of `hostler tenant list`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {}

pub(crate) async fn run(session: &Session, _: Arguments) -> Result<Exit, Error> {
    let client = session.connect()?;
    let attempt = async || client.nodes().list_tenants(ListTenantsRequest {}).await;
    let response = client.call("list the tenants", attempt).await?;
    let tenants: Vec<Tenant> = response.tenants.into_iter().map(Tenant::from).collect();
    session.ui.result(&tenants[..], |tenants, look| table(tenants, clock::now_ms(), look))?;
    Ok(Exit::Ok)
}

fn table(tenants: &[Tenant], now_ms: u64, look: &Look) -> String {
    let mut table = Table::new(look, &["NAME", "OPEN LEASES", "ADDED"]).right(&[1]);
    for tenant in tenants {
        table.row([
            plain(&tenant.name),
            plain(tenant.open_leases),
            or_dash(tenant.added_ms.map(|at| age(now_ms, at))),
        ]);
    }
    table.render()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listed() {
        let tenants = [
            Tenant { name: "ci".to_owned(), open_leases: 3, added_ms: Some(1) },
            Tenant { name: "nightly".to_owned(), open_leases: 0, added_ms: None },
        ];
        insta::assert_snapshot!(table(&tenants, 7_200_001, &Look::default()), @r"
        NAME     OPEN LEASES  ADDED
        ci                 3  2h
        nightly            0  -
        ");
    }
}
