//! Systems that are in memory only: what a restart makes of them.

use hostler_e2e::stage::{Setup, Stage};
use std::path::PathBuf;
use xtask::artefacts;

/// Adds the image `live` for x86_64 and aarch64.
async fn add_live(stage: &Stage) -> anyhow::Result<()> {
    for arch in ["x86_64", "aarch64"] {
        let (kernel, initrd) = files(stage, arch)?;
        let (kernel, initrd) = (kernel.display(), initrd.display());
        let line = format!("image add --name live --arch {arch} --kernel {kernel} --initrd {initrd}");
        stage.admin.ok(&format!("{line} --arguments quiet")).await?;
    }
    Ok(())
}

fn files(stage: &Stage, arch: &str) -> anyhow::Result<(PathBuf, PathBuf)> {
    let (kernel, initrd) =
        (stage.directory().join(format!("kernel-{arch}")), stage.directory().join(format!("initrd-{arch}")));
    std::fs::write(&kernel, artefacts::kernel_head(arch))?;
    std::fs::write(&initrd, artefacts::initrd(256 << 10))?;
    Ok((kernel, initrd))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_system_in_memory_runs_payloads_and_is_deployed_again_after_a_restart() -> anyhow::Result<()> {
    let stage = Setup::of(4).set().await?;
    stage.register_all().await?;
    add_live(&stage).await?;
    let lease = stage.ci.lease("one=1,nodes=r1-n01,image=live arm=1:aarch64,image=live").await?;
    let id = &lease["id"];
    for machine in ["r1-n01", "r1-n03"] {
        assert!(machine_has_no_system(&stage, machine)?, "{machine}");
    }
    let first = stage.node("r1-n01").await?;
    assert_eq!(first["boot"]["purpose"], "deploy diskless");
    let images = stage.ci.json("image list").await?;
    let live = images.as_array().into_iter().flatten().find(|image| image["name"] == "live").cloned();
    let live = live.unwrap_or_default();
    assert_eq!((&live["kind"], &live["status"]), (&"diskless".into(), &"candidate".into()), "{live}");
    assert_eq!(live["deployed"], 1, "once more, and it is good");

    // What the tenant leaves on a disk stays there over the restart, what is in memory does not.
    let script = stage.directory().join("soil.sh");
    std::fs::write(&script, "for disk in $HOSTLER_DISKS; do echo secret-of-the-tenant > $disk; done\n")?;
    stage.ci.ok(&format!("run {id} --role one --script {}", script.display())).await?;
    let power = stage.machine("r1-n01")?.bmc().journal().read();
    stage.ci.say(&format!("run {id} --role one -- reboot")).await?;
    stage.event_of("r1-n01", "redeployed").await?;
    assert_eq!(stage.machine("r1-n01")?.bmc().journal().read(), power, "nobody touched its power");
    let again = stage.node("r1-n01").await?;
    assert_ne!(again["boot"]["id"], first["boot"]["id"]);
    assert_eq!((&again["state"], &again["lease_id"]), (&"leased".into(), id), "{again}");
    stage.ci.ok(&format!("run {id} -- uname")).await?;
    assert!(stage.is_on_disk("r1-n01", b"secret-of-the-tenant")?);

    stage.ci.ok(&format!("lease release {id}")).await?;
    stage.all_ready().await?;
    assert!(!stage.is_on_disk("r1-n01", b"secret-of-the-tenant")?);
    stage.end().await
}

fn machine_has_no_system(stage: &Stage, machine: &str) -> anyhow::Result<bool> {
    use std::io::Read as _;
    let mut head = [0; 1 << 16];
    std::fs::File::open(stage.disk(machine))?.read_exact(&mut head)?;
    Ok(head.iter().all(|byte| *byte == 0))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_machine_could_start_is_refused_where_it_is_entered() -> anyhow::Result<()> {
    let stage = Setup::of(1).set().await?;
    let (kernel, initrd) = files(&stage, "aarch64")?;
    let cut = stage.directory().join("cut");
    let whole = std::fs::read(&initrd)?;
    std::fs::write(&cut, &whole[..whole.len() / 2])?;
    for (arch, kernel, initrd, expected) in [
        ("x86_64", &kernel, &initrd, "the kernel: it is for aarch64 and not for x86_64"),
        ("aarch64", &initrd, &initrd, "the kernel: it is not a kernel for aarch64"),
        ("aarch64", &kernel, &kernel, "the ramdisk: it is neither a cpio archive"),
        ("aarch64", &kernel, &cut, "the ramdisk: it ends in the middle"),
    ] {
        let (kernel, initrd) = (kernel.display(), initrd.display());
        let line = format!("image add --name live --arch {arch} --kernel {kernel} --initrd {initrd}");
        let answer = stage.admin.say(&line).await?;
        assert!(answer.code != Some(0) && answer.stderr.contains(expected), "{expected}: {answer:?}");
    }
    stage.end().await
}
