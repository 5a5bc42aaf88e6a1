//! One batch, one transaction.

use crate::rows::Rows;
use crate::table::{Row, Table, Value, to_i64, to_u64};
use crate::{Batch, BatchNumber, StoreError};
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, TransactionBehavior, params, params_from_iter};

pub(super) fn claim(db: &mut Connection) -> Result<u64, StoreError> {
    let sql = "UPDATE meta SET epoch = epoch + 1, batch = 0 RETURNING epoch";
    Ok(to_u64(db.query_row(sql, [], |row| row.get(0))?))
}

pub(super) fn commit(db: &mut Connection, batch: &Batch) -> Result<(), StoreError> {
    let rows = Rows::of(batch)?;
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    advance(&transaction, batch.number, rows.meta.as_deref())?;
    for (table, ids) in rows.forgotten {
        let sql = format!("UPDATE {} SET remembered = 0 WHERE id = ?1", table.name);
        each(&transaction, &sql, &ids)?;
    }
    for (table, rows) in rows.upserts {
        insert(&transaction, table, &rows)?;
    }
    each(&transaction, "DELETE FROM membership WHERE lease = ?1", &rows.leases)?;
    for (table, rows) in rows.inserts {
        insert(&transaction, table, &rows)?;
    }
    each(&transaction, "DELETE FROM event WHERE id <= ?1", rows.last_old_event.as_slice())?;
    transaction.commit()?;
    Ok(())
}

/// Nothing is written by somebody who has lost the store, and nothing twice.
fn advance(db: &Connection, ours: BatchNumber, body: Option<&str>) -> Result<(), StoreError> {
    let advanced = db
        .prepare_cached(
            "UPDATE meta SET batch = ?2, body = coalesce(?3, body) WHERE epoch = ?1 AND batch < ?2",
        )?
        .execute(params![to_i64(ours.epoch), to_i64(ours.batch), body])?;
    if advanced > 0 {
        return Ok(());
    }
    let found = db.query_row("SELECT epoch, batch FROM meta", [], |row| {
        Ok(BatchNumber { epoch: to_u64(row.get(0)?), batch: to_u64(row.get(1)?) })
    })?;
    Err(StoreError::Superseded { ours, found })
}

fn each(db: &Connection, sql: &str, ids: &[i64]) -> Result<(), StoreError> {
    if ids.is_empty() {
        return Ok(());
    }
    let mut statement = db.prepare_cached(sql)?;
    for id in ids {
        statement.execute(params![id])?;
    }
    Ok(())
}

/// Rows that may be there already are replaced.
pub(super) fn insert(db: &Connection, table: &Table, rows: &[Row]) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    let places = vec!["?"; table.columns.len()].join(", ");
    let (names, on_conflict) = (table.column_names(), table.on_conflict());
    let sql = format!("INSERT INTO {} ({names}) VALUES ({places}){on_conflict}", table.name);
    let mut statement = db.prepare_cached(&sql)?;
    for row in rows {
        statement.execute(params_from_iter(row))?;
    }
    Ok(())
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Number(number) => ValueRef::Integer(*number),
            Self::Flag(flag) => ValueRef::Integer(i64::from(*flag)),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}
