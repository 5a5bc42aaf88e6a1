//! One batch, one transaction, one round trip: all statements are sent before the first answer is waited for.

use super::link::Link;
use crate::rows::Rows;
use crate::table::{self, Kind, Row, Table, Value, to_i64};
use crate::{Batch, BatchNumber, StoreError};
use futures::FutureExt as _;
use futures::future::LocalBoxFuture;
use std::collections::BTreeMap;
use std::task::Poll;
use std::time::Duration;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error, Statement};

/// More than the server's `statement_timeout`.
const LIMIT: Duration = Duration::from_secs(12);

/// What `hostler_advance` refuses with.
const SUPERSEDED: &str = "HS001";

/// What a commit says, prepared once for each connection.
pub(super) struct Statements {
    advance: Statement,
    leave: Statement,
    prune: Statement,
    forget: BTreeMap<&'static str, Statement>,
    /// Of all tables but `meta`.
    insert: BTreeMap<&'static str, Statement>,
}

impl Statements {
    pub(super) fn prepare(link: &Link) -> Result<Self, StoreError> {
        let prepare = |sql: &str| link.run(LIMIT, link.client().prepare(sql));
        let forget = |table: &'static Table| {
            let sql = format!("UPDATE {} SET remembered = false WHERE id = ANY ($1)", table.name);
            Ok::<_, StoreError>((table.name, prepare(&sql)?))
        };
        let rows = |table: &&'static Table| Ok::<_, StoreError>((table.name, prepare(&insert(table))?));
        Ok(Self {
            advance: prepare("SELECT hostler_advance($1, $2, $3)")?,
            leave: prepare("DELETE FROM membership WHERE lease = ANY ($1)")?,
            prune: prepare("DELETE FROM event WHERE id <= $1")?,
            forget: [&table::LEASE, &table::RUN].into_iter().map(forget).collect::<Result<_, _>>()?,
            insert: table::TABLES[1..].iter().map(rows).collect::<Result<_, _>>()?,
        })
    }

    /// In the order of [`Rows`].
    fn calls(&self, batch: &Batch) -> Result<Vec<Call<'_>>, StoreError> {
        let rows = Rows::of(batch)?;
        let BatchNumber { epoch, batch } = batch.number;
        let number = |n: u64| -> Parameter { Box::new(to_i64(n)) };
        let mut calls = vec![Call(&self.advance, vec![number(epoch), number(batch), Box::new(rows.meta)])];
        for (table, ids) in rows.forgotten {
            if !ids.is_empty() {
                calls.push(Call(&self.forget[table.name], vec![Box::new(ids)]));
            }
        }
        for (table, rows) in rows.upserts {
            self.insert(&mut calls, table, rows);
        }
        if !rows.leases.is_empty() {
            calls.push(Call(&self.leave, vec![Box::new(rows.leases)]));
        }
        for (table, rows) in rows.inserts {
            self.insert(&mut calls, table, rows);
        }
        if let Some(last) = rows.last_old_event {
            calls.push(Call(&self.prune, vec![Box::new(last)]));
        }
        Ok(calls)
    }

    fn insert<'s>(&'s self, calls: &mut Vec<Call<'s>>, table: &'static Table, rows: Vec<Row>) {
        if !rows.is_empty() {
            calls.push(Call(&self.insert[table.name], columns(table, rows)));
        }
    }
}

/// Writes the batch. After any error the connection must not be used again: a transaction may be open.
pub(super) fn commit(link: &Link, statements: &Statements, batch: &Batch) -> Result<(), StoreError> {
    let calls = statements.calls(batch)?;
    let done = link.run(LIMIT, async {
        match transact(link.client(), &calls).await {
            Err(error) if error.code().is_some_and(|code| code.code() == SUPERSEDED) => Ok(false),
            other => other.map(|()| true),
        }
    })?;
    if done { Ok(()) } else { Err(StoreError::Superseded { ours: batch.number, found: found(link)? }) }
}

