//! A web server that can misbehave: it answers each request with bytes that a test has prepared.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What is sent for a path, once each; the last one again and again.
type Answers = Arc<Mutex<BTreeMap<String, Vec<Answer>>>>;

#[derive(Clone)]
pub(crate) struct Answer {
    head: String,
    body: Vec<u8>,
    /// The connection stays open after the body.
    stall: bool,
}

impl Answer {
    /// A file, as it should be.
    pub(crate) fn file(body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        Self::announcing(body.len(), body)
    }

    /// A file that is shorter than announced.
    pub(crate) fn announcing(length: usize, body: impl Into<Vec<u8>>) -> Self {
        Self { head: format!("200 OK\r\nContent-Length: {length}"), body: body.into(), stall: false }
    }

    /// A file whose length is not announced.
    pub(crate) fn unannounced(body: impl Into<Vec<u8>>) -> Self {
        Self { head: "200 OK".to_owned(), body: body.into(), stall: false }
    }

    /// An error, or a redirection.
    pub(crate) fn status(head: &str) -> Self {
        Self { head: format!("{head}\r\nContent-Length: 0"), body: Vec::new(), stall: false }
    }

    /// After the body nothing more comes.
    pub(crate) fn stalls(mut self) -> Self {
        self.stall = true;
        self
    }
}

pub(crate) struct Web {
    address: SocketAddr,
    answers: Answers,
    _server: JoinSet<()>,
}

impl Web {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let answers = Answers::default();
        let mut server = JoinSet::new();
        server.spawn(serve(listener, answers.clone()));
        Self { address, answers, _server: server }
    }

    /// The URL at which these are answered, one after the other.
    pub(crate) fn put(&self, path: &str, answers: impl Into<Vec<Answer>>) -> String {
        self.answers.lock().unwrap().insert(path.to_owned(), answers.into());
        format!("http://{}{path}", self.address)
    }
}

async fn serve(listener: TcpListener, answers: Answers) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(answer(stream, answers.clone()));
    }
}

async fn answer(mut stream: TcpStream, answers: Answers) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let path = String::from_utf8(request).unwrap().split(' ').nth(1).unwrap().to_owned();
    let answer = {
        let mut answers = answers.lock().unwrap();
        let queue = answers.get_mut(&path).expect("nothing was prepared for this path");
        if queue.len() > 1 { queue.remove(0) } else { queue[0].clone() }
    };
    // Whoever asked may have hung up.
    let _ = stream.write_all(format!("HTTP/1.1 {}\r\n\r\n", answer.head).as_bytes()).await;
    let _ = stream.write_all(&answer.body).await;
    if answer.stall {
        std::future::pending::<()>().await;
    }
}
