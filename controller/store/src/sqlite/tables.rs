//! All rows of a database, for copies.

use super::{connect, lock, schema, write};
use crate::StoreError;
use crate::copy::{Access, PAGE, Tables};
use crate::table::{Kind, Row, Table, Value};
use rusqlite::{Connection, OpenFlags, params};
use std::fs::File;
use std::path::{Path, PathBuf};

/// A database in the midst of one transaction.
pub(crate) struct SqliteTables {
    db: Connection,
    path: PathBuf,
    _lock: Option<File>,
}

impl SqliteTables {
    pub(crate) fn open(path: &Path, access: Access) -> Result<Self, StoreError> {
        let shown = path.display().to_string();
        if access != Access::Fill
            && let Err(source) = std::fs::metadata(path)
        {
            return Err(StoreError::File { what: "read", path: shown, source });
        }
        let lock = if access == Access::Look { None } else { Some(lock(path)?) };
        let db = if access == Access::Look {
            Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?
        } else {
            let mut db = connect(path)?;
            schema::migrate(&mut db, &shown)?;
            db
        };
        if schema::version(&db, &shown)? != schema::known() {
            return Err(StoreError::Url(format!(
                "{shown} is no store of this version: start hostlerd on it once"
            )));
        }
        db.execute_batch(if access == Access::Look { "BEGIN" } else { "BEGIN IMMEDIATE" })?;
        Ok(Self { db, path: path.to_owned(), _lock: lock })
    }
}

impl Tables for SqliteTables {
    fn shown(&self) -> String {
        self.path.display().to_string()
    }

    fn page(&mut self, table: &'static Table, after: i64) -> Result<Vec<Row>, StoreError> {
        let mut statement = self.db.prepare_cached(&table.page())?;
        let mut rows = statement.query(params![after, PAGE])?;
        let mut page = Vec::new();
        while let Some(row) = rows.next()? {
            let value = |(place, kind)| value(row, place, kind);
            page.push(table.columns.iter().map(|c| c.kind).enumerate().map(value).collect::<Result<_, _>>()?);
        }
        Ok(page)
    }

    fn insert(&mut self, table: &'static Table, rows: Vec<Row>) -> Result<(), StoreError> {
        write::insert(&self.db, table, &rows)
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        Ok(self.db.execute_batch("COMMIT")?)
    }
}

fn value(row: &rusqlite::Row<'_>, place: usize, kind: Kind) -> Result<Value, StoreError> {
    Ok(match kind {
        Kind::Number => row.get::<_, Option<i64>>(place)?.map_or(Value::Null, Value::Number),
        Kind::Flag => Value::Flag(row.get::<_, i64>(place)? != 0),
        Kind::Text => Value::Text(row.get(place)?),
    })
}
