//! The disk that an image was written to, and its partitions.

use super::super::{line, names};
use super::table::{self, Disk, TableError};
use super::volume::{Content, LOOK_AT};
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

/// How often, and how long in between, the kernel is asked again if partitions are in use or not there yet.
const TRIES: u32 = 50;
const PAUSE: Duration = Duration::from_millis(100);

/// Linux counts in these, whatever the disk does.
const SECTOR: u64 = 512;

/// A partition, or a whole disk that has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Volume {
    pub(super) device: PathBuf,
    /// In bytes. `None` for a whole disk.
    start: Option<u64>,
    pub(super) content: Content,
}

/// The disk, as a block device.
#[derive(Debug)]
pub(super) struct Target {
    path: PathBuf,
    /// Of the device in /sys/block.
    name: String,
    file: File,
}

impl Target {
    pub(super) fn open(path: &str) -> io::Result<Self> {
        let file = File::options().read(true).write(true).open(path)?;
        let path = PathBuf::from(path);
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { path, name, file })
    }

    /// Has the kernel look at the partition table, and waits until it shows what it found. The kernel refuses while a
    /// partition is in use, if only by the end of something that looked at it.
    pub(super) fn reread(&self) -> io::Result<()> {
        let mut result = Ok(());
        for _ in 0..TRIES {
            result = hostler_sys::block::reread_partition_table(&self.file);
            match &result {
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => sleep(PAUSE),
                // A device that can have none.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => return Ok(()),
                Err(_) => break,
                Ok(()) => return self.wait_for_nodes(),
            }
        }
        result
    }

    fn wait_for_nodes(&self) -> io::Result<()> {
        for _ in 0..TRIES {
            if self.partitions().iter().all(|name| Path::new("/dev").join(name).exists()) {
                return Ok(());
            }
            sleep(PAUSE);
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, "the partitions do not show up in /dev"))
    }

    fn sys(&self) -> PathBuf {
        Path::new("/sys/block").join(&self.name)
    }

    /// Names of the partitions in the order of their numbers.
    fn partitions(&self) -> Vec<String> {
        let number = |name: &String| line(self.sys().join(name).join("partition")).parse::<u32>().ok();
        let mut partitions: Vec<_> =
            names(self.sys()).into_iter().filter_map(|name| Some((number(&name)?, name))).collect();
        partitions.sort_unstable();
        partitions.into_iter().map(|(_, name)| name).collect()
    }

    /// Every partition, or else the disk itself.
    pub(super) fn volumes(&self) -> io::Result<Vec<Volume>> {
        let partitions = self.partitions();
        if partitions.is_empty() {
            return Ok(vec![Volume {
                device: self.path.clone(),
                start: None,
                content: look_at(&self.path)?,
            }]);
        }
        let volume = |name: String| {
            let device = Path::new("/dev").join(&name);
            let start =
                line(self.sys().join(&name).join("start")).parse::<u64>().map_err(io::Error::other)?;
            let content = look_at(&device)?;
            Ok(Volume { device, start: Some(start.saturating_mul(SECTOR)), content })
        };
        partitions.into_iter().map(volume).collect()
    }

    /// See [`table::is_of_other_sectors`].
    pub(super) fn is_of_other_sectors(&self) -> io::Result<bool> {
        Ok(table::is_of_other_sectors(&self.table()?))
    }

    fn table(&self) -> io::Result<Disk<'_>> {
        let sector = u64::from(rustix::fs::ioctl_blksszget(&self.file)?);
        let sectors = (&self.file).seek(SeekFrom::End(0))? / sector.max(1);
        Ok(Disk { file: &self.file, sector, sectors })
    }

    /// Has a partition take the room behind it. Returns by how many bytes it has grown.
    pub(super) fn grow(&self, volume: &Volume) -> Result<u64, TableError> {
        let Some(start) = volume.start else { return Ok(0) };
        let disk = self.table().map_err(TableError::Read)?;
        let grown = table::grow(&disk, start / disk.sector)?.saturating_mul(disk.sector);
        if grown > 0 {
            self.reread().map_err(TableError::Write)?;
        }
        Ok(grown)
    }
}

/// An extended partition has next to nothing of its own.
fn look_at(device: &Path) -> io::Result<Content> {
    let mut data = Vec::with_capacity(LOOK_AT);
    File::open(device)?.take(LOOK_AT as u64).read_to_end(&mut data)?;
    Ok(Content::of(&data))
}

/// What a device holds.
pub(super) fn size(device: &Path) -> io::Result<u64> {
    File::open(device)?.seek(SeekFrom::End(0))
}
