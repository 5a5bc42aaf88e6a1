//! `hostler image add`

use crate::client::Client;
use crate::clock;
use crate::error::Error;
use crate::exit::Exit;
use crate::member::ARCHITECTURES;
use crate::model::admin::Image;
use crate::render::time::bytes;
use crate::results::hex;
use crate::session::Session;
use aws_lc_rs::digest::{Context, SHA256};
use clap::Args;
use hostler_proto::node::v1::add_image_request::Part;
use hostler_proto::node::v1::{self as pb, AddImageRequest, ImageHeader};
use std::io;
use std::path::{Path, PathBuf};
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

const EXAMPLES: &str = "\
Examples:
  hostler image add fedora.raw.zst --name fedora --arch x86_64
  hostler image add fedora.raw --name fedora --arch x86_64 --sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08

The file is a disk image: raw, compressed with zstd or gzip, or qcow2. Prefer zstd: machines write it fastest.
The same image again is no error: after a broken upload, repeat the command.";

const CHUNK: usize = 256 << 10;

/// Arguments of `hostler image add`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The disk image
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// What leases call it
    #[arg(long, value_name = "NAME")]
    name: String,
    /// Architecture of the machines that it runs on
    #[arg(long, value_name = "ARCH", value_parser = ARCHITECTURES)]
    arch: String,
    /// Digest that the file must have, in hexadecimal
    #[arg(long, value_name = "DIGEST")]
    sha256: Option<String>,
}

pub(crate) async fn run(session: &Session, arguments: Arguments) -> Result<Exit, Error> {
    let Arguments { file, name, arch, sha256: expected } = arguments;
    let (sha256, size) = digest(&file).await.map_err(|source| Error::Read { path: file.clone(), source })?;
    if let Some(expected) = expected.filter(|expected| !expected.eq_ignore_ascii_case(&sha256)) {
        return Err(Error::Usage {
            message: format!("{} has the digest {sha256}, not {expected}", file.display()),
            next: "get the file anew".to_owned(),
        });
    }
    let client = session.connect()?;
    session.ui.notice(&format!("sending {} of {}", bytes(size), file.display()));
    let mut attempts = client.bounded(format!("add image {name}"));
    let image: Image = loop {
        let header = ImageHeader { name: name.clone(), arch: arch.clone(), sha256: sha256.clone() };
        match upload(&client, header, &file, session, size).await? {
            Ok(image) => break image.into(),
            Err(status) => attempts.failed(status).await?,
        }
    };
    let images = [image];
    session.ui.result(&images[0], |_, look| super::list::table(&images, clock::now_ms(), look))?;
    Ok(Exit::Ok)
}

async fn digest(path: &Path) -> io::Result<(String, u64)> {
    let (mut file, mut context, mut size) = (File::open(path).await?, Context::new(&SHA256), 0);
    let mut buffer = vec![0; CHUNK];
    loop {
        let count = file.read(&mut buffer).await?;
        if count == 0 {
            return Ok((hex(context.finish().as_ref()), size));
        }
        context.update(&buffer[..count]);
        size += count as u64;
    }
}

/// Sends the file once. The inner error is that of the connection or the controller.
async fn upload(
    client: &Client<'_>,
    header: ImageHeader,
    path: &Path,
    session: &Session,
    size: u64,
) -> Result<Result<pb::Image, Status>, Error> {
    let unreadable = |source| Error::Read { path: path.to_owned(), source };
    let mut file = File::open(path).await.map_err(unreadable)?;
    let (parts, receiver) = mpsc::channel(4);
    let read = async move {
        let part = |part| AddImageRequest { part: Some(part) };
        let mut sent = 0_u64;
        // A closed channel means that the call is over; its status says why.
        let mut is_open = parts.send(part(Part::Header(header))).await.is_ok();
        while is_open {
            let mut chunk = vec![0; CHUNK];
            let count = file.read(&mut chunk).await?;
            if count == 0 {
                break;
            }
            chunk.truncate(count);
            is_open = parts.send(part(Part::Data(chunk))).await.is_ok();
            sent += count as u64;
            show_progress(session, sent, size);
        }
        Ok(())
    };
    let mut nodes = client.nodes();
    let call = nodes.add_image(ReceiverStream::new(receiver));
    let (answer, read) = tokio::join!(call, read);
    read.map_err(unreadable)?;
    Ok(answer.map(tonic::Response::into_inner))
}

fn show_progress(session: &Session, sent: u64, size: u64) {
    if session.ui.is_live() {
        let percent = sent.saturating_mul(100) / size.max(1);
        session.ui.draw(&[format!("{percent:3} % {} of {}", bytes(sent), bytes(size))]);
    }
}
