//! `hostler image show`

use crate::clock;
use crate::error::Error;
use crate::exit::Exit;
use crate::model::admin::Image;
use crate::render::look::{Look, Tone};
use crate::render::time::{age, bytes};
use crate::session::Session;
use crate::status::Answer;
use clap::Args;
use hostler_proto::node::v1::ListImagesRequest;
use std::fmt::Write as _;
use tonic::Status;

const EXAMPLES: &str = "\
Examples:
  hostler image show fedora
  hostler image show fedora -o json | jq '.[].failed_on'

Shows the image for each architecture, and what speaks for it and against it.";

/// Arguments of `hostler image show`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The image
    #[arg(value_name = "NAME")]
    name: String,
}

pub(crate) async fn run(session: &Session, arguments: Arguments) -> Result<Exit, Error> {
    let client = session.connect()?;
    let action = format!("show image {}", arguments.name);
    let attempt = async || client.nodes().list_images(ListImagesRequest {}).await;
    let response = client.call(action.clone(), attempt).await?;
    let images = response.images.into_iter().map(Image::from);
    let images: Vec<Image> = images.filter(|i| i.name == arguments.name && i.status != "retired").collect();
    if images.is_empty() {
        let text = format!("there is no image {:?}; see `hostler image list`", arguments.name);
        return Err(Error::Answer { action, source: Answer::from(Status::not_found(text)) });
    }
    session.ui.result(&images[..], |images, look| sheets(images, clock::now_ms(), look))?;
    Ok(Exit::Ok)
}

fn sheets(images: &[Image], now_ms: u64, look: &Look) -> String {
    let sheets: Vec<_> = images.iter().map(|image| sheet(image, now_ms, look)).collect();
    sheets.join("\n")
}

fn sheet(image: &Image, now_ms: u64, look: &Look) -> String {
    let mut text =
        format!("{} for {}  {}\n", look.paint(Tone::Strong, &image.name), image.arch, image.status);
    // Writing to a string cannot fail.
    let mut fact = |name: &str, value: &str| _ = writeln!(text, "  {name:<10} {value}");
    fact("kind", &format!("{}, {}", image.kind, bytes(image.size_bytes)));
    fact("sha-256", &image.sha256);
    if let Some(added) = image.added_ms {
        fact("added", &format!("{} ago", age(now_ms, added)));
    }
    if image.status == "candidate" {
        fact("trust", &format!("deployed {} of 2 times that make it good", image.deployed));
    }
    for failed in &image.failed_on {
        let ago = failed.at_ms.map(|at| format!(", {} ago", age(now_ms, at))).unwrap_or_default();
        fact("failed on", &look.paint(Tone::Warn, &format!("{}{ago}: {}", failed.node, failed.evidence)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::record::FailedOn;
    use hostler_proto::node::v1 as pb;

    #[test]
    fn what_speaks_for_and_against_it() {
        let plain = pb::Image {
            name: "fedora".into(),
            arch: "x86_64".into(),
            sha256: "00ff".into(),
            size_bytes: 1 << 20,
            ..pb::Image::default()
        };
        let failed_on = ["a", "b"].map(|node| FailedOn {
            node: node.into(),
            at_ms: Some(1),
            evidence: "the agent reports: no space".into(),
        });
        let image = Image::from(plain);
        let images = [
            Image { status: "candidate".into(), deployed: 1, ..image.clone() },
            Image { status: "suspect".into(), failed_on: failed_on.into(), arch: "aarch64".into(), ..image },
        ];
        insta::assert_snapshot!(sheets(&images, 7_200_001, &Look::default()), @r"
        fedora for x86_64  candidate
          kind       disk, 1.0 MiB
          sha-256    00ff
          trust      deployed 1 of 2 times that make it good

        fedora for aarch64  suspect
          kind       disk, 1.0 MiB
          sha-256    00ff
          failed on  a, 2h ago: the agent reports: no space
          failed on  b, 2h ago: the agent reports: no space
        ");
    }
}
