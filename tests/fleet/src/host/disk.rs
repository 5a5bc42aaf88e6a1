//! A disk that is a sparse file.

use super::faults::{Erase, Faults};
use super::spec::DiskSpec;
use super::system::System;
use async_trait::async_trait;
use bytes::Bytes;
use hostler_agent::{Disk, DiskInfo, FileDisk};
use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// A disk of a simulated machine. What works, works through the code for real disks.
#[derive(Debug)]
pub struct SimDisk {
    number: usize,
    disk: FileDisk,
    /// To look for holes.
    file: File,
    faults: Mutex<Faults>,
    system: Arc<System>,
}

static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

impl SimDisk {
    pub(super) fn open(number: usize, spec: &DiskSpec, host: &Path, system: Arc<System>) -> io::Result<Self> {
        let path = host.join(format!("{number}.disk"));
        let file = File::options().create(true).truncate(false).read(true).write(true).open(&path)?;
        file.set_len(spec.size_bytes)?;
        let info = DiskInfo {
            path: path.to_str().ok_or(io::ErrorKind::InvalidFilename)?.to_owned(),
            serial: spec.serial.clone(),
            model: "Simulated".to_owned(),
            size_bytes: spec.size_bytes,
            rotational: false,
            remote: spec.remote,
        };
        let disk = FileDisk::new(info, file.try_clone()?);
        Ok(Self { number, disk, file, faults: Mutex::default(), system })
    }

    /// What is wrong with it from now on.
    pub fn set_faults(&self, faults: Faults) {
        *self.faults.lock().unwrap_or_else(PoisonError::into_inner) = faults;
    }

    /// True for one that the machine does not see.
    pub(super) fn is_absent(&self) -> bool {
        self.faults().absent
    }

    /// Waits for what was under way when the machine lost its power.
    pub(super) async fn settle(&self) {
        self.disk.idle().await;
    }

    fn faults(&self) -> Faults {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn erase(&self, how: Erase, range: Range<u64>) -> io::Result<()> {
        match how {
            Erase::Unsupported => return Err(io::ErrorKind::Unsupported.into()),
            Erase::Lies => return Ok(()),
            Erase::Works => {}
        }
        self.check_write(&range)?;
        if range.start == 0 {
            self.system.begin_disk(self.number, false)?;
        }
        // Zeros that are written to a sparse file are a hole in it.
        self.disk.discard(range).await
    }

    fn check_write(&self, range: &Range<u64>) -> io::Result<()> {
        if Faults::hits(self.faults().unwritable.as_ref(), range) {
            return Err(io::Error::other("medium error while writing"));
        }
        Ok(())
    }

    /// True if there is nothing in the range but a hole, which is zeros.
    fn is_hole(&self, range: &Range<u64>) -> io::Result<bool> {
        // Nobody depends on the file's position: everything else is read and written at an offset.
        match seek(&self.file, SeekFrom::Data(range.start)) {
            Err(Errno::NXIO) => Ok(true),
            data => Ok(data? >= range.end),
        }
    }
}

#[async_trait]
impl Disk for SimDisk {
    fn info(&self) -> &DiskInfo {
        self.disk.info()
    }

    async fn discard(&self, range: Range<u64>) -> io::Result<()> {
        self.erase(self.faults().discard, range).await
    }

    async fn write_zeroes(&self, range: Range<u64>) -> io::Result<()> {
        self.erase(self.faults().write_zeroes, range).await
    }

    async fn write_at(&self, offset: u64, data: Bytes) -> io::Result<()> {
        let range = offset..offset.saturating_add(data.len() as u64);
        if data.chunks(ZEROS.len()).all(|chunk| chunk == &ZEROS[..chunk.len()])
            && range.end <= self.info().size_bytes
        {
            return self.erase(Erase::Works, range).await;
        }
        self.check_write(&range)?;
        if offset == 0 {
            self.system.begin_disk(self.number, true)?;
        }
        self.disk.write_at(offset, data).await
    }

    async fn read_at(&self, offset: u64, length: usize) -> io::Result<Bytes> {
        let range = offset..offset.saturating_add(length as u64);
        if Faults::hits(self.faults().unreadable.as_ref(), &range) {
            return Err(io::Error::other("medium error while reading"));
        }
        // Thousands of machines look at their blank disks: holes are not read.
        if range.end <= self.info().size_bytes && self.is_hole(&range)? {
            return Ok(zeros(length));
        }
        self.disk.read_at(offset, length).await
    }

    async fn sync(&self) -> io::Result<()> {
        // The process that simulates the power cut keeps what was written.
        Ok(())
    }
}

fn zeros(length: usize) -> Bytes {
    if length <= ZEROS.len() { Bytes::from_static(&ZEROS[..length]) } else { Bytes::from(vec![0; length]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: u64 = 1 << 30;

    fn disk(directory: &Path) -> SimDisk {
        let spec = DiskSpec { serial: "D0".into(), size_bytes: SIZE, remote: false };
        SimDisk::open(0, &spec, directory, Arc::new(System::new(directory))).unwrap()
    }

    fn allocated(disk: &SimDisk) -> u64 {
        use std::os::unix::fs::MetadataExt as _;
        disk.file.metadata().unwrap().blocks() * 512
    }

    #[tokio::test]
    async fn what_was_written_survives_the_machine_and_not_a_wipe() {
        let directory = tempfile::tempdir().unwrap();
        let data = Bytes::from_static(b"secret");
        disk(directory.path()).write_at(SIZE / 2, data.clone()).await.unwrap();
        let disk = disk(directory.path());
        assert_eq!(disk.read_at(SIZE / 2, 6).await.unwrap(), data);
        disk.discard(0..SIZE).await.unwrap();
        assert_eq!(disk.read_at(SIZE / 2, 6).await.unwrap(), [0; 6][..]);
        assert_eq!(allocated(&disk), 0);
    }

    #[tokio::test]
    async fn zeros_take_no_space() {
        let directory = tempfile::tempdir().unwrap();
        let disk = disk(directory.path());
        disk.write_at(4096, Bytes::from(vec![0; 1 << 20])).await.unwrap();
        assert_eq!(allocated(&disk), 0);
        assert_eq!(disk.read_at(0, 200_000).await.unwrap(), vec![0; 200_000]);
        assert!(disk.write_at(SIZE, Bytes::from_static(b"\0")).await.is_err());
        assert!(disk.read_at(SIZE, 1).await.is_err());
    }

    #[tokio::test]
    async fn faults_are_those_of_disks() {
        let directory = tempfile::tempdir().unwrap();
        let disk = disk(directory.path());
        disk.write_at(100, Bytes::from_static(b"x")).await.unwrap();
        disk.set_faults(Faults {
            discard: Erase::Lies,
            write_zeroes: Erase::Unsupported,
            ..Faults::default()
        });
        disk.discard(0..SIZE).await.unwrap();
        assert_eq!(disk.read_at(100, 1).await.unwrap(), b"x"[..]);
        assert_eq!(disk.write_zeroes(0..SIZE).await.unwrap_err().kind(), io::ErrorKind::Unsupported);
        disk.set_faults(Faults { unreadable: Some(50..60), unwritable: Some(70..80), ..Faults::default() });
        assert!(disk.read_at(0, 51).await.is_err());
        assert!(disk.read_at(0, 50).await.is_ok());
        assert!(disk.write_at(79, Bytes::from_static(b"y")).await.is_err());
        assert!(disk.write_at(80, Bytes::from_static(b"y")).await.is_ok());
        assert!(disk.discard(0..SIZE).await.is_err());
    }
}
