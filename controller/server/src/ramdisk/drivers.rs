//! The drivers that a ramdisk has without being told: what servers have between the kernel and disks, network and BMC.

/// Names of modules that a device asks for, or that are loaded after another. Those that a kernel does not have, or has
/// built in, are left out.
pub(super) const DEFAULT: &[&str] = &[
    // Virtual machines.
    "virtio_pci",
    "virtio_mmio",
    "virtio_net",
    "virtio_blk",
    "virtio_scsi",
    "virtio_rng",
    // Disks and what they hang on.
    "nvme",
    "ses",
    "ahci",
    "ahci_platform",
    "ata_piix",
    "ata_generic",
    "megaraid_sas",
    "mpt3sas",
    "mpi3mr",
    "smartpqi",
    "hpsa",
    "aacraid",
    "ipr",
    "ibmvscsi",
    "hisi_sas_v3_hw",
    // Network interfaces.
    "e1000",
    "e1000e",
    "igb",
    "igc",
    "ixgbe",
    "i40e",
    "ice",
    "tg3",
    "bnx2x",
    "bnxt_en",
    "mlx4_core",
    "mlx4_en",
    "mlx5_core",
    "r8169",
    "realtek",
    "ibmveth",
    "ibmvnic",
    "ena",
    "hns3",
    "hclge",
    "atlantic",
    "efivarfs",
    // Checksums of processors.
    "crc32c_intel",
    "crc32c_vpmsum",
    // The BMC from inside.
    "ipmi_si",
    "ipmi_ssif",
    "ipmi_powernv",
    "ipmi_devintf",
    // Watchdogs.
    "i6300esb",
];

/// Names of modules that no device asks for, in the same way. The kernel asks for checksums, character sets and file
/// systems by starting modprobe, which is not in the ramdisk.
pub(super) const ALWAYS: &[&str] = &[
    "sd_mod",
    // File systems of what is deployed.
    "ext4",
    "xfs",
    "btrfs",
    "vfat",
    "nls_ascii",
    "nls_cp437",
    "nls_iso8859_1",
    "nls_utf8",
    // Checksums, which file systems and disks ask for by another name.
    "crc32c_generic",
    "crct10dif_generic",
    "crc64_rocksoft_generic",
    "xxhash_generic",
    "blake2b_generic",
];
