//! `hostler lease request`

use super::super::tenant::set::PRIORITIES;
use super::dry_run;
use super::wait::{EachChange, until_active};
use crate::clock;
use crate::document::{self, Format};
use crate::error::Error;
use crate::exit::Exit;
use crate::member::{self, Asked};
use crate::model::lease::Lease;
use crate::moment;
use crate::render;
use crate::render::time::span;
use crate::request_file::RequestFile;
use crate::session::Session;
use crate::texts::{self, Texts};
use clap::Args;
use hostler_proto::lease::v1::{MemberRequest, RequestLeaseRequest};
use std::path::{Path, PathBuf};
use std::time::Duration;
use uuid::Uuid;

const EXAMPLES: &str = "\
Examples:
  hostler lease request 2:x86_64,image=fedora
  hostler lease request --count 2 --arch x86_64 --image fedora    # the same
  hostler lease request server=1:x86_64 client=3:aarch64 --image fedora --duration 2h --wait
  hostler lease request db=1,nodes=r1-n07+r1-n08,image=debian web=2:ppc64le,pool=fast,image=fedora
  hostler lease request 1 --image debian --ssh-key ~/.ssh/id_ed25519.pub --wait
  hostler lease request -f lease.toml --idempotency-key 0b1e1b1c
  hostler lease request 1 --image fedora --keepalive 2m --on-failure hold:4h --wait    # in a CI job
  hostler lease request 1 --image fedora --priority interactive --wait
  hostler lease request 8:x86_64 --image fedora --duration 12h --preemptible --grace 10m
  hostler lease request 8 --image fedora --not-before '2026-03-21T22:00Z'
  hostler lease request '1..4:x86_64|aarch64 where memory >= 64 GiB' --image fedora
  hostler lease request --dry-run 2 --image fedora --together 'same switch'

