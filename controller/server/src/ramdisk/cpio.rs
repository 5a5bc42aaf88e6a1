//! Archives as the kernel unpacks them: "newc" of cpio(5), see the kernel's `buffer-format.rst`.

use std::collections::BTreeMap;
use std::io::{self, Write};

const DIRECTORY: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;
const LINK: u32 = 0o120_000;
const CHARACTER_DEVICE: u32 = 0o020_000;

/// Bytes of an entry before its name.
pub(crate) const HEAD: usize = 110;

/// The name of the entry behind the last one.
pub(crate) const TRAILER: &str = "TRAILER!!!";

/// True for what begins as an entry does; the second form has checksums, which the kernel does not look at.
pub(crate) fn is_newc(bytes: &[u8]) -> bool {
    bytes.starts_with(b"070701") || bytes.starts_with(b"070702")
}

/// What an entry tells of what follows its head.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    /// Bytes of data.
    pub(crate) size: u32,
    /// Bytes of the name, with the zero behind it.
    pub(crate) name_size: u32,
}

impl Head {
    /// `None` if there is something else than numbers.
    pub(crate) fn parse(head: &[u8; HEAD]) -> Option<Self> {
        let number = |at: usize| {
            let digits = std::str::from_utf8(&head[at..at + 8]).ok()?;
            u32::from_str_radix(digits, 16).ok()
        };
        Some(Self { size: number(54)?, name_size: number(94)? })
    }
}

/// A tree of files, all of root's, without times: the same tree is the same bytes.
#[derive(Debug, Default)]
pub(crate) struct Archive {
    /// By path without a leading "/": a directory comes before what is in it.
    entries: BTreeMap<String, Entry>,
}

#[derive(Debug)]
struct Entry {
    mode: u32,
    data: Vec<u8>,
    device: (u32, u32),
}

impl Archive {
    pub(crate) fn directory(&mut self, path: &str) {
        self.add(path, Entry { mode: DIRECTORY | 0o755, data: Vec::new(), device: (0, 0) });
    }

    pub(crate) fn file(&mut self, path: &str, permissions: u32, data: Vec<u8>) {
        self.add(path, Entry { mode: REGULAR | permissions, data, device: (0, 0) });
    }

    pub(crate) fn link(&mut self, path: &str, target: &str) {
        self.add(path, Entry { mode: LINK | 0o777, data: target.as_bytes().to_vec(), device: (0, 0) });
    }

    pub(crate) fn character_device(&mut self, path: &str, permissions: u32, major: u32, minor: u32) {
        let mode = CHARACTER_DEVICE | permissions;
        self.add(path, Entry { mode, data: Vec::new(), device: (major, minor) });
    }

    pub(crate) fn contains(&self, path: &str) -> bool {
        self.entries.contains_key(path.trim_matches('/'))
    }

    /// Adds an entry and the directories that lead to it.
    fn add(&mut self, path: &str, entry: Entry) {
        let path = path.trim_matches('/');
        if let Some((parent, _)) = path.rsplit_once('/')
            && !self.entries.contains_key(parent)
        {
            self.directory(parent);
        }
        self.entries.insert(path.to_owned(), entry);
    }

    /// Writes it; returns its size.
    ///
    /// # Errors
    /// As the writer, or if a file is too large for the format (4 GiB).
    pub(crate) fn write(&self, out: &mut impl Write) -> io::Result<u64> {
        let mut size = 0;
        // The kernel takes two entries with the same number for one file only if they have several names.
        for (number, (path, entry)) in (1_u32..).zip(&self.entries) {
            size += write_entry(out, number, path, entry)?;
        }
        let end = Entry { mode: 0, data: Vec::new(), device: (0, 0) };
        Ok(size + write_entry(out, 0, TRAILER, &end)?)
    }
}

fn write_entry(out: &mut impl Write, number: u32, path: &str, entry: &Entry) -> io::Result<u64> {
    let size = u32::try_from(entry.data.len()).map_err(io::Error::other)?;
    let name_size = u32::try_from(path.len() + 1).map_err(io::Error::other)?;
    let names = if entry.mode & DIRECTORY == DIRECTORY { 2 } else { 1 };
    let (major, minor) = entry.device;
    // Number, mode, user, group, names, time, size, device, device of this node, length of the name, checksum.
    let fields = [number, entry.mode, 0, 0, names, 0, size, 0, 0, major, minor, name_size, 0];
    let mut head = String::from("070701");
    head.extend(fields.iter().map(|field| format!("{field:08X}")));
    head.push_str(path);
    head.push('\0');
    let mut written = 0;
    for part in [head.as_bytes(), &entry.data] {
        let padding = part.len().wrapping_neg() % 4;
        out.write_all(part)?;
        out.write_all(&[0; 4][..padding])?;
        written += u64::try_from(part.len() + padding).map_err(io::Error::other)?;
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hostler_checkout::peers::peer;
    use std::process::{Command, Stdio};

    fn sample() -> Vec<u8> {
        let mut archive = Archive::default();
        archive.file("/init", 0o755, b"hello".to_vec());
        archive.file("lib/a/one.ko", 0o644, vec![7; 1001]);
        archive.link("bin/sh", "../init");
        archive.character_device("dev/console", 0o600, 5, 1);
        let mut bytes = Vec::new();
        let size = archive.write(&mut bytes).unwrap();
        assert_eq!(size, bytes.len() as u64);
        assert!(archive.contains("lib/a") && !archive.contains("lib/b"));
        bytes
    }

    #[test]
    fn the_same_tree_is_the_same_bytes() {
        let bytes = sample();
        assert_eq!(bytes, sample());
        assert_eq!(bytes.len() % 4, 0);
        assert!(bytes.starts_with(b"070701"));
    }

    /// What others make of it.
    #[test]
    fn cpio_lists_it() {
        let Some(cpio) = peer("cpio_lists_it", "cpio") else { return };
        let mut child = Command::new(cpio)
            .args(["-tv", "--numeric-uid-gid", "--quiet"])
            .env("TZ", "UTC")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(&sample()).unwrap();
        let listed = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
        let lines: Vec<Vec<&str>> = listed.lines().map(|l| l.split_whitespace().collect()).collect();
        let names: Vec<_> = lines.iter().map(|l| (l[0], *l.last().unwrap())).collect();
        let expected = [
            ("drwxr-xr-x", "bin"),
            ("lrwxrwxrwx", "../init"),
            ("drwxr-xr-x", "dev"),
            ("crw-------", "dev/console"),
            ("-rwxr-xr-x", "init"),
            ("drwxr-xr-x", "lib"),
            ("drwxr-xr-x", "lib/a"),
            ("-rw-r--r--", "lib/a/one.ko"),
        ];
        assert_eq!(names, expected, "{listed}");
    }
}
