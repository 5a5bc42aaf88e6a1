//! Kills while an image is on its way.

use anyhow::Context as _;
use hostler_e2e::stage::{PATIENCE, Setup, Stage};
use hostler_proto::node::v1::add_image_request::Part;
use hostler_proto::node::v1::node_service_client::NodeServiceClient;
use hostler_proto::node::v1::{AddImageRequest, ImageHeader, ListImagesRequest};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;

const PIECE: usize = 256 << 10;

/// Files in the directory of images that are not images.
fn unfinished(stage: &Stage) -> anyhow::Result<Vec<PathBuf>> {
    let directory = stage.installation().dir().join("data/images");
    let files =
        std::fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<Vec<_>>>()?;
    let is_image = |file: &PathBuf| file.file_name().is_some_and(|name| name.len() == 64);
    Ok(files.into_iter().filter(|file| !is_image(file)).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_a_kill_cuts_short_leaves_nothing() -> anyhow::Result<()> {
    let stage = Setup::of(0).set().await?;
    let connection = stage.controller()?.connect(Ipv4Addr::LOCALHOST, Some(&stage.admin.identity()?)).await?;
    let mut client = NodeServiceClient::new(connection.channel.clone());
    let (parts, receiver) = mpsc::channel(4);
    let upload = tokio::spawn({
        let mut client = client.clone();
        async move { client.add_image(ReceiverStream::new(receiver)).await }
    });
    let header = ImageHeader { name: "half".into(), arch: "x86_64".into(), ..ImageHeader::default() };
    parts.send(AddImageRequest { part: Some(Part::Header(header)) }).await?;
    parts.send(AddImageRequest { part: Some(Part::Data(vec![7; PIECE])) }).await?;
    let stored = async {
        loop {
            if let [file] = &unfinished(&stage)?[..]
                && file.metadata()?.len() == PIECE as u64
            {
                return anyhow::Ok(());
            }
            client.list_images(ListImagesRequest::default()).await?;
        }
    };
    timeout(PATIENCE, stored).await.context("the upload does not begin")??;

    stage.kill()?;
    assert!(upload.await?.is_err(), "half an image was taken");
    stage.start()?;
    let images = stage.admin.json("image list").await?;
    assert!(!images.to_string().contains("half"), "{images}");
    assert_eq!(unfinished(&stage)?, Vec::<PathBuf>::new());
    stage.end().await
}
