//! Row by row.

use super::{Copied, PAGE, Progress, Step, Tables};
use crate::StoreError;
use crate::table::{Row, TABLES, Table, key};
use std::collections::VecDeque;

/// A row and where it belongs.
pub(super) type Item = Result<(&'static Table, Row), StoreError>;

/// All rows of a store, table by table, in the order of the key.
pub(super) struct AllRows<'t> {
    tables: &'t mut dyn Tables,
    /// In [`TABLES`].
    table: usize,
    after: i64,
    page: VecDeque<Row>,
}

impl<'t> AllRows<'t> {
    pub(super) fn of(tables: &'t mut dyn Tables) -> Self {
        Self { tables, table: 0, after: i64::MIN, page: VecDeque::new() }
    }
}

impl Iterator for AllRows<'_> {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        loop {
            let table = *TABLES.get(self.table)?;
            if let Some(row) = self.page.pop_front() {
                self.after = key(&row);
                return Some(Ok((table, row)));
            }
            match self.tables.page(table, self.after) {
                Err(error) => {
                    self.table = TABLES.len();
                    return Some(Err(error));
                }
                Ok(page) if page.is_empty() => {
                    self.table += 1;
                    self.after = i64::MIN;
                }
                Ok(page) => self.page = page.into(),
            }
        }
    }
}

/// Writes all rows into an empty store.
pub(super) fn fill(
    rows: impl Iterator<Item = Item>,
    target: &mut dyn Tables,
    progress: Progress<'_>,
) -> Result<Copied, StoreError> {
    let mut copied = Copied::default();
    let mut rows = rows.peekable();
    while let Some(first) = rows.next() {
        let (table, row) = first?;
        let mut page = vec![row];
        while page.len() < PAGE as usize
            && let Some(Ok((_, row))) =
                rows.next_if(|next| next.as_ref().is_ok_and(|(of, _)| of.name == table.name))
        {
            page.push(row);
        }
        copied.count(table.name, page.len() as u64);
        target.insert(table, page)?;
        progress(Step { comparing: false, table: table.name, rows: copied.rows() });
    }
    Ok(copied)
}

/// Reads all rows back: `rows` are what was to be written.
pub(super) fn compare(
    rows: impl Iterator<Item = Item>,
    target: &mut dyn Tables,
    progress: Progress<'_>,
) -> Result<(), StoreError> {
    let mut found = AllRows::of(target);
    let mut compared = 0;
    for row in rows {
        let (table, row) = row?;
        let differs = StoreError::Differs { table: table.name, id: key(&row) };
        match found.next() {
            Some(Err(error)) => return Err(error),
            Some(Ok((of, other))) if of.name == table.name && other == row => {}
            _ => return Err(differs),
        }
        compared += 1;
        if compared % u64::from(PAGE) == 0 {
            progress(Step { comparing: true, table: table.name, rows: compared });
        }
    }
    match found.next() {
        None => Ok(()),
        Some(extra) => {
            let (table, row) = extra?;
            Err(StoreError::Differs { table: table.name, id: key(&row) })
        }
    }
}
