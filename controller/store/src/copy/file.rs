//! A backup: text, one JSON value a line. It is the same for both engines, and can be read without either.
//!
//! ```text
//! {"hostler_backup":1,"schema":2}
//! ["meta",1,17,4,"{...}"]
//! ["node",1,"n1","ready","{...}"]
//! {"rows":2,"sha256":"..."}
//! ```
//!
//! A row is its table and its columns in the order of the schema of that version. The digest is of all lines before
//! the last.

use super::transfer::Item;
use crate::StoreError;
use crate::table::{Kind, Row, TABLES, Table, Value};
use aws_lc_rs::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// The version of this format.
const FORMAT: u32 = 1;

/// The version of the schema whose rows are written: the number of migrations of either engine.
pub(crate) const SCHEMA: i64 = 2;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    hostler_backup: u32,
    schema: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tail {
    rows: u64,
    sha256: String,
}

/// Writes a backup. It has its name when it is whole.
pub(super) struct Writer {
    path: PathBuf,
    file: BufWriter<NamedTempFile>,
    digest: Context,
    rows: u64,
}

impl Writer {
    /// Makes a file that only its owner may read.
    pub(super) fn create(path: &Path) -> Result<Self, StoreError> {
        let failed = |source| file_error("write", path, source);
        if path.exists() {
            return Err(failed(io::ErrorKind::AlreadyExists.into()));
        }
        let directory = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let file = NamedTempFile::new_in(directory).map_err(failed)?;
        let mut writer = Self {
            path: path.to_owned(),
            file: BufWriter::new(file),
            digest: Context::new(&SHA256),
            rows: 0,
        };
        writer.line(&Head { hostler_backup: FORMAT, schema: SCHEMA })?;
        Ok(writer)
    }

    pub(super) fn append(&mut self, table: &Table, row: &Row) -> Result<(), StoreError> {
        let mut line = vec![Json::from(table.name)];
        line.extend(row.iter().map(|value| match value {
            Value::Null => Json::Null,
            Value::Number(number) => (*number).into(),
            Value::Flag(flag) => (*flag).into(),
            Value::Text(text) => text.as_str().into(),
        }));
        self.rows += 1;
        self.line(&line)
    }

    /// Writes the digest, and waits until all is on the disk.
    pub(super) fn finish(mut self) -> Result<(), StoreError> {
        let sha256 = hex(std::mem::replace(&mut self.digest, Context::new(&SHA256)));
        self.line(&Tail { rows: self.rows, sha256 })?;
        let failed = |source| file_error("write", &self.path, source);
        let file = self.file.into_inner().map_err(|e| failed(e.into_error()))?;
        file.as_file().sync_all().map_err(failed)?;
        file.persist_noclobber(&self.path).map_err(|e| failed(e.error))?;
        let directory = self.path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(directory).and_then(|d| d.sync_all()).map_err(failed)
    }

    fn line(&mut self, value: &impl Serialize) -> Result<(), StoreError> {
        let failed = |source| file_error("write", &self.path, source);
        let mut line = serde_json::to_vec(value).map_err(|e| failed(e.into()))?;
        line.push(b'\n');
        self.digest.update(&line);
        self.file.write_all(&line).map_err(failed)
    }
}

/// Makes sure that a backup is whole, of a version that is known here, and as it was written. Returns the number of
/// its rows.
pub(super) fn check(path: &Path) -> Result<u64, StoreError> {
    let damaged = |why: String| StoreError::Backup { path: path.display().to_string(), why };
    let mut lines = lines(path)?;
    let head = lines.next().ok_or_else(|| damaged("it is empty".into()))??;
    let version: Head =
        serde_json::from_slice(&head).map_err(|_| damaged("it does not begin as a backup does".into()))?;
    if version.hostler_backup > FORMAT || version.schema > SCHEMA {
        let (store, found) = (path.display().to_string(), version.schema);
        return Err(StoreError::TooNew { store, found, known: SCHEMA });
    }
    let mut digest = Context::new(&SHA256);
    let (mut before, mut rows) = (head, 0);
    for line in lines {
        digest.update(&before);
        before = line?;
        rows += 1;
    }
    let tail: Tail = serde_json::from_slice(&before).map_err(|_| damaged("its end is missing".into()))?;
    let found = Tail { rows: rows - 1, sha256: hex(digest) };
    if tail.rows != found.rows || tail.sha256 != found.sha256 {
        return Err(damaged("it is not as it was written: the digest differs".into()));
    }
    Ok(tail.rows)
}

/// The rows of a backup that was checked.
pub(super) fn rows(path: &Path) -> Result<impl Iterator<Item = Item> + use<>, StoreError> {
    let path = path.to_owned();
    let rows = lines(&path)?.skip(1).take_while(|line| line.as_ref().map_or(true, |l| l.starts_with(b"[")));
    Ok(rows.map(move |line| {
        let line = line?;
        row(&line).ok_or_else(|| {
            let line = String::from_utf8_lossy(&line[..line.len().min(60)]).into_owned();
            StoreError::Backup { path: path.display().to_string(), why: format!("no row of ours: {line}") }
        })
    }))
}

fn row(line: &[u8]) -> Option<(&'static Table, Row)> {
    let mut values = serde_json::from_slice::<Vec<Json>>(line).ok()?.into_iter();
    let name = values.next()?;
    let table = TABLES.into_iter().find(|t| name == t.name)?;
    if values.len() != table.columns.len() {
        return None;
    }
    let row = table.columns.iter().zip(values).map(|(column, value)| match (column.kind, value) {
        (Kind::Number, Json::Null) => Some(Value::Null),
        (Kind::Number, Json::Number(number)) => number.as_i64().map(Value::Number),
        (Kind::Flag, Json::Bool(flag)) => Some(Value::Flag(flag)),
        (Kind::Text, Json::String(text)) => Some(Value::Text(text)),
        _ => None,
    });
    Some((table, row.collect::<Option<_>>()?))
}

/// The lines of a file, each with its end.
fn lines(path: &Path) -> Result<impl Iterator<Item = Result<Vec<u8>, StoreError>> + use<>, StoreError> {
    let path = path.to_owned();
    let mut file = BufReader::new(File::open(&path).map_err(|source| file_error("read", &path, source))?);
    Ok(std::iter::from_fn(move || {
        let mut line = Vec::new();
        match file.read_until(b'\n', &mut line) {
            Ok(0) => None,
            Ok(_) => Some(Ok(line)),
            Err(source) => Some(Err(file_error("read", &path, source))),
        }
    }))
}

fn file_error(what: &'static str, path: &Path, source: io::Error) -> StoreError {
    StoreError::File { what, path: path.display().to_string(), source }
}

fn hex(digest: Context) -> String {
    digest.finish().as_ref().iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
