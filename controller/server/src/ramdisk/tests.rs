//! Ramdisks built of a small distribution that the tests make up.

use super::build::{BuildArgs, build};
use hostler_core::hardware::Arch;
use hostler_proto::ramdisk::v1::ModuleIndex;
use prost::Message as _;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// An ELF file with one section of text, of a kernel module or for nothing.
fn elf(machine: u16, section: &str, text: &[u8]) -> Vec<u8> {
    let names = format!("\0{section}\0.shstrtab\0");
    let header = |name: usize, kind: u32, offset: usize, size: usize| {
        let mut bytes = Vec::new();
        bytes.extend(u32::try_from(name).unwrap().to_le_bytes());
        bytes.extend(kind.to_le_bytes());
        // Flags and address.
        bytes.extend([0; 16]);
        bytes.extend((offset as u64).to_le_bytes());
        bytes.extend((size as u64).to_le_bytes());
        bytes.extend([0; 24]);
        bytes
    };
    let at = 64 + text.len() + names.len();
    let mut file = b"\x7fELF\x02\x01\x01".to_vec();
    file.resize(16, 0);
    file.extend([1, 0]);
    file.extend(machine.to_le_bytes());
    file.resize(40, 0);
    file.extend((at as u64).to_le_bytes());
    file.resize(52, 0);
    // Sizes and counts: this header, program headers, section headers, the names' section.
    for number in [64_u16, 56, 0, 64, 3, 2] {
        file.extend(number.to_le_bytes());
    }
    file.extend(text);
    file.extend(names.as_bytes());
    file.extend(header(0, 0, 0, 0));
    file.extend(header(1, 1, 64, text.len()));
    file.extend(header(2 + section.len(), 3, 64 + text.len(), names.len()));
    file
}

const X86: u16 = 62;
const ARM: u16 = 183;

struct Distribution(tempfile::TempDir);

