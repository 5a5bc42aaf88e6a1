//! Where GRUB's files come from.

use super::super::boot::Board;
use super::super::download::Download;
use super::super::http;
use super::super::tftp::{self, Request};
use std::net::Ipv4Addr;

const AGENT: &str = "GRUB 2.06";
/// GRUB counts its ports from here, from each start anew.
const FIRST_PORT: u16 = 25_300;

/// Loads files over the network.
pub(super) struct Files<'a> {
    pub(super) board: Board<'a>,
    server: Ipv4Addr,
    next_port: u16,
    /// False until the module is loaded, where it is one.
    pub(super) http: bool,
}

impl<'a> Files<'a> {
    pub(super) fn new(board: Board<'a>, server: Ipv4Addr, http: bool) -> Self {
        Self { board, server, next_port: FIRST_PORT, http }
    }

    /// A file of the TFTP server that GRUB came from.
    pub(super) async fn tftp(&mut self, path: &str, download: &mut Download) -> Result<(), String> {
        let port = self.next_port;
        self.next_port += 1;
        let request = Request {
            server: self.server,
            path,
            port,
            block_size: Some(1024),
            tsize: true,
            window: None,
            strict: false,
        };
        match tftp::get(self.board.nic, &self.board.machine.timing, request, download).await {
            Ok(_) => Ok(()),
            Err(error) => Err(format!("error: {path}: {error}.")),
        }
    }

    /// A file by its full name: `(http,HOST[:PORT])/PATH`.
    pub(super) async fn open(&mut self, name: &str, download: &mut Download) -> Result<(), String> {
        let url = name.strip_prefix("(http,").and_then(|rest| rest.split_once(')'));
        let Some((host, path)) = url else { return Err(format!("error: file `{name}' not found.")) };
        if !self.http {
            return Err("error: no such device: http.".to_owned());
        }
        let url = format!("http://{host}{path}");
        match http::get(self.board.nic, &self.board.machine.timing, &url, AGENT, download).await {
            Ok(()) => {
                self.board.say(&format!("{url}: {} bytes", download.bytes()));
                Ok(())
            }
            Err(error) => Err(format!("error: {url}: {error}.")),
        }
    }
}
