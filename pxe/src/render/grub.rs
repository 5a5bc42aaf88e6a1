//! Configurations for GRUB.

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
    format!("{body}{}", retry(frame))
}

fn say(frame: &Frame<'_>, text: &str) -> String {
    format!("echo '{}'\n", frame.say(text))
}

/// GRUB goes on after a command that failed, so each step stands under the success of the one before. Debian's network
/// image for Arm has HTTP in a module, others have it built in; `insmod` of what is there does nothing.
fn ramdisk(frame: &Frame<'_>, arch: Arch) -> String {
    let server = format!("(http,{})", frame.base.authority());
    let kernel = frame.base.path(names::kernel(arch));
    let ramdisk = frame.base.path(names::ramdisk(arch));
    let args = frame.kernel_args.join(" ");
    format!(
        "insmod http\n\
         if linux {server}{kernel} {args}\n\
         then\n\
         if initrd {server}{ramdisk}\n\
         then\n\
         boot\n\
         fi\n\
         fi\n"
    )
}

/// `exit` is no way to the disk: UEFI ends in its setup menu, SLOF at its prompt (both seen).
fn local_disk(frame: &Frame<'_>, firmware: Firmware) -> String {
    match (firmware, frame.client.arch) {
        (Firmware::Uefi, Arch::Aarch64) => uefi_disk("/EFI/BOOT/BOOTAA64.EFI"),
        (Firmware::Uefi, _) => uefi_disk("/EFI/BOOT/BOOTX64.EFI"),
        (Firmware::OpenFirmware, _) => "if search --no-floppy --label root --set root\n\
             then\n\
             set prefix=($root)/boot/grub\n\
             configfile ($root)/boot/grub/grub.cfg\n\
             fi\n"
            .to_owned(),
        (Firmware::Bios, _) => "set root=(hd0)\n\
             if chainloader +1\n\
             then\n\
             boot\n\
             fi\n"
            .to_owned(),
    }
}

fn uefi_disk(loader: &str) -> String {
    format!(
        "if search --no-floppy --file {loader} --set root\n\
         then\n\
         if chainloader {loader}\n\
         then\n\
         boot\n\
         fi\n\
         fi\n"
    )
}

/// How often a configuration loads itself anew before the machine is restarted. GRUB returns to the outer one when the
/// inner one ends, so they nest; a machine that waits for hours would run out of stack.
const ATTEMPTS: usize = 20;

/// Asks again, and restarts the machine after many times or if nobody answers. GRUB cannot count: each attempt adds a
/// letter.
fn retry(frame: &Frame<'_>) -> String {
    let (seconds, config) = (frame.retry_seconds(), frame.base.path(names::GRUB_CONFIG));
    format!(
        "{}sleep {seconds}\n\
         if test x$attempts = x{}\n\
         then\n\
         reboot\n\
         fi\n\
         set attempts=a$attempts\n\
         export attempts\n\
         insmod http\n\
         configfile (http,{}){config}\n\
         reboot\n",
        say(frame, &format!("asks again in {seconds} s")),
        "a".repeat(ATTEMPTS),
        frame.base.authority(),
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
        let plan = fixture::ramdisk(Arch::Aarch64);
        assert_snapshot!(rendered(Arch::Aarch64, Firmware::Uefi, &plan), @"
        echo 'Hostler: web-3 starts the ramdisk of boot 17'
        insmod http
        if linux (http,10.0.0.1:8080)/kernels/aarch64 hostler.boot=17 hostler.token=c2VjcmV0
        then
        if initrd (http,10.0.0.1:8080)/ramdisks/aarch64
        then
        boot
        fi
        fi
        echo 'Hostler: web-3 asks again in 10 s'
        sleep 10
        if test x$attempts = xaaaaaaaaaaaaaaaaaaaa
        then
        reboot
        fi
        set attempts=a$attempts
        export attempts
        insmod http
        configfile (http,10.0.0.1:8080)/boot/grub.cfg
        reboot
        ");
    }

    #[test]
    fn the_local_disk_of_an_arm_machine() {
        let plan = BootPlan::LocalDisk { firmware: Firmware::Uefi };
        assert_snapshot!(rendered(Arch::Aarch64, Firmware::Uefi, &plan), @"
        echo 'Hostler: web-3 starts its local disk'
        if search --no-floppy --file /EFI/BOOT/BOOTAA64.EFI --set root
        then
        if chainloader /EFI/BOOT/BOOTAA64.EFI
        then
        boot
        fi
        fi
        echo 'Hostler: web-3 asks again in 10 s'
        sleep 10
        if test x$attempts = xaaaaaaaaaaaaaaaaaaaa
        then
        reboot
        fi
        set attempts=a$attempts
        export attempts
        insmod http
        configfile (http,10.0.0.1:8080)/boot/grub.cfg
        reboot
        ");
    }

    #[test]
    fn the_local_disk_of_a_power_machine() {
        let plan = BootPlan::LocalDisk { firmware: Firmware::OpenFirmware };
        assert_snapshot!(rendered(Arch::Ppc64le, Firmware::OpenFirmware, &plan), @"
        echo 'Hostler: web-3 starts its local disk'
        if search --no-floppy --label root --set root
        then
        set prefix=($root)/boot/grub
        configfile ($root)/boot/grub/grub.cfg
        fi
        echo 'Hostler: web-3 asks again in 10 s'
        sleep 10
        if test x$attempts = xaaaaaaaaaaaaaaaaaaaa
        then
        reboot
        fi
        set attempts=a$attempts
        export attempts
        insmod http
        configfile (http,10.0.0.1:8080)/boot/grub.cfg
        reboot
        ");
    }

    #[test]
    fn a_reason_to_wait_cannot_be_a_command() {
        assert_snapshot!(rendered(Arch::Ppc64le, Firmware::OpenFirmware, &fixture::wait()), @"
        echo 'Hostler: web-3 waits: held by o?brien? ??reboot? ?? shell'
        echo 'Hostler: web-3 asks again in 10 s'
        sleep 10
        if test x$attempts = xaaaaaaaaaaaaaaaaaaaa
        then
        reboot
        fi
        set attempts=a$attempts
        export attempts
        insmod http
        configfile (http,10.0.0.1:8080)/boot/grub.cfg
        reboot
        ");
    }
}
