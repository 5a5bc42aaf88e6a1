//! Where artefacts are: `file:///srv/hostler`, or `s3://BUCKET/PREFIX?endpoint=URL&region=REGION`.

use anyhow::{bail, ensure};
use std::fmt;
use std::path::{Path, PathBuf};

/// Where run output, collected files and images are. Displayed, it is the URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A directory, of this host or shared.
    Directory(PathBuf),
    /// A bucket of an object store.
    Bucket(Box<BucketUrl>),
}

/// How to reach a bucket. Nothing in it is secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct BucketUrl {
    pub(crate) bucket: String,
    /// What all names begin with; empty for none.
    pub(crate) prefix: String,
    /// The server's URL; that of AWS in the region unless given.
    pub(crate) endpoint: Option<String>,
    pub(crate) region: Option<String>,
    /// A file with the credentials; the environment has them unless given.
    pub(crate) credentials: Option<PathBuf>,
    /// Authorities for the server's certificate beside those of this host, PEM.
    pub(crate) ca: Option<PathBuf>,
}

impl Place {
    /// Reads a URL. Paths that do not begin with `/` are relative to `dir`.
    ///
    /// # Errors
    /// If it is no such URL. Its text is not repeated: somebody may have put a secret into it.
    pub(crate) fn parse(text: &str, dir: &Path) -> anyhow::Result<Self> {
        match text.split_once("://") {
            Some(("file", path)) if path.starts_with('/') => Ok(Self::Directory(path.into())),
            Some(("file", _)) => bail!("file:///PATH has three slashes"),
            Some(("s3", rest)) => Ok(Self::Bucket(Box::new(BucketUrl::parse(rest, dir)?))),
            _ => bail!("artefacts are at file:///PATH, or at s3://BUCKET/PREFIX?endpoint=URL&region=REGION"),
        }
    }
}

impl BucketUrl {
    fn parse(rest: &str, dir: &Path) -> anyhow::Result<Self> {
        let (name, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (bucket, prefix) = name.split_once('/').unwrap_or((name, ""));
        ensure!(
            !bucket.contains(['@', ':']),
            "s3://BUCKET has neither credentials nor a port in it: credentials are in AWS_ACCESS_KEY_ID and \
             AWS_SECRET_ACCESS_KEY or in the file of credentials=FILE, and the server is endpoint=URL"
        );
        ensure!(!bucket.is_empty(), "s3://BUCKET names a bucket");
        let prefix = prefix.trim_matches('/');
        let plain = |part: &str| !part.is_empty() && !part.starts_with('.') && part.chars().all(is_plain);
        ensure!(
            prefix.is_empty() || prefix.split('/').all(plain),
            "the prefix behind the bucket has letters, digits and -_./ only, and no part that begins with a dot"
        );
        let mut url = Self { bucket: bucket.to_owned(), prefix: prefix.to_owned(), ..Self::default() };
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            ensure!(!value.is_empty(), "{name}= has no value");
            match name {
                "endpoint" => url.endpoint = Some(endpoint(value)?),
                "region" => url.region = Some(value.to_owned()),
                "credentials" => url.credentials = Some(dir.join(value)),
                "ca" => url.ca = Some(dir.join(value)),
                _ => bail!("{name}= is not known; there are endpoint, region, credentials and ca"),
            }
        }
        Ok(url)
    }
}

const fn is_plain(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.')
}

fn endpoint(text: &str) -> anyhow::Result<String> {
    let url = text.parse::<http::Uri>().ok().filter(|url| {
        matches!(url.scheme_str(), Some("http" | "https"))
            && url.authority().is_some_and(|authority| !authority.as_str().contains('@'))
    });
    ensure!(url.is_some(), "endpoint= is of the form https://HOST:PORT");
    Ok(text.trim_end_matches('/').to_owned())
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(path) => write!(f, "file://{}", path.display()),
            Self::Bucket(url) => url.fmt(f),
        }
    }
}

impl fmt::Display for BucketUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}", self.bucket)?;
        if !self.prefix.is_empty() {
            write!(f, "/{}", self.prefix)?;
        }
        match &self.endpoint {
            Some(endpoint) => write!(f, " at {endpoint}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Place, String> {
        Place::parse(text, Path::new("/etc/hostler")).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn a_place_is_a_directory_or_a_bucket() {
        assert_eq!(parse("file:///srv/hostler"), Ok(Place::Directory("/srv/hostler".into())));
        let full = "s3://lab/ci/a?endpoint=http://10.0.0.9:9000/&region=eu&credentials=s3.keys&ca=/x.pem";
        let Ok(Place::Bucket(url)) = parse(full) else { panic!("{:?}", parse(full)) };
        assert_eq!(url.to_string(), "s3://lab/ci/a at http://10.0.0.9:9000");
        assert_eq!(url.region.as_deref(), Some("eu"));
        assert_eq!(url.credentials, Some("/etc/hostler/s3.keys".into()));
        assert_eq!(url.ca, Some("/x.pem".into()));
        assert_eq!(parse("s3://lab").map(|place| place.to_string()), Ok("s3://lab".into()));
    }

    #[test]
    fn what_is_wrong_is_said_without_the_url() {
        for (text, expected) in [
            ("/srv/hostler", "file:///PATH, or at s3://"),
            ("file://srv", "three slashes"),
            ("s3://", "names a bucket"),
            ("s3://AKIA:s3cret@lab/x", "AWS_SECRET_ACCESS_KEY"),
            ("s3://lab/../s3cret", "no part that begins with a dot"),
            ("s3://lab?secret_access_key=s3cret", "secret_access_key= is not known"),
            ("s3://lab?region=", "region= has no value"),
            ("s3://lab?endpoint=ada:s3cret@host", "https://HOST:PORT"),
            ("s3://lab?endpoint=http://ada:s3cret@host", "https://HOST:PORT"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(expected) && !error.contains("s3cret"), "{text}: {error}");
        }
    }
}