A member is [ROLE=]COUNT[..MOST][:ARCH[|ARCH]][,pool=POOL][,image=IMAGE][,nodes=NAME+NAME][ where CONSTRAINT]. A file,
in TOML, YAML or JSON, says the same:

  duration = \"2h\"
  together = [\"same rack of server\"]
  [[member]]
  role = \"server\"
  count = \"2..4\"
  arch = [\"x86_64\", \"aarch64\"]
  image = \"fedora\"
  where = 'cpu.model-name ~ \"EPYC\" and not disk.rotational = true'

A constraint compares attributes (cpu.cores, cpu.processors, cpu.model-name, memory, disk.size, disk.count, disk.rotational,
network.speed, boot.method, rack, label.NAME ...) with =, !=, <, <=, >, >= or ~ (a regular expression) and joins with and,
or, not and parentheses. docs/requests.md has all of them. --together says what the machines have in common or not: same
ATTRIBUTE, different ATTRIBUTE, [of ROLE, ROLE].

--dry-run asks for nothing. It tells which machines the request would get, or what it would wait for and which single
change would help. Exit code: 0 if it would start now, 4 if it would wait, 3 if it can never start.

Prints the number of the lease. The same --idempotency-key again gives the same lease.";

/// Arguments of `hostler lease request`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// A role of the group: [ROLE=]COUNT[..MOST][:ARCH[|ARCH]][,KEY=VALUE]...[ where CONSTRAINT]
    #[arg(value_name = "MEMBER")]
    members: Vec<String>,
    /// Read the request from a file, or from the standard input (-)
    #[arg(long, short, value_name = "FILE", conflicts_with = "members")]
    file: Option<PathBuf>,
    /// How the file is written [default: what its name says, else toml]
    #[arg(long, requires = "file")]
    format: Option<Format>,
    /// What the machines have in common or not: "same rack", "different switch of server"; may be repeated
    #[arg(long, value_name = "GROUPING")]
    together: Vec<String>,
    #[command(flatten)]
    simple: Simple,
    /// Pool of members that name none
    #[arg(long, value_name = "POOL")]
    pool: Option<String>,
    /// Image of members that name none
    #[arg(long, value_name = "IMAGE")]
    image: Option<String>,
    /// How long the machines are needed, from when they are ready [default: 1h]
    #[arg(long, value_name = "DURATION", value_parser = moment::span)]
    duration: Option<Duration>,
    /// How long to stay in the queue [default: 7d]
    #[arg(long, value_name = "DURATION", value_parser = moment::span)]
    max_wait: Option<Duration>,
    /// Do not begin before this moment, in UTC; --max-wait counts from then
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    not_before: Option<u64>,
    /// End the lease when nobody has kept it alive for so long; see `hostler lease keepalive`
    #[arg(long, value_name = "DURATION", value_parser = moment::span)]
    keepalive: Option<Duration>,
    /// Whether machines on which a run failed are given back at the end, or held for somebody to look at: for 2h, unless
    /// another time is given [default: release]
    #[arg(long, value_name = "release|hold[:DURATION]", value_parser = OnFailure::parse)]
    on_failure: Option<OnFailure>,
    /// How urgent it is, as far as the tenant may [default: batch]
    #[arg(long, value_name = "PRIORITY", value_parser = PRIORITIES)]
    priority: Option<String>,
    /// Give way to a more urgent lease that cannot start otherwise; the lease then goes back to its place in the queue
    #[arg(long)]
    preemptible: bool,
    /// With how much notice it gives way, from 1m to 1h [default: 5m]
    #[arg(long, value_name = "DURATION", value_parser = moment::span)]
    grace: Option<Duration>,
    /// Take the machines of this reservation, and no others; see `hostler reservation list`
    #[arg(long, value_name = "NAME")]
    reservation: Option<String>,
    /// Public key that may log in to the machines as root, such as ~/.ssh/id_ed25519.pub; may be repeated
    #[arg(long = "ssh-key", value_name = "FILE")]
    ssh_keys: Vec<PathBuf>,
    /// What it is for, for people
    #[arg(long, value_name = "TEXT")]
    purpose: Option<String>,
    /// Wait until the machines are ready
    #[arg(long, short)]
    wait: bool,
    /// Ask for nothing; tell what would come of the request
    #[arg(long, conflicts_with = "wait")]
    dry_run: bool,
    /// Name of this request; a repeated one is the same request [default: a random one]
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
}

/// What becomes of machines on which a run failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnFailure {
    /// They are given back as ever.
    Release,
    /// They are held for so long.
    Hold(Duration),
}

impl OnFailure {
    const HOLD: Duration = Duration::from_secs(2 * 3600);

    /// # Errors
    /// A text for people.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let expected = "write release, hold, or hold:DURATION such as hold:4h";
        match text.split_once(':') {
            None if text == "release" => Ok(Self::Release),
            None if text == "hold" => Ok(Self::Hold(Self::HOLD)),
            Some(("hold", span)) => {
                moment::span(span).map(Self::Hold).map_err(|problem| format!("{problem}; {expected}"))
            }
            _ => Err(expected.to_owned()),
        }
    }

    /// As the wire has it.
    fn hold_s(self) -> u64 {
        match self {
            Self::Release => 0,
            Self::Hold(span) => seconds(Some(span)),
        }
    }
}

/// A group of one role without a MEMBER.
#[derive(Debug, Args)]
struct Simple {
    /// Number of machines, instead of MEMBER
    #[arg(long, value_name = "N", conflicts_with_all = ["members", "file"], value_parser = clap::value_parser!(u32).range(1..))]
    count: Option<u32>,
    /// Architecture of the machines, instead of MEMBER
    #[arg(long, value_name = "ARCH", conflicts_with_all = ["members", "file"], value_parser = member::ARCHITECTURES)]
    arch: Option<String>,
}

pub(crate) async fn run(session: &Session, arguments: Arguments) -> Result<Exit, Error> {
    let (is_wait, is_dry) = (arguments.wait, arguments.dry_run);
    let (request, texts) = build(arguments)?;
    let done =
        if is_dry { dry_run::run(session, request).await } else { ask(session, request, is_wait).await };
    done.map_err(|error| texts.locate(error))
}

