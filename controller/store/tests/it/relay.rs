//! A network between hostlerd and its database that a test can cut: on loopback, in front of the server's socket.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// The end of the message CommandComplete of a commit (PostgreSQL documentation, section "Message Formats").
const COMMITTED: &[u8] = b"COMMIT\0";

/// What becomes of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Fate {
    /// They arrive.
    Arrive,
    /// Nothing of what the server says arrives, and the connection ends when it says that it has committed.
    AnswersLost,
    /// What the client says ends the connection instead of arriving.
    RequestsLost,
    /// Nothing arrives, and nobody is told.
    Silence,
    /// Nobody is let in, and who is in is thrown out.
    Refused,
}

/// Listens until it is dropped.
pub(crate) struct Relay {
    pub(crate) port: u16,
    fate: Arc<AtomicU8>,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Relay {
    /// In front of a server's socket in this directory.
    pub(crate) fn before(socket_directory: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let relay = Self {
            port: listener.local_addr().unwrap().port(),
            fate: Arc::new(AtomicU8::new(Fate::Arrive as u8)),
            open: Arc::default(),
        };
        let (fate, open) = (relay.fate.clone(), relay.open.clone());
        let socket = socket_directory.join(".s.PGSQL.5432");
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if fate.load(Ordering::SeqCst) != Fate::Refused as u8 {
                    open.lock().unwrap().push(client.try_clone().unwrap());
                    join(client, &socket, &fate);
                }
            }
        });
        relay
    }

    pub(crate) fn set(&self, fate: Fate) {
        self.fate.store(fate as u8, Ordering::SeqCst);
        if fate == Fate::Refused {
            for client in self.open.lock().unwrap().drain(..) {
                // It may be closed already.
                let _ = client.shutdown(Shutdown::Both);
            }
        }
    }
}

fn join(client: TcpStream, socket: &PathBuf, fate: &Arc<AtomicU8>) {
    let Ok(server) = UnixStream::connect(socket) else { return };
    let (mut from_client, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    let (mut from_server, mut to_client) = (server, client);
    let (requests, answers) = (fate.clone(), fate.clone());
    let close = |a: &TcpStream, b: &UnixStream| {
        // One of them is closed already.
        let _ = (a.shutdown(Shutdown::Both), b.shutdown(Shutdown::Both));
    };
    thread::spawn(move || {
        let mut buffer = [0; 1 << 16];
        while let Ok(count @ 1..) = from_client.read(&mut buffer) {
            let fate = requests.load(Ordering::SeqCst);
            if fate == Fate::Silence as u8 {
                continue;
            }
            if fate == Fate::RequestsLost as u8 || to_server.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        close(&from_client, &to_server);
    });
    thread::spawn(move || {
        let mut buffer = [0; 1 << 16];
        while let Ok(count @ 1..) = from_server.read(&mut buffer) {
            let fate = answers.load(Ordering::SeqCst);
            if fate == Fate::Silence as u8 {
                continue;
            }
            if fate == Fate::AnswersLost as u8 {
                if buffer[..count].windows(COMMITTED.len()).any(|w| w == COMMITTED) {
                    break;
                }
            } else if to_client.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        close(&to_client, &from_server);
    });
}
