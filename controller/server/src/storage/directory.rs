//! Output and files of runs in a directory: `runs/RUN/NODE/output` and `runs/RUN/NODE/files/DIGEST-OF-PATH`.

use super::runs::Piece;
use crate::digest::{Sha256, sha256_hex};
use anyhow::{Context as _, bail};
use bytes::Bytes;
use hostler_core::ids::{NodeId, RunId};
use hostler_core::run;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Each collected file, in bytes.
const FILE_LIMIT: u64 = 16 << 20;

/// Collected files of one task.
const MAX_FILES: usize = 256;

/// Directories between a file and the store's own: files, node, run, runs.
const DEPTH: usize = 4;

/// Tasks that write at the same time.
const TURNS: usize = 64;

/// A directory of byte logs and collected files. Methods block: call them where that is allowed.
#[derive(Clone, Debug)]
pub(crate) struct Directory {
    dir: PathBuf,
    output_limit: u64,
    /// Writers of one task take turns: an agent that reconnects may send again what is still being written.
    turns: Arc<[Mutex<()>; TURNS]>,
}

impl Directory {
    pub(super) fn open(dir: PathBuf, output_limit: u64) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        Ok(Self { dir, output_limit, turns: Arc::new(std::array::from_fn(|_| Mutex::default())) })
    }

    /// The same, but what a process before this one left there is removed.
    pub(super) fn open_empty(dir: PathBuf, output_limit: u64) -> anyhow::Result<Self> {
        match std::fs::remove_dir_all(&dir) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot tidy up {}", dir.display()))
            }
            _ => Self::open(dir, output_limit),
        }
    }

    /// Appends output; returns how much is stored. Bytes that are there already are not written twice; what is beyond
    /// the limit is counted, not kept.
    pub(super) fn append(&self, run: RunId, node: NodeId, piece: &Piece) -> anyhow::Result<u64> {
        let end = piece.offset.saturating_add(piece.data.len() as u64);
        let _turn = self.turn(run, node);
        let kept = append(&self.task(run, node).join("output"), piece, self.output_limit)?;
        Ok(if kept >= self.output_limit { end.max(kept) } else { kept })
    }

    /// Appends to a collected file.
    pub(super) fn append_file(
        &self,
        run: RunId,
        node: NodeId,
        path: &str,
        piece: &Piece,
    ) -> anyhow::Result<()> {
        let _turn = self.turn(run, node);
        let file = self.file(run, node, path);
        if !file.exists() && file.parent().is_some_and(|dir| count(dir) >= MAX_FILES) {
            bail!("a task leaves at most {MAX_FILES} files");
        }
        append(&file, piece, FILE_LIMIT).map(drop)
    }

    /// Output from `offset` on, at most `limit` bytes; empty at the end.
    pub(super) fn read(&self, run: RunId, node: NodeId, offset: u64, limit: usize) -> anyhow::Result<Bytes> {
        read(&self.task(run, node).join("output"), offset, limit)
    }

    /// A collected file from `offset` on.
    pub(super) fn read_file(
        &self,
        run: RunId,
        node: NodeId,
        path: &str,
        offset: u64,
        limit: usize,
    ) -> anyhow::Result<Bytes> {
        read(&self.file(run, node, path), offset, limit)
    }

    /// Checks that a collected file arrived whole.
    pub(super) fn verify(&self, run: RunId, node: NodeId, file: &run::File) -> anyhow::Result<()> {
        let (mut digest, mut offset) = (Sha256::new(), 0);
        loop {
            let piece = self.read_file(run, node, &file.path, offset, 1 << 20)?;
            if piece.is_empty() {
                break;
            }
            digest.update(&piece);
            offset += piece.len() as u64;
        }
        if offset != file.size || digest.finish() != file.sha256 {
            // What is sent again begins anew.
            self.remove_file(run, node, &file.path)?;
            bail!("the collected file {:?} did not arrive whole: {offset} of {} bytes", file.path, file.size);
        }
        Ok(())
    }

    pub(super) fn remove_file(&self, run: RunId, node: NodeId, path: &str) -> anyhow::Result<()> {
        std::fs::remove_file(self.file(run, node, path)).context("a collected file cannot be removed")
    }

    fn turn(&self, run: RunId, node: NodeId) -> MutexGuard<'_, ()> {
        let turn = &self.turns[(run.0 as usize).wrapping_mul(31).wrapping_add(node.0 as usize) % TURNS];
        turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn task(&self, run: RunId, node: NodeId) -> PathBuf {
        self.dir.join(run.to_string()).join(node.to_string())
    }

    /// A path from the network never becomes part of a path here; its digest does.
    fn file(&self, run: RunId, node: NodeId, path: &str) -> PathBuf {
        self.task(run, node).join("files").join(sha256_hex(path.as_bytes()))
    }
}

