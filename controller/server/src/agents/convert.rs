//! From the agents' messages to the core's words. Everything in them is hostile: lists and texts are bounded.

use hostler_core::node::{Disk, DiskWipe, Inventory, Nic};
use hostler_core::record::Check;
use hostler_core::run::{File, TaskResult};
use hostler_core::ssh;
use hostler_proto::agent::v1 as wire;
use tonic::Status;

/// Disks, interfaces or files that one machine may have; more are refused.
pub(super) const MAX_LIST: usize = 1024;

/// Bytes of a text from an agent.
const MAX_TEXT: usize = 1024;

/// A text of a bounded length without control characters: it ends up in tables and on terminals.
pub(super) fn text(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(MAX_TEXT));
    if text.contains(char::is_control) {
        text = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    }
    text
}

pub(super) fn inventory(read: wire::Inventory) -> Result<Inventory, Status> {
    if read.disks.len() > MAX_LIST || read.nics.len() > MAX_LIST {
        return Err(Status::invalid_argument(format!("more than {MAX_LIST} disks or interfaces")));
    }
    Ok(Inventory {
        serial: text(read.serial),
        uuid: text(read.uuid).to_ascii_lowercase(),
        manufacturer: text(read.manufacturer),
        product: text(read.product),
        cpus: read.cpus,
        cpu_cores: read.cpu_cores,
        cpu_sockets: read.cpu_sockets,
        cpu_model: text(read.cpu_model),
        memory_bytes: read.memory_bytes,
        disks: read.disks.into_iter().map(disk).collect(),
        nics: read.nics.into_iter().map(nic).collect(),
        firmware: text(read.firmware),
        bmc: text(read.bmc),
    })
}

fn disk(read: wire::Disk) -> Disk {
    Disk {
        path: text(read.path),
        serial: text(read.serial),
        model: text(read.model),
        size_bytes: read.size_bytes,
        rotational: read.rotational,
        blank: read.blank,
        remote: read.remote,
        health: text(read.health),
    }
}

fn nic(read: wire::Nic) -> Nic {
    Nic { name: text(read.name), mac: text(read.mac), link: read.link, speed_mbps: read.speed_mbps }
}

pub(super) fn disk_wipe(wipe: wire::DiskWipe) -> DiskWipe {
    DiskWipe {
        serial: text(wipe.serial),
        path: text(wipe.path),
        method: text(wipe.method),
        verified: wipe.verified && wipe.verified_bytes > 0,
        verified_bytes: wipe.verified_bytes,
        duration_ms: wipe.duration_ms,
        problem: text(wipe.problem),
        notes: text(wipe.notes),
    }
}

pub(super) fn check(check: wire::ProofCheck) -> Check {
    Check { part: text(check.part), passed: check.passed, detail: text(check.detail) }
}

/// Host keys that a deployed system reports. It may have one of each kind; what is no key is dropped, since a client
/// would take it for one.
pub(super) fn host_keys(keys: Vec<String>) -> Vec<String> {
    const KINDS: usize = 8;
    keys.iter().filter_map(|key| ssh::public_key(key).ok()).take(KINDS).collect()
}

pub(super) fn task_result(finished: wire::RunFinished) -> Result<TaskResult, Status> {
    if finished.files.len() > MAX_LIST {
        return Err(Status::invalid_argument(format!("more than {MAX_LIST} files")));
    }
    let file = |f: wire::RunFile| File { path: text(f.path), size: f.size, sha256: text(f.sha256) };
    Ok(TaskResult {
        exit_code: finished.exit_code,
        killed: text(finished.killed),
        lost: finished.lost,
        start_error: text(finished.start_error),
        output_bytes: finished.output_bytes,
        junit: finished.junit.map(|j| [j.tests, j.failures, j.errors, j.skipped]),
        files: finished.files.into_iter().map(file).collect(),
    })
}
