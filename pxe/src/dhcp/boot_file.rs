//! Which program a machine is told to load.
//!
//! Client system architectures (option 93) are those of the IANA registry "Processor Architecture Types".

use super::request::{Kind, Request, code};
use crate::names;
use crate::settings::BaseUrl;
use crate::source::Client;
use hostler_core::hardware::{Arch, Firmware};

/// What the reply says about booting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum BootFile {
    /// Nothing: an operating system that wants an address, or a machine that cannot be what it is registered as.
    None {
        /// For people, if it is worth a word.
        reason: Option<String>,
    },
    /// iPXE fetches its script.
    Script {
        /// Of the script.
        url: String,
    },
    /// A PXE ROM, or firmware that does as one, loads by TFTP.
    Tftp {
        /// The name to ask for.
        name: &'static str,
        /// True if it calls itself a PXE client and has to be told not to look for boot servers.
        pxe: bool,
    },
    /// UEFI loads by HTTP.
    Http {
        /// Of the loader.
        url: String,
    },
}

/// Decides from what asks, as far as that fits `client`.
pub(super) fn choose(request: &Request, client: &Client, base: &BaseUrl) -> BootFile {
    if request.is_ipxe() {
        return BootFile::Script { url: base.join(names::SCRIPT) };
    }
    let http = request.is_of_class("HTTPClient");
    let pxe = request.is_of_class("PXEClient");
    if !(http || pxe || boots_without_saying_so(request, client)) {
        return BootFile::None { reason: None };
    }
    match loader(request.architecture(), client) {
        Err(reason) => BootFile::None { reason: Some(reason) },
        Ok(name) if http => BootFile::Http { url: base.join(name) },
        Ok(name) => BootFile::Tftp { name, pxe },
    }
}

/// Open Firmware does not call itself a PXE client. SLOF names its architecture in the REQUEST only, so its DISCOVER
/// looks like that of an operating system; PowerVM firmware may speak BOOTP.
fn boots_without_saying_so(request: &Request, client: &Client) -> bool {
    request.kind == Kind::Bootp
        || request.option(code::CLIENT_ARCHITECTURE).is_some()
        || client.firmware == Firmware::OpenFirmware
}

/// The loader for what the firmware says that it is; as registered where it says nothing, or something impossible.
fn loader(architecture: Option<u16>, client: &Client) -> Result<&'static str, String> {
    let (arch, firmware) = match architecture {
        None => (client.arch, client.firmware),
        // A Raspberry Pi 5 calls itself a PC.
        Some(0) if client.arch != Arch::X86_64 => (client.arch, client.firmware),
        Some(code) => family(code).ok_or_else(|| format!("architecture {code:#06x} is not supported"))?,
    };
    if arch != client.arch {
        return Err(format!("it says that it is {arch} but is registered as {}", client.arch));
    }
    names::loader(arch, firmware).ok_or_else(|| format!("there is no {arch} machine with {firmware}"))
}

fn family(code: u16) -> Option<(Arch, Firmware)> {
    match code {
        0x0000 | 0x0014 => Some((Arch::X86_64, Firmware::Bios)),
        // RFC 4578 had 7 and 9 swapped, and firmware of both opinions exists.
        0x0007 | 0x0009 | 0x0010 => Some((Arch::X86_64, Firmware::Uefi)),
        0x000b | 0x0013 => Some((Arch::Aarch64, Firmware::Uefi)),
        0x000c => Some((Arch::Ppc64le, Firmware::OpenFirmware)),
        _ => None,
    }
}
