//! `hostler image list`

use crate::clock;
use crate::error::Error;
use crate::exit::Exit;
use crate::model::admin::Image;
use crate::render::look::{Look, Tone};
use crate::render::table::{Table, or_dash, plain};
use crate::render::time::{age, bytes};
use crate::session::Session;
use clap::Args;
use hostler_proto::node::v1::ListImagesRequest;

const EXAMPLES: &str = "\
Examples:
  hostler image list
  hostler image list -o json | jq -r '.[].sha256'";

/// Arguments of `hostler image list`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {}

pub(crate) async fn run(session: &Session, _: Arguments) -> Result<Exit, Error> {
    let client = session.connect()?;
    let attempt = async || client.nodes().list_images(ListImagesRequest {}).await;
    let response = client.call("list the images", attempt).await?;
    let images: Vec<Image> = response.images.into_iter().map(Image::from).collect();
    session.ui.result(&images[..], |images, look| table(images, clock::now_ms(), look))?;
    Ok(Exit::Ok)
}

/// One line for each image.
pub(super) fn table(images: &[Image], now_ms: u64, look: &Look) -> String {
    let mut table =
        Table::new(look, &["NAME", "ARCH", "KIND", "STATUS", "SIZE", "ON DISK", "ADDED", "SHA-256"])
            .one_line()
            .right(&[4, 5]);
    for image in images {
        let tone = match image.status.as_str() {
            "good" => Tone::Good,
            "retired" => Tone::Faint,
            "suspect" => Tone::Bad,
            _ => Tone::Warn,
        };
        table.row([
            plain(&image.name),
            plain(&image.arch),
            plain(image.kind),
            (image.status.clone(), tone),
            plain(
                image.encoding.iter().cloned().chain([bytes(image.size_bytes)]).collect::<Vec<_>>().join(" "),
            ),
            or_dash(image.disk_bytes.map(bytes)),
            or_dash(image.added_ms.map(|at| age(now_ms, at))),
            plain(&image.sha256),
        ]);
    }
    table.render()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listed() {
        let image = Image {
            id: 1,
            name: "fedora".to_owned(),
            arch: "x86_64".to_owned(),
            sha256: "00ff".repeat(16),
            size_bytes: 3 << 29,
            kind: "disk",
            encoding: Some("zstd".to_owned()),
            disk_bytes: Some(4 << 30),
            kernel_bytes: None,
            arguments: None,
            status: "good".to_owned(),
            added_ms: Some(1),
            deployed: 2,
            failed_on: Vec::new(),
        };
        let live = Image {
            name: "live".to_owned(),
            kind: "diskless",
            size_bytes: 1 << 26,
            encoding: None,
            disk_bytes: None,
            ..image.clone()
        };
        insta::assert_snapshot!(table(&[image, live], 86_400_001, &Look::default()), @r"
        NAME    ARCH    KIND      STATUS          SIZE  ON DISK  ADDED  SHA-256
        fedora  x86_64  disk      good    zstd 1.5 GiB  4.0 GiB  1d     00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff
        live    x86_64  diskless  good        64.0 MiB        -  1d     00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff
        ");
    }
}
