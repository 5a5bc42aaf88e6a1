//! Reservations for people.

use super::look::Look;
use super::table::{Table, or_dash, plain};
use super::time::{span, stamp};
use crate::model::reservation::Reservation;
use std::time::Duration;

/// One line for each.
pub(crate) fn table(reservations: &[Reservation], look: &Look) -> String {
    let titles = ["NAME", "TENANT", "NEXT", "FOR", "EVERY", "UNTIL", "NODES"];
    let mut table = Table::new(look, &titles);
    let seconds = |s: u64| span(Duration::from_secs(s));
    for reservation in reservations {
        table.row([
            plain(&reservation.name),
            plain(&reservation.tenant),
            or_dash(reservation.next_ms.map(stamp)),
            plain(seconds(reservation.length_s)),
            or_dash(reservation.every_s.map(seconds)),
            or_dash(reservation.until_ms.map(stamp)),
            plain(reservation.nodes.join(" ")),
        ]);
    }
    table.render()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hostler_proto::node::v1 as pb;

    #[test]
    fn listed() {
        let reservation = |name: &str, every_s: u64, nodes: &[&str]| pb::Reservation {
            tenant: "ci".into(),
            name: name.into(),
            nodes: nodes.iter().map(|node| (*node).into()).collect(),
            from_ms: 1_774_051_200_000,
            length_s: 4 * 3600,
            every_s,
            next_ms: 1_774_051_200_000,
            ..pb::Reservation::default()
        };
        let all =
            [reservation("demo", 0, &["r1-n01"]), reservation("nightly", 86_400, &["r1-n01", "r1-n02"])];
        insta::assert_snapshot!(table(&all.map(Reservation::from), &Look::default()), @r"
        NAME     TENANT  NEXT                  FOR     EVERY   UNTIL  NODES
        demo     ci      2026-03-21 00:00:00Z  4h 00m  -       -      r1-n01
        nightly  ci      2026-03-21 00:00:00Z  4h 00m  1d 00h  -      r1-n01 r1-n02
        ");
    }
}
