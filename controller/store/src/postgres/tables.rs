//! All rows of a database, for copies.

use super::link::Link;
use super::write::{self, Call};
use super::{lock, schema};
use crate::StoreError;
use crate::copy::{Access, PAGE, Tables};
use crate::table::{Kind, Row, Table, Value};
use crate::url::PostgresUrl;
use std::time::Duration;

/// How long one page may take.
const LIMIT: Duration = Duration::from_secs(120);

/// A database in the midst of one transaction.
pub(crate) struct PostgresTables {
    link: Link,
}

impl PostgresTables {
    pub(crate) fn open(url: &PostgresUrl, access: Access) -> Result<Self, StoreError> {
        let link = Link::connect(url)?;
        if access != Access::Look {
            lock::take(&link)?;
        }
        if access == Access::Fill {
            schema::migrate(&link)?;
        }
        if schema::version(&link)? != schema::known() {
            return Err(StoreError::Url(format!(
                "{url} is no store of this version: start hostlerd on it once"
            )));
        }
        let mode = if access == Access::Look { "READ ONLY" } else { "READ WRITE" };
        let begin =
            format!("BEGIN ISOLATION LEVEL REPEATABLE READ {mode}; SET LOCAL statement_timeout = '100s'");
        link.run(LIMIT, link.client().batch_execute(&begin))?;
        // The other side of the copy may take its time.
        let patient = "SET LOCAL idle_in_transaction_session_timeout = 0";
        link.run(LIMIT, link.client().batch_execute(patient))?;
        Ok(Self { link })
    }
}

impl Tables for PostgresTables {
    fn shown(&self) -> String {
        self.link.store().to_owned()
    }

    fn page(&mut self, table: &'static Table, after: i64) -> Result<Vec<Row>, StoreError> {
        let (sql, limit) = (table.page(), i64::from(PAGE));
        let rows = self.link.run(LIMIT, self.link.client().query(&sql, &[&after, &limit]))?;
        let values = |row: &tokio_postgres::Row| {
            table.columns.iter().enumerate().map(|(place, column)| value(row, place, column.kind)).collect()
        };
        Ok(rows.iter().map(values).collect())
    }

    fn insert(&mut self, table: &'static Table, rows: Vec<Row>) -> Result<(), StoreError> {
        let statement = self.link.run(LIMIT, self.link.client().prepare(&write::insert(table)))?;
        let call = Call(&statement, write::columns(table, rows));
        self.link.run(LIMIT, write::execute(self.link.client(), &call))
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        self.link.run(LIMIT, self.link.client().batch_execute("COMMIT"))
    }
}

fn value(row: &tokio_postgres::Row, place: usize, kind: Kind) -> Value {
    match kind {
        Kind::Number => row.get::<_, Option<i64>>(place).map_or(Value::Null, Value::Number),
        Kind::Flag => Value::Flag(row.get(place)),
        Kind::Text => Value::Text(row.get(place)),
    }
}
