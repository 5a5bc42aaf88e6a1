//! The files of an image, which is whatever a tenant made: nothing in it may lead out of it.
//!
//! Every path is looked up with the image's root as the only root there is (`openat2(2)`, `RESOLVE_IN_ROOT`), so that
//! symbolic links, absolute ones as well, end within the image. A file is written under another name and put in place
//! by renaming, which replaces a symbolic link instead of following it.

use super::selinux::Labels;
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, ResolveFlags, fchmod, fchown, fstat, mkdirat, openat2, readlinkat,
    renameat, symlinkat, unlinkat,
};
use rustix::io::Errno;
use rustix::process::{Gid, Uid, getegid, geteuid};
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};

/// What a file is called until it is whole.
const UNFINISHED: &str = ".hostler-new";

/// More entries than this in one directory are not looked at.
const MOST_NAMES: usize = 10_000;

/// One file system, from its root.
#[derive(Debug)]
pub(super) struct Tree {
    root: OwnedFd,
    labels: Labels,
}

impl Tree {
    /// Below a directory that is open.
    pub(super) fn new(root: OwnedFd) -> Self {
        let labels = Labels::of(root.as_fd());
        let mut tree = Self { root, labels };
        let configuration = tree.read_text("etc/selinux/config", 64 << 10).unwrap_or_default();
        tree.labels.configure(&configuration);
        tree
    }

    pub(super) fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    fn open(&self, path: &str, flags: OFlags) -> io::Result<OwnedFd> {
        let path = if path.is_empty() { "." } else { path };
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        // A pipe or a device of the image must not make this process wait. A mere place takes no such flags.
        let careful = OFlags::NONBLOCK | OFlags::NOCTTY;
        let flags = if flags.contains(OFlags::PATH) { flags } else { flags | careful };
        Ok(openat2(&self.root, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve)?)
    }

    fn open_dir(&self, path: &str) -> io::Result<OwnedFd> {
        self.open(path, OFlags::RDONLY | OFlags::DIRECTORY)
    }

    pub(super) fn has_dir(&self, path: &str) -> bool {
        self.open_dir(path).is_ok()
    }

