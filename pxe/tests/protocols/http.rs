//! HTTP over real connections.

use crate::support::{Nodes, Running};
use hostler_core::boot::NetworkEvidence;
use hostler_core::hardware::{Arch, Firmware};
use hostler_pxe::Catalogue;
use proptest::prelude::*;
use std::net::Ipv4Addr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

fn kernel() -> Vec<u8> {
    (0..1_000_000u32).flat_map(u32::to_be_bytes).collect()
}

async fn running(address: [u8; 4]) -> (Arc<Nodes>, Running, tempfile::TempDir) {
    let files = tempfile::tempdir().unwrap();
    std::fs::write(files.path().join("kernel"), kernel()).unwrap();
    let image = "ab".repeat(32);
    std::fs::write(files.path().join(&image), b"image").unwrap();
    let catalogue = Catalogue::new()
        .loader(Arch::X86_64, Firmware::Uefi, b"loader".to_vec())
        .ramdisk(Arch::X86_64, files.path().join("kernel"), files.path().join("absent"))
        .ca(b"certificate".to_vec())
        .images(files.path());
    let nodes = Arc::new(Nodes::at(address.into(), Arch::X86_64, Firmware::Uefi));
    let running = Running::start(nodes.clone(), catalogue).await;
    (nodes, running, files)
}