async fn ask(session: &Session, request: RequestLeaseRequest, is_wait: bool) -> Result<Exit, Error> {
    let client = session.connect()?;
    session.ui.notice(&format!("idempotency key {}", request.idempotency_key));
    session.if_interrupted([format!(
        "repeat the command with --idempotency-key {} to get the same lease",
        request.idempotency_key
    )]);
    let attempt = async || client.leases().request_lease(request.clone()).await;
    let mut lease: Lease = client.call("request a lease", attempt).await?.into();
    if is_wait {
        session.ui.notice(&format!("lease {}", lease.id));
        lease = until_active(session, &client, lease.id, None, EachChange::Silent).await?;
    } else {
        session.ui.notice(&render::lease::headline(&lease, clock::now_ms(), &session.ui.err));
        session.ui.notice(&format!("wait for it with: hostler lease wait {}", lease.id));
    }
    if let Some(bound) = lease.keepalive_s {
        let bound = span(Duration::from_secs(bound));
        session.ui.notice(&format!("keep it alive within {bound}: hostler lease keepalive {} &", lease.id));
    }
    session.ui.result(&lease, |lease, _| format!("{}\n", lease.id))?;
    Ok(Exit::Ok)
}

/// The request that the arguments describe, and where its texts were written.
fn build(arguments: Arguments) -> Result<(RequestLeaseRequest, Texts), Error> {
    let file = match &arguments.file {
        None => RequestFile::default(),
        Some(path) => {
            let format = arguments.format.unwrap_or_else(|| Format::of(path));
            RequestFile::parse(&document::origin(path), &document::read(path)?, format)?
        }
    };
    let asked = match &arguments.file {
        Some(_) => file.members,
        None if arguments.members.is_empty() => vec![arguments.simple.member()?],
        None => member::parse_all(&arguments.members).map_err(Error::Input)?,
    };
    let given = arguments.together.into_iter().map(texts::together);
    let (mut members, groupings, texts) = Texts::of(asked, file.together.into_iter().chain(given));
    for member in &mut members {
        fill(&mut member.pool, arguments.pool.as_deref());
        fill(&mut member.image, arguments.image.as_deref());
    }
    let keys = arguments.ssh_keys.iter().map(|path| public_keys(path)).collect::<Result<Vec<_>, _>>()?;
    let (preemptible, grace) = (arguments.preemptible || file.preemptible, arguments.grace.or(file.grace));
    if grace.is_some() && !preemptible {
        return Err(Error::Usage {
            message: "a grace is for leases that give way".to_owned(),
            next: "add --preemptible, or leave it out".to_owned(),
        });
    }
    let request = RequestLeaseRequest {
        idempotency_key: arguments.idempotency_key.unwrap_or_else(|| Uuid::new_v4().to_string()),
        members,
        groupings,
        duration_s: seconds(arguments.duration.or(file.duration)),
        max_wait_s: seconds(arguments.max_wait.or(file.max_wait)),
        purpose: arguments.purpose.or(file.purpose).unwrap_or_default(),
        not_before_ms: arguments.not_before.or(file.not_before).unwrap_or_default(),
        keepalive_s: seconds(arguments.keepalive.or(file.keepalive)),
        hold_s: arguments.on_failure.or(file.on_failure).map_or(0, OnFailure::hold_s),
        ssh_keys: keys.concat(),
        priority: arguments.priority.or(file.priority).unwrap_or_default(),
        preemptible,
        grace_s: seconds(grace),
        reservation: arguments.reservation.or(file.reservation).unwrap_or_default(),
    };
    Ok((request, texts))
}

/// The keys of a `.pub` or `authorized_keys` file. The controller checks them; here only a private key is kept from
/// being sent.
fn public_keys(path: &Path) -> Result<Vec<String>, Error> {
    let text = document::read(path)?;
    if text.contains("PRIVATE KEY") {
        return Err(Error::Usage {
            message: format!("{} is a private key", path.display()),
            next: format!("--ssh-key {}.pub", path.display()),
        });
    }
    let is_key = |line: &&str| !line.is_empty() && !line.starts_with('#');
    Ok(text.lines().map(str::trim).filter(is_key).map(str::to_owned).collect())
}

