//! Disks: which are wiped, whether they were, and whether they are still the same.

use crate::node::{Disk, DiskWipe, Inventory, Node};
use crate::text::clip;

/// The disks that are wiped, and written: not those that an administrator keeps or that are reached over a network.
pub(crate) fn written_disks(node: &Node) -> impl Iterator<Item = &Disk> {
    node.inventory.iter().flat_map(|inventory| to_wipe(node, inventory))
}

fn to_wipe<'a>(node: &'a Node, inventory: &'a Inventory) -> impl Iterator<Item = &'a Disk> {
    inventory.own_disks().filter(|d| !node.spec.keep_disks.contains(&d.serial))
}

/// A disk that was there when the node was last inspected and is not any more, or passes for somebody else's. It may
/// come back, with what a tenant left on it.
pub(super) fn missing<'a>(node: &'a Node, now: &Inventory) -> Option<&'a Disk> {
    written_disks(node).find(|known| !now.own_disks().any(|d| key(known) == key(d)))
}

/// Bytes per second that a disk writes at least: what a large one that rotates does at its inner tracks.
const SLOW_DISK: u64 = 100_000_000;

/// Disks that the agent wipes at the same time.
const WIPED_AT_ONCE: u64 = 8;

/// How long it takes to write every disk from its beginning to its end, in milliseconds.
pub(super) fn one_pass_ms(node: &Node) -> u64 {
    let count = written_disks(node).count() as u64;
    let largest = written_disks(node).map(|d| d.size_bytes).max().unwrap_or_default();
    (largest / SLOW_DISK).saturating_mul(1000).saturating_mul(count.div_ceil(WIPED_AT_ONCE))
}

/// A disk that has another size than it had when the node was last inspected, for people: it is another one, or hides a
/// part of itself. Without a serial number, it may be any other of the machine's.
pub(super) fn resized(node: &Node, now: &Inventory) -> Option<String> {
    written_disks(node).filter(|known| !known.serial.is_empty()).find_map(|known| {
        let found =
            now.disks.iter().find(|d| d.serial == known.serial && d.size_bytes != known.size_bytes)?;
        Some(format!(
            "{} has {} bytes, and had {} before",
            describe(found),
            found.size_bytes,
            known.size_bytes
        ))
    })
}

/// Disks with data that came after the last verified wipe of the node, or all with data if there was none.
pub(super) fn unwiped<'a>(node: &'a Node, now: &'a Inventory) -> impl Iterator<Item = &'a Disk> {
    to_wipe(node, now).filter(|d| !d.blank && !node.wiped.contains(key(d)))
}

/// True if a disk with data on it was not there when the node was last inspected.
pub(super) fn has_newcomer(node: &Node, now: &Inventory) -> bool {
    let Some(known) = &node.inventory else { return false };
    unwiped(node, now).any(|d| !known.disks.iter().any(|k| key(k) == key(d)))
}

/// What tells one disk of a machine from another. Paths may change from boot to boot, serial numbers do not; where a
/// disk has none, its path is all there is.
pub(super) fn key(disk: &Disk) -> &str {
    if disk.serial.is_empty() { &disk.path } else { &disk.serial }
}

/// True if the agent reports this disk as wiped and read back.
pub(super) fn was_verified(disk: &Disk, wipes: &[DiskWipe]) -> bool {
    wipes.iter().any(|w| w.path == disk.path && w.serial == disk.serial && w.verified)
}

/// What is kept of a report: one entry for each disk that was inspected, its texts clipped.
pub(super) fn inspected(node: &Node, wipes: Vec<DiskWipe>) -> Vec<DiskWipe> {
    let disks = node.inventory.iter().flat_map(|inventory| &inventory.disks);
    let report = |d: &Disk| wipes.iter().find(|w| w.path == d.path && w.serial == d.serial);
    disks
        .filter_map(report)
        .map(|w| DiskWipe {
            method: clip(&w.method),
            problem: clip(&w.problem),
            notes: clip(&w.notes),
            ..w.clone()
        })
        .collect()
}

/// For people.
pub(super) fn describe(disk: &Disk) -> String {
    format!(
        "{} ({}, serial {:?}, {} GB)",
        disk.path,
        disk.model,
        disk.serial,
        disk.size_bytes / 1_000_000_000
    )
}
