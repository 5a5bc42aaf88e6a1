//! Pools for people.

use super::look::Look;
use super::table::{Table, or_dash, plain};
use crate::model::pool::{Pool, Rack};

/// One line for each pool.
pub(crate) fn table(pools: &[Pool], look: &Look) -> String {
    let titles = ["NAME", "MACHINES", "STARTING", "WAITING", "MAX BOOTING", "PER RACK"];
    let mut table = Table::new(look, &titles).right(&[1, 2, 3, 4, 5]);
    for pool in pools {
        table.row([
            plain(&pool.name),
            plain(pool.machines),
            plain(pool.starting),
            plain(pool.waiting),
            or_dash(pool.max_booting),
            or_dash(pool.max_booting_per_rack),
        ]);
    }
    table.render()
}

/// A pool, and a line for each of its racks.
pub(crate) fn show(pool: &Pool, look: &Look) -> String {
    let pools = table(std::slice::from_ref(pool), look);
    if pool.racks.is_empty() { pools } else { format!("{pools}\n{}", racks(&pool.racks, look)) }
}

fn racks(racks: &[Rack], look: &Look) -> String {
    let mut table = Table::new(look, &["RACK", "MACHINES", "STARTING", "WAITING"]).right(&[1, 2, 3]);
    for rack in racks {
        table.row([
            or_dash(rack.rack.as_ref()),
            plain(rack.machines),
            plain(rack.starting),
            plain(rack.waiting),
        ]);
    }
    table.render()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hostler_proto::node::v1 as pb;

    fn rack(rack: &str, machines: u32, starting: u32, waiting: u32) -> pb::PoolRack {
        pb::PoolRack { rack: rack.to_owned(), machines, starting, waiting }
    }

    fn pool(name: &str, max_booting: u32, racks: Vec<pb::PoolRack>) -> Pool {
        pb::Pool { name: name.to_owned(), max_booting, max_booting_per_rack: max_booting / 2, racks }.into()
    }

    #[test]
    fn listed() {
        let pools =
            [pool("default", 8, vec![rack("", 4, 0, 0), rack("r1", 20, 4, 9)]), pool("lab", 0, Vec::new())];
        insta::assert_snapshot!(table(&pools, &Look::default()), @r"
        NAME     MACHINES  STARTING  WAITING  MAX BOOTING  PER RACK
        default        24         4        9            8         4
        lab             0         0        0            -         -
        ");
    }

    #[test]
    fn shown() {
        let with_racks = pool("default", 8, vec![rack("", 4, 0, 0), rack("r1", 20, 4, 9)]);
        insta::assert_snapshot!(show(&with_racks, &Look::default()), @r"
        NAME     MACHINES  STARTING  WAITING  MAX BOOTING  PER RACK
        default        24         4        9            8         4

        RACK  MACHINES  STARTING  WAITING
        -            4         0        0
        r1          20         4        9
        ");
    }
}
