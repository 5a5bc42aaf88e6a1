//! Who uses a disk that cannot be had alone.

use super::{line, names};
use std::fs;
use std::io;
use std::path::Path;

/// An error of opening a disk, with who has the disk if somebody has.
pub(super) fn explain(root: &Path, disk: &Path, error: io::Error) -> io::Error {
    if error.kind() != io::ErrorKind::ResourceBusy {
        return error;
    }
    let users = users(root, disk);
    if users.is_empty() {
        error
    } else {
        io::Error::new(error.kind(), format!("in use: {}", users.join(", ")))
    }
}

/// What is made of a disk or its partitions, mounted from them or swapped to them.
fn users(root: &Path, disk: &Path) -> Vec<String> {
    let name = disk.file_name().unwrap_or_default().to_string_lossy();
    let block = root.join("sys/block").join(&*name);
    let partitions = names(&block).into_iter().filter(|part| block.join(part).join("partition").exists());
    let parts: Vec<(String, _)> = std::iter::once((name.to_string(), block.clone()))
        .chain(partitions.map(|part| (part.clone(), block.join(part))))
        .collect();
    let mut users = Vec::new();
    for (part, directory) in &parts {
        users.extend(holders(&directory.join("holders")).map(|holder| format!("{part} by {holder}")));
    }
    let of_disk = |device: &str| parts.iter().any(|(part, _)| device == format!("/dev/{part}"));
    for (device, place) in table(&root.join("proc/self/mounts")).filter(|(device, _)| of_disk(device)) {
        users.push(format!("{} mounted at {place}", short(&device)));
    }
    // The first line is a heading.
    for (device, _) in table(&root.join("proc/swaps")).filter(|(device, _)| of_disk(device)) {
        users.push(format!("{} as swap", short(&device)));
    }
    users
}

/// RAID arrays by their own names, and device mapper's by the name that they were given.
fn holders(directory: &Path) -> impl Iterator<Item = String> {
    names(directory).into_iter().map(move |holder| match line(directory.join(&holder).join("dm/name")) {
        name if name.is_empty() => holder,
        name => format!("{holder} ({name})"),
    })
}

/// The first two words of each line.
fn table(path: &Path) -> impl Iterator<Item = (String, String)> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let pairs: Vec<_> = text
        .lines()
        .filter_map(|line| {
            let mut words = line.split_ascii_whitespace();
            Some((words.next()?.to_owned(), words.next()?.to_owned()))
        })
        .collect();
    pairs.into_iter()
}

fn short(device: &str) -> &str {
    device.strip_prefix("/dev/").unwrap_or(device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_the_disk_is_part_of_the_error() {
        let root = tempfile::tempdir().unwrap();
        let file = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        file("sys/block/sda/holders/md127/md/level", "raid1\n");
        file("sys/block/sda/sda1/partition", "1\n");
        file("sys/block/sda/sda1/holders/dm-0/dm/name", "vg-root\n");
        file("sys/block/sda/sda2/partition", "2\n");
        file("proc/self/mounts", "/dev/sda2 /boot ext4 rw 0 0\n/dev/sdaa2 /other ext4 rw 0 0\n");
        file("proc/swaps", "Filename Type\n/dev/sda2 partition 1 0 -2\n");
        let busy = || io::Error::from(io::ErrorKind::ResourceBusy);
        let error = explain(root.path(), Path::new("/dev/sda"), busy());
        assert_eq!(
            error.to_string(),
            "in use: sda by md127, sda1 by dm-0 (vg-root), sda2 mounted at /boot, sda2 as swap"
        );
        assert_eq!(error.kind(), io::ErrorKind::ResourceBusy);
        let unknown = explain(root.path(), Path::new("/dev/sdb"), busy());
        assert_eq!(unknown.to_string(), busy().to_string());
        let other = explain(root.path(), Path::new("/dev/sda"), io::ErrorKind::NotFound.into());
        assert_eq!(other.kind(), io::ErrorKind::NotFound);
    }
}