impl Distribution {
    fn new() -> Self {
        let new = Self(tempfile::tempdir().unwrap());
        let mut kernel = vec![0; 0x400];
        kernel[0x202..0x206].copy_from_slice(b"HdrS");
        kernel[0x236] = 1;
        new.file("boot/vmlinuz-6.1", &kernel);
        new.file("lib/modules/6.1/modules.builtin", b"kernel/drivers/ata/ahci.ko\n");
        new.module("kernel/net/virtio_net.ko", "depends=failover,net-failover\0alias=virtio:d00000001v*\0");
        new.module("kernel/net/net-failover.ko", "depends=failover\0");
        new.module("kernel/net/failover.ko", "depends=\0");
        new.module("kernel/fs/ext4.ko", "softdep=pre: crc32c\0alias=fs-ext4\0firmware=ext4.bin\0");
        new.module("kernel/sound/snd.ko", "depends=\0alias=pci:v*\0");
        new.module("kernel/fs/btrfs/btrfs.ko", "depends=raid6-pq\0softdep=pre: xxhash64\0");
        new.module("kernel/lib/raid6_pq.ko", "depends=\0");
        new.module("kernel/crypto/xxhash_generic.ko", "depends=\0alias=crypto-xxhash64\0alias=xxhash64\0");
        new.module("kernel/net/r8169.ko", "softdep=pre: realtek\0depends=failover\0alias=pci:v000010EC*\0");
        new.module("kernel/net/realtek.ko", "depends=\0alias=mdio:0000000000000001*\0");
        new.file("usr/lib/firmware/ext4.bin", b"firmware");
        new.file("agent", &elf(X86, ".text", b""));
        new
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn file(&self, path: &str, bytes: &[u8]) {
        fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        fs::write(self.path(path), bytes).unwrap();
    }

    fn module(&self, path: &str, modinfo: &str) {
        self.file(&format!("lib/modules/6.1/{path}"), &elf(X86, ".modinfo", modinfo.as_bytes()));
    }

    fn args(&self) -> BuildArgs {
        BuildArgs {
            arch: Arch::X86_64,
            root: self.path(""),
            kernel: None,
            agent: self.path("agent"),
            output: self.path("out"),
            drivers: Vec::new(),
            kexec_root: None,
            shell: None,
        }
    }

    /// What a build comes to, as its error says.
    fn refusal(&self, change: impl FnOnce(&mut BuildArgs)) -> String {
        let mut args = self.args();
        change(&mut args);
        let error = format!("{:#}", build(&args).unwrap_err());
        error.replace(&format!("{}/", self.0.path().display()), "")
    }
}

/// The files of a ramdisk.
fn contents(ramdisk: &Path) -> BTreeMap<String, Vec<u8>> {
    let bytes = zstd::decode_all(fs::File::open(ramdisk).unwrap()).unwrap();
    let mut files = BTreeMap::new();
    let mut at = 0;
    loop {
        let number = |field: usize| {
            let digits = &bytes[at + 6 + field * 8..][..8];
            usize::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap()
        };
        let (size, name_size) = (number(6), number(11));
        let name = String::from_utf8(bytes[at + 110..][..name_size - 1].to_vec()).unwrap();
        if name == "TRAILER!!!" {
            return files;
        }
        at = (at + 110 + name_size).next_multiple_of(4);
        files.insert(name, bytes[at..][..size].to_vec());
        at = (at + size).next_multiple_of(4);
    }
}

/// What is loaded without a device.
fn always(index: &ModuleIndex) -> Vec<&str> {
    index.modules.iter().filter(|module| module.always).map(|module| module.name.as_str()).collect()
}

#[test]
fn a_ramdisk_has_the_agent_and_the_drivers_with_what_they_need() {
    let distribution = Distribution::new();
    build(&distribution.args()).unwrap();
    let files = contents(&distribution.path("out/ramdisks/x86_64"));
    assert_eq!(files["init"], fs::read(distribution.path("agent")).unwrap());
    assert_eq!(files["lib/firmware/ext4.bin"], b"firmware");
    let index = ModuleIndex::decode(files["lib/hostler/modules/index"].as_slice()).unwrap();
    assert_eq!(index.kernel, "6.1");
    let names: Vec<_> = index.modules.iter().map(|m| m.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "btrfs",
            "ext4",
            "failover",
            "net_failover",
            "r8169",
            "raid6_pq",
            "realtek",
            "virtio_net",
            "xxhash_generic"
        ]
    );
    for module in &index.modules {
        assert!(files.contains_key(&format!("lib/hostler/modules/{}", module.file)), "{}", module.file);
    }
    assert_eq!(index.modules[7].depends, ["failover", "net_failover"]);
    assert_eq!(index.modules[7].aliases, ["virtio:d00000001v*"]);
    assert!(index.modules[1].aliases.is_empty(), "a file system is no device");
    assert_eq!(always(&index), ["btrfs", "ext4", "xxhash_generic"], "no device asks for a file system");
    assert_eq!(index.modules[0].depends, ["xxhash_generic", "raid6_pq"], "by another name");
    assert_eq!(index.modules[4].depends, ["realtek", "failover"], "what it works better with comes first");
    assert_eq!(
        fs::read(distribution.path("out/kernels/x86_64")).unwrap(),
        fs::read(distribution.path("boot/vmlinuz-6.1")).unwrap()
    );
}

#[test]
fn the_same_input_is_the_same_ramdisk_and_packed_modules_are_unpacked() {
    let distribution = Distribution::new();
    build(&distribution.args()).unwrap();
    let before = fs::read(distribution.path("out/ramdisks/x86_64")).unwrap();
    let plain = distribution.path("lib/modules/6.1/kernel/net/failover.ko");
    let packed = zstd::encode_all(fs::read(&plain).unwrap().as_slice(), 3).unwrap();
    distribution.file("lib/modules/6.1/kernel/net/failover.ko.zst", &packed);
    fs::remove_file(plain).unwrap();
    build(&distribution.args()).unwrap();
    assert_eq!(fs::read(distribution.path("out/ramdisks/x86_64")).unwrap(), before);
}

