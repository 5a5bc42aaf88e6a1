//! Reservations for people.

use super::lease::members;
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
            plain(machines(reservation)),
        ]);
    }
    table.render()
}

/// "r1-n01 r1-n02 for 2:x86_64".
fn machines(reservation: &Reservation) -> String {
    let mut text = reservation.nodes.join(" ");
    if !reservation.members.is_empty() {
        text.push_str(" for ");
        text.push_str(&members(&reservation.members));
    }
    for grouping in &reservation.together {
        text.push_str(", ");
        text.push_str(grouping);
    }
    if reservation.short {
        text.push_str("; some have failed, and there are no others");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use hostler_proto::lease::v1::MemberRequest;
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
        let like = pb::Reservation {
            members: vec![MemberRequest { count: 2, arch: "aarch64".into(), ..MemberRequest::default() }],
            groupings: vec!["same rack".into()],
            short: true,
            ..reservation("arms", 0, &["r1-n03"])
        };
        let nightly = reservation("nightly", 86_400, &["r1-n01", "r1-n02"]);
        let all = [reservation("demo", 0, &["r1-n01"]), nightly, like];
        insta::assert_snapshot!(table(&all.map(Reservation::from), &Look::default()), @r"
        NAME     TENANT  NEXT                  FOR     EVERY   UNTIL  NODES
        demo     ci      2026-03-21 00:00:00Z  4h 00m  -       -      r1-n01
        nightly  ci      2026-03-21 00:00:00Z  4h 00m  1d 00h  -      r1-n01 r1-n02
        arms     ci      2026-03-21 00:00:00Z  4h 00m  -       -      r1-n03 for 2:aarch64, same rack; some have failed, and there are no others
        ");
    }
}
