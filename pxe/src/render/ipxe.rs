//! Scripts for iPXE.

use super::Frame;
use crate::names;
use hostler_core::boot::BootPlan;
use hostler_core::hardware::{Arch, Firmware};

/// Renders `plan`.
pub(super) fn render(frame: &Frame<'_>, plan: &BootPlan) -> String {
    let body = match plan {
        BootPlan::Ramdisk { boot, arch } => {
            format!("{}{}", say(frame, &format!("starts the ramdisk of boot {boot}")), ramdisk(frame, *arch))
        }
        BootPlan::LocalDisk { firmware } => {
            format!("{}{}", say(frame, "starts its local disk"), local_disk(frame, *firmware))
        }
        BootPlan::Wait { reason } => say(frame, &format!("waits: {reason}")),
    };
    format!("#!ipxe\n{body}{}", retry(frame))
}

fn say(frame: &Frame<'_>, text: &str) -> String {
    format!("echo {}\n", frame.say(text))
}

/// UEFI kernels find the ramdisk by the name in `initrd=`.
fn ramdisk(frame: &Frame<'_>, arch: Arch) -> String {
    let kernel = frame.base.join(names::kernel(arch));
    let ramdisk = frame.base.join(names::ramdisk(arch));
    let args = frame.kernel_args.join(" ");
    format!(
        "kernel {kernel} initrd=ramdisk {args} || goto retry\n\
         initrd --name ramdisk {ramdisk} || goto retry\n\
         boot || goto retry\n"
    )
}

fn local_disk(frame: &Frame<'_>, firmware: Firmware) -> String {
    match (firmware, names::disk_loader(frame.client.arch)) {
        (Firmware::Uefi, Some(loader)) => format!("chain {} || goto retry\n", frame.base.join(loader)),
        _ => "sanboot --no-describe --drive 0x80 || goto retry\n".to_owned(),
    }
}

/// Asks again. `--replace` and `--autofree` keep a machine that waits for days from using up its memory.
fn retry(frame: &Frame<'_>) -> String {
    let (script, seconds) = (frame.base.join(names::SCRIPT), frame.retry_seconds());
    format!(
        ":retry\n\
         {}sleep {seconds}\n\
         imgfree\n\
         chain --replace --autofree {script} || goto retry\n",
        say(frame, &format!("asks again in {seconds} s"))
    )
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;
    use insta::assert_snapshot;

    fn rendered(arch: Arch, firmware: Firmware, plan: &BootPlan) -> String {
        let (client, base) = (fixture::client(arch, firmware), fixture::base());
        render(&fixture::frame(&client, &base), plan)
    }

    #[test]
    fn the_ramdisk() {
        let plan = fixture::ramdisk(Arch::X86_64);
        assert_snapshot!(rendered(Arch::X86_64, Firmware::Bios, &plan), @"
        #!ipxe
        echo Hostler: web-3 starts the ramdisk of boot 17
        kernel http://10.0.0.1:8080/kernels/x86_64 initrd=ramdisk hostler.boot=17 hostler.token=c2VjcmV0 || goto retry
        initrd --name ramdisk http://10.0.0.1:8080/ramdisks/x86_64 || goto retry
        boot || goto retry
        :retry
        echo Hostler: web-3 asks again in 10 s
        sleep 10
        imgfree
        chain --replace --autofree http://10.0.0.1:8080/boot/script.ipxe || goto retry
        ");
    }

    #[test]
    fn the_local_disk_of_a_bios_machine() {
        let plan = BootPlan::LocalDisk { firmware: Firmware::Bios };
        assert_snapshot!(rendered(Arch::X86_64, Firmware::Bios, &plan), @"
        #!ipxe
        echo Hostler: web-3 starts its local disk
        sanboot --no-describe --drive 0x80 || goto retry
        :retry
        echo Hostler: web-3 asks again in 10 s
        sleep 10
        imgfree
        chain --replace --autofree http://10.0.0.1:8080/boot/script.ipxe || goto retry
        ");
    }

    #[test]
    fn the_local_disk_of_a_uefi_machine() {
        let plan = BootPlan::LocalDisk { firmware: Firmware::Uefi };
        assert_snapshot!(rendered(Arch::X86_64, Firmware::Uefi, &plan), @"
        #!ipxe
        echo Hostler: web-3 starts its local disk
        chain http://10.0.0.1:8080/loaders/x86_64-uefi-disk.efi || goto retry
        :retry
        echo Hostler: web-3 asks again in 10 s
        sleep 10
        imgfree
        chain --replace --autofree http://10.0.0.1:8080/boot/script.ipxe || goto retry
        ");
    }

    #[test]
    fn a_reason_to_wait_cannot_be_a_command() {
        assert_snapshot!(rendered(Arch::X86_64, Firmware::Bios, &fixture::wait()), @"
        #!ipxe
        echo Hostler: web-3 waits: held by o?brien? ??reboot? ?? shell
        :retry
        echo Hostler: web-3 asks again in 10 s
        sleep 10
        imgfree
        chain --replace --autofree http://10.0.0.1:8080/boot/script.ipxe || goto retry
        ");
    }
}
