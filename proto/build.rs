//! Compiles the `.proto` files with `protox`, so that no `protoc` has to be installed.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    const FILES: [&str; 5] = [
        "hostler/controller/v1/controller.proto",
        "hostler/lease/v1/lease.proto",
        "hostler/node/v1/node.proto",
        "hostler/agent/v1/agent.proto",
        "hostler/ramdisk/v1/ramdisk.proto",
    ];
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(FILES, ["proto"])?;
    tonic_prost_build::configure()
        .bytes(".hostler.lease.v1.OutputChunk.data")
        .bytes(".hostler.lease.v1.FileChunk.data")
        .bytes(".hostler.node.v1.AddImageRequest.part.data")
        .bytes(".hostler.agent.v1.RunOutput.data")
        .bytes(".hostler.agent.v1.RunFileData.data")
        .compile_fds(descriptors)?;
    Ok(())
}
