//! What a machine gets under a name: static content, or what is rendered for it alone.

use crate::content::{Catalogue, Source};
use crate::names;
use crate::render::{self, Language};
use crate::settings::BaseUrl;
use crate::source::{BootSource, Client};
use bytes::Bytes;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// Content for one machine.
pub(crate) struct Found {
    pub(crate) content: Source,
    /// True if it was rendered for the machine that asked: it may hold its token.
    pub(crate) rendered: bool,
}

/// All content, as TFTP and HTTP see it.
pub(crate) struct Library {
    pub(crate) catalogue: Catalogue,
    pub(crate) source: Arc<dyn BootSource>,
    pub(crate) base: BaseUrl,
    pub(crate) retry: Duration,
}

impl Library {
    /// The machine that asks from `address`. The name that it asks for has no say in who it is.
    pub(crate) fn client(&self, address: IpAddr) -> Option<Client> {
        match address.to_canonical() {
            IpAddr::V4(address) => self.source.by_address(address),
            IpAddr::V6(_) => None,
        }
    }

    /// What `client` gets under `path`, which is as it came from the network.
    pub(crate) fn find(&self, client: &Client, path: &str) -> Option<Found> {
        let name = names::normalise(path)?;
        let language = match &*name {
            names::SCRIPT => Some(Language::Ipxe),
            config if names::is_grub_config(config) => Some(Language::Grub),
            _ => None,
        };
        match language {
            Some(language) => Some(Found { content: self.render(client, language), rendered: true }),
            None => Some(Found { content: self.catalogue.find(&name)?, rendered: false }),
        }
    }

    /// What anyone may have under `path`.
    pub(crate) fn public(&self, path: &str) -> Option<Found> {
        let name = names::normalise(path).filter(|name| name == names::CA)?;
        Some(Found { content: self.catalogue.find(&name)?, rendered: false })
    }

    fn render(&self, client: &Client, language: Language) -> Source {
        let text = render::render(&*self.source, client, language, &self.base, self.retry);
        Source::Memory(Bytes::from(text))
    }
}