fn count(dir: &Path) -> usize {
    std::fs::read_dir(dir).map_or(0, Iterator::count)
}

/// The length of the file after it.
fn append(path: &PathBuf, piece: &Piece, limit: u64) -> anyhow::Result<u64> {
    let dir = path.parent().context("no directory")?;
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let write = || -> std::io::Result<Result<u64, u64>> {
        let file = OpenOptions::new().create(true).write(true).truncate(false).open(path)?;
        let length = file.metadata()?.len();
        if piece.offset > length && length < limit {
            return Ok(Err(length));
        }
        let skip = usize::try_from(length.saturating_sub(piece.offset)).unwrap_or(usize::MAX);
        let fresh = piece.data.get(skip..).unwrap_or_default();
        let room = usize::try_from(limit.saturating_sub(length)).unwrap_or(usize::MAX);
        let fresh = &fresh[..fresh.len().min(room)];
        if !fresh.is_empty() {
            file.write_all_at(fresh, length)?;
            file.sync_data()?;
            if length == 0 {
                // The new file's name, and those of the directories above it.
                dir.ancestors().take(DEPTH).try_for_each(|dir| File::open(dir)?.sync_all())?;
            }
        }
        Ok(Ok(length + fresh.len() as u64))
    };
    match write().with_context(|| format!("cannot write {}", path.display()))? {
        Ok(length) => Ok(length),
        Err(length) => bail!("bytes from {length} to {} are missing", piece.offset),
    }
}

fn read(path: &PathBuf, offset: u64, limit: usize) -> anyhow::Result<Bytes> {
    let mut file = match File::open(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Bytes::new()),
        opened => opened.with_context(|| format!("cannot read {}", path.display()))?,
    };
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(offset))?;
    file.take(limit as u64).read_to_end(&mut bytes)?;
    Ok(bytes.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(offset: u64, data: &'static str) -> Piece {
        Piece { offset, data: Bytes::from_static(data.as_bytes()) }
    }

    #[test]
    fn output_is_kept_once_however_often_it_is_sent() {
        let dir = tempfile::tempdir().unwrap();
        let store = Directory::open(dir.path().join("runs"), 12).unwrap();
        let (run, node) = (RunId(1), NodeId(2));
        let append = |piece| store.append(run, node, &piece);
        assert_eq!(append(piece(0, "hello ")).unwrap(), 6);
        assert_eq!(append(piece(0, "hello ")).unwrap(), 6, "sent again after a reconnect");
        assert_eq!(append(piece(3, "lo wor")).unwrap(), 9, "overlapping");
        assert!(append(piece(20, "x")).unwrap_err().to_string().contains("9 to 20 are missing"));
        assert!(append(piece(u64::MAX, "x")).is_err());
        assert_eq!(append(piece(9, "ld, and more")).unwrap(), 21, "counted, though beyond the limit");
        assert_eq!(append(piece(21, "more")).unwrap(), 25);
        assert_eq!(store.read(run, node, 0, 100).unwrap(), "hello world,");
        assert_eq!(store.read(run, node, 6, 5).unwrap(), "world");
        assert!(store.read(run, NodeId(9), 0, 5).unwrap().is_empty());
    }

    #[test]
    fn a_file_counts_only_when_it_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let store = Directory::open(dir.path().into(), 1).unwrap();
        let (run, node) = (RunId(1), NodeId(2));
        let path = "../../../etc/passwd".to_owned();
        let file = run::File { path: path.clone(), size: 5, sha256: sha256_hex(b"<xml>") };
        store.append_file(run, node, &path, &piece(0, "<xm")).unwrap();
        assert!(store.verify(run, node, &file).is_err());
        assert!(store.append_file(run, node, &path, &piece(3, "l>")).is_err(), "what was wrong begins anew");
        store.append_file(run, node, &path, &piece(0, "<xm")).unwrap();
        store.append_file(run, node, &path, &piece(3, "l>")).unwrap();
        store.verify(run, node, &file).unwrap();
        let names: Vec<_> = std::fs::read_dir(dir.path().join("1/2/files")).unwrap().collect();
        assert_eq!(names.len(), 1);
    }
}
