//! Who was granted what, which boots were ordered, and what machines did.
//!
//! The first two are kept by triggers in the controller's own database: they hold exactly what was committed, also
//! what was superseded before anybody could look at it.

use super::database::{Database, Engine};
use anyhow::ensure;
use hostler_fleet::room::Room;
use rustix::time::{ClockId, clock_gettime};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::task::JoinSet;

/// The database tells from then on.
pub(super) const fn triggers(engine: Engine) -> &'static str {
    match engine {
        Engine::Sqlite => SQLITE,
        Engine::Postgres => POSTGRES,
    }
}

const SQLITE: &str = "
CREATE TABLE witness_boot (
    boot INTEGER PRIMARY KEY, node TEXT NOT NULL, ordered INTEGER NOT NULL, rung TEXT NOT NULL, because TEXT
);
CREATE VIEW witness_present AS
    SELECT json_extract(boot, '$.id') AS boot, name AS node, json_extract(boot, '$.ordered') AS ordered,
           json_extract(boot, '$.rung') AS rung, json_extract(boot, '$.because') AS because
    FROM (
        SELECT name, CASE WHEN type = 'object' THEN json_extract(value, '$.boot') END AS boot
        FROM node, json_each(body, '$.state')
    )
    WHERE boot IS NOT NULL;
-- Not OR IGNORE: within a trigger, what the statement does that fired it goes before that.
CREATE TRIGGER witness_new AFTER INSERT ON node BEGIN
    INSERT INTO witness_boot SELECT * FROM witness_present WHERE node = NEW.name ON CONFLICT DO NOTHING;
END;
CREATE TRIGGER witness_changed AFTER UPDATE ON node BEGIN
    INSERT INTO witness_boot SELECT * FROM witness_present WHERE node = NEW.name ON CONFLICT DO NOTHING;
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

const POSTGRES: &str = "
CREATE TABLE witness_boot (
    boot BIGINT PRIMARY KEY, node TEXT NOT NULL, ordered BIGINT NOT NULL, rung TEXT NOT NULL, because TEXT
);
CREATE FUNCTION witness_boot() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    state JSON := NEW.body::json -> 'state';
    boot JSON;
BEGIN
    IF json_typeof(state) = 'object' THEN
        SELECT value -> 'boot' INTO boot FROM json_each(state) WHERE json_typeof(value) = 'object';
    END IF;
    IF json_typeof(boot) = 'object' THEN
        INSERT INTO witness_boot
        VALUES ((boot ->> 'id')::bigint, NEW.name, (boot ->> 'ordered')::bigint, boot ->> 'rung', boot ->> 'because')
        ON CONFLICT DO NOTHING;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER witness_boot AFTER INSERT OR UPDATE ON node FOR EACH ROW EXECUTE FUNCTION witness_boot();
CREATE TABLE witness_member (
    seq BIGINT GENERATED ALWAYS AS IDENTITY, node BIGINT NOT NULL, lease BIGINT NOT NULL, comes BIGINT NOT NULL
);
CREATE FUNCTION witness_member() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO witness_member (node, lease, comes) VALUES (NEW.node, NEW.lease, 1);
    ELSE
        INSERT INTO witness_member (node, lease, comes) VALUES (OLD.node, OLD.lease, 0);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER witness_member AFTER INSERT OR DELETE ON membership FOR EACH ROW EXECUTE FUNCTION witness_member();
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
pub fn ordered_boots(database: &Database) -> anyhow::Result<BTreeMap<String, Vec<OrderedBoot>>> {
    let query = "SELECT node, boot, ordered, rung, because FROM witness_boot ORDER BY boot";
    let mut boots = BTreeMap::<_, Vec<_>>::new();
    for row in database.rows(query)? {
        let [node, boot, ordered, rung, because] = columns(row)?;
        let boot = OrderedBoot {
            boot: boot.parse()?,
            ordered_ms: ordered.parse()?,
            rung,
            because: Some(because).filter(|why| !why.is_empty()),
        };
        boots.entry(node).or_default().push(boot);
    }
    Ok(boots)
}

/// Goes through everything that was ever granted: no node came to a lease before it had left the one before. Returns
/// how often a node was granted.
///
/// # Errors
/// If one did, or the database cannot be read.
pub fn check_grants(database: &Database) -> anyhow::Result<usize> {
    let mut holders = BTreeMap::<u32, u32>::new();
    // A change of a lease takes its members away and brings them back.
    let mut granted = std::collections::BTreeSet::new();
    for row in database.rows("SELECT node, lease, comes FROM witness_member ORDER BY seq")? {
        let [node, lease, comes] = columns(row)?;
        let (node, lease): (u32, u32) = (node.parse()?, lease.parse()?);
        let holder = holders.get(&node).copied();
        if comes == "1" {
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

fn columns<const N: usize>(row: Vec<String>) -> anyhow::Result<[String; N]> {
    row.try_into().map_err(|row| anyhow::anyhow!("not {N} columns: {row:?}"))
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
