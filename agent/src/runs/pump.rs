//! From a payload's pipe to its spool.

use super::limits::Limits;
use super::live::Live;
use bytes::BytesMut;
use std::fs::File;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

/// What is read at once.
const PIECE: usize = 64 << 10;

/// The spooled output of one run.
#[derive(Debug)]
pub(crate) struct Output {
    file: Arc<File>,
    live: Arc<Live>,
    limit: u64,
    full: bool,
}

impl Output {
    pub(crate) const fn new(file: Arc<File>, live: Arc<Live>, limit: u64) -> Self {
        Self { file, live, limit, full: false }
    }

    /// Adds what the payload has said. Beyond the limit nothing is stored but one line that says so.
    pub(crate) async fn append(&mut self, mut data: BytesMut) -> io::Result<()> {
        if self.full {
            return Ok(());
        }
        let room = self.limit.saturating_sub(self.live.length());
        if data.len() as u64 > room {
            self.full = true;
            data.truncate(usize::try_from(room).unwrap_or(usize::MAX));
            data.extend_from_slice(
                format!(
                    "\nhostler: the limit of {} bytes of output is reached, the rest is dropped\n",
                    self.limit
                )
                .as_bytes(),
            );
        }
        self.store(data).await
    }

    /// Adds a line of the agent's own. It is stored even if the payload has said too much.
    pub(crate) async fn note(&mut self, text: &str) -> io::Result<()> {
        self.store(BytesMut::from(format!("hostler: {text}\n").as_bytes())).await
    }

    async fn store(&self, data: BytesMut) -> io::Result<()> {
        let length = data.len() as u64;
        let file = self.file.clone();
        let write = tokio::task::spawn_blocking(move || (&*file).write_all(&data));
        write.await.map_err(io::Error::other)??;
        self.live.set_length(self.live.length() + length);
        Ok(())
    }
}

/// Stores what comes until the other end is closed or `ended` says that there is nothing to wait for. While too much is
/// unacknowledged nothing is read, so that the payload waits.
pub(crate) async fn pump(
    pipe: &mut pipe::Receiver,
    output: &mut Output,
    limits: &Limits,
    ended: &CancellationToken,
) -> io::Result<()> {
    let live = output.live.clone();
    loop {
        let read = async {
            live.room(limits.backlog).await;
            read_piece(pipe).await
        };
        // Only the waiting is cut short; what was read is stored.
        let Some(data) = ended.run_until_cancelled(read).await else { return Ok(()) };
        match data? {
            Some(data) => output.append(data).await?,
            None => return Ok(()),
        }
    }
}

/// Stores what is left after the payload has ended. That is bounded by what a pipe holds, so there is no waiting for
/// the controller, but at most `limit` for the pipe: a process that left the group may hold its other end.
pub(crate) async fn drain(pipe: &mut pipe::Receiver, output: &mut Output, limit: Duration) -> io::Result<()> {
    let end = Instant::now() + limit;
    loop {
        let Ok(data) = timeout_at(end, read_piece(pipe)).await else {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "a process outside the group holds the pipe",
            ));
        };
        match data? {
            Some(data) => output.append(data).await?,
            None => return Ok(()),
        }
    }
}

async fn read_piece(pipe: &mut pipe::Receiver) -> io::Result<Option<BytesMut>> {
    let mut data = BytesMut::with_capacity(PIECE);
    let length = pipe.read_buf(&mut data).await?;
    Ok((length > 0).then_some(data))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Seek as _};
    use tokio::sync::Notify;

    fn output(limit: u64) -> (File, Arc<Live>, Output) {
        let file = tempfile::tempfile().unwrap();
        let live = Arc::new(Live::new(Arc::new(Notify::new())));
        let output = Output::new(Arc::new(file.try_clone().unwrap()), live.clone(), limit);
        (file, live, output)
    }

    fn text(mut file: File) -> String {
        let mut text = String::new();
        file.rewind().unwrap();
        file.read_to_string(&mut text).unwrap();
        text
    }

    #[tokio::test]
    async fn output_beyond_the_limit_is_dropped_with_a_word_about_it() {
        let (file, live, mut output) = output(10);
        for piece in ["12345", "67890ab", "cd", "ef"] {
            output.append(piece.as_bytes().into()).await.unwrap();
        }
        output.note("a note").await.unwrap();
        let text = text(file);
        let expected = "1234567890\nhostler: the limit of 10 bytes of output is reached, the rest is dropped\n\
                        hostler: a note\n";
        assert_eq!((text.as_str(), live.length()), (expected, expected.len() as u64));
    }

    /// The payload waits as long as nothing is acknowledged, and nothing of what it says is lost.
    #[tokio::test]
    async fn a_payload_waits_for_acknowledgements() {
        let changed = Arc::new(Notify::new());
        let file = tempfile::tempfile().unwrap();
        let live = Arc::new(Live::new(changed.clone()));
        let mut output = Output::new(Arc::new(file.try_clone().unwrap()), live.clone(), u64::MAX);
        let (reader, mut writer) = io::pipe().unwrap();
        let mut pipe = pipe::Receiver::from_owned_fd(reader.into()).unwrap();
        let limits = Limits { backlog: 100_000, ..Limits::default() };
        // More than backlog and pipe take together, so that the writer has to wait.
        let wrote = tokio::task::spawn_blocking(move || writer.write_all(&[b'x'; 1_000_000]));
        let acknowledge = async {
            let mut longest = 0;
            while live.acked() < 1_000_000 {
                changed.notified().await;
                longest = longest.max(live.length() - live.acked());
                live.acknowledge(live.length());
            }
            longest
        };
        let ended = CancellationToken::new();
        let (stored, longest) = tokio::join!(pump(&mut pipe, &mut output, &limits, &ended), acknowledge);
        stored.unwrap();
        wrote.await.unwrap().unwrap();
        assert!(longest < 100_000 + PIECE as u64, "{longest}");
        assert_eq!(text(file), "x".repeat(1_000_000));
    }

    #[tokio::test]
    async fn what_is_left_in_the_pipe_is_stored_without_waiting() {
        let (file, live, mut output) = output(u64::MAX);
        let (reader, mut writer) = io::pipe().unwrap();
        let mut pipe = pipe::Receiver::from_owned_fd(reader.into()).unwrap();
        writer.write_all(&[b'x'; 50_000]).unwrap();
        let limits = Limits { backlog: 0, ..Limits::default() };
        let ended = CancellationToken::new();
        ended.cancel();
        pump(&mut pipe, &mut output, &limits, &ended).await.unwrap();
        assert_eq!(live.length(), 0);
        drop(writer);
        drain(&mut pipe, &mut output, Duration::from_secs(60)).await.unwrap();
        assert_eq!(text(file).len(), 50_000);
    }

    #[tokio::test]
    async fn a_pipe_that_somebody_holds_open_is_given_up() {
        let (_file, _live, mut output) = output(u64::MAX);
        let (reader, _writer) = io::pipe().unwrap();
        let mut pipe = pipe::Receiver::from_owned_fd(reader.into()).unwrap();
        let error = drain(&mut pipe, &mut output, Duration::from_millis(10)).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
