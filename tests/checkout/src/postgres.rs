//! A PostgreSQL server of its own: in a directory of its own, on a Unix socket, as a user who is not root.

use anyhow::{Context as _, bail, ensure};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The packages that have it.
pub const PACKAGES: [&str; 1] = ["postgresql"];

/// The superuser of the servers.
const USER: &str = "hostler";

/// Who runs a server in the place of root.
const ACCOUNTS: [&str; 2] = ["postgres", "nobody"];

/// How long a busy computer may take to start a server.
const PATIENCE: Duration = Duration::from_secs(120);

/// The server ends with whoever has the other end of its input, however that ends.
const GUARD: &str = r#""$@" & read -r _; kill -QUIT $!; wait $!"#;

/// A server that runs. Dropped, it ends as in a crash.
#[derive(Debug)]
pub struct Server {
    directory: TempDir,
    binaries: PathBuf,
    owner: Option<(u32, u32)>,
    settings: Vec<String>,
    process: Mutex<Option<(Child, ChildStdin)>>,
}

/// Certificate and key of a server, PEM.
#[derive(Clone, Copy, Debug)]
pub struct Tls<'a> {
    /// The certificate.
    pub certificate: &'a str,
    /// Its key.
    pub key: &'a str,
}

/// What is wanted of a server.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'a> {
    /// Where its directory is made; its file system is what a benchmark measures.
    pub parent: Option<&'a Path>,
    /// Listen on this port of loopback as well, with TLS.
    pub tls: Option<(u16, Tls<'a>)>,
}

/// Where the server's programs are.
///
/// # Errors
/// If they are not on this computer: the reason for a skip.
pub fn binaries() -> Result<PathBuf, String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut versions: Vec<_> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .collect();
    versions.sort();
    std::env::split_paths(&path)
        .chain(versions.into_iter().rev())
        .find(|dir| ["initdb", "postgres", "psql"].iter().all(|program| dir.join(program).is_file()))
        .ok_or_else(|| "PostgreSQL is not installed; `cargo xtask test --setup` installs it".to_owned())
}

impl Server {
    /// Makes and starts one.
    ///
    /// # Errors
    /// If it is not installed or does not start.
    pub fn start(options: Options<'_>) -> anyhow::Result<Self> {
        let binaries = binaries().map_err(anyhow::Error::msg)?;
        let mut builder = tempfile::Builder::new();
        builder.prefix("hostler-pg-");
        let directory = match options.parent {
            Some(parent) => builder.tempdir_in(parent)?,
            None => builder.tempdir()?,
        };
        let owner = owner()?;
        if let Some((user, group)) = owner {
            chown(directory.path(), Some(user), Some(group))?;
        }
        let mut server = Self { directory, binaries, owner, settings: Vec::new(), process: Mutex::new(None) };
        let data = server.data();
        let mut initdb = server.program("initdb");
        initdb.args([
            "--username",
            USER,
            "--auth",
            "trust",
            "--encoding",
            "UTF8",
            "--locale",
            "C",
            "--no-sync",
        ]);
        run(initdb.arg("--pgdata").arg(&data))?;
        server.settings = vec![format!("unix_socket_directories={}", server.directory.path().display())];
        match options.tls {
            None => server.settings.push("listen_addresses=".to_owned()),
            Some((port, tls)) => {
                server.secret("server.crt", tls.certificate)?;
                server.secret("server.key", tls.key)?;
                let listen = ["listen_addresses=127.0.0.1", "ssl=on"].map(str::to_owned);
                server.settings.extend(listen.into_iter().chain([format!("port={port}")]));
            }
        }
        server.start_again()?;
        Ok(server)
    }

    /// One for all who want it at the same time; it ends with the last of them.
    ///
    /// # Errors
    /// If it is not installed or does not start.
    pub fn shared() -> anyhow::Result<Arc<Self>> {
        static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = shared.upgrade() {
            return Ok(server);
        }
        let server = Arc::new(Self::start(Options::default())?);
        *shared = Arc::downgrade(&server);
        Ok(server)
    }

