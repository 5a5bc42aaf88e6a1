//! What is left of a tenant on the disks of simulated machines: read from the backing files, past every layer that
//! could be wrong about it.

use anyhow::Context as _;
use rustix::fs::SeekFrom;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use xtask::fleet::Fleet;

/// What the payload writes all over its disk.
const PATTERN: &[u8] = b"secret-of-lease-";

/// On how many of the nodes' disks the tenant's pattern is.
pub(super) fn search<'a>(fleet: &Fleet, nodes: impl Iterator<Item = &'a str>) -> anyhow::Result<usize> {
    let mut found = 0;
    for node in nodes {
        for disk in fleet.disks(node)? {
            found += usize::from(contains(&disk).with_context(|| format!("cannot read {}", disk.display()))?);
        }
    }
    Ok(found)
}

/// Reads every byte that is not a hole.
fn contains(path: &Path) -> std::io::Result<bool> {
    let file = File::open(path)?;
    let mut at = 0;
    while let Ok(data) = rustix::fs::seek(&file, SeekFrom::Data(at)) {
        let hole = rustix::fs::seek(&file, SeekFrom::Hole(data))?;
        let mut buffer = vec![0; 1 << 20];
        let mut offset = data;
        while offset < hole {
            let wanted = usize::try_from(hole - offset).unwrap_or(usize::MAX).min(buffer.len());
            let read = file.read_at(&mut buffer[..wanted], offset)?;
            if read == 0 {
                break;
            }
            if buffer[..read].windows(PATTERN.len()).any(|w| w == PATTERN) {
                return Ok(true);
            }
            // Overlapping, so that a pattern across the edge is seen.
            offset += if read > PATTERN.len() && offset + (read as u64) < hole {
                read - PATTERN.len()
            } else {
                read
            } as u64;
        }
        at = hole;
    }
    Ok(false)
}