/// The last batch that was written.
pub(super) fn found(link: &Link) -> Result<BatchNumber, StoreError> {
    let row = link.run(LIMIT, link.client().query_one("SELECT epoch, batch FROM meta", &[]))?;
    Ok(BatchNumber { epoch: table::to_u64(row.get(0)), batch: table::to_u64(row.get(1)) })
}

/// Takes the next epoch.
pub(super) fn claim(link: &Link) -> Result<u64, StoreError> {
    let sql = "UPDATE meta SET epoch = epoch + 1, batch = 0 RETURNING epoch";
    let row = link.run(LIMIT, link.client().query_one(sql, &[]))?;
    Ok(table::to_u64(row.get(0)))
}

type Parameter = Box<dyn ToSql + Sync>;

/// A statement and what it is given.
pub(super) struct Call<'s>(pub(super) &'s Statement, pub(super) Vec<Parameter>);

type Step<'a> = LocalBoxFuture<'a, Result<(), Error>>;

async fn transact(client: &Client, calls: &[Call<'_>]) -> Result<(), Error> {
    let mut steps: Vec<Step<'_>> = vec![client.batch_execute("BEGIN").boxed_local()];
    steps.extend(calls.iter().map(|call| execute(client, call).boxed_local()));
    steps.push(client.batch_execute("COMMIT").boxed_local());
    pipeline(steps).await
}

pub(super) async fn execute(client: &Client, Call(statement, parameters): &Call<'_>) -> Result<(), Error> {
    let parameters: Vec<_> = parameters.iter().map(|p| &**p as &(dyn ToSql + Sync)).collect();
    client.execute(*statement, &parameters).await.map(drop)
}

/// Sends all steps, then waits for the answers in order. After one that fails, the server refuses what follows it.
/// One that cannot be sent keeps back those behind it, the end of the transaction among them.
async fn pipeline(steps: Vec<Step<'_>>) -> Result<(), Error> {
    let mut waiting = Vec::with_capacity(steps.len());
    for mut step in steps {
        // A step is on its way when it was polled once.
        match futures::poll!(&mut step) {
            Poll::Ready(outcome) => outcome?,
            Poll::Pending => waiting.push(step),
        }
    }
    for step in waiting {
        step.await?;
    }
    Ok(())
}

/// An `INSERT` of any number of rows, each parameter being a column. Rows that may be there already are replaced.
pub(super) fn insert(table: &Table) -> String {
    let arrays: Vec<_> =
        table.columns.iter().zip(1..).map(|(c, n)| format!("${n}::{}[]", array_of(c.kind))).collect();
    format!(
        "INSERT INTO {} ({}) SELECT * FROM unnest({}){}",
        table.name,
        table.column_names(),
        arrays.join(", "),
        table.on_conflict()
    )
}

const fn array_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Number => "bigint",
        Kind::Flag => "boolean",
        Kind::Text => "text",
    }
}

/// Rows turned into columns.
pub(super) fn columns(table: &Table, rows: Vec<Row>) -> Vec<Parameter> {
    let mut columns: Vec<Vec<Value>> = table.columns.iter().map(|_| Vec::with_capacity(rows.len())).collect();
    for row in rows {
        for (column, value) in columns.iter_mut().zip(row) {
            column.push(value);
        }
    }
    table.columns.iter().zip(columns).map(|(column, values)| array(column.kind, values)).collect()
}

fn array(kind: Kind, values: Vec<Value>) -> Parameter {
    let values = values.into_iter();
    match kind {
        Kind::Number => Box::new(
            values.map(|v| if let Value::Number(n) = v { Some(n) } else { None }).collect::<Vec<_>>(),
        ),
        Kind::Flag => {
            Box::new(values.map(|v| if let Value::Flag(f) = v { Some(f) } else { None }).collect::<Vec<_>>())
        }
        Kind::Text => {
            Box::new(values.map(|v| if let Value::Text(t) = v { Some(t) } else { None }).collect::<Vec<_>>())
        }
    }
}
