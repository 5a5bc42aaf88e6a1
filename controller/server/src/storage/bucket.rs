//! A bucket of an object store, spoken to as S3. What was put is durable and seen by everybody when `put` returns.

use super::credentials::Credentials;
use super::place::BucketUrl;
use anyhow::Context as _;
use bytes::Bytes;
use futures::TryStreamExt as _;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::client::HttpError;
use object_store::path::Path;
use object_store::{
    Certificate, ClientOptions, Error, ObjectStore as _, ObjectStoreExt as _, RetryConfig, WriteMultipart,
};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;

/// How long the server may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(5);

/// How long a request may take with all that it carries, which is a part at most.
const REQUEST: Duration = Duration::from_secs(30);

/// For how long a request that failed is begun again.
const RETRY: Duration = Duration::from_secs(10);

/// What is sent or asked for at once.
pub(super) const PART: usize = 8 << 20;

/// Parts on their way at the same time.
pub(super) const PARTS: usize = 4;

/// The object that a start writes, to see that it may.
const PROBE: &str = "written-by-hostlerd";

/// What to look at if the server does not know the bucket.
const NO_BUCKET: &str = " (is that the bucket's name?)";

/// What to look at if it refuses.
const NO_RIGHT: &str = " (are the credentials right, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or credentials= in \
                        the URL, and may they do this?)";

/// What the object store did not do.
#[derive(Debug, thiserror::Error)]
#[error("{bucket} {what}{hint}: {why}")]
pub(super) struct Trouble {
    bucket: String,
    what: &'static str,
    hint: &'static str,
    why: String,
}

/// A bucket, or what begins with a prefix in it.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    store: Arc<AmazonS3>,
    url: Arc<BucketUrl>,
    away: Arc<AtomicBool>,
}

/// What a look at the bucket found.
#[derive(Debug)]
pub(crate) enum Found {
    /// It can be read and written.
    Usable,
    /// Nobody answers, or says to come back later.
    Away(anyhow::Error),
    /// Another try would end the same way.
    Refused(anyhow::Error),
}

impl Bucket {
    /// Nothing is sent yet.
    ///
    /// # Errors
    /// If the credentials or the certificates cannot be read.
    pub(crate) fn open(url: &BucketUrl) -> anyhow::Result<Self> {
        let mut options = ClientOptions::new().with_connect_timeout(CONNECT).with_timeout(REQUEST);
        options = options.with_allow_http(url.endpoint.as_ref().is_some_and(|e| e.starts_with("http://")));
        if let Some(path) = &url.ca {
            let pem = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
            let roots = Certificate::from_pem_bundle(&pem)
                .with_context(|| format!("{} has no certificates", path.display()))?;
            options = roots.into_iter().fold(options, ClientOptions::with_root_certificate);
        }
        let retry = RetryConfig { max_retries: 5, retry_timeout: RETRY, ..RetryConfig::default() };
        let mut builder = AmazonS3Builder::from_env()
            .with_bucket_name(&url.bucket)
            .with_client_options(options)
            .with_retry(retry)
            .with_disable_bulk_delete(true);
        if let Some(endpoint) = &url.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        if let Some(region) = &url.region {
            builder = builder.with_region(region);
        }
        if let Some(path) = &url.credentials {
            let Credentials { id, secret, token } = Credentials::load(path)?;
            builder = builder.with_access_key_id(id).with_secret_access_key(secret.as_str());
            if let Some(token) = token {
                builder = builder.with_token(token.as_str());
            }
        }
        let store = builder.build().with_context(|| format!("cannot use {url}"))?;
        Ok(Self { store: Arc::new(store), url: Arc::new(url.clone()), away: Arc::default() })
    }

    /// Lists, writes an object and reads it again.
    pub(crate) async fn probe(&self) -> Found {
        let path = self.path(PROBE);
        let prefix = Path::from(&*self.url.prefix);
        let tried = async {
            self.store.list_with_delimiter(Some(&prefix)).await?;
            self.store.put(&path, Bytes::from_static(b"hostler\n").into()).await?;
            self.store.get(&path).await?.bytes().await
        };
        match tried.await {
            Ok(_) => Found::Usable,
            Err(error) if is_away(&error) => Found::Away(self.explain("cannot be reached", &error)),
            Err(error) => Found::Refused(self.explain("cannot be used", &error)),
        }
    }

    /// Makes an object, or replaces it.
    pub(super) async fn put(&self, name: &str, data: Bytes) -> anyhow::Result<()> {
        let put = self.store.put(&self.path(name), data.into()).await;
        self.seen(put, "does not take an object").map(drop)
    }

