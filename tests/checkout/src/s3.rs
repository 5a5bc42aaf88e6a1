//! An object store of its own, spoken to as S3 over a socket of loopback: `s3s-fs`, whose objects are files.

use anyhow::Context as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;

/// The bucket that there is.
const BUCKET: &str = "artefacts";

/// What signs requests.
const KEY: (&str, &str) = ("hostler-tests", "not-much-of-a-secret");

/// A server that runs. Dropped, it ends.
#[derive(Debug)]
pub struct Server {
    directory: TempDir,
    address: SocketAddr,
    shared: Arc<Shared>,
    runtime: Option<Runtime>,
}

/// How requests are treated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Mood {
    #[default]
    Serves,
    /// Those that change something wait.
    Holds,
    /// Connections are closed.
    IsAway,
}

#[derive(Debug, Default)]
struct Shared {
    mood: watch::Sender<Mood>,
    held: watch::Sender<usize>,
    seen: Mutex<Vec<String>>,
}

impl Server {
    /// Makes and starts one, with an empty bucket.
    ///
    /// # Errors
    /// If the system has no directory or port for it.
    pub fn start() -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let root = directory.path().join("objects");
        fs::create_dir_all(root.join(BUCKET))?;
        let files = FileSystem::new(&root).ok().context("s3s-fs cannot use its directory")?;
        let mut builder = S3ServiceBuilder::new(files);
        builder.set_auth(SimpleAuth::from_single(KEY.0, KEY.1));
        let service = builder.build();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let socket = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_nonblocking(true)?;
        let (address, shared) = (socket.local_addr()?, Arc::new(Shared::default()));
        let listener = {
            let _inside = runtime.enter();
            TcpListener::from_std(socket)?
        };
        runtime.spawn(accept(listener, service, shared.clone()));
        let server = Self { directory, address, shared, runtime: Some(runtime) };
        server.write_credentials(&server.credentials(), KEY.1)?;
        Ok(server)
    }

    /// What begins with `prefix` in the bucket, as a setting of `hostlerd`.
    #[must_use]
    pub fn url(&self, prefix: &str) -> String {
        let credentials = self.credentials();
        format!("s3://{BUCKET}/{prefix}?{}&credentials={}", self.endpoint(), credentials.display())
    }

    /// The parameters of a URL that lead here.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("endpoint=http://{}&region=here", self.address)
    }

    /// Writes a file with credentials, of which the secret may be wrong.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn write_credentials(&self, path: &Path, secret: &str) -> anyhow::Result<()> {
        let id = KEY.0;
        fs::write(path, format!("[default]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n"))?;
        Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o600))?)
    }

    /// A file with the right ones.
    #[must_use]
    pub fn credentials(&self) -> PathBuf {
        self.directory.path().join("credentials")
    }

    /// The names of all objects, in order.
    ///
    /// # Errors
    /// If they cannot be listed.
    pub fn objects(&self) -> anyhow::Result<Vec<String>> {
        let mut names = Vec::new();
        let bucket = self.bucket();
        collect(&bucket, &bucket, &mut names)?;
        names.sort();
        Ok(names)
    }

    /// The directory whose files are the objects.
    #[must_use]
    pub fn bucket(&self) -> PathBuf {
        self.directory.path().join("objects").join(BUCKET)
    }

    /// Method and path of each request so far.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Cuts all connections, and each that comes.
    pub fn go_away(&self) {
        self.shared.mood.send_replace(Mood::IsAway);
    }

    /// Lets requests wait that change something.
    pub fn hold(&self) {
        self.shared.mood.send_replace(Mood::Holds);
    }

    /// Serves as before.
    pub fn serve(&self) {
        self.shared.mood.send_replace(Mood::Serves);
    }

    /// Waits until a request is held.
    pub async fn is_holding(&self) {
        // It is not dropped meanwhile.
        let _ = self.shared.held.subscribe().wait_for(|held| *held > 0).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn accept(listener: TcpListener, service: S3Service, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(connection(stream, service.clone(), shared.clone()));
    }
}

async fn connection(stream: TcpStream, service: S3Service, shared: Arc<Shared>) {
    let mut mood = shared.mood.subscribe();
    let answer = service_fn(|request: Request<Incoming>| {
        let (service, shared) = (service.clone(), shared.clone());
        async move {
            shared.admit(request.method(), request.uri().path()).await;
            service.call(request.map(s3s::Body::from)).await
        }
    });
    let served = http1::Builder::new().serve_connection(TokioIo::new(stream), answer);
    tokio::select! {
        _ = mood.wait_for(|mood| *mood == Mood::IsAway) => {}
        // How a connection ends is the client's to judge.
        _ = served => {}
    }
}

impl Shared {
    async fn admit(&self, method: &Method, path: &str) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{method} {path}"));
        if matches!(*method, Method::GET | Method::HEAD) {
            return;
        }
        let _held = Held::count(&self.held);
        // The sender is here as long as this is.
        let _ = self.mood.subscribe().wait_for(|mood| *mood != Mood::Holds).await;
    }
}

/// A request that waits.
struct Held<'a>(&'a watch::Sender<usize>);

impl<'a> Held<'a> {
    fn count(held: &'a watch::Sender<usize>) -> Self {
        held.send_modify(|held| *held += 1);
        Self(held)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|held| *held -= 1);
    }
}

fn collect(bucket: &Path, directory: &Path, names: &mut Vec<String>) -> anyhow::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(bucket, &path, names)?;
        } else {
            names.push(path.strip_prefix(bucket)?.display().to_string());
        }
    }
    Ok(())
}
