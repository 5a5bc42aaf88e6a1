//! Images, events, applied changes.

use super::record::FailedOn;
use super::{all, optional, time};
use crate::text::clean;
use hostler_proto::node::v1 as pb;
use serde::Serialize;

/// What a node is provisioned with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Image {
    pub(crate) id: u32,
    pub(crate) name: String,
    pub(crate) arch: String,
    pub(crate) sha256: String,
    pub(crate) size_bytes: u64,
    /// "disk" or "diskless".
    pub(crate) kind: &'static str,
    /// How the bytes of a disk image are stored and served.
    pub(crate) encoding: Option<String>,
    /// What a disk image takes on a disk.
    pub(crate) disk_bytes: Option<u64>,
    /// How many of the bytes of a diskless image are its kernel.
    pub(crate) kernel_bytes: Option<u64>,
    /// The command line of the kernel of a diskless image.
    pub(crate) arguments: Option<String>,
    pub(crate) status: String,
    pub(crate) added_ms: Option<u64>,
    /// How often it was deployed, up to as often as makes a candidate good.
    pub(crate) deployed: u32,
    /// Good machines on which it failed since it last succeeded.
    pub(crate) failed_on: Vec<FailedOn>,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Event {
    pub(crate) id: u64,
    pub(crate) at_ms: u64,
    pub(crate) severity: String,
    pub(crate) kind: String,
    pub(crate) node: Option<String>,
    pub(crate) lease_id: Option<u32>,
    pub(crate) message: String,
}

/// What an `apply` did, or would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Applied {
    pub(crate) dry_run: bool,
    pub(crate) changes: Vec<Change>,
}

/// What happened to one object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Change {
    pub(crate) object: String,
    pub(crate) action: String,
    pub(crate) fields: Vec<String>,
}

impl Applied {
    pub(crate) fn new(response: pb::ApplyResponse, dry_run: bool) -> Self {
        Self { dry_run, changes: all(response.changes) }
    }
}

impl From<pb::Image> for Image {
    fn from(image: pb::Image) -> Self {
        let is_disk = image.diskless.is_none();
        Self {
            id: image.id,
            name: clean(&image.name),
            arch: clean(&image.arch),
            sha256: clean(&image.sha256),
            size_bytes: image.size_bytes,
            kind: if is_disk { "disk" } else { "diskless" },
            encoding: is_disk.then(|| clean(&image.encoding)),
            disk_bytes: is_disk.then_some(image.disk_bytes),
            kernel_bytes: image.diskless.as_ref().map(|diskless| diskless.kernel_bytes),
            arguments: image.diskless.as_ref().map(|diskless| clean(&diskless.arguments)),
            status: clean(&image.status),
            added_ms: time(image.added_ms),
            deployed: image.deployed,
            failed_on: all(image.failed_on),
        }
    }
}

impl From<pb::Event> for Event {
    fn from(event: pb::Event) -> Self {
        Self {
            id: event.id,
            at_ms: event.at_ms,
            severity: clean(&event.severity),
            kind: clean(&event.kind),
            node: optional(&event.node),
            lease_id: (event.lease_id != 0).then_some(event.lease_id),
            message: clean(&event.message),
        }
    }
}

impl From<pb::AppliedChange> for Change {
    fn from(change: pb::AppliedChange) -> Self {
        Self {
            object: clean(&change.object),
            action: clean(&change.action),
            fields: change.fields.iter().map(|field| clean(field)).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The JSON of all these; scripts depend on every word of it.
    #[test]
    fn json() {
        let applied = pb::ApplyResponse { changes: vec![pb::AppliedChange::default()] };
        let all = (
            Image::from(pb::Image::default()),
            Event::from(pb::Event::default()),
            Applied::new(applied, true),
        );
        insta::assert_snapshot!(serde_json::to_string_pretty(&all).unwrap(), @r#"
        [
          {
            "id": 0,
            "name": "",
            "arch": "",
            "sha256": "",
            "size_bytes": 0,
            "kind": "disk",
            "encoding": "",
            "disk_bytes": 0,
            "kernel_bytes": null,
            "arguments": null,
            "status": "",
            "added_ms": null,
            "deployed": 0,
            "failed_on": []
          },
          {
            "id": 0,
            "at_ms": 0,
            "severity": "",
            "kind": "",
            "node": null,
            "lease_id": null,
            "message": ""
          },
          {
            "dry_run": true,
            "changes": [
              {
                "object": "",
                "action": "",
                "fields": []
              }
            ]
          }
        ]
        "#);
    }
}