    /// Makes an object of a file. If that does not come to its end, there is no object.
    pub(super) async fn put_file(&self, name: &str, path: &std::path::Path) -> anyhow::Result<()> {
        let mut file = File::open(path).await.with_context(|| format!("cannot read {}", path.display()))?;
        if file.metadata().await?.len() <= PART as u64 {
            let mut data = Vec::new();
            file.read_to_end(&mut data).await.with_context(|| format!("cannot read {}", path.display()))?;
            return self.put(name, data.into()).await;
        }
        let upload = self.store.put_multipart(&self.path(name)).await;
        let upload = self.seen(upload, "does not take an object")?;
        let mut parts = WriteMultipart::new_with_chunk_size(upload, PART);
        let sent = send(&mut file, &mut parts).await;
        match sent {
            Ok(()) => self.seen(parts.finish().await, "does not take an object").map(drop),
            Err(error) => {
                // What cannot be taken back is removed by the bucket's own rules.
                let _ = parts.abort().await;
                match error.downcast::<Error>() {
                    Ok(error) => self.seen(Err(error), "does not take an object"),
                    Err(error) => Err(error.context(format!("cannot read {}", path.display()))),
                }
            }
        }
    }

    /// Bytes of an object, which has all of them; none if there is no such object.
    pub(super) async fn get(&self, name: &str, range: Range<u64>) -> anyhow::Result<Option<Bytes>> {
        let got = self.store.get_range(&self.path(name), range).await;
        self.found(got, "does not give an object")
    }

    /// How many bytes an object has, if there is one.
    pub(super) async fn size(&self, name: &str) -> anyhow::Result<Option<u64>> {
        let head = self.store.head(&self.path(name)).await;
        Ok(self.found(head, "does not give an object")?.map(|head| head.size))
    }

    /// The last parts of the names below `name`.
    pub(super) async fn list(&self, name: &str) -> anyhow::Result<Vec<String>> {
        let below = self.path(name);
        let listed = self.store.list(Some(&below)).try_collect::<Vec<_>>().await;
        let listed = self.seen(listed, "does not list objects")?;
        Ok(listed.iter().filter_map(|object| Some(object.location.filename()?.to_owned())).collect())
    }

    /// Removes an object, if there is one.
    pub(super) async fn delete(&self, name: &str) -> anyhow::Result<()> {
        let deleted = self.store.delete(&self.path(name)).await;
        self.found(deleted, "does not remove an object").map(drop)
    }

    fn path(&self, name: &str) -> Path {
        Path::from(format!("{}/{name}", self.url.prefix))
    }

    fn found<T>(&self, result: Result<T, Error>, what: &'static str) -> anyhow::Result<Option<T>> {
        match result {
            Err(Error::NotFound { .. }) => self.seen(Ok(None), what),
            other => self.seen(other, what).map(Some),
        }
    }

    /// Says once that the bucket is away, and once that it is back.
    fn seen<T>(&self, result: Result<T, Error>, what: &'static str) -> anyhow::Result<T> {
        let away = result.as_ref().is_err();
        if self.away.swap(away, Ordering::Relaxed) == away {
            return result.map_err(|error| self.explain(what, &error));
        }
        match result {
            Ok(done) => {
                tracing::info!("the object store of store.artefacts, {}, answers again", self.url);
                Ok(done)
            }
            Err(error) => {
                let error = self.explain(what, &error);
                tracing::error!(
                    "store.artefacts: {error:#}. Agents keep their output, and this is tried again"
                );
                Err(error)
            }
        }
    }

    fn explain(&self, what: &'static str, error: &Error) -> anyhow::Error {
        let why = anyhow::Chain::new(error).last().map(ToString::to_string).unwrap_or_default();
        Trouble { bucket: self.url.to_string(), what, hint: hint(error, &why), why }.into()
    }
}

/// Where to look first. Not every request tells by its kind of error what was refused.
fn hint(error: &Error, why: &str) -> &'static str {
    match error {
        Error::NotFound { .. } => NO_BUCKET,
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => NO_RIGHT,
        _ if why.contains("NoSuchBucket") => NO_BUCKET,
        _ if why.contains("status code: 403") || why.contains("status code: 401") => NO_RIGHT,
        _ => "",
    }
}

async fn send(file: &mut File, parts: &mut WriteMultipart) -> anyhow::Result<()> {
    loop {
        let mut part = Vec::with_capacity(PART);
        file.take(PART as u64).read_to_end(&mut part).await?;
        if part.is_empty() {
            return Ok(());
        }
        parts.wait_for_capacity(PARTS).await?;
        parts.put(part.into());
    }
}

/// True if another try may go better.
fn is_away(error: &Error) -> bool {
    let mut chain = anyhow::Chain::new(error);
    chain.any(|cause| cause.is::<HttpError>() || cause.to_string().contains("status code: 5"))
}
