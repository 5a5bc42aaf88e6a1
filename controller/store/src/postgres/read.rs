//! Reading rows back.

use super::link::Link;
use crate::load::{self, EventRow, QUERIES};
use crate::table::{self, to_u64};
use crate::url::PostgresUrl;
use crate::{BatchNumber, EventFilter, History, Loaded, StoreError};
use hostler_core::event::Event;
use hostler_core::ids::{LeaseId, RunId, TenantId};
use hostler_core::lease::Lease;
use hostler_core::run::Run;
use serde::de::DeserializeOwned;
use std::cell::RefCell;
use std::time::Duration;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

/// How long all of a table may take.
const ALL: Duration = Duration::from_secs(120);

/// How long a query of readers may take: more than the server's `statement_timeout`.
const QUERY: Duration = Duration::from_secs(12);

/// Everything, as of one moment.
pub(super) fn load(link: &Link) -> Result<Loaded, StoreError> {
    let client = link.client();
    let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = '100s'";
    link.run(QUERY, client.batch_execute(begin))?;
    let row = link.run(QUERY, client.query_one("SELECT epoch, batch, body FROM meta", &[]))?;
    let last = BatchNumber { epoch: to_u64(row.get(0)), batch: to_u64(row.get(1)) };
    let meta: &str = row.get(2);
    let mut changes = Vec::new();
    if !meta.is_empty() {
        changes.push(load::change(&table::META, 1, meta)?);
    }
    for (table, query) in &QUERIES {
        for row in link.run(ALL, client.query(*query, &[]))? {
            changes.push(load::change(table, row.get(0), row.get(1))?);
        }
    }
    link.run(QUERY, client.batch_execute("COMMIT"))?;
    Ok(Loaded { changes, last })
}

/// A reader beside the writer, on a connection of its own which it makes when it is asked.
pub struct PostgresHistory {
    url: PostgresUrl,
    link: RefCell<Option<Link>>,
}

type Parameters<'a> = &'a [&'a (dyn ToSql + Sync)];

impl PostgresHistory {
    /// A reader of this database.
    #[must_use]
    pub fn new(url: &PostgresUrl) -> Self {
        Self { url: url.clone(), link: RefCell::new(None) }
    }

    /// Asks once more on a new connection if the old one was lost: a restart of the database is not worth an error.
    fn query(&self, sql: &str, parameters: Parameters<'_>) -> Result<Vec<Row>, StoreError> {
        let kept = self.link.borrow_mut().take();
        if let Some(link) = kept {
            match link.run(QUERY, link.client().query(sql, parameters)) {
                Err(error) if error.is_unavailable() => {}
                answer => {
                    self.link.replace(Some(link));
                    return answer;
                }
            }
        }
        let link = Link::connect(&self.url)?;
        let answer = link.run(QUERY, link.client().query(sql, parameters));
        if answer.is_ok() {
            self.link.replace(Some(link));
        }
        answer
    }

    fn one<T: DeserializeOwned>(
        &self,
        table: &'static table::Table,
        id: u32,
    ) -> Result<Option<T>, StoreError> {
        let (sql, id) = (format!("SELECT body FROM {} WHERE id = $1", table.name), i64::from(id));
        let rows = self.query(&sql, &[&id])?;
        rows.first().map(|row| load::parse(table, id, row.get(0))).transpose()
    }
}

impl History for PostgresHistory {
    fn events(&self, filter: EventFilter) -> Result<Vec<Event>, StoreError> {
        let (after, limit) = (table::to_i64(filter.after), i64::from(filter.limit));
        let (node, lease) = (filter.node.map(|n| i64::from(n.0)), filter.lease.map(|l| i64::from(l.0)));
        // What is not asked for is not in the statement, so that an index is used for what is.
        let mut sql =
            "SELECT id, at, severity, kind, node, lease, message FROM event WHERE id > $1".to_owned();
        let mut parameters: Vec<&(dyn ToSql + Sync)> = vec![&after, &limit];
        for (column, wanted) in [("node", &node), ("lease", &lease)] {
            if let Some(id) = wanted {
                parameters.push(id);
                sql.push_str(&format!(" AND {column} = ${}", parameters.len()));
            }
        }
        sql.push_str(" ORDER BY id LIMIT $2");
        Ok(self.query(&sql, &parameters)?.iter().map(|row| event(row).into()).collect())
    }

    fn lease(&self, id: LeaseId) -> Result<Option<Lease>, StoreError> {
        self.one(&table::LEASE, id.0)
    }

    fn leases_before(
        &self,
        tenant: Option<TenantId>,
        before: LeaseId,
        limit: u32,
    ) -> Result<Vec<Lease>, StoreError> {
        let (before, limit) = (i64::from(before.0), i64::from(limit));
        let rows = match tenant.map(|tenant| i64::from(tenant.0)) {
            None => {
                let sql = "SELECT id, body FROM lease WHERE id < $2 ORDER BY id DESC LIMIT $1";
                self.query(sql, &[&limit, &before])?
            }
            Some(tenant) => {
                let sql =
                    "SELECT id, body FROM lease WHERE id < $2 AND tenant = $3 ORDER BY id DESC LIMIT $1";
                self.query(sql, &[&limit, &before, &tenant])?
            }
        };
        rows.iter().map(|row| load::parse(&table::LEASE, row.get(0), row.get(1))).collect()
    }

    fn run(&self, id: RunId) -> Result<Option<Run>, StoreError> {
        self.one(&table::RUN, id.0)
    }
}

fn event(row: &Row) -> EventRow {
    EventRow {
        id: row.get(0),
        at: row.get(1),
        severity: row.get(2),
        kind: row.get(3),
        node: row.get(4),
        lease: row.get(5),
        message: row.get(6),
    }
}
