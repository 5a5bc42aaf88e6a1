//! What artefacts promise, wherever they are: one suite for a directory and for a bucket of a real S3 server.

mod bucket;
mod conformance;
mod images;

use super::{Acknowledged, Artefacts, Piece, Place, RunStore, Surroundings};
use bytes::Bytes;
use hostler_checkout::s3::Server;
use hostler_core::ids::{NodeId, RunId};
use hostler_core::run;
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

const RUN: RunId = RunId(1);
const NODE: NodeId = NodeId(2);

/// Output kept of one task in these tests.
const LIMIT: u64 = 1 << 20;

/// Where controllers keep their artefacts in one test.
struct Shared {
    place: Place,
    server: Option<Server>,
    directory: TempDir,
}

impl Shared {
    fn directory() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { place: Place::Directory(directory.path().join("shared")), server: None, directory }
    }

    fn bucket() -> Self {
        let (directory, server) = (tempfile::tempdir().unwrap(), Server::start().unwrap());
        let place = Place::parse(&server.url("ci/lab"), directory.path()).unwrap();
        Self { place, server: Some(server), directory }
    }

    fn server(&self) -> &Server {
        self.server.as_ref().unwrap()
    }

    /// A controller of this name, as a process of its own would be.
    fn process(&self, name: &str) -> Process {
        self.process_with(name, 1 << 30)
    }

    fn process_with(&self, name: &str, cache_bytes: u64) -> Process {
        Process::start(&self.place, &self.directory.path().join(name), cache_bytes, true)
    }

    /// One that does not lead.
    fn standby(&self, name: &str) -> Process {
        Process::start(&self.place, &self.directory.path().join(name), 1 << 30, false)
    }
}

/// Each test that is for both.
fn everywhere(test: impl Fn(&Shared)) {
    test(&Shared::directory());
    test(&Shared::bucket());
}

/// The artefacts of one controller. Dropped, it ends as by `kill -9`: nothing that it was doing goes on.
struct Process {
    runtime: Option<Runtime>,
    artefacts: Artefacts,
    listener: (Acknowledged, mpsc::UnboundedReceiver<(RunId, u64)>),
}

impl Process {
    fn start(place: &Place, data: &Path, cache_bytes: u64, leads: bool) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let around = Surroundings {
            leads,
            output_limit: LIMIT,
            cache_bytes,
            on_output: Arc::new(|_| {}),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        };
        let artefacts = Artefacts::open(place, data, around).unwrap();
        Self { runtime: Some(runtime.unwrap()), artefacts, listener: mpsc::unbounded_channel() }
    }

    fn runs(&self) -> &RunStore {
        &self.artefacts.runs
    }

    fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        // Tasks that it starts are this runtime's.
        self.runtime.as_ref().unwrap().block_on(work)
    }

    fn try_append(&self, offset: u64, data: &[u8]) -> Result<u64, String> {
        let piece = Piece { offset, data: Bytes::copy_from_slice(data) };
        let stored = self.wait(self.runs().append(RUN, NODE, piece, &self.listener.0));
        stored.map_err(|error| format!("{error:#}"))
    }

    fn append(&self, offset: u64, data: &[u8]) -> u64 {
        self.try_append(offset, data).unwrap()
    }

    /// Appends, and waits until all of it is acknowledged, as an agent would.
    fn append_acknowledged(&mut self, offset: u64, data: &[u8]) {
        let end = offset + data.len() as u64;
        let mut stored = self.append(offset, data);
        while stored < end {
            stored = self.acknowledged();
        }
    }

    /// Waits for the next acknowledgement.
    fn acknowledged(&mut self) -> u64 {
        let runtime = self.runtime.as_ref().unwrap();
        runtime.block_on(self.listener.1.recv()).unwrap().1
    }

    fn finish(&self, files: Vec<run::File>) -> Result<(), String> {
        self.wait(self.runs().finish(RUN, NODE, files)).map_err(|error| format!("{error:#}"))
    }

    fn read(&self, offset: u64, limit: usize) -> Bytes {
        self.wait(self.runs().read(RUN, NODE, offset, limit)).unwrap()
    }

    /// All output, as somebody reads it who comes when it is over.
    fn read_all(&self) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            let piece = self.read(all.len() as u64, 10_000);
            if piece.is_empty() {
                return all;
            }
            all.extend_from_slice(&piece);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Bytes of which no two pieces look alike.
fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}
