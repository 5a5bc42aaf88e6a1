//! The architectures, and what their files look like.

/// For which the agent is built.
pub(super) const NAMES: [&str; 3] = ["x86_64", "aarch64", "ppc64le"];

/// One architecture.
#[derive(Debug)]
pub(super) struct Target {
    /// As `uname -m` prints it.
    pub(super) arch: &'static str,
    /// As rustc calls it.
    pub(super) triple: &'static str,
    /// As Debian's cross compilers call it, and its C library's package.
    gnu: &'static str,
    debian: &'static str,
    /// `e_machine` of its ELF files.
    pub(super) machine: u16,
}

/// All of them.
pub(super) const ALL: [Target; 3] = [
    Target {
        arch: "x86_64",
        triple: "x86_64-unknown-linux-gnu",
        gnu: "x86_64-linux-gnu",
        debian: "amd64",
        machine: 62,
    },
    Target {
        arch: "aarch64",
        triple: "aarch64-unknown-linux-gnu",
        gnu: "aarch64-linux-gnu",
        debian: "arm64",
        machine: 183,
    },
    Target {
        arch: "ppc64le",
        triple: "powerpc64le-unknown-linux-gnu",
        gnu: "powerpc64le-linux-gnu",
        debian: "ppc64el",
        machine: 21,
    },
];

impl Target {
    /// The compiler and linker, if it is another architecture than this computer's.
    pub(super) fn cross_gcc(&self) -> Option<String> {
        let native = self.triple.starts_with(std::env::consts::ARCH)
            || (self.arch == "ppc64le" && std::env::consts::ARCH == "powerpc64");
        (!native).then(|| format!("{}-gcc", self.gnu))
    }

    /// Debian's packages for it.
    pub(super) fn packages(&self) -> Vec<String> {
        match self.cross_gcc() {
            Some(_) => vec![format!("gcc-{}", self.gnu), format!("libc6-dev-{}-cross", self.debian)],
            None => vec!["gcc".to_owned(), "libc6-dev".to_owned()],
        }
    }

    /// The variable that cargo reads a setting of this target from.
    pub(super) fn cargo_variable(&self, name: &str) -> String {
        format!("CARGO_TARGET_{}_{name}", self.triple.replace('-', "_").to_uppercase())
    }
}

/// `e_machine` of a little-endian 64-bit ELF file.
pub(super) fn machine(elf: &[u8]) -> Option<u16> {
    let head = elf.get(..64).filter(|head| head.starts_with(b"\x7fELF\x02\x01"))?;
    Some(u16::from_le_bytes([head[18], head[19]]))
}

/// True if one of its program headers is PT_INTERP.
pub(super) fn asks_for_interpreter(elf: &[u8]) -> bool {
    const PT_INTERP: [u8; 4] = 3_u32.to_le_bytes();
    let number = |at: usize, length: usize| {
        let bytes = elf.get(at..at + length)?;
        bytes
            .iter()
            .rev()
            .try_fold(0_usize, |sum, byte| sum.checked_mul(256)?.checked_add(usize::from(*byte)))
    };
    // e_phoff, e_phentsize and e_phnum.
    let (Some(first), Some(size), Some(count)) = (number(32, 8), number(54, 2), number(56, 2)) else {
        return false;
    };
    (0..count).any(|i| elf.get(first + i * size..).is_some_and(|header| header.starts_with(&PT_INTERP)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_test_is_a_dynamic_program_of_this_architecture() {
        let me = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let native = ALL.iter().find(|target| target.cross_gcc().is_none()).unwrap();
        assert_eq!(machine(&me), Some(native.machine));
        assert!(asks_for_interpreter(&me));
        assert_eq!(machine(b"#!/bin/sh"), None);
        assert!(!asks_for_interpreter(b"#!/bin/sh"));
    }

    #[test]
    fn names_of_variables_and_packages() {
        let [_, arm, _] = &ALL;
        assert_eq!(arm.cargo_variable("LINKER"), "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER");
        if arm.cross_gcc().is_some() {
            assert_eq!(arm.packages(), ["gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross"]);
        }
    }
}
