//! Where the boot server listens and what it says about itself.

use http::Uri;
use http::uri::Authority;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

/// Settings of a boot server. Port 0 takes any free port.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where DHCP requests arrive. Broadcasts reach the wildcard address only; relayed requests reach any.
    pub dhcp: SocketAddrV4,
    /// The interface on which DHCP is answered; needed for direct broadcasts on a machine with several.
    pub dhcp_interface: Option<String>,
    /// Where TFTP requests arrive: addresses of this machine, none of them the wildcard, since an answer from another
    /// address than the one that was asked is dropped by PXE ROMs.
    pub tftp: Vec<SocketAddr>,
    /// Where HTTP requests arrive: the provisioning addresses.
    pub http: SocketAddr,
    /// The address by which machines know this server.
    pub server: Ipv4Addr,
    /// The start of all URLs, such as `http://10.0.0.1:8080`; without it, `server` and the port of `http`. A path in it
    /// belongs to a proxy in front of this server, which takes it off.
    pub http_url: Option<String>,
    /// How long an address is leased. It is reserved anyway.
    pub lease: Duration,
    /// Of the provisioning network.
    pub netmask: Ipv4Addr,
    /// The default gateway, if there is one.
    pub router: Option<Ipv4Addr>,
    /// DNS servers.
    pub dns: Vec<Ipv4Addr>,
    /// How long a machine that has to wait sleeps before it asks again; whole seconds, at least one.
    pub retry: Duration,
}

impl Settings {
    /// The standard ports on `server`, a /24 network, leases of an hour, and a retry every ten seconds.
    #[must_use]
    pub fn new(server: Ipv4Addr) -> Self {
        Self {
            dhcp: SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 67),
            dhcp_interface: None,
            tftp: vec![(server, 69).into()],
            http: (server, 80).into(),
            server,
            http_url: None,
            lease: Duration::from_secs(3600),
            netmask: Ipv4Addr::new(255, 255, 255, 0),
            router: None,
            dns: Vec::new(),
            retry: Duration::from_secs(10),
        }
    }
}

/// The start of all URLs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl {
    authority: Authority,
    /// Without a slash at the end.
    path: String,
}

/// Text that cannot be the start of the URLs of a boot server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the boot server's URL is of the form http://HOST[:PORT][/PATH], not {0:?}")]
pub struct NotABaseUrl(String);

impl BaseUrl {
    /// Parses `http://HOST[:PORT][/PATH]`.
    ///
    /// # Errors
    /// Anything else: firmware speaks no other scheme, and scripts have no way to quote odd characters.
    pub fn parse(url: &str) -> Result<Self, NotABaseUrl> {
        let error = || NotABaseUrl(url.to_owned());
        let plain = |c: char| c.is_ascii_alphanumeric() || ":/.-_~[]".contains(c);
        let uri: Uri = url.parse().map_err(|_| error())?;
        match uri.authority() {
            Some(authority) if uri.scheme_str() == Some("http") && url.chars().all(plain) => {
                Ok(Self { authority: authority.clone(), path: uri.path().trim_end_matches('/').to_owned() })
            }
            _ => Err(error()),
        }
    }

    /// Host and port.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.authority.as_str()
    }

    /// The path of the content with this name; begins with a slash.
    #[must_use]
    pub fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.path)
    }

    /// The URL of the content with this name.
    #[must_use]
    pub fn join(&self, name: &str) -> String {
        format!("{self}/{name}")
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_joined_to_the_base() {
        let base = BaseUrl::parse("http://10.0.0.1:8080").unwrap();
        assert_eq!(base.join("boot/script.ipxe"), "http://10.0.0.1:8080/boot/script.ipxe");
        let base = BaseUrl::parse("http://boot.example/rack1/").unwrap();
        assert_eq!(base.join("ca.pem"), "http://boot.example/rack1/ca.pem");
        assert_eq!((base.authority(), &*base.path("ca.pem")), ("boot.example", "/rack1/ca.pem"));
    }

    #[test]
    fn what_scripts_cannot_quote_is_refused() {
        for url in ["https://a", "10.0.0.1", "http://a/${x}", "http://a/b?c", "http://a/b c", "ftp://a", ""] {
            assert!(BaseUrl::parse(url).is_err(), "{url}");
        }
    }
}