    /// A regular file, to be read.
    pub(super) fn open_file(&self, path: &str) -> io::Result<File> {
        let place = self.open(path, OFlags::PATH)?;
        // Before it is opened: opening a device can do something already.
        if FileType::from_raw_mode(fstat(&place)?.st_mode) != FileType::RegularFile {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        Ok(self.open(path, OFlags::RDONLY)?.into())
    }

    pub(super) fn has_file(&self, path: &str) -> bool {
        self.open_file(path).is_ok()
    }

    /// A whole file of at most `limit` bytes.
    pub(super) fn read(&self, path: &str, limit: u64) -> io::Result<Vec<u8>> {
        let mut data = Vec::new();
        self.open_file(path)?.take(limit + 1).read_to_end(&mut data)?;
        if data.len() as u64 > limit {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("larger than {limit} bytes")));
        }
        Ok(data)
    }

    pub(super) fn read_text(&self, path: &str, limit: u64) -> io::Result<String> {
        Ok(String::from_utf8_lossy(&self.read(path, limit)?).into_owned())
    }

    /// The names in a directory, in order; none if it is not there.
    pub(super) fn names(&self, path: &str) -> Vec<String> {
        let directory = self.open_dir(path).and_then(|open| Ok(rustix::fs::Dir::read_from(open)?));
        let entries = directory.into_iter().flatten().flatten().take(MOST_NAMES);
        let names = entries.filter_map(|entry| entry.file_name().to_str().ok().map(str::to_owned));
        let mut names: Vec<String> = names.filter(|name| name != "." && name != "..").collect();
        names.sort_unstable();
        names
    }

    /// A directory, made with those above it if it is not there.
    pub(super) fn make_dir(&self, path: &str, mode: u32, label: &str) -> io::Result<OwnedFd> {
        match self.open_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            opened => return opened,
        }
        let (parent, name) = split(path);
        let above = if parent.is_empty() { self.open_dir("")? } else { self.make_dir(parent, 0o755, label)? };
        match mkdirat(&above, name, Mode::from_raw_mode(mode)) {
            // A symbolic link that leads nowhere is in its place.
            Err(Errno::EXIST) => {
                unlinkat(&above, name, AtFlags::empty())?;
                mkdirat(&above, name, Mode::from_raw_mode(mode))?;
            }
            made => made?,
        }
        let made = self.open_dir(path)?;
        fchmod(&made, Mode::from_raw_mode(mode))?;
        self.labels.set(made.as_fd(), label);
        Ok(made)
    }

    /// A directory that belongs to root alone, whatever it was before.
    pub(super) fn own_dir(&self, path: &str, mode: u32, label: &str) -> io::Result<()> {
        let directory = self.make_dir(path, mode, label)?;
        own(directory.as_fd(), mode)
    }

    /// Puts a file in place, whatever was there, short of a directory.
    pub(super) fn write(&self, path: &str, mode: u32, label: &str, data: &[u8]) -> io::Result<()> {
        let (parent, name) = split(path);
        let directory = self.make_dir(parent, 0o755, label)?;
        discard(directory.as_fd(), UNFINISHED)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&directory, UNFINISHED, flags, Mode::from_raw_mode(0o600))?;
        let mut file = File::from(file);
        file.write_all(data)?;
        own(file.as_fd(), mode)?;
        self.labels.set(file.as_fd(), label);
        file.sync_all()?;
        renameat(&directory, UNFINISHED, &directory, name)?;
        Ok(())
    }

    /// Puts a symbolic link in place, whatever was there, short of a directory.
    pub(super) fn link(&self, path: &str, target: &str, label: &str) -> io::Result<()> {
        let (parent, name) = split(path);
        let directory = self.make_dir(parent, 0o755, label)?;
        discard(directory.as_fd(), name)?;
        symlinkat(target, &directory, name)?;
        self.labels.set_link(directory.as_fd(), name, label);
        Ok(())
    }

    /// Where a symbolic link leads, as it says.
    pub(super) fn target(&self, path: &str) -> io::Result<String> {
        let (parent, name) = split(path);
        Ok(readlinkat(self.open_dir(parent)?, name, Vec::new())?.to_string_lossy().into_owned())
    }

    /// Removes what is no directory. What is not there is no error.
    pub(super) fn remove(&self, path: &str) -> io::Result<()> {
        let (parent, name) = split(path);
        match self.open_dir(parent) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            directory => discard(directory?.as_fd(), name),
        }
    }

    /// Removes a directory with everything in it. What is not there is no error; a symbolic link is removed itself.
    pub(super) fn remove_dir(&self, path: &str) -> io::Result<()> {
        let (parent, name) = split(path);
        let directory = match self.open_dir(parent) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            directory => directory?,
        };
        if self.target(path).is_ok() {
            return discard(directory.as_fd(), name);
        }
        // The standard library's way down follows no symbolic link, and begins at the directory that is open here.
        match std::fs::remove_dir_all(format!("/proc/self/fd/{}/{name}", directory.as_raw_fd())) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => discard(directory.as_fd(), name),
            removed => removed,
        }
    }

    /// Returns when everything would survive the loss of power.
    pub(super) fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::syncfs(&self.root)?)
    }
}

fn split(path: &str) -> (&str, &str) {
    path.trim_matches('/').rsplit_once('/').unwrap_or(("", path.trim_matches('/')))
}