#[test]
fn drivers_by_name_and_a_shell() {
    let distribution = Distribution::new();
    distribution.file("busybox", &elf(X86, ".text", b"busybox"));
    let mut args = distribution.args();
    args.drivers = vec!["snd".into(), "ahci".into()];
    args.shell = Some(distribution.path("busybox"));
    let built = build(&args).unwrap().to_string();
    let files = contents(&distribution.path("out/ramdisks/x86_64"));
    assert!(files.contains_key("lib/hostler/modules/snd.ko"));
    let index = ModuleIndex::decode(files["lib/hostler/modules/index"].as_slice()).unwrap();
    assert_eq!(always(&index), ["btrfs", "ext4", "snd", "xxhash_generic"]);
    assert_eq!(files["bin/sh"], b"busybox");
    assert!(built.contains("10 modules, 1 drivers built in") && built.ends_with("; with a shell"), "{built}");
}

#[test]
fn what_is_not_there_is_named() {
    let distribution = Distribution::new();
    let empty = tempfile::tempdir().unwrap();
    let refused = distribution.refusal(|args| args.root = empty.path().to_owned());
    assert!(
        refused.ends_with("has no lib/modules/VERSION: it is not the root of a kernel package"),
        "{refused}"
    );
    let refused = distribution.refusal(|args| args.drivers = vec!["floppy".into()]);
    assert_eq!(refused, "the kernel has no driver floppy");
    distribution.module("kernel/net/failover.ko", "depends=gone\0");
    let refused = distribution.refusal(|_| {});
    assert_eq!(refused, "lib/modules/6.1/kernel/net/failover.ko needs the module gone, which is not there");
}

#[test]
fn of_several_kernels_one_has_to_be_named() {
    let distribution = Distribution::new();
    distribution.file("lib/modules/6.2/kernel/x.ko", b"");
    let refused = distribution.refusal(|_| {});
    assert!(refused.ends_with("has several kernels: 6.1, 6.2; say which with --kernel"), "{refused}");
    let refused = distribution.refusal(|args| args.kernel = Some("6.2".into()));
    assert!(refused.ends_with("has no kernel boot/vmlinuz-6.2 or boot/vmlinux-6.2"), "{refused}");
    let mut args = distribution.args();
    args.kernel = Some("6.1".into());
    build(&args).unwrap();
}

#[test]
fn the_wrong_architecture_is_refused_wherever_it_is() {
    let distribution = Distribution::new();
    let refused = distribution.refusal(|args| args.arch = Arch::Aarch64);
    assert_eq!(refused, "boot/vmlinuz-6.1 is a kernel for x86_64, not for aarch64");
    distribution.file("arm", &elf(ARM, ".text", b""));
    let refused = distribution.refusal(|args| args.agent = distribution.path("arm"));
    assert_eq!(refused, "arm is for aarch64, not for x86_64");
    distribution.file("lib/modules/6.1/kernel/fs/ext4.ko", &elf(ARM, ".modinfo", b""));
    let refused = distribution.refusal(|_| {});
    assert_eq!(refused, "lib/modules/6.1/kernel/fs/ext4.ko is for aarch64, not for x86_64");
    distribution.file("boot/vmlinuz-6.1", b"x");
    assert_eq!(distribution.refusal(|_| {}), "boot/vmlinuz-6.1 is no kernel for x86_64");
}

#[test]
fn a_kernel_that_cannot_unpack_it_and_an_agent_that_cannot_run_are_refused() {
    let distribution = Distribution::new();
    let me = std::env::current_exe().unwrap();
    if cfg!(target_arch = "x86_64") {
        let refused = distribution.refusal(|args| args.agent = me);
        assert!(refused.contains("is not static: it asks for /lib"), "{refused}");
    }
    distribution.file("boot/config-6.1", b"# CONFIG_RD_ZSTD is not set\n");
    let refused = distribution.refusal(|_| {});
    assert!(refused.starts_with("Linux 6.1 cannot unpack ramdisks that zstd compressed"), "{refused}");
}
