//! Who was granted what, which boots were ordered, and what machines did.
//!
//! The first two are kept by triggers in the controller's own database: they hold exactly what was committed, also
//! what was superseded before anybody could look at it.

use anyhow::{Context as _, ensure};
use hostler_fleet::room::Room;
use rusqlite::{Connection, OpenFlags};
use rustix::time::{ClockId, clock_gettime};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::task::JoinSet;

/// For [`super::Setup::with_database`]: the database tells from then on.
pub const WITNESS: &str = "
CREATE TABLE witness_boot (
    boot INTEGER PRIMARY KEY, node TEXT NOT NULL, ordered INTEGER NOT NULL, rung TEXT NOT NULL, because TEXT
);
CREATE TRIGGER witness_boot AFTER INSERT ON node BEGIN
    INSERT OR IGNORE INTO witness_boot
    SELECT json_extract(boot, '$.id'), NEW.name, json_extract(boot, '$.ordered'), json_extract(boot, '$.rung'),
           json_extract(boot, '$.because')
    FROM (
        SELECT CASE WHEN type = 'object' THEN json_extract(value, '$.boot') END AS boot
        FROM json_each(NEW.body, '$.state')
    )
    WHERE boot IS NOT NULL;
END;
CREATE TABLE witness_member (
    seq INTEGER PRIMARY KEY, node INTEGER NOT NULL, lease INTEGER NOT NULL, comes INTEGER NOT NULL
);
CREATE TRIGGER witness_comes AFTER INSERT ON membership BEGIN
    INSERT INTO witness_member (node, lease, comes) VALUES (NEW.node, NEW.lease, 1);
END;
CREATE TRIGGER witness_goes AFTER DELETE ON membership BEGIN
    INSERT INTO witness_member (node, lease, comes) VALUES (OLD.node, OLD.lease, 0);
END;
";

/// A boot that the controller ordered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderedBoot {
    /// Its id.
    pub boot: u32,
    /// When, in milliseconds by the controller's clock.
    pub ordered_ms: u64,
    /// "First" for one that was wanted, higher for one that took the place of a failed one.
    pub rung: String,
    /// Why the one before was given up.
    pub because: Option<String>,
}

/// The boots that were ordered of each node, in order.
///
/// # Errors
/// If the database cannot be read, or has no witness.
pub fn ordered_boots(database: &Path) -> anyhow::Result<BTreeMap<String, Vec<OrderedBoot>>> {
    let database = open(database)?;
    let mut query =
        database.prepare("SELECT node, boot, ordered, rung, because FROM witness_boot ORDER BY boot")?;
    let rows = query.query_map([], |row| {
        let boot = OrderedBoot {
            boot: row.get(1)?,
            ordered_ms: row.get::<_, i64>(2)?.unsigned_abs(),
            rung: row.get(3)?,
            because: row.get(4)?,
        };
        Ok((row.get::<_, String>(0)?, boot))
    })?;
    let mut boots = BTreeMap::<_, Vec<_>>::new();
    for row in rows {
        let (node, boot) = row?;
        boots.entry(node).or_default().push(boot);
    }
    Ok(boots)
}

/// Goes through everything that was ever granted: no node came to a lease before it had left the one before. Returns
/// how often a node was granted.
///
/// # Errors
/// If one did, or the database cannot be read.
pub fn check_grants(database: &Path) -> anyhow::Result<usize> {
    let database = open(database)?;
    let mut query = database.prepare("SELECT node, lease, comes FROM witness_member ORDER BY seq")?;
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let mut holders = BTreeMap::<u32, u32>::new();
    // A change of a lease takes its members away and brings them back.
    let mut granted = std::collections::BTreeSet::new();
    for row in rows {
        let (node, lease, comes): (u32, u32, bool) = row?;
        let holder = holders.get(&node).copied();
        if comes {
            ensure!(holder.is_none(), "node {node} came to lease {lease} while {holder:?} had it");
            holders.insert(node, lease);
            granted.insert((node, lease));
        } else {
            ensure!(holder == Some(lease), "node {node} left lease {lease} while {holder:?} had it");
            holders.remove(&node);
        }
    }
    Ok(granted.len())
}

fn open(database: &Path) -> anyhow::Result<Connection> {
    Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .context("cannot open the database")
}

/// When machines were started, by whomever, in milliseconds of the wall clock.
#[derive(Debug)]
pub struct Starts {
    seen: Arc<Mutex<BTreeMap<String, Vec<u64>>>>,
    _observers: JoinSet<()>,
}

impl Starts {
    /// Looks on from now on.
    #[must_use]
    pub fn of(room: &Room) -> Self {
        let seen = Arc::new(Mutex::new(BTreeMap::<_, Vec<_>>::new()));
        let mut observers = JoinSet::new();
        for machine in room.machines() {
            let (name, mut power, seen) =
                (machine.plan().name.clone(), machine.chassis().watch(), seen.clone());
            let mut known = power.borrow_and_update().starts;
            observers.spawn(async move {
                while power.changed().await.is_ok() {
                    let starts = power.borrow_and_update().starts;
                    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                    // Two within one moment are two.
                    for _ in known..starts {
                        seen.entry(name.clone()).or_default().push(now_ms());
                    }
                    known = starts;
                }
            });
        }
        Self { seen, _observers: observers }
    }

    /// Those of one machine so far.
    #[must_use]
    pub fn of_machine(&self, name: &str) -> Vec<u64> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned().unwrap_or_default()
    }
}

/// The wall clock, in milliseconds.
#[must_use]
pub fn now_ms() -> u64 {
    let now = clock_gettime(ClockId::Realtime);
    u64::try_from(now.tv_sec * 1000 + now.tv_nsec / 1_000_000).unwrap_or_default()
}
