//! What an ELF file says of itself.

use anyhow::bail;
use hostler_core::hardware::Arch;
use object::Endianness;
use object::elf::{DT_NEEDED, EM_AARCH64, EM_PPC64, EM_X86_64, FileHeader64};
use object::read::elf::{Dyn as _, FileHeader as _, ProgramHeader as _, SectionHeader as _};

/// A program, a library, a kernel or a kernel module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Elf {
    /// `None` if machines of that kind are not known here.
    pub(crate) arch: Option<Arch>,
    /// The dynamic linker that a program asks for; a static one asks for none.
    pub(super) interpreter: Option<String>,
    /// Names of shared libraries.
    pub(super) needed: Vec<String>,
    /// "name=value", of a kernel module.
    pub(super) modinfo: Vec<(String, String)>,
}

impl Elf {
    /// Reads what is wanted of it.
    ///
    /// # Errors
    /// If it is not a whole 64-bit ELF file.
    pub(crate) fn parse(data: &[u8]) -> anyhow::Result<Self> {
        if data.get(..5) != Some(b"\x7fELF\x02") {
            bail!("it is not a 64-bit ELF file");
        }
        let header = FileHeader64::<Endianness>::parse(data)?;
        let endian = header.endian()?;
        let arch = architecture(data);
        let mut interpreter = None;
        for program in header.program_headers(endian, data)? {
            interpreter = interpreter.or(program.interpreter(endian, data)?.map(text));
        }
        let sections = header.sections(endian, data)?;
        let mut needed = Vec::new();
        if let Some((entries, link)) = sections.dynamic(endian, data)? {
            let strings = sections.strings(endian, data, link)?;
            for entry in entries.iter().filter(|e| e.tag(endian) == DT_NEEDED) {
                needed.push(text(entry.string(endian, strings)?));
            }
        }
        let modinfo = match sections.section_by_name(endian, b".modinfo") {
            Some((_, section)) => fields(section.data(endian, data)?),
            None => Vec::new(),
        };
        Ok(Self { arch, interpreter, needed, modinfo })
    }

    /// Every value of that name.
    pub(super) fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.modinfo.iter().filter(move |(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// Says so if it is for another architecture; `what` begins the sentence.
    ///
    /// # Errors
    /// If it is.
    pub(super) fn must_be_for(&self, arch: Arch, what: &str) -> anyhow::Result<()> {
        match self.arch {
            Some(found) if found == arch => Ok(()),
            Some(found) => bail!("{what} is for {}, not for {}", found.as_str(), arch.as_str()),
            None => bail!("{what} is not for {}", arch.as_str()),
        }
    }
}

/// The architecture of the 64-bit ELF file that begins so, if machines of that kind are known here.
pub(super) fn architecture(head: &[u8]) -> Option<Arch> {
    let header = FileHeader64::<Endianness>::parse(head).ok()?;
    let endian = header.endian().ok()?;
    match header.e_machine(endian) {
        EM_X86_64 => Some(Arch::X86_64),
        EM_AARCH64 if endian == Endianness::Little => Some(Arch::Aarch64),
        EM_PPC64 if endian == Endianness::Little => Some(Arch::Ppc64le),
        _ => None,
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end_matches('\0').to_owned()
}

/// Texts with a zero at the end of each, and more zeroes to align them.
fn fields(bytes: &[u8]) -> Vec<(String, String)> {
    let texts = bytes.split(|b| *b == 0).filter_map(|text| std::str::from_utf8(text).ok());
    texts.filter_map(|text| text.split_once('=')).map(|(n, v)| (n.to_owned(), v.to_owned())).collect()
}
