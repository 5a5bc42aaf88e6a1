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
use hostler_proto::node::v1::{self as pb, AddImageRequest, Diskless, ImageHeader};
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
  hostler image add --name live --arch aarch64 --kernel Image --initrd rootfs.cpio.zst --arguments mitigations=off

An image is either a disk image - raw, compressed with zstd or gzip, or qcow2; prefer zstd, which machines write
fastest - or a kernel and a ramdisk that has the whole system in it: no disk is written then, and what the system
keeps is lost when it restarts.
The same image again is no error: after a broken upload, repeat the command.";

const CHUNK: usize = 256 << 10;

/// Arguments of `hostler image add`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The disk image
    #[arg(
        value_name = "FILE",
        required_unless_present = "kernel",
        conflicts_with_all = ["kernel", "initrd", "arguments"]
    )]
    file: Option<PathBuf>,
    /// What leases call it
    #[arg(long, value_name = "NAME")]
    name: String,
    /// Architecture of the machines that it runs on
    #[arg(long, value_name = "ARCH", value_parser = ARCHITECTURES)]
    arch: String,
    /// Digest that the file must have, in hexadecimal; of the kernel followed by the ramdisk if there are these
    #[arg(long, value_name = "DIGEST")]
    sha256: Option<String>,
    /// The kernel of an image that no disk is written with
    #[arg(long, value_name = "FILE", requires = "initrd")]
    kernel: Option<PathBuf>,
    /// Its ramdisk: cpio (newc), plain or compressed with zstd, gzip or xz
    #[arg(long, value_name = "FILE", requires = "kernel")]
    initrd: Option<PathBuf>,
    /// Its kernel's command line; without a console= in it, the consoles of the machine are added
    #[arg(long, value_name = "TEXT", requires = "kernel", allow_hyphen_values = true)]
    arguments: Option<String>,
}

impl Arguments {
    /// The files whose bytes are the image, in their order.
    fn files(&self) -> Vec<PathBuf> {
        [&self.file, &self.kernel, &self.initrd].into_iter().flatten().cloned().collect()
    }
}

/// Files, one behind the other.
struct Content {
    files: Vec<PathBuf>,
    /// Of each.
    sizes: Vec<u64>,
    /// Of all their bytes.
    sha256: String,
}

pub(crate) async fn run(session: &Session, arguments: Arguments) -> Result<Exit, Error> {
    let content = Content::of(arguments.files()).await?;
    let Arguments { name, arch, sha256: expected, kernel, arguments, .. } = arguments;
    let sha256 = &content.sha256;
    if let Some(expected) = expected.filter(|expected| !expected.eq_ignore_ascii_case(sha256)) {
        return Err(Error::Usage {
            message: format!("{} has the digest {sha256}, not {expected}", content.names()),
            next: "get the file anew".to_owned(),
        });
    }
    let diskless =
        kernel.map(|_| Diskless { kernel_bytes: content.sizes[0], arguments: arguments.unwrap_or_default() });
    let header = ImageHeader { name: name.clone(), arch, sha256: sha256.clone(), diskless };
    let client = session.connect()?;
    session.ui.notice(&format!("sending {} of {}", bytes(content.size()), content.names()));
    let mut attempts = client.bounded(format!("add image {name}"));
    let image: Image = loop {
        match upload(&client, header.clone(), &content, session).await? {
            Ok(image) => break image.into(),
            Err(status) => attempts.failed(status).await?,
        }
    };
    let images = [image];
    session.ui.result(&images[0], |_, look| super::list::table(&images, clock::now_ms(), look))?;
    Ok(Exit::Ok)
}

impl Content {
    async fn of(files: Vec<PathBuf>) -> Result<Self, Error> {
        let (mut context, mut sizes) = (Context::new(&SHA256), Vec::new());
        for path in &files {
            let size = digest(path, &mut context).await;
            sizes.push(size.map_err(|source| Error::Read { path: path.clone(), source })?);
        }
        Ok(Self { files, sizes, sha256: hex(context.finish().as_ref()) })
    }

    fn size(&self) -> u64 {
        self.sizes.iter().sum()
    }

    /// For people.
    fn names(&self) -> String {
        let names: Vec<_> = self.files.iter().map(|path| path.display().to_string()).collect();
        names.join(" and ")
    }
}

/// Returns how many bytes the file has.
async fn digest(path: &Path, context: &mut Context) -> io::Result<u64> {
    let (mut file, mut size) = (File::open(path).await?, 0);
    let mut buffer = vec![0; CHUNK];
    loop {
        let count = file.read(&mut buffer).await?;
        if count == 0 {
            return Ok(size);
        }
        context.update(&buffer[..count]);
        size += count as u64;
    }
}

/// Sends the content once. The inner error is that of the connection or the controller.
async fn upload(
    client: &Client<'_>,
    header: ImageHeader,
    content: &Content,
    session: &Session,
) -> Result<Result<pb::Image, Status>, Error> {
    let (parts, receiver) = mpsc::channel(4);
    let read = async move {
        let mut sent = 0;
        // A closed channel means that the call is over; its status says why.
        let mut is_open = parts.send(part(Part::Header(header))).await.is_ok();
        for path in &content.files {
            if is_open {
                let sending =
                    send(path, &parts, &mut sent, |sent| show_progress(session, sent, content.size()));
                is_open = sending.await.map_err(|source| Error::Read { path: path.clone(), source })?;
            }
        }
        Ok(())
    };
    let mut nodes = client.nodes();
    let call = nodes.add_image(ReceiverStream::new(receiver));
    let (answer, read) = tokio::join!(call, read);
    read.map(|()| answer.map(tonic::Response::into_inner))
}

const fn part(part: Part) -> AddImageRequest {
    AddImageRequest { part: Some(part) }
}

/// False if nobody wants more.
async fn send(
    path: &Path,
    parts: &mpsc::Sender<AddImageRequest>,
    sent: &mut u64,
    progress: impl Fn(u64),
) -> io::Result<bool> {
    let mut file = File::open(path).await?;
    loop {
        let mut chunk = vec![0; CHUNK];
        let count = file.read(&mut chunk).await?;
        if count == 0 {
            return Ok(true);
        }
        chunk.truncate(count);
        if parts.send(part(Part::Data(chunk))).await.is_err() {
            return Ok(false);
        }
        *sent += count as u64;
        progress(*sent);
    }
}

fn show_progress(session: &Session, sent: u64, size: u64) {
    if session.ui.is_live() {
        let percent = sent.saturating_mul(100) / size.max(1);
        session.ui.draw(&[format!("{percent:3} % {} of {}", bytes(sent), bytes(size))]);
    }
}
