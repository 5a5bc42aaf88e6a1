//! The answer to one request.

use super::body::{Content, Opened, Watch};
use super::range::{self, Wanted};
use crate::library::{Found, Library};
use crate::source::Client;
use http::header::{ACCEPT_RANGES, ALLOW, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderValue, RANGE};
use http::{Method, Request, Response, StatusCode};
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

/// Answers `request` of `peer`. Who the machine is follows from its address alone.
pub(super) async fn respond<B>(
    library: Arc<Library>,
    peer: IpAddr,
    request: Request<B>,
) -> Response<Content> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    let path = request.uri().path();
    let client = library.client(peer);
    let found = match &client {
        Some(client) => library.find(client, path),
        None => library.public(path),
    };
    let Some(found) = found else { return text(StatusCode::NOT_FOUND, "not found\n") };
    match send(&library, client, found, &request).await {
        Ok(response) => response,
        Err(error) if error.kind() == io::ErrorKind::NotFound => text(StatusCode::NOT_FOUND, "not found\n"),
        Err(error) => {
            tracing::error!(path, %error, "cannot read content");
            text(StatusCode::INTERNAL_SERVER_ERROR, "cannot be read\n")
        }
    }
}

async fn send<B>(
    library: &Arc<Library>,
    client: Option<Client>,
    found: Found,
    request: &Request<B>,
) -> io::Result<Response<Content>> {
    let started = Instant::now();
    let (path, rendered) = (request.uri().path(), found.rendered);
    let opened = Opened::open(found.content).await?;
    let length = opened.length();
    let header = request.headers().get(RANGE).and_then(|value| value.to_str().ok());
    let (start, end) = match range::parse(header, length) {
        Wanted::All => (0, length),
        Wanted::Part { start, end } => (start, end),
        Wanted::Unsatisfiable => return Ok(unsatisfiable(length)),
    };
    let mut response = Response::new(Content::quiet(""));
    if end - start < length {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        let range = format!("bytes {start}-{}/{length}", end - 1);
        insert(&mut response, CONTENT_RANGE, range);
    }
    insert(&mut response, CONTENT_LENGTH, (end - start).to_string());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type(path, rendered)));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if request.method() == Method::GET {
        let content = opened.part(start, end).await?;
        *response.body_mut() = match client {
            Some(client) => content.watched(Watch {
                library: library.clone(),
                client,
                rendered,
                detail: format!("HTTP {path}"),
                started,
                length: end - start,
            }),
            None => content,
        };
    }
    Ok(response)
}

/// UEFI takes a file for a program by its suffix or its type.
fn content_type(path: &str, rendered: bool) -> &'static str {
    match path.rsplit('.').next() {
        _ if rendered => "text/plain; charset=utf-8",
        Some("efi") => "application/efi",
        Some("pem") => "application/x-pem-file",
        _ => "application/octet-stream",
    }
}

fn unsatisfiable(length: u64) -> Response<Content> {
    let mut response = text(StatusCode::RANGE_NOT_SATISFIABLE, "");
    insert(&mut response, CONTENT_RANGE, format!("bytes */{length}"));
    response
}

fn text(status: StatusCode, body: &'static str) -> Response<Content> {
    let mut response = Response::new(Content::quiet(body));
    *response.status_mut() = status;
    insert(&mut response, CONTENT_LENGTH, body.len().to_string());
    response
}

fn insert(response: &mut Response<Content>, name: http::HeaderName, value: String) {
    if let Ok(value) = HeaderValue::try_from(value) {
        response.headers_mut().insert(name, value);
    }
}
