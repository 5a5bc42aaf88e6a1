//! Collecting the files that a payload leaves behind.
//!
//! The payload is not trusted with the agent's eyes: every step goes from an open directory to one of its entries and
//! follows no symbolic link, and everything has a bound. What is collected is copied first and judged afterwards.

use super::glob::{Pattern, Position};
use super::junit;
use super::limits::FileLimits;
use crate::identity::hex;
use aws_lc_rs::digest::{SHA256, digest};
use hostler_proto::agent::v1::{JUnitTotals, RunFile};
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, fstat, openat, statat};
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    /// In the order in which the copies are numbered.
    pub(crate) files: Vec<RunFile>,
    pub(crate) totals: JUnitTotals,
    /// For people: what was left out, and why.
    pub(crate) notes: Vec<String>,
}

/// Copies the files below `source` that match into `target`, as "0", "1" and so on.
pub(crate) fn collect(
    source: &Path,
    patterns: &[Pattern],
    target: &Path,
    limits: &FileLimits,
) -> io::Result<Collected> {
    let mut walk =
        Walk { patterns, target, limits, entries: 0, bytes: 0, full: false, found: Collected::default() };
    if !patterns.is_empty() {
        let root = openat(CWD, source, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let at: Vec<_> = patterns.iter().map(Pattern::begin).collect();
        walk.directory(root, "", &at, 0)?;
    }
    Ok(walk.found)
}

struct Walk<'a> {
    patterns: &'a [Pattern],
    target: &'a Path,
    limits: &'a FileLimits,
    entries: usize,
    bytes: u64,
    /// A bound was reached, so nothing more is collected.
    full: bool,
    found: Collected,
}

impl Walk<'_> {
    /// `at` tells where each pattern stands in this directory.
    fn directory(&mut self, dir: OwnedFd, path: &str, at: &[Vec<Position>], depth: usize) -> io::Result<()> {
        for name in self.names(&dir, path)? {
            if self.full {
                break;
            }
            // An entry that vanishes or cannot be read is one that was not left behind.
            let Ok(stat) = statat(&dir, name.as_str(), AtFlags::SYMLINK_NOFOLLOW) else { continue };
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::RegularFile => {
                    let mut states = self.patterns.iter().zip(at);
                    if states.any(|(pattern, at)| pattern.matches_file(at, &name)) {
                        self.file(dir.as_fd(), &name, join(path, &name))?;
                    }
                }
                FileType::Directory => self.enter(dir.as_fd(), &name, path, at, depth)?,
                // Nothing else is opened, let alone followed: opening a device can do things.
                _ => {}
            }
        }
        Ok(())
    }

    fn enter(
        &mut self,
        dir: BorrowedFd<'_>,
        name: &str,
        path: &str,
        at: &[Vec<Position>],
        depth: usize,
    ) -> io::Result<()> {
        let next: Vec<_> =
            self.patterns.iter().zip(at).map(|(pattern, at)| pattern.enter(at, name)).collect();
        if next.iter().all(Vec::is_empty) {
            return Ok(());
        }
        let path = join(path, name);
        if depth == self.limits.depth {
            self.note(format!("{path:?} is too deep to be looked into"));
            return Ok(());
        }
        match openat(dir, name, OFlags::DIRECTORY | open_flags(), Mode::empty()) {
            Ok(inner) => self.directory(inner, &path, &next, depth + 1),
            Err(_) => Ok(()),
        }
    }

    /// The names in a directory that can be told to the controller, in order.
    fn names(&mut self, dir: &OwnedFd, path: &str) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(dir)? {
            self.entries += 1;
            if self.entries > self.limits.entries {
                self.stop(format!("there are more than {} files to look through", self.limits.entries));
                break;
            }
            let entry = entry?;
            match entry.file_name().to_str() {
                Ok("." | "..") => {}
                Ok(name) if !name.contains(char::is_control) => names.push(name.to_owned()),
                _ => self.note(format!("a file with an unprintable name in {path:?} was passed over")),
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn file(&mut self, dir: BorrowedFd<'_>, name: &str, path: String) -> io::Result<()> {
        // Without NONBLOCK the agent would wait for a writer, if this has become a FIFO since.
        let Ok(file) = openat(dir, name, OFlags::NONBLOCK | open_flags(), Mode::empty()) else {
            return Ok(());
        };
        if !fstat(&file).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode).is_file()) {
            return Ok(());
        }
        if self.found.files.len() == self.limits.count {
            self.stop(format!("more than {} files match", self.limits.count));
            return Ok(());
        }
        let limit = self.limits.file_bytes;
        let mut data = Vec::new();
        File::from(file).take(limit + 1).read_to_end(&mut data)?;
        let size = data.len() as u64;
        if size > limit {
            self.note(format!("{path:?} is larger than {limit} bytes and was not collected"));
        } else if self.bytes + size > self.limits.total_bytes {
            self.stop(format!("the files that match are larger than {} bytes", self.limits.total_bytes));
        } else {
            fs::write(self.target.join(self.found.files.len().to_string()), &data)?;
            self.bytes += size;
            self.found.totals = junit::add(self.found.totals, junit::totals(&data).unwrap_or_default());
            self.found.files.push(RunFile { path, size, sha256: hex(digest(&SHA256, &data)) });
        }
        Ok(())
    }

    fn stop(&mut self, note: String) {
        self.full = true;
        self.found.notes.push(format!("{note}; what follows was not collected"));
    }

    fn note(&mut self, note: String) {
        // A payload that wants its log full can write to it itself.
        if self.found.notes.len() < 20 {
            self.found.notes.push(note);
        }
    }
}

const fn open_flags() -> OFlags {
    OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(OFlags::NOCTTY)
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") }
}
