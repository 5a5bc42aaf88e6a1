//! The two kinds of address that an agent is given. Both name IP addresses: a ramdisk asks no name server.

use http::Uri;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// Where the controller is: "https://192.0.2.1:4433".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ControllerUrl(SocketAddr);

/// Where a file is: `http://192.0.2.1:8080/path?query`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpUrl {
    address: SocketAddr,
    path: String,
}

/// A text that is not the address that was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// It is no URL at all.
    #[error("{0:?} is not a URL")]
    Malformed(String),
    /// Its scheme is another.
    #[error("{url:?} does not begin with {expected}://")]
    Scheme {
        /// As given.
        url: String,
        /// "http" or "https".
        expected: &'static str,
    },
    /// Its host has to be looked up.
    #[error("the host of {0:?} is not an IP address with or without a port")]
    Host(String),
    /// A controller is a host and a port.
    #[error("{0:?} has a path, but a controller is named by host and port alone")]
    Path(String),
}

impl ControllerUrl {
    /// The address to connect to.
    #[must_use]
    pub const fn address(self) -> SocketAddr {
        self.0
    }
}

impl From<SocketAddr> for ControllerUrl {
    fn from(address: SocketAddr) -> Self {
        Self(address)
    }
}

impl FromStr for ControllerUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let (address, uri) = parse(text, "https", 443)?;
        match uri.path_and_query().map_or("", |path| path.as_str()) {
            "" | "/" => Ok(Self(address)),
            _ => Err(UrlError::Path(excerpt(text))),
        }
    }
}

impl TryFrom<String> for ControllerUrl {
    type Error = UrlError;

    fn try_from(text: String) -> Result<Self, UrlError> {
        text.parse()
    }
}

impl From<ControllerUrl> for String {
    fn from(url: ControllerUrl) -> Self {
        url.to_string()
    }
}

impl fmt::Display for ControllerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "https://{}", self.0)
    }
}

impl HttpUrl {
    /// The address to connect to.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What to ask for there: path and query.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl FromStr for HttpUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let (address, uri) = parse(text, "http", 80)?;
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        Ok(Self { address, path })
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.address, self.path)
    }
}

fn parse(text: &str, scheme: &'static str, port: u16) -> Result<(SocketAddr, Uri), UrlError> {
    let uri: Uri = text.parse().map_err(|_| UrlError::Malformed(excerpt(text)))?;
    if uri.scheme_str() != Some(scheme) {
        return Err(UrlError::Scheme { url: excerpt(text), expected: scheme });
    }
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let address = match authority.parse::<SocketAddr>() {
        Ok(address) => address,
        // A port that is none does not count as the host's, nor as absent.
        Err(_) => SocketAddr::new(host(authority).ok_or_else(|| UrlError::Host(excerpt(text)))?, port),
    };
    Ok((address, uri))
}

fn host(text: &str) -> Option<IpAddr> {
    match text.strip_prefix('[') {
        Some(v6) => v6.strip_suffix(']')?.parse().ok().map(IpAddr::V6),
        None => text.parse().ok().map(IpAddr::V4),
    }
}

/// Enough of a text to recognise it in an error.
fn excerpt(text: &str) -> String {
    text.chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controller_urls() {
        for (text, expected) in [
            ("https://127.0.0.1:4433", "https://127.0.0.1:4433"),
            ("https://127.0.0.1:4433/", "https://127.0.0.1:4433"),
            ("https://10.0.0.1", "https://10.0.0.1:443"),
            ("https://[fe80::1]:1", "https://[fe80::1]:1"),
            ("http://10.0.0.1", r#""http://10.0.0.1" does not begin with https://"#),
            (
                "https://lab.example",
                r#"the host of "https://lab.example" is not an IP address with or without a port"#,
            ),
            (
                "https://10.0.0.1/x",
                r#""https://10.0.0.1/x" has a path, but a controller is named by host and port alone"#,
            ),
            ("", r#""" is not a URL"#),
            ("https://", r#""https://" is not a URL"#),
            (
                "https://10.0.0.1:99999",
                r#"the host of "https://10.0.0.1:99999" is not an IP address with or without a port"#,
            ),
            (
                "https://user@10.0.0.1",
                r#"the host of "https://user@10.0.0.1" is not an IP address with or without a port"#,
            ),
        ] {
            let found = text.parse::<ControllerUrl>().map_or_else(|e| e.to_string(), |url| url.to_string());
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn http_urls_keep_path_and_query() {
        let url: HttpUrl = "http://10.0.0.1:8080/ca.pem?x=%20y".parse().unwrap();
        assert_eq!((url.address().port(), url.path()), (8080, "/ca.pem?x=%20y"));
        assert_eq!(url.to_string(), "http://10.0.0.1:8080/ca.pem?x=%20y");
        assert_eq!("http://10.0.0.1".parse::<HttpUrl>().unwrap().path(), "/");
    }
}