impl Simple {
    fn member(&self) -> Result<Asked, Error> {
        if self.count.is_none() && self.arch.is_none() {
            return Err(Error::Usage {
                message: "nothing is asked for".to_owned(),
                next: "hostler lease request 2:x86_64 --image fedora    # or --count, or -f FILE; see --help"
                    .to_owned(),
            });
        }
        let arch = self.arch.clone().unwrap_or_default();
        let request = MemberRequest { count: self.count.unwrap_or(1), arch, ..MemberRequest::default() };
        Ok(Asked { request, constraint: None })
    }
}

fn fill(value: &mut String, default: Option<&str>) {
    if value.is_empty() {
        value.push_str(default.unwrap_or_default());
    }
}

/// Whole seconds, rounded up: zero would mean the default.
pub(crate) fn seconds(duration: Option<Duration>) -> u64 {
    duration.map_or(0, |duration| duration.as_secs() + u64::from(duration.subsec_nanos() > 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{self, Cli};
    use clap::Parser as _;

    fn request(line: &str) -> Result<RequestLeaseRequest, Error> {
        let cli = Cli::try_parse_from(line.split_whitespace()).unwrap();
        let cli::Command::Lease(super::super::Command::Request(arguments)) = cli.command else {
            panic!("another command");
        };
        build(*arguments).map(|(request, _)| request)
    }

    #[test]
    fn defaults_fill_only_what_is_open() {
        let line =
            "hostler lease request a=1:x86_64,image=debian b=2 --image fedora --pool fast --duration 90m";
        let request = request(line).unwrap();
        let shown: Vec<_> =
            request.members.iter().map(|m| (m.role.as_str(), m.image.as_str(), m.pool.as_str())).collect();
        assert_eq!(shown, [("a", "debian", "fast"), ("b", "fedora", "fast")]);
        assert_eq!((request.duration_s, request.max_wait_s), (5_400, 0));
    }

    #[test]
    fn the_simple_case_needs_no_member() {
        let request = request("hostler lease request --count 3 --arch ppc64le").unwrap();
        assert_eq!(
            (request.members.len(), request.members[0].count, request.members[0].arch.as_str()),
            (1, 3, "ppc64le")
        );
        assert_eq!(request.idempotency_key.len(), 36);
    }

    #[test]
    fn terms() {
        let line = "hostler lease request 1 --keepalive 2m --on-failure hold --not-before 2026-03-21T10:12Z";
        let request = request(line).unwrap();
        assert_eq!((request.keepalive_s, request.hold_s), (120, 7_200));
        assert_eq!(request.not_before_ms, 1_774_087_920_000);
        assert_eq!(OnFailure::parse("hold:30m"), Ok(OnFailure::Hold(Duration::from_secs(1_800))));
        assert_eq!(OnFailure::parse("release").map(OnFailure::hold_s), Ok(0));
        for text in ["", "keep", "hold:", "hold:soon", "release:1h"] {
            assert!(OnFailure::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn urgency() {
        let urgent = request("hostler lease request 1 --priority gate --preemptible --grace 10m").unwrap();
        assert_eq!((&*urgent.priority, urgent.preemptible, urgent.grace_s), ("gate", true, 600));
        let usual = request("hostler lease request 1 --preemptible").unwrap();
        assert_eq!((&*usual.priority, usual.preemptible, usual.grace_s), ("", true, 0));
        assert_eq!(request("hostler lease request 1 --grace 10m").unwrap_err().exit(), Exit::Usage);
    }

    #[test]
    fn nothing_is_not_a_request() {
        assert_eq!(request("hostler lease request --image fedora").unwrap_err().exit(), Exit::Usage);
    }

    #[test]
    fn part_of_a_second_is_not_the_default() {
        assert_eq!(seconds(Some(Duration::from_millis(1))), 1);
        assert_eq!(seconds(Some(Duration::from_secs(2))), 2);
    }
}
