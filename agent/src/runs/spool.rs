//! The directory of a run.
//!
//! ```text
//!   runs/7/work/      the payload's working directory; left alone until the disk is wiped
//!   runs/7/stdin      what the payload reads
//!   runs/7/group      which processes it is
//!   runs/7/output     what it has said
//!   runs/7/files/0    what was collected, in the order of the result's list
//!   runs/7/result     RunFinished, once it is over
//!   runs/7/done       the controller has it all
//! ```
//!
//! The working directory is never removed: a payload runs as root and may have mounted anything below it.

use super::orphan::Group;
use crate::atomic;
use hostler_proto::agent::v1::RunFinished;
use prost::Message as _;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// Paths and files of one run. Its methods block, though never for longer than a local disk takes.
#[derive(Clone, Debug)]
pub(crate) struct Spool(PathBuf);

/// A `result` is a few kilobytes: some hundred file names at most.
const RESULT_LIMIT: u64 = 1 << 20;

impl Spool {
    /// The directory of a run below an agent's spool directory.
    pub(crate) fn of(spool: &Path, run_id: u32) -> Self {
        Self(spool.join("runs").join(run_id.to_string()))
    }

    /// The runs of which there is a directory, in order.
    pub(crate) fn list(spool: &Path) -> io::Result<Vec<u32>> {
        let entries = match fs::read_dir(spool.join("runs")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut runs = Vec::new();
        for entry in entries {
            runs.extend(entry?.file_name().to_str().and_then(|name| name.parse::<u32>().ok()));
        }
        runs.sort_unstable();
        Ok(runs)
    }

    pub(crate) fn create(&self) -> io::Result<()> {
        fs::create_dir_all(self.files())?;
        fs::create_dir_all(self.work())
    }

    pub(crate) fn work(&self) -> PathBuf {
        self.0.join("work")
    }

    pub(crate) fn files(&self) -> PathBuf {
        self.0.join("files")
    }

    /// Stores the payload's standard input and opens it for the payload.
    pub(crate) fn stdin(&self, data: &[u8]) -> io::Result<Option<File>> {
        if data.is_empty() {
            return Ok(None);
        }
        let path = self.0.join("stdin");
        fs::write(&path, data)?;
        File::open(path).map(Some)
    }

    /// Remembers the payload for an agent that starts after this one was killed.
    pub(super) fn write_group(&self, group: &Group) -> io::Result<()> {
        atomic::write(&self.0.join("group"), group.to_text().as_bytes())
    }

    pub(super) fn read_group(&self) -> Option<Group> {
        Group::parse(&fs::read_to_string(self.0.join("group")).ok()?)
    }

    pub(crate) fn open_output(&self) -> io::Result<File> {
        File::options().create(true).append(true).open(self.0.join("output"))
    }

    pub(crate) fn output_length(&self) -> io::Result<u64> {
        match fs::metadata(self.0.join("output")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            metadata => Ok(metadata?.len()),
        }
    }

    pub(crate) fn read_output(&self, offset: u64, length: u64) -> io::Result<Vec<u8>> {
        read(&self.0.join("output"), offset, length)
    }

    pub(crate) fn read_file(&self, index: usize, offset: u64, length: u64) -> io::Result<Vec<u8>> {
        read(&self.files().join(index.to_string()), offset, length)
    }

    /// Stores the result, whole or not at all.
    pub(crate) fn write_result(&self, result: &RunFinished) -> io::Result<()> {
        atomic::write(&self.0.join("result"), &result.encode_to_vec())
    }

    pub(crate) fn read_result(&self) -> io::Result<Option<RunFinished>> {
        let file = match File::open(self.0.join("result")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let mut data = Vec::new();
        file.take(RESULT_LIMIT).read_to_end(&mut data)?;
        RunFinished::decode(data.as_slice()).map(Some).map_err(io::Error::other)
    }

    /// The controller has everything: keeps only the mark that says so, and the working directory.
    pub(crate) fn finish(&self) -> io::Result<()> {
        File::create(self.0.join("done"))?.sync_all()?;
        for name in ["stdin", "group", "output", "result"] {
            match fs::remove_file(self.0.join(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        fs::remove_dir_all(self.files())
    }

    pub(crate) fn is_done(&self) -> bool {
        self.0.join("done").exists()
    }
}

fn read(path: &Path, offset: u64, length: u64) -> io::Result<Vec<u8>> {
    let mut data = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
    File::open(path)?.read_exact_at(&mut data, offset)?;
    Ok(data)
}
