//! Archives that the kernel unpacks into its first file system, in cpio's "newc" format (the kernel's
//! `buffer-format.rst`).

use std::collections::BTreeSet;
use std::io::{self, Write};

const DIRECTORY: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;
const LINK: u32 = 0o120_000;

/// An archive on its way out. Everything in it is root's.
pub(super) struct Archive<W> {
    out: W,
    entries: u32,
    directories: BTreeSet<String>,
}

impl<W: Write> Archive<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out, entries: 0, directories: BTreeSet::new() }
    }

    /// A directory with this mode; those above it are as usual. The kernel makes none by itself, and takes one that is
    /// there already.
    pub(super) fn directory(&mut self, path: &str, mode: u32) -> io::Result<()> {
        if !self.directories.insert(path.to_owned()) {
            return Ok(());
        }
        self.parent(path)?;
        self.entry(path, DIRECTORY | mode, b"")
    }

    pub(super) fn file(&mut self, path: &str, mode: u32, data: &[u8]) -> io::Result<()> {
        self.parent(path)?;
        self.entry(path, REGULAR | mode, data)
    }

    pub(super) fn link(&mut self, path: &str, target: &str) -> io::Result<()> {
        self.parent(path)?;
        self.entry(path, LINK | 0o777, target.as_bytes())
    }

    pub(super) fn finish(mut self) -> io::Result<()> {
        self.entry("TRAILER!!!", 0, b"")
    }

    fn parent(&mut self, path: &str) -> io::Result<()> {
        path.rsplit_once('/').map_or(Ok(()), |(parent, _)| self.directory(parent, 0o755))
    }

    fn entry(&mut self, path: &str, mode: u32, data: &[u8]) -> io::Result<()> {
        self.entries += 1;
        let size = u32::try_from(data.len()).map_err(io::Error::other)?;
        let name_size = u32::try_from(path.len() + 1).map_err(io::Error::other)?;
        // Number, mode, user, group, names, time, size, device (4 fields), length of the name, checksum.
        let fields = [self.entries, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, name_size, 0];
        let fields: String = fields.iter().map(|field| format!("{field:08X}")).collect();
        let head = format!("070701{fields}{path}\0");
        for part in [head.as_bytes(), data] {
            self.out.write_all(part)?;
            self.out.write_all(&[0; 3][..part.len().wrapping_neg() % 4])?;
        }
        Ok(())
    }
}
