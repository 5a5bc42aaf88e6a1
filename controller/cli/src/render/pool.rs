//! Pools for people.

use super::look::Look;
use super::table::{Table, or_dash, plain};
use super::time::span;
use crate::model::pool::{Image, Keep, Pool, Rack};
use std::time::Duration;

/// One line for each pool.
pub(crate) fn table(pools: &[Pool], look: &Look) -> String {
    let titles = ["NAME", "MACHINES", "WARM", "OFF", "STARTING", "WAITING", "MAX BOOTING", "PER RACK"];
    let mut table = Table::new(look, &titles).right(&[1, 2, 3, 4, 5, 6, 7]);
    for pool in pools {
        table.row([
            plain(&pool.name),
            plain(pool.machines),
            plain(pool.warm),
            plain(pool.off),
            plain(pool.starting),
            plain(pool.waiting),
            or_dash(pool.max_booting),
            or_dash(pool.max_booting_per_rack),
        ]);
    }
    table.render()
}

/// A pool, what is done with those that nobody uses, what is written ahead to them, and a line for each of its racks.
pub(crate) fn show(pool: &Pool, look: &Look) -> String {
    let pools = format!(
        "{}{}{}",
        table(std::slice::from_ref(pool), look),
        keep(&pool.keep),
        images(&pool.images, look)
    );
    if pool.racks.is_empty() { pools } else { format!("{pools}\n{}", racks(&pool.racks, look)) }
}

/// Nothing if nothing is done.
fn keep(keep: &Keep) -> String {
    let Keep { warm, max_powered, idle_off_ms, refresh_ms, spared, ahead } = *keep;
    let after = |ms: u64| span(Duration::from_millis(ms));
    let warm = (warm > 0).then(|| format!("at least {warm} are warm"));
    let most = max_powered.map(|most| format!("{most} at most have power"));
    let off = idle_off_ms.map(|ms| format!("all but {spared} are powered off after {}", after(ms)));
    let refresh = refresh_ms.map(|ms| format!("they are looked at anew after {}", after(ms)));
    let ahead = (ahead > 0).then(|| format!("{ahead} of the warm ones have an image written ahead"));
    let said: Vec<_> = [warm, most, off, refresh, ahead].into_iter().flatten().collect();
    if said.is_empty() {
        String::new()
    } else {
        format!("\nOf those that nobody uses {}.\n", said.join("; "))
    }
}

/// Nothing if nobody asks for any, and none is written.
fn images(images: &[Image], look: &Look) -> String {
    if images.is_empty() {
        return String::new();
    }
    let mut table = Table::new(look, &["IMAGE", "ARCH", "ASKED", "WRITTEN", "WRITING"]).right(&[2, 3, 4]);
    for image in images {
        table.row([
            plain(&image.name),
            plain(&image.arch),
            plain(image.asked),
            plain(image.written),
            plain(image.writing),
        ]);
    }
    format!("\n{}", table.render())
}

fn racks(racks: &[Rack], look: &Look) -> String {
    let titles = ["RACK", "MACHINES", "WARM", "OFF", "STARTING", "WAITING"];
    let mut table = Table::new(look, &titles).right(&[1, 2, 3, 4, 5]);
    for rack in racks {
        table.row([
            or_dash(rack.rack.as_ref()),
            plain(rack.machines),
            plain(rack.warm),
            plain(rack.off),
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
        pb::PoolRack { rack: rack.to_owned(), machines, starting, waiting, warm: machines / 2, off: 1 }
    }

    fn pool(name: &str, max_booting: u32, racks: Vec<pb::PoolRack>) -> Pool {
        let max_booting_per_rack = max_booting / 2;
        pb::Pool { name: name.to_owned(), max_booting, max_booting_per_rack, racks, ..pb::Pool::default() }
            .into()
    }

    #[test]
    fn listed() {
        let pools =
            [pool("default", 8, vec![rack("", 4, 0, 0), rack("r1", 20, 4, 9)]), pool("lab", 0, Vec::new())];
        insta::assert_snapshot!(table(&pools, &Look::default()), @r"
        NAME     MACHINES  WARM  OFF  STARTING  WAITING  MAX BOOTING  PER RACK
        default        24    12    2         4        9            8         4
        lab             0     0    0         0        0            -         -
        ");
    }

    #[test]
    fn shown() {
        let with_racks = pool("default", 8, vec![rack("", 4, 0, 0), rack("r1", 20, 4, 9)]);
        insta::assert_snapshot!(show(&with_racks, &Look::default()), @r"
        NAME     MACHINES  WARM  OFF  STARTING  WAITING  MAX BOOTING  PER RACK
        default        24    12    2         4        9            8         4

        RACK  MACHINES  WARM  OFF  STARTING  WAITING
        -            4     2    1         0        0
        r1          20    10    1         4        9
        ");
    }

    #[test]
    fn what_is_written_ahead_is_shown() {
        let image = |name: &str, asked, written, writing| pb::PoolImage {
            name: name.to_owned(),
            arch: "x86_64".to_owned(),
            asked,
            written,
            writing,
        };
        let images = vec![image("debian-12", 12, 2, 1), image("fedora-43", 3, 1, 0)];
        let with_images = pb::Pool { name: "lab".to_owned(), ahead: 4, images, ..pb::Pool::default() };
        insta::assert_snapshot!(show(&with_images.into(), &Look::default()), @r"
        NAME  MACHINES  WARM  OFF  STARTING  WAITING  MAX BOOTING  PER RACK
        lab          0     0    0         0        0            -         -

        Of those that nobody uses 4 of the warm ones have an image written ahead.

        IMAGE      ARCH    ASKED  WRITTEN  WRITING
        debian-12  x86_64     12        2        1
        fedora-43  x86_64      3        1        0
        ");
    }

    #[test]
    fn what_is_done_with_those_that_nobody_uses_is_said() {
        let keep = |warm, max_powered, idle_off_ms, refresh_ms| {
            let pool =
                pb::Pool { warm, max_powered, idle_off_ms, refresh_ms, spared: 3, ..pb::Pool::default() };
            super::keep(&Pool::from(pool).keep)
        };
        assert_eq!(keep(0, 0, 0, 0), "");
        assert_eq!(keep(2, 0, 0, 0), "\nOf those that nobody uses at least 2 are warm.\n");
        assert_eq!(
            keep(2, 8, 1_800_000, 86_400_000),
            "\nOf those that nobody uses at least 2 are warm; 8 at most have power; all but 3 are powered off after \
             30m 00s; they are looked at anew after 1d 00h.\n"
        );
    }
}
