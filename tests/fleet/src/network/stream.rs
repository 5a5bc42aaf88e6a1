//! A TCP connection over a cable.

use super::Cable;
use futures::future::BoxFuture;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A TCP connection of a machine. It stalls while the cable is cut.
pub struct CableStream {
    /// `None` only while it is being dropped.
    stream: Option<TcpStream>,
    cable: Cable,
    /// Reader and writer may be different tasks, so each has a waker of its own.
    reader: Stall,
    writer: Stall,
}

impl CableStream {
    pub(super) fn new(stream: TcpStream, cable: Cable) -> Self {
        Self { stream: Some(stream), cable, reader: Stall::default(), writer: Stall::default() }
    }

    fn stream(stream: &mut Option<TcpStream>) -> io::Result<Pin<&mut TcpStream>> {
        stream.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

/// Waits for a cable that is cut.
#[derive(Default)]
struct Stall(Option<BoxFuture<'static, ()>>);

impl Stall {
    /// Ready while the cable is plugged.
    fn poll(&mut self, cable: &Cable, cx: &mut Context<'_>) -> Poll<()> {
        if cable.is_cut() {
            let mended = self.0.get_or_insert_with(|| Box::pin(cable.clone().mended()));
            ready!(mended.as_mut().poll(cx));
        }
        self.0 = None;
        Poll::Ready(())
    }
}

impl AsyncRead for CableStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.reader.poll(&this.cable, cx));
        Self::stream(&mut this.stream)?.poll_read(cx, buf)
    }
}

impl AsyncWrite for CableStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.writer.poll(&this.cable, cx));
        Self::stream(&mut this.stream)?.poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        Self::stream(&mut this.stream)?.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.cable.is_cut() {
            // Closing does not wait for the peer; the FIN is lost like everything else.
            return Poll::Ready(Ok(()));
        }
        Self::stream(&mut this.stream)?.poll_shutdown(cx)
    }
}

impl Drop for CableStream {
    fn drop(&mut self) {
        if let Some(stream) = self.stream.take()
            && self.cable.is_cut()
        {
            self.cable.orphan(stream);
        }
    }
}
