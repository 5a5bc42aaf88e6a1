//! The rows on which several controllers agree who leads. What follows from them is decided in `hostler_core`.

use super::link::Link;
use super::{lock, schema};
use crate::StoreError;
use crate::table::{to_i64, to_u64};
use crate::url::PostgresUrl;
use hostler_core::leadership::Ballot;
use std::time::Duration;
use tokio_postgres::Row;

/// How long the database may take for an answer: less than half of a lease, so that a second try is in time.
const LIMIT: Duration = Duration::from_millis(1_500);

/// What is known of one controller.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Where clients and agents connect.
    pub address: String,
    /// Names what its process has locked: whoever has the lock knows that the process before has ended.
    pub place: String,
    /// A digest of its keys.
    pub keys: String,
}

/// Who leads, as the database has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leader {
    /// The state of the row.
    pub ballot: Ballot,
    /// Of the controller.
    pub name: String,
    /// Since when, in milliseconds of the database's clock.
    pub since_ms: u64,
    /// Age of the last renewal in milliseconds.
    pub age_ms: u64,
    /// It gave the leadership up.
    pub resigned: bool,
}

/// The leader and all controllers that were ever seen, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roster {
    /// Who leads.
    pub leader: Leader,
    /// Each with the age of its last word in milliseconds.
    pub members: Vec<(Member, u64)>,
}

impl Roster {
    /// The controller that leads, if it is known.
    #[must_use]
    pub fn leading(&self) -> Option<&Member> {
        let leads = |member: &&Member| !self.leader.resigned && member.name == self.leader.name;
        self.members.iter().map(|(member, _)| member).find(leads)
    }
}

/// The rows, on a connection of their own: a writer that waits must not keep its own leadership from being renewed.
pub struct Leadership {
    url: PostgresUrl,
    link: Option<Link>,
}

impl Leadership {
    /// Of this database. Connects when it is first asked.
    #[must_use]
    pub fn new(url: &PostgresUrl) -> Self {
        Self { url: url.clone(), link: None }
    }

    /// Reads who leads and who is there.
    ///
    /// # Errors
    /// If the database cannot be asked, or its schema is of another version.
    pub fn look(&mut self) -> Result<Roster, StoreError> {
        self.with(roster)
    }

    /// Says that this controller is there, and reads the rest.
    ///
    /// # Errors
    /// As [`Leadership::look`].
    pub fn stand_by(&mut self, me: &Member) -> Result<Roster, StoreError> {
        self.with(|link| {
            appear(link, me)?;
            roster(link)
        })
    }

    /// Takes the leadership, if it is still as it was seen. The database ends the session of the last leader's writer
    /// first: one that was cut off in the midst of a transaction would hold what is needed here. Controllers that were
    /// not seen for a week are forgotten.
    ///
    /// # Errors
    /// As [`Leadership::look`].
    pub fn take(&mut self, me: &Member, seen: Ballot) -> Result<Option<u64>, StoreError> {
        self.with(|link| {
            appear(link, me)?;
            let sql = "DELETE FROM controller WHERE seen < clock_timestamp() - interval '7 days'";
            link.run(LIMIT, link.client().execute(sql, &[]))?;
            lock::end_writer(link)?;
            let (epoch, renewals) = (to_i64(seen.epoch), to_i64(seen.renewals));
            let sql = "SELECT hostler_lead($1, $2, $3)";
            let row = link.run(LIMIT, link.client().query_one(sql, &[&epoch, &renewals, &me.name]))?;
            Ok(row.get::<_, Option<i64>>(0).map(to_u64))
        })
    }

    /// Renews the leadership of this epoch. None if somebody else has it.
    ///
    /// # Errors
    /// As [`Leadership::look`].
    pub fn renew(&mut self, me: &Member, epoch: u64) -> Result<Option<Roster>, StoreError> {
        self.with(|link| {
            let sql =
                "UPDATE leader SET renewals = renewals + 1, renewed = clock_timestamp() WHERE epoch = $1";
            if link.run(LIMIT, link.client().execute(sql, &[&to_i64(epoch)]))? == 0 {
                return Ok(None);
            }
            appear(link, me)?;
            roster(link).map(Some)
        })
    }

    /// Gives up what this controller has: it leads no more, and is not there.
    ///
    /// # Errors
    /// As [`Leadership::look`].
    pub fn resign(&mut self, me: &Member, epoch: Option<u64>) -> Result<(), StoreError> {
        self.with(|link| {
            let epoch = to_i64(epoch.unwrap_or(0));
            let sql = "UPDATE leader SET resigned = true WHERE epoch = $1";
            link.run(LIMIT, link.client().execute(sql, &[&epoch]))?;
            let sql = "DELETE FROM controller WHERE name = $1 AND place = $2";
            link.run(LIMIT, link.client().execute(sql, &[&me.name, &me.place])).map(drop)
        })
    }

    /// Uses the connection. It is not used again after an error.
    fn with<T>(&mut self, work: impl FnOnce(&Link) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let link = match self.link.take() {
            Some(link) => link,
            None => connect(&self.url)?,
        };
        let done = work(&link);
        if done.is_ok() {
            self.link = Some(link);
        }
        done
    }
}

/// The tables are brought up to date by whoever comes first; a leader of another version is in the way of that.
fn connect(url: &PostgresUrl) -> Result<Link, StoreError> {
    let link = Link::connect_within(url, LIMIT)?;
    if schema::version(&link)? < schema::known() {
        lock::take(&link)?;
        schema::migrate(&link)?;
        lock::release(&link)?;
    }
    Ok(link)
}

fn appear(link: &Link, me: &Member) -> Result<(), StoreError> {
    let sql = "INSERT INTO controller (name, address, place, keys, seen)
               VALUES ($1, $2, $3, $4, clock_timestamp())
               ON CONFLICT (name) DO UPDATE SET address = excluded.address, place = excluded.place,
                   keys = excluded.keys, seen = excluded.seen";
    link.run(LIMIT, link.client().execute(sql, &[&me.name, &me.address, &me.place, &me.keys])).map(drop)
}

fn roster(link: &Link) -> Result<Roster, StoreError> {
    let sql = "SELECT epoch, renewals, name, (extract(epoch FROM since) * 1000)::BIGINT,
                      greatest(0, extract(epoch FROM clock_timestamp() - renewed) * 1000)::BIGINT, resigned
               FROM leader";
    let row = link.run(LIMIT, link.client().query_one(sql, &[]))?;
    let leader = Leader {
        ballot: Ballot { epoch: to_u64(row.get(0)), renewals: to_u64(row.get(1)) },
        name: row.get(2),
        since_ms: to_u64(row.get(3)),
        age_ms: to_u64(row.get(4)),
        resigned: row.get(5),
    };
    let sql = "SELECT name, address, place, keys,
                      greatest(0, extract(epoch FROM clock_timestamp() - seen) * 1000)::BIGINT
               FROM controller ORDER BY name";
    let rows = link.run(LIMIT, link.client().query(sql, &[]))?;
    Ok(Roster { leader, members: rows.iter().map(member).collect() })
}

fn member(row: &Row) -> (Member, u64) {
    let text = |column| row.get::<_, String>(column);
    (Member { name: text(0), address: text(1), place: text(2), keys: text(3) }, to_u64(row.get(4)))
}