/// Status line, headers in lower case, body.
struct Answer {
    status: String,
    headers: String,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

async fn ask(running: &Running, from: Ipv4Addr, method: &str, path: &str, headers: &str) -> Answer {
    let request = format!("{method} {path} HTTP/1.1\r\nhost: boot\r\nconnection: close\r\n{headers}\r\n");
    let bytes = exchange(running, from, request.as_bytes(), false).await;
    let at = bytes.windows(4).position(|end| end == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(bytes[..at].to_vec()).unwrap().to_ascii_lowercase();
    let (status, headers) = head.split_once("\r\n").unwrap();
    Answer { status: status.to_owned(), headers: headers.to_owned(), body: bytes[at + 4..].to_vec() }
}

/// Sends bytes, and perhaps that there are no more, and reads until the server closes.
async fn exchange(running: &Running, from: Ipv4Addr, bytes: &[u8], end: bool) -> Vec<u8> {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind((from, 0).into()).unwrap();
    let mut stream = socket.connect(running.addresses.http).await.unwrap();
    // The server may have closed already.
    let _ = stream.write_all(bytes).await;
    if end {
        let _ = stream.shutdown().await;
    }
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    answer
}

#[tokio::test]
async fn files_are_served_whole_in_part_and_by_length() {
    let (nodes, running, _files) = running([127, 62, 1, 1]).await;
    let from = nodes.client.address;
    let whole = ask(&running, from, "GET", "/kernels/x86_64", "").await;
    assert_eq!((whole.status.as_str(), whole.header("content-length")), ("http/1.1 200 ok", Some("4000000")));
    assert!(whole.body == kernel());
    let head = ask(&running, from, "HEAD", "/kernels/x86_64", "").await;
    assert_eq!((head.header("content-length"), head.body.len()), (Some("4000000"), 0));
    let part = ask(&running, from, "GET", "/kernels/x86_64", "range: bytes=3999990-\r\n").await;
    assert_eq!(part.status, "http/1.1 206 partial content");
    assert_eq!(part.header("content-range"), Some("bytes 3999990-3999999/4000000"));
    assert!(part.body == kernel()[3_999_990..]);
    let beyond = ask(&running, from, "GET", "/kernels/x86_64", "range: bytes=4000000-\r\n").await;
    assert_eq!(beyond.header("content-range"), Some("bytes */4000000"));
    let loader = ask(&running, from, "HEAD", "/loaders/x86_64-uefi.efi", "").await;
    assert_eq!(
        (loader.header("content-type"), loader.header("content-length")),
        (Some("application/efi"), Some("6"))
    );
    let image = ask(&running, from, "GET", &format!("/images/{}", "ab".repeat(32)), "").await;
    assert_eq!(image.body, b"image");
    running.stop().await;
    let seen = nodes.seen.lock().unwrap();
    let complete: Vec<_> = seen.iter().map(|seen| (seen.kind, seen.bytes, seen.complete)).collect();
    let http = |bytes| (NetworkEvidence::Http, bytes, true);
    assert_eq!(complete, [http(4_000_000), http(10), http(5)], "HEAD and refusals are no transfers");
}

#[tokio::test]
async fn what_is_not_there_or_not_meant_is_refused() {
    let (nodes, running, _files) = running([127, 62, 2, 1]).await;
    let from = nodes.client.address;
    for path in
        ["/", "/kernels/aarch64", "/ramdisks/x86_64", "/images/..%2f..%2fetc%2fpasswd", "/images/kernel"]
    {
        assert_eq!(ask(&running, from, "GET", path, "").await.status, "http/1.1 404 not found", "{path}");
    }
    let post = ask(&running, from, "POST", "/kernels/x86_64", "content-length: 0\r\n").await;
    assert_eq!(
        (post.status.as_str(), post.header("allow")),
        ("http/1.1 405 method not allowed", Some("get, head"))
    );
    running.stop().await;
}

#[tokio::test]
async fn a_script_is_for_the_address_that_asks() {
    let (nodes, running, _files) = running([127, 62, 3, 1]).await;
    let script = ask(&running, nodes.client.address, "GET", "/boot/script.ipxe", "").await;
    assert!(String::from_utf8(script.body).unwrap().contains("hostler.boot=17"));
    let stranger = [127, 62, 3, 99].into();
    for path in
        ["/boot/script.ipxe", "/boot/grub.cfg", "/kernels/x86_64", "/boot/script.ipxe?mac=52:54:00:00:00:01"]
    {
        assert_eq!(ask(&running, stranger, "GET", path, "").await.status, "http/1.1 404 not found", "{path}");
    }
    assert_eq!(ask(&running, stranger, "GET", "/ca.pem", "").await.body, b"certificate", "the CA is public");
    running.stop().await;
    let seen = nodes.seen.lock().unwrap();
    assert_eq!(seen.iter().map(|seen| seen.kind).collect::<Vec<_>>(), [NetworkEvidence::Script]);
}

#[tokio::test]
async fn a_transfer_that_breaks_off_is_not_complete() {
    let (nodes, running, _files) = running([127, 62, 4, 1]).await;
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.bind((nodes.client.address, 0).into()).unwrap();
    let mut stream = socket.connect(running.addresses.http).await.unwrap();
    stream.write_all(b"GET /kernels/x86_64 HTTP/1.1\r\nhost: boot\r\n\r\n").await.unwrap();
    stream.read_exact(&mut [0; 100]).await.unwrap();
    drop(stream);
    nodes.wait_for(1).await;
    let seen = nodes.seen.lock().unwrap().remove(0);
    assert!(!seen.complete && seen.bytes < 4_000_000, "{seen:?}");
    running.stop().await;
}

#[tokio::test]
async fn one_machine_cannot_hold_all_connections() {
    let (nodes, running, _files) = running([127, 62, 5, 1]).await;
    let hostile = Ipv4Addr::new(127, 62, 5, 66);
    let mut held = Vec::new();
    // Those over the limit are closed at once: their read ends.
    let closed = loop {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind((hostile, 0).into()).unwrap();
        let mut stream = socket.connect(running.addresses.http).await.unwrap();
        stream.write_all(b"GET /ca.pem HTTP/1.1\r\nhost: boot\r\n\r\n").await.unwrap();
        match stream.read(&mut [0; 512]).await {
            Ok(1..) => held.push(stream),
            Ok(0) | Err(_) => break true,
        }
        if held.len() > 1000 {
            break false;
        }
    };
    assert!(closed, "a thousand connections of one machine are open");
    let other = ask(&running, nodes.client.address, "GET", "/ca.pem", "").await;
    assert_eq!(other.body, b"certificate");
    running.stop().await;
}

/// Requests that are almost right.
fn odd_request() -> impl Strategy<Value = Vec<u8>> {
    let method = prop_oneof![Just("GET"), Just("HEAD"), Just("PUT"), Just("\0"), Just("")];
    let path = "(/[a-z_0-9./%]{0,40}|[ -~]{0,300}|/kernels/x86_64|/boot/script.ipxe)";
    let header = "(range: bytes=[0-9-]{0,30}|[!-~]{0,20}: [ -~]{0,60}|content-length: [0-9]{0,20}|transfer-encoding: chunked)";
    let text = (method, path, proptest::collection::vec(header, 0..4)).prop_map(|(method, path, headers)| {
        format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n{}\r\n\r\n", headers.join("\r\n"))
            .into_bytes()
    });
    prop_oneof![text, proptest::collection::vec(any::<u8>(), 0..600)]
}

#[test]
fn odd_requests_do_no_harm() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (nodes, running, _files) = runtime.block_on(running([127, 62, 6, 1]));
    let from = nodes.client.address;
    proptest!(ProptestConfig::with_cases(200), |(bytes in odd_request())| {
        let answer = runtime.block_on(exchange(&running, from, &bytes, true));
        prop_assert!(answer.is_empty() || answer.starts_with(b"HTTP/1."));
    });
    let after = runtime.block_on(ask(&running, from, "GET", "/ca.pem", ""));
    assert_eq!(after.body, b"certificate");
    runtime.block_on(running.stop());
}
