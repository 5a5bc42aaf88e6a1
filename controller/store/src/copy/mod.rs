//! All rows of a store, to another one, or to a file and back.
//!
//! * [`migrate`]: from one store to another, of whichever engine; exactly.
//! * [`backup`]: to a file, beside a running controller.
//! * [`mod@restore`]: from a file to an empty store. What was given out since the backup is not known any more; see there.
//!
//! A store is filled in one transaction, and read back row by row before that ends: an interrupted or failed copy
//! leaves the target empty.

mod file;
mod restore;
mod transfer;

pub use restore::{Restored, restore};

use crate::postgres::PostgresTables;
use crate::sqlite::SqliteTables;
use crate::table::{self, Row, Table, Value};
use crate::{StoreError, StoreUrl};
use std::path::Path;
use transfer::{AllRows, compare, fill};

/// Rows that are read or written at once.
pub(crate) const PAGE: u32 = 1_000;

/// How far a copy is. Called after each page.
pub type Progress<'p> = &'p mut dyn FnMut(Step);

/// A part of a copy that is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Rows are read back and compared, not written.
    pub comparing: bool,
    /// Which table.
    pub table: &'static str,
    /// So many rows of all tables, so far.
    pub rows: u64,
}

/// What was copied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// Rows of each table.
    pub tables: Vec<(&'static str, u64)>,
}

impl Copied {
    /// Rows of all tables.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|(_, rows)| rows).sum()
    }

    fn count(&mut self, table: &'static str, rows: u64) {
        match self.tables.iter_mut().find(|(name, _)| *name == table) {
            Some((_, count)) => *count += rows,
            None => self.tables.push((table, rows)),
        }
    }
}

/// What is done to a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Read, while a controller may write.
    Look,
    /// Read, while nobody may write.
    Take,
    /// Filled; made if it is not there.
    Fill,
}

/// A store in the midst of one transaction.
pub(crate) trait Tables {
    /// The store, without a password.
    fn shown(&self) -> String;

    /// The rows whose key is greater than `after`, at most [`PAGE`], in the order of the key.
    fn page(&mut self, table: &'static Table, after: i64) -> Result<Vec<Row>, StoreError>;

    /// Rows of one table. The row of `meta` is replaced.
    fn insert(&mut self, table: &'static Table, rows: Vec<Row>) -> Result<(), StoreError>;

    /// Ends the transaction. Dropped without that, nothing is changed.
    fn commit(&mut self) -> Result<(), StoreError>;
}

fn open(url: &StoreUrl, access: Access) -> Result<Box<dyn Tables>, StoreError> {
    Ok(match url {
        StoreUrl::Sqlite(path) => Box::new(SqliteTables::open(path, access)?),
        StoreUrl::Postgres(url) => Box::new(PostgresTables::open(url, access)?),
    })
}

/// Copies everything from one store to an empty one, as it is. Nobody may use either meanwhile.
///
/// # Errors
/// If one of them cannot be had, is in use or is newer than this program, if the target is not empty, or if what was
/// written is not what was read. The target is then as it was before.
pub fn migrate(from: &StoreUrl, to: &StoreUrl, progress: Progress<'_>) -> Result<Copied, StoreError> {
    let mut source = open(from, Access::Take)?;
    let mut target = open_empty(to)?;
    let copied = fill(AllRows::of(&mut *source), &mut *target, progress)?;
    compare(AllRows::of(&mut *source), &mut *target, progress)?;
    target.commit()?;
    Ok(copied)
}

/// Writes everything as of one moment into a new file, which only its owner may read. The controller goes on
/// meanwhile.
///
/// # Errors
/// If the store cannot be read, the file exists, or the file system refuses. There is then no file.
pub fn backup(from: &StoreUrl, path: &Path, progress: Progress<'_>) -> Result<Copied, StoreError> {
    let mut source = open(from, Access::Look)?;
    let mut writer = file::Writer::create(path)?;
    let mut copied = Copied::default();
    for row in AllRows::of(&mut *source) {
        let (table, row) = row?;
        writer.append(table, &row)?;
        copied.count(table.name, 1);
        if copied.rows().is_multiple_of(u64::from(PAGE)) {
            progress(Step { comparing: false, table: table.name, rows: copied.rows() });
        }
    }
    writer.finish()?;
    Ok(copied)
}

/// A store to be filled.
fn open_empty(url: &StoreUrl) -> Result<Box<dyn Tables>, StoreError> {
    let mut target = open(url, Access::Fill)?;
    let fresh = vec![Value::Number(1), Value::Number(0), Value::Number(0), Value::Text(String::new())];
    let mut is_empty = target.page(&table::META, 0)? == [fresh];
    for table in table::TABLES.into_iter().skip(1) {
        is_empty &= target.page(table, 0)?.is_empty();
    }
    if is_empty { Ok(target) } else { Err(StoreError::NotEmpty { store: target.shown() }) }
}