fn discard(directory: BorrowedFd<'_>, name: &str) -> io::Result<()> {
    match unlinkat(directory, name, AtFlags::empty()) {
        Err(Errno::NOENT) | Ok(()) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Owner and mode as if this process had made it.
fn own(file: BorrowedFd<'_>, mode: u32) -> io::Result<()> {
    let (user, group): (Uid, Gid) = (geteuid(), getegid());
    let found = fstat(file)?;
    if (found.st_uid, found.st_gid) != (user.as_raw(), group.as_raw()) {
        fchown(file, Some(user), Some(group))?;
    }
    Ok(fchmod(file, Mode::from_raw_mode(mode))?)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::path::Path;

    /// An image's root in a directory, and something beside it that must not be touched.
    pub(crate) struct Image(tempfile::TempDir);

    impl Image {
        pub(crate) fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            fs::create_dir_all(directory.path().join("root")).unwrap();
            fs::create_dir_all(directory.path().join("outside")).unwrap();
            fs::write(directory.path().join("outside/file"), "untouched").unwrap();
            Self(directory)
        }

        pub(crate) fn path(&self, path: &str) -> std::path::PathBuf {
            self.0.path().join("root").join(path)
        }

        pub(crate) fn tree(&self) -> Tree {
            Tree::new(File::open(self.path("")).unwrap().into())
        }

        pub(crate) fn file(&self, path: &str, text: impl AsRef<[u8]>) {
            fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
            fs::write(self.path(path), text).unwrap();
        }

        pub(crate) fn link(&self, path: &str, target: impl AsRef<Path>) {
            fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
            symlink(target, self.path(path)).unwrap();
        }

        pub(crate) fn outside(&self) -> std::path::PathBuf {
            self.0.path().join("outside")
        }

        pub(crate) fn mode(&self, path: &str) -> u32 {
            fs::symlink_metadata(self.path(path)).unwrap().permissions().mode() & 0o7777
        }

        pub(crate) fn text(&self, path: &str) -> String {
            fs::read_to_string(self.path(path)).unwrap()
        }

        pub(crate) fn assert_nothing_outside_changed(&self) {
            let names: Vec<_> =
                fs::read_dir(self.outside()).unwrap().map(|e| e.unwrap().file_name()).collect();
            assert_eq!(names, ["file"]);
            assert_eq!(fs::read_to_string(self.outside().join("file")).unwrap(), "untouched");
        }
    }

    #[test]
    fn links_lead_nowhere_but_into_the_image() {
        let image = Image::new();
        let outside = image.outside();
        image.link("absolute", &outside);
        image.link("up", "../outside");
        image.link("file", outside.join("file"));
        image.link("magic", "/proc/self/root");
        let tree = image.tree();
        for directory in ["absolute", "up"] {
            let path = format!("{directory}/file");
            assert!(tree.read(&path, 100).is_err(), "{path}");
            tree.write(&path, 0o600, "", b"new").unwrap();
            tree.link(&format!("{directory}/link"), "x", "").unwrap();
            tree.remove_dir(directory).unwrap();
        }
        tree.write("file", 0o600, "", b"new").unwrap();
        tree.own_dir("magic/x", 0o700, "").unwrap();
        assert_eq!(image.text("file"), "new");
        assert!(!fs::symlink_metadata(image.path("file")).unwrap().is_symlink());
        image.assert_nothing_outside_changed();
    }

    #[test]
    fn what_is_put_in_place_replaces_what_was_there() {
        let image = Image::new();
        image.file("a/old", "old");
        image.file("a/.hostler-new", "left behind by a loss of power");
        let tree = image.tree();
        tree.write("a/old", 0o640, "", b"new").unwrap();
        tree.write("/b/c/d", 0o755, "", b"deep").unwrap();
        tree.link("a/link", "/b", "").unwrap();
        tree.link("a/link", "old", "").unwrap();
        assert_eq!((image.text("a/old").as_str(), image.mode("a/old")), ("new", 0o640));
        assert_eq!((image.text("b/c/d").as_str(), image.mode("b/c/d")), ("deep", 0o755));
        assert_eq!(tree.target("a/link").unwrap(), "old");
        assert_eq!(tree.names("a"), ["link", "old"]);
        tree.remove("a/link").unwrap();
        tree.remove("a/link").unwrap();
        tree.remove_dir("a").unwrap();
        tree.remove_dir("a").unwrap();
        tree.remove_dir("b/c/d").unwrap();
        assert_eq!(tree.names(""), ["b"]);
        assert!(tree.write("b/c", 0o600, "", b"a directory").is_err());
    }

    #[test]
    fn what_is_no_file_is_not_read() {
        let image = Image::new();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            image.path("pipe"),
            FileType::Fifo,
            Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        image.file("large", [0; 101]);
        let tree = image.tree();
        assert_eq!(tree.read("pipe", 100).unwrap_err().to_string(), "not a regular file");
        assert_eq!(tree.read("", 100).unwrap_err().to_string(), "not a regular file");
        assert_eq!(tree.read("large", 100).unwrap_err().to_string(), "larger than 100 bytes");
        assert_eq!(tree.read("large", 101).unwrap().len(), 101);
        assert_eq!(tree.names("nothing"), [""; 0]);
    }
}
