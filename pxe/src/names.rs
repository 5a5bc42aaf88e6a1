//! The names under which content is served, the same over TFTP and HTTP.

use hostler_core::hardware::{Arch, Firmware};

/// The iPXE script of the machine that asks.
pub const SCRIPT: &str = "boot/script.ipxe";
/// The GRUB configuration of the machine that asks.
pub const GRUB_CONFIG: &str = "boot/grub.cfg";
/// The certificate of the controller's certificate authority, PEM.
pub const CA: &str = "ca.pem";

/// Where GRUB images look for their configuration, depending on the prefix that was built into them: Debian's network
/// image has `/grub`, `grub-mknetdir` makes `/boot/grub`, an image without prefix asks at the top.
const GRUB_CONFIGS: [&str; 4] = [GRUB_CONFIG, "grub/grub.cfg", "boot/grub/grub.cfg", "grub.cfg"];

/// True if GRUB asks for its configuration by this name.
#[must_use]
pub fn is_grub_config(path: &str) -> bool {
    GRUB_CONFIGS.contains(&path)
}

/// The first program that firmware loads; `None` if there are no such machines. UEFI tells a program by the suffix
/// when it boots over HTTP.
#[must_use]
pub const fn loader(arch: Arch, firmware: Firmware) -> Option<&'static str> {
    match (arch, firmware) {
        (Arch::X86_64, Firmware::Bios) => Some("loaders/x86_64-bios.kpxe"),
        (Arch::X86_64, Firmware::Uefi) => Some("loaders/x86_64-uefi.efi"),
        (Arch::Aarch64, Firmware::Uefi) => Some("loaders/aarch64-uefi.efi"),
        (Arch::Ppc64le, Firmware::OpenFirmware) => Some("loaders/ppc64le-openfirmware.elf"),
        _ => None,
    }
}

/// A UEFI program that starts the loader on the local disk. iPXE cannot do that itself: `exit` ends in the setup menu
/// of the firmware, `sanboot` fails (both seen with OVMF).
#[must_use]
pub const fn disk_loader(arch: Arch) -> Option<&'static str> {
    match arch {
        Arch::X86_64 => Some("loaders/x86_64-uefi-disk.efi"),
        Arch::Aarch64 => Some("loaders/aarch64-uefi-disk.efi"),
        Arch::Ppc64le => None,
    }
}

/// The kernel of the boot ramdisk.
#[must_use]
pub const fn kernel(arch: Arch) -> &'static str {
    match arch {
        Arch::X86_64 => "kernels/x86_64",
        Arch::Aarch64 => "kernels/aarch64",
        Arch::Ppc64le => "kernels/ppc64le",
    }
}

/// The boot ramdisk.
#[must_use]
pub const fn ramdisk(arch: Arch) -> &'static str {
    match arch {
        Arch::X86_64 => "ramdisks/x86_64",
        Arch::Aarch64 => "ramdisks/aarch64",
        Arch::Ppc64le => "ramdisks/ppc64le",
    }
}

/// Images are served as `images/` and the SHA-256 of their bytes in lower-case hexadecimal.
pub const IMAGES: &str = "images/";

/// The digest in the name of an image.
#[must_use]
pub fn image_digest(path: &str) -> Option<&str> {
    let digest = path.strip_prefix(IMAGES)?;
    let is_digest = digest.len() == 64 && digest.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    is_digest.then_some(digest)
}

/// The name that a request means: one `/` between the parts, none in front. `None` for what is never a name here.
///
/// PowerVM firmware writes `\` for `/`.
#[must_use]
pub fn normalise(path: &str) -> Option<String> {
    const LONGEST: usize = 255;
    if path.len() > LONGEST || path.chars().any(char::is_control) {
        return None;
    }
    let parts: Vec<&str> = path.split(['/', '\\']).filter(|part| !part.is_empty()).collect();
    let odd = parts.iter().any(|part| matches!(*part, "." | ".."));
    (!odd && !parts.is_empty()).then(|| parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_brought_to_one_form() {
        for (path, expected) in [
            ("boot/grub.cfg", Some("boot/grub.cfg")),
            ("/boot//grub.cfg", Some("boot/grub.cfg")),
            (r"\loaders\x86_64-bios.kpxe", Some("loaders/x86_64-bios.kpxe")),
            ("../../etc/passwd", None),
            ("images/./x", None),
            ("/", None),
            ("", None),
            ("a\nb", None),
        ] {
            assert_eq!(normalise(path).as_deref(), expected, "{path:?}");
        }
        assert_eq!(normalise(&"a".repeat(256)), None);
    }

    #[test]
    fn an_image_is_named_by_its_digest_only() {
        let digest = "0123456789abcdef".repeat(4);
        assert_eq!(image_digest(&format!("images/{digest}")), Some(&*digest));
        assert_eq!(image_digest(&format!("images/{}", digest.to_uppercase())), None);
        assert_eq!(image_digest("images/.."), None);
        assert_eq!(image_digest(&digest), None);
    }

    #[test]
    fn every_machine_that_exists_has_a_loader() {
        for arch in Arch::ALL {
            for firmware in Firmware::ALL {
                assert_eq!(loader(arch, firmware).is_some(), firmware.exists_on(arch), "{arch} {firmware}");
            }
        }
    }
}
