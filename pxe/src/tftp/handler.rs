//! Opens what machines ask for. Answers from a snapshot in microseconds: `async-tftp` opens one file at a time.

use super::reader::{Reader, Watch};
use crate::admission::Admission;
use crate::library::Library;
use async_tftp::packet::Error;
use async_tftp::server::Handler;
use futures::io::Sink;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

pub(super) struct Files {
    library: Arc<Library>,
    admission: Admission,
    stopped: CancellationToken,
}

impl Files {
    pub(super) fn new(library: Arc<Library>, admission: Admission, stopped: CancellationToken) -> Self {
        Self { library, admission, stopped }
    }

    fn open(&self, peer: SocketAddr, path: &Path) -> Result<Reader, Error> {
        // Loaders ask for many files that do not exist and wait for each answer: this one is immediate.
        let path = path.to_str().ok_or(Error::FileNotFound)?;
        let client = self.library.client(peer.ip()).ok_or(Error::FileNotFound)?;
        let found = self.library.find(&client, path).ok_or(Error::FileNotFound)?;
        let content = found.content.memory().ok_or(Error::FileNotFound)?.clone();
        let busy = || Error::Msg("too many transfers".to_owned());
        let pass = self.admission.enter(peer.ip()).ok_or_else(busy)?;
        let watch = Watch {
            library: self.library.clone(),
            stopped: self.stopped.clone(),
            client,
            path: path.to_owned(),
            rendered: found.rendered,
            _pass: pass,
        };
        Ok(Reader::new(content, watch))
    }
}

impl Handler for Files {
    type Reader = Reader;
    type Writer = Sink;

    async fn read_req_open(
        &mut self,
        client: &SocketAddr,
        path: &Path,
    ) -> Result<(Self::Reader, Option<u64>), Error> {
        let reader = self.open(*client, path)?;
        let length = reader.len();
        Ok((reader, Some(length)))
    }

    async fn write_req_open(
        &mut self,
        _client: &SocketAddr,
        _path: &Path,
        _size: Option<u64>,
    ) -> Result<Self::Writer, Error> {
        Err(Error::PermissionDenied)
    }
}
