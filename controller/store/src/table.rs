//! The tables, as both engines have them. The first column is the key.

use std::fmt::Write as _;

/// A table.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) columns: &'static [Column],
    /// What a newer version of a row changes.
    pub(crate) updated: &'static [&'static str],
}

/// A column of a table.
#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
}

/// What a column holds. A flag is a number to SQLite and a boolean to PostgreSQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Number,
    Flag,
    Text,
}

/// What is in one place of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Null,
    Number(i64),
    Flag(bool),
    Text(String),
}

/// One value for each column.
pub(crate) type Row = Vec<Value>;

/// The key of a row.
pub(crate) fn key(row: &Row) -> i64 {
    match row.first() {
        Some(Value::Number(key)) => *key,
        _ => 0,
    }
}

impl Value {
    /// Text as both engines take it: PostgreSQL has no NUL in text, so neither has it here. Bodies are not concerned,
    /// in JSON it is escaped.
    pub(crate) fn text(text: &str) -> Self {
        Self::Text(if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text.to_owned() })
    }

    /// The database's integers are signed; ours never come near the difference.
    pub(crate) fn number(number: u64) -> Self {
        Self::Number(to_i64(number))
    }
}

pub(crate) fn to_i64(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(crate) fn to_u64(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

const fn number(name: &'static str) -> Column {
    Column { name, kind: Kind::Number }
}

const fn flag(name: &'static str) -> Column {
    Column { name, kind: Kind::Flag }
}

const fn text(name: &'static str) -> Column {
    Column { name, kind: Kind::Text }
}

pub(crate) static META: Table = Table {
    name: "meta",
    columns: &[number("id"), number("epoch"), number("batch"), text("body")],
    updated: &["epoch", "batch", "body"],
};
pub(crate) static BMC: Table = Table {
    name: "bmc",
    columns: &[number("id"), text("address"), text("body")],
    updated: &["address", "body"],
};
pub(crate) static NODE: Table = Table {
    name: "node",
    columns: &[number("id"), text("name"), text("state"), text("body")],
    updated: &["name", "state", "body"],
};
pub(crate) static TENANT: Table = Table {
    name: "tenant",
    columns: &[number("id"), text("name"), text("body")],
    updated: &["name", "body"],
};
pub(crate) static IMAGE: Table = Table {
    name: "image",
    columns: &[number("id"), text("name"), text("arch"), text("sha256"), text("body")],
    updated: &["name", "arch", "sha256", "body"],
};
pub(crate) static POOL: Table =
    Table { name: "pool", columns: &[number("id"), text("name"), text("body")], updated: &["name", "body"] };
pub(crate) static LEASE: Table = Table {
    name: "lease",
    columns: &[number("id"), number("tenant"), text("key"), text("state"), flag("remembered"), text("body")],
    updated: &["state", "body"],
};
pub(crate) static MEMBERSHIP: Table =
    Table { name: "membership", columns: &[number("node"), number("lease")], updated: &[] };
pub(crate) static RUN: Table = Table {
    name: "run",
    columns: &[number("id"), number("lease"), flag("remembered"), text("body")],
    updated: &["body"],
};
pub(crate) static EVENT: Table = Table {
    name: "event",
    columns: &[
        number("id"),
        number("at"),
        text("severity"),
        text("kind"),
        number("node"),
        number("lease"),
        text("message"),
    ],
    updated: &[],
};

/// All of them; what others refer to comes before them.
pub(crate) static TABLES: [&Table; 10] =
    [&META, &BMC, &NODE, &TENANT, &IMAGE, &POOL, &LEASE, &MEMBERSHIP, &RUN, &EVENT];

impl Table {
    /// The names of the columns, with commas.
    pub(crate) fn column_names(&self) -> String {
        let names: Vec<_> = self.columns.iter().map(|c| c.name).collect();
        names.join(", ")
    }

    /// What follows an `INSERT` of rows that may be there already; nothing where that would be an error.
    pub(crate) fn on_conflict(&self) -> String {
        let mut sql = String::new();
        for (column, before) in self
            .updated
            .iter()
            .zip(std::iter::once(" ON CONFLICT (id) DO UPDATE SET ").chain(std::iter::repeat(", ")))
        {
            // Writing to a string does not fail.
            let _ = write!(sql, "{before}{column} = excluded.{column}");
        }
        sql
    }

    /// Rows in the order of the key, after one and at most so many; `$1` and `$2` are these.
    pub(crate) fn page(&self) -> String {
        let (names, key) = (self.column_names(), self.columns[0].name);
        format!("SELECT {names} FROM {} WHERE {key} > $1 ORDER BY {key} LIMIT $2", self.name)
    }
}
