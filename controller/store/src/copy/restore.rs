//! From a backup to an empty store.
//!
//! What happened after the backup was made is not known any more, but machines, agents and tenants were there. So a
//! restored store differs from the one that was backed up in two ways. Numbers are left out, the epoch among them:
//! those that were given out since are on certificates, in the names of files and in people's hands, and must not come
//! to mean something else. And every machine is held until it was looked at: one that was free then may have a
//! tenant's data now.

use super::transfer::{Item, compare, fill};
use super::{Copied, Progress, file, open_empty};
use crate::table::{META, NODE, Row, Table, Value, key};
use crate::{StoreError, StoreUrl, load};
use hostler_core::node::{Hold, HoldKind, Node};
use hostler_core::time::Timestamp;
use hostler_core::world::Meta;
use serde::Serialize;
use std::cell::Cell;
use std::path::Path;

/// Numbers of each kind that are left out: more than anybody gives out between two backups.
const LEFT_OUT: u32 = 10_000_000;

/// What was restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// Rows of each table.
    pub copied: Copied,
    /// Machines that are held until somebody has `hostler node repair` look at them.
    pub held: u64,
}

/// Fills an empty store with what is in a backup.
///
/// # Errors
/// If the backup is damaged or newer than this program, the store cannot be had, is in use or is not empty, or what
/// was written is not what was read. The store is then as it was before.
pub fn restore(path: &Path, to: &StoreUrl, progress: Progress<'_>) -> Result<Restored, StoreError> {
    file::check(path)?;
    let mut target = open_empty(to)?;
    let (held, now) = (Cell::new(0), Cell::new(Timestamp(0)));
    let copied = fill(rows(path, &now, &held)?, &mut *target, progress)?;
    let restored = Restored { copied, held: held.get() };
    compare(rows(path, &now, &held)?, &mut *target, progress)?;
    target.commit()?;
    Ok(restored)
}

/// The rows of a backup as they are restored.
fn rows<'c>(
    path: &Path,
    now: &'c Cell<Timestamp>,
    held: &'c Cell<u64>,
) -> Result<impl Iterator<Item = Item> + use<'c>, StoreError> {
    Ok(file::rows(path)?.map(move |item| amended(item, now, held)))
}

/// The row of `meta` comes first, and tells when the backup was made.
fn amended(item: Item, now: &Cell<Timestamp>, held: &Cell<u64>) -> Item {
    let (table, mut row) = item?;
    match table.name {
        "meta" => now.set(leave_out(&mut row)?),
        "node" if hold(&mut row, now.get())? => held.set(held.get() + 1),
        _ => {}
    }
    Ok((table, row))
}

fn leave_out(row: &mut Row) -> Result<Timestamp, StoreError> {
    if let [_, Value::Number(epoch), Value::Number(batch), _] = &mut row[..] {
        *epoch += i64::from(LEFT_OUT);
        *batch = 0;
    }
    let Some(mut meta) = body::<Meta>(&META, row)? else { return Ok(Timestamp(0)) };
    meta.leave_out(LEFT_OUT);
    put_body(&META, row, &meta)?;
    Ok(meta.now)
}

/// True if the machine is one that could be given to somebody.
fn hold(row: &mut Row, since: Timestamp) -> Result<bool, StoreError> {
    let Some(mut node) = body::<Node>(&NODE, row)?.filter(Node::in_service) else { return Ok(false) };
    let reason = "restored from a backup: what happened to it since is not known";
    let hold = Hold { author: "hostlerd restore".into(), reason: reason.into(), since };
    node.holds.insert(HoldKind::Quarantine, hold);
    put_body(&NODE, row, &node)?;
    Ok(true)
}

/// The last column; `None` if it is empty, as in a store that nobody has written to.
fn body<T: serde::de::DeserializeOwned>(table: &Table, row: &Row) -> Result<Option<T>, StoreError> {
    match row.last() {
        Some(Value::Text(body)) if !body.is_empty() => load::parse(table, key(row), body).map(Some),
        _ => Ok(None),
    }
}

fn put_body(table: &Table, row: &mut Row, value: &impl Serialize) -> Result<(), StoreError> {
    let body =
        serde_json::to_string(value).map_err(|source| StoreError::Encode { table: table.name, source })?;
    if let Some(last) = row.last_mut() {
        *last = Value::Text(body);
    }
    Ok(())
}