    /// Starts it after [`Server::stop`], and waits until it answers.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start_again(&self) -> anyhow::Result<()> {
        let log = fs::File::options().create(true).append(true).open(self.log())?;
        let mut command = self.command("sh");
        command.args(["-c", GUARD, "sh"]).arg(self.binaries.join("postgres")).arg("-D").arg(self.data());
        command.args(self.settings.iter().flat_map(|setting| ["-c", setting.as_str()]));
        command.stdin(Stdio::piped()).stdout(log.try_clone()?).stderr(log);
        let mut child = command.spawn().context("cannot start sh")?;
        let input = child.stdin.take().context("the server has no input")?;
        *self.process.lock().unwrap_or_else(PoisonError::into_inner) = Some((child, input));
        let began = Instant::now();
        while self.sql("postgres", "SELECT 1").is_err() {
            let log = || fs::read_to_string(self.log()).unwrap_or_default();
            ensure!(began.elapsed() < PATIENCE, "the server does not answer: {}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Ends it as in a crash: no session is told, nothing is written that was not.
    pub fn stop(&self) {
        let process = self.process.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((mut child, input)) = process {
            drop(input);
            // Nothing more can be done about a process that cannot be waited for.
            let _ = child.wait();
        }
    }

    /// Makes an empty database, and says its URL.
    ///
    /// # Errors
    /// If the server refuses.
    pub fn database(&self) -> anyhow::Result<Database> {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let name = format!("test{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}"))?;
        let url =
            format!("postgres://{USER}@/{name}?host={}{}", self.directory.path().display(), self.port());
        Ok(Database { name, url })
    }

    /// What a statement gives: a line for each row, with the unit separator (U+001F) between columns.
    ///
    /// # Errors
    /// If the server is not there or refuses.
    pub fn sql(&self, database: &str, sql: &str) -> anyhow::Result<String> {
        let mut psql = Command::new(self.binaries.join("psql"));
        psql.args([
            "-X",
            "-q",
            "-A",
            "-t",
            "-F",
            "\u{1f}",
            "-v",
            "ON_ERROR_STOP=1",
            "-U",
            USER,
            "-d",
            database,
        ]);
        psql.arg("-h").arg(self.directory.path()).args(["-f", "-"]).stdin(Stdio::piped());
        if let Some(port) = self.port().strip_prefix("&port=") {
            psql.args(["-p", port]);
        }
        let mut child =
            psql.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().context("cannot start psql")?;
        child.stdin.take().context("psql has no input")?.write_all(sql.as_bytes())?;
        let output = child.wait_with_output()?;
        if !output.status.success() {
            bail!("psql: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    /// The directory of its socket.
    #[must_use]
    pub fn socket_directory(&self) -> &Path {
        self.directory.path()
    }

    fn port(&self) -> String {
        let port = self.settings.iter().find_map(|setting| setting.strip_prefix("port="));
        port.map(|port| format!("&port={port}")).unwrap_or_default()
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn log(&self) -> PathBuf {
        self.directory.path().join("log")
    }

    fn secret(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let path = self.data().join(name);
        let mut file = fs::File::options().write(true).create_new(true).mode(0o600).open(&path)?;
        file.write_all(text.as_bytes())?;
        if let Some((user, group)) = self.owner {
            chown(&path, Some(user), Some(group))?;
        }
        Ok(())
    }

    fn program(&self, name: &str) -> Command {
        self.command(self.binaries.join(name))
    }

    /// As the server's user.
    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.directory.path());
        if let Some((user, group)) = self.owner {
            command.uid(user).gid(group);
        }
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// An empty database of a server.
#[derive(Clone, Debug)]
pub struct Database {
    /// For [`Server::sql`].
    pub name: String,
    /// As `hostlerd` has it.
    pub url: String,
}

/// Whom a server belongs to, if that must be another than this process's: user and group.
fn owner() -> anyhow::Result<Option<(u32, u32)>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let accounts = fs::read_to_string("/etc/passwd").context("cannot read /etc/passwd")?;
    let account = |wanted: &&str| {
        accounts.lines().find_map(|line| {
            let fields: Vec<_> = line.split(':').collect();
            let found = fields.first() == Some(wanted);
            found.then(|| Some((fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?)))?
        })
    };
    let found = ACCOUNTS.iter().find_map(account);
    found.map(Some).context("PostgreSQL does not run as root, and there is no user postgres or nobody")
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let output = command.output().with_context(|| format!("cannot start {command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
