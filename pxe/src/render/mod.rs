//! A boot plan in the language of the loader that asks.
//!
//! Every rendered text ends in a retry or a restart of the machine, never at a prompt: a machine that sits at a prompt
//! is powered on and dead.

mod grub;
mod ipxe;
mod words;

use crate::settings::BaseUrl;
use crate::source::{BootSource, Client};
use hostler_core::boot::BootPlan;
use std::time::Duration;

/// The language of a loader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// A script for iPXE.
    Ipxe,
    /// A configuration for GRUB.
    Grub,
}

/// What a rendered text depends on besides the plan.
struct Frame<'a> {
    client: &'a Client,
    /// Checked: safe to write into either language as they are.
    kernel_args: Vec<String>,
    base: &'a BaseUrl,
    retry: Duration,
}

impl Frame<'_> {
    /// Whole seconds between two attempts, at least one.
    fn retry_seconds(&self) -> u64 {
        self.retry.as_secs().max(1)
    }

    /// A line for the console, safe to write into either language within single quotes or without.
    fn say(&self, text: &str) -> String {
        words::text(&format!("Hostler: {} {text}", self.client.name))
    }
}

/// Renders what `client` is to boot now.
pub fn render(
    source: &dyn BootSource,
    client: &Client,
    language: Language,
    base: &BaseUrl,
    retry: Duration,
) -> String {
    let plan = source.plan(client);
    let args = match &plan {
        BootPlan::Ramdisk { boot, .. } => source.kernel_args(client, *boot),
        BootPlan::LocalDisk { .. } | BootPlan::Wait { .. } => Vec::new(),
    };
    let (plan, kernel_args) = match args.iter().try_for_each(|arg| words::check(arg)) {
        Ok(()) => (plan, args),
        Err(error) => {
            tracing::error!(node = %client.node, %error, "cannot render kernel arguments");
            (BootPlan::Wait { reason: error.to_string() }, Vec::new())
        }
    };
    let frame = Frame { client, kernel_args, base, retry };
    match language {
        Language::Ipxe => ipxe::render(&frame, &plan),
        Language::Grub => grub::render(&frame, &plan),
    }
}

#[cfg(test)]
mod fixture {
    use super::*;
    use hostler_core::hardware::{Arch, Firmware, Mac};
    use hostler_core::ids::{BootId, NodeId};
    use std::net::Ipv4Addr;

    pub(super) fn base() -> BaseUrl {
        BaseUrl::parse("http://10.0.0.1:8080").unwrap()
    }

    pub(super) fn client(arch: Arch, firmware: Firmware) -> Client {
        Client {
            node: NodeId(3),
            name: "web-3".to_owned(),
            mac: Mac([0x52, 0x54, 0, 0, 0, 3]),
            address: Ipv4Addr::new(10, 0, 0, 53),
            arch,
            firmware,
        }
    }

    pub(super) fn frame<'a>(client: &'a Client, base: &'a BaseUrl) -> Frame<'a> {
        let kernel_args = ["hostler.boot=17", "hostler.token=c2VjcmV0"].map(str::to_owned).to_vec();
        Frame { client, kernel_args, base, retry: Duration::from_secs(10) }
    }

    pub(super) fn ramdisk(arch: Arch) -> BootPlan {
        BootPlan::Ramdisk { boot: BootId(17), arch }
    }

    pub(super) fn wait() -> BootPlan {
        BootPlan::Wait { reason: "held by o'brien; $(reboot)\n|| shell".to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::OneArgument;
    use hostler_core::hardware::{Arch, Firmware};

    #[test]
    fn an_argument_that_could_be_a_command_makes_the_machine_wait() {
        let client = fixture::client(Arch::X86_64, Firmware::Bios);
        for language in [Language::Ipxe, Language::Grub] {
            let render =
                |arg| render(&OneArgument(arg), &client, language, &fixture::base(), Duration::from_secs(1));
            assert!(render("a=b").contains("a=b"));
            for arg in ["a;reboot", "a\nshell", "${net0/mac}", "a b", "'", "a||b", ""] {
                let text = render(arg);
                assert!(!text.contains("kernels/"), "{language:?} {arg:?}\n{text}");
            }
        }
    }
}
