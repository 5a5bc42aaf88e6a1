//! `hostler image clear`

use super::list::table;
use crate::clock;
use crate::error::Error;
use crate::exit::Exit;
use crate::member::ARCHITECTURES;
use crate::model::admin::Image;
use crate::session::Session;
use clap::Args;
use hostler_proto::node::v1::ClearImageRequest;

const EXAMPLES: &str = "\
Examples:
  hostler image clear fedora
  hostler image clear fedora --arch aarch64

An image that failed on several good machines in a row is suspect, and nobody gets it. This takes the suspicion away:
it is a candidate again, and earns its trust anew. An image that is not suspect stays as it is. Often it is better to
add a mended image under the same name, which takes the place of the suspect one.";

/// Arguments of `hostler image clear`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The image
    #[arg(value_name = "NAME")]
    name: String,
    /// Only for machines of this architecture
    #[arg(long, value_name = "ARCH", value_parser = ARCHITECTURES)]
    arch: Option<String>,
}

pub(crate) async fn run(session: &Session, arguments: Arguments) -> Result<Exit, Error> {
    let client = session.connect()?;
    let action = format!("clear image {}", arguments.name);
    let request = ClearImageRequest { name: arguments.name, arch: arguments.arch.unwrap_or_default() };
    let response = client.call(action, async || client.nodes().clear_image(request.clone()).await).await?;
    let images: Vec<Image> = response.images.into_iter().map(Image::from).collect();
    session.ui.result(&images[..], |images, look| table(images, clock::now_ms(), look))?;
    Ok(Exit::Ok)
}
