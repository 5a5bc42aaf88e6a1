//! One disk is erased, by one method after the other until one was seen to work.

use super::readback::{ReadBack, Unclean};
use super::task::{StepError, Watch};
use crate::device::{self, EraseError, EraseMethod, Passthrough, PasswordError, Survey};
use crate::disk::Disk;
use crate::error::chain;
use crate::random::Sequence;
use bytes::Bytes;
use hostler_proto::agent::v1::DiskWipe;
use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

/// What one command erases: small enough that a newer task does not wait long.
const COMMAND: u64 = 1 << 30;
const OVERWRITE: u64 = 1 << 20;

/// What the kernel does for every disk, from the quickest to the surest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kernel {
    Discard,
    WriteZeroes,
    Overwrite,
}

impl Kernel {
    const ALL: [Self; 3] = [Self::Discard, Self::WriteZeroes, Self::Overwrite];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Discard => "discard",
            Self::WriteZeroes => "write-zeroes",
            Self::Overwrite => "overwrite",
        }
    }

    const fn step(self) -> u64 {
        match self {
            Self::Discard | Self::WriteZeroes => COMMAND,
            Self::Overwrite => OVERWRITE,
        }
    }

    async fn erase(self, disk: &dyn Disk, range: Range<u64>, zeros: &Bytes) -> io::Result<()> {
        match self {
            Self::Discard => disk.discard(range).await,
            Self::WriteZeroes => disk.write_zeroes(range).await,
            Self::Overwrite => {
                let length = usize::try_from(range.end - range.start).unwrap_or(usize::MAX).min(zeros.len());
                disk.write_at(range.start, zeros.slice(..length)).await
            }
        }
    }
}

/// A device's own methods come first: they reach what the kernel cannot address.
#[derive(Clone, Debug)]
enum Method {
    Device(Passthrough, EraseMethod),
    Kernel(Kernel),
}

impl Method {
    const fn as_str(&self) -> &'static str {
        match self {
            Self::Device(_, method) => method.as_str(),
            Self::Kernel(method) => method.as_str(),
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device(_, method) => method.fmt(f),
            Self::Kernel(method) => f.write_str(method.as_str()),
        }
    }
}

/// Why one method did not do.
#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("cannot mark the disk before wiping it")]
    Mark(#[source] io::Error),
    #[error("failed at {offset}")]
    Erase {
        offset: u64,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Device(EraseError),
    #[error("cannot flush the disk")]
    Sync(#[source] io::Error),
    /// Nothing says so, but what had been written is not there any more.
    #[error(transparent)]
    NotZero(Unclean),
    #[error("what was written at {0} before is still there")]
    NotErased(u64),
    #[error(transparent)]
    Unreadable(Unclean),
}

impl Problem {
    /// True if no other method makes up for it: what reads as zero now is locked when the power was off.
    const fn is_final(&self) -> bool {
        matches!(self, Self::Device(EraseError::Password(PasswordError::LeftSet { .. })))
    }

    /// True for what only says that the kernel has no such way to this disk.
    fn is_usual(&self) -> bool {
        matches!(self, Self::Erase { source, .. } if source.kind() == io::ErrorKind::Unsupported)
    }
}

/// How much is read back at either end of a range that was put to zero.
const PROBE: u64 = 1 << 20;

/// Puts a range to zero, by the first of the kernel's ways that is seen to work. What is there is no tenant's, so that its
/// ends are looked at and not all of it.
pub(super) async fn put_to_zero(
    disk: &dyn Disk,
    range: Range<u64>,
    watch: &Watch,
) -> Result<io::Result<()>, StepError> {
    let mut why = io::Error::from(io::ErrorKind::Unsupported);
    watch.expect(range.end - range.start);
    for method in Kernel::ALL {
        match by_kernel(disk, method, range.clone(), watch).await? {
            Ok(()) => match is_zero(disk, &range).await {
                Ok(true) => return Ok(Ok(())),
                Ok(false) => why = io::Error::other(format!("{} left something there", method.as_str())),
                Err(error) => why = error,
            },
            Err(Problem::Erase { source, .. }) => why = source,
            Err(problem) => why = io::Error::other(problem),
        }
    }
    Ok(Err(why))
}

async fn is_zero(disk: &dyn Disk, range: &Range<u64>) -> io::Result<bool> {
    disk.sync().await?;
    let length = PROBE.min(range.end - range.start);
    for offset in [range.start, range.end - length] {
        let read = disk.read_at(offset, usize::try_from(length).unwrap_or(usize::MAX)).await?;
        if read.iter().any(|&byte| byte != 0) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Erases a disk, and says in the report how that came out.
pub(super) async fn erase(
    disk: &dyn Disk,
    extra: &[Range<u64>],
    watch: &Watch,
    report: &mut DiskWipe,
) -> Result<(), StepError> {
    let (methods, mut problems) = methods(disk, watch).await?;
    let mut notes = problems.clone();
    // A device that has erased itself and does not read as zero gets zeros from the kernel.
    let mut by_device: Option<&str> = None;
    for method in methods {
        if by_device.is_some() && matches!(method, Method::Device(..)) {
            continue;
        }
        report.method = by_device.map_or(String::new(), |first| format!("{first}, ")) + method.as_str();
        match try_method(disk, &method, extra, watch).await? {
            Ok(read) => {
                report.verified_bytes = read;
                report.verified = true;
                report.notes = notes.join("; ");
                return Ok(());
            }
            Err(problem) => {
                tracing::warn!(disk = report.path, "{method}: {}", chain(&problem));
                let told = format!("{method}: {}", chain(&problem));
                problems.push(told.clone());
                if problem.is_final() {
                    break;
                }
                match (&method, &problem) {
                    // The two names of the method say it.
                    (Method::Device(..), Problem::NotZero(_)) => by_device = Some(method.as_str()),
                    _ if problem.is_usual() => {}
                    _ => notes.push(told),
                }
            }
        }
    }
    report.problem = problems.join("; ");
    Ok(())
}

/// From the one to try first, and what cannot be used and why.
async fn methods(disk: &dyn Disk, watch: &Watch) -> Result<(Vec<Method>, Vec<String>), StepError> {
    let mut methods = Vec::new();
    let mut problems = Vec::new();
    if let Some(device) = disk.passthrough() {
        let go_on = |_| watch.check().is_ok();
        let survey = device::survey(&device, disk.info().rotational, &go_on).await;
        watch.check()?;
        let survey =
            survey.unwrap_or_else(|error| Survey { methods: Vec::new(), notes: vec![chain(&error)] });
        for note in &survey.notes {
            tracing::info!(disk = disk.info().path, "{note}");
        }
        problems = survey.notes;
        methods.extend(survey.methods.into_iter().map(|method| Method::Device(device.clone(), method)));
    }
    methods.extend(Kernel::ALL.map(Method::Kernel));
    Ok((methods, problems))
}

async fn try_method(
    disk: &dyn Disk,
    method: &Method,
    extra: &[Range<u64>],
    watch: &Watch,
) -> Result<Result<u64, Problem>, StepError> {
    let mut sequence = Sequence::unpredictable();
    let mut plan = ReadBack::plan(disk.info().size_bytes, extra, &mut sequence);
    watch.expect(disk.info().size_bytes.saturating_add(plan.bytes()));
    if let Err(source) = plan.mark(disk, &mut sequence).await {
        return Ok(Err(Problem::Mark(source)));
    }
    let erased = match method {
        Method::Device(device, method) => by_device(disk, device, *method, watch).await?,
        Method::Kernel(method) => by_kernel(disk, *method, 0..disk.info().size_bytes, watch).await?,
    };
    if let Err(problem) = erased {
        return Ok(Err(problem));
    }
    if let Err(source) = disk.sync().await {
        return Ok(Err(Problem::Sync(source)));
    }
    match plan.check(disk, watch).await? {
        Ok(read) => Ok(Ok(read)),
        Err(unclean) => Ok(Err(diagnose(disk, &plan, unclean).await)),
    }
}

/// Tells a disk that was not erased from one that was and does not read as zero.
async fn diagnose(disk: &dyn Disk, plan: &ReadBack, unclean: Unclean) -> Problem {
    match (unclean, plan.find_mark(disk).await) {
        (unclean @ Unclean::Read { .. }, _) | (unclean, Err(_)) => Problem::Unreadable(unclean),
        (Unclean::NotZero { .. }, Ok(Some(offset))) => Problem::NotErased(offset),
        (unclean @ Unclean::NotZero { .. }, Ok(None)) => Problem::NotZero(unclean),
    }
}

async fn by_device(
    disk: &dyn Disk,
    device: &Passthrough,
    method: EraseMethod,
    watch: &Watch,
) -> Result<Result<(), Problem>, StepError> {
    let size = disk.info().size_bytes;
    let told = AtomicU64::new(0);
    let advance = |to: u64| watch.advance(to.saturating_sub(told.fetch_max(to, Ordering::Relaxed)));
    let progress = |done: u16| {
        advance(size / 65_536 * u64::from(done));
        watch.check().is_ok()
    };
    let result = device::erase(device, method, &progress).await;
    watch.check()?;
    if result.is_ok() {
        advance(size);
    }
    Ok(result.map_err(Problem::Device))
}

async fn by_kernel(
    disk: &dyn Disk,
    method: Kernel,
    range: Range<u64>,
    watch: &Watch,
) -> Result<Result<(), Problem>, StepError> {
    let zeros = match method {
        Kernel::Overwrite => Bytes::from(vec![0; OVERWRITE as usize]),
        Kernel::Discard | Kernel::WriteZeroes => Bytes::new(),
    };
    let mut offset = range.start;
    while offset < range.end {
        watch.check()?;
        let end = range.end.min(offset.saturating_add(method.step()));
        if let Err(source) = method.erase(disk, offset..end, &zeros).await {
            return Ok(Err(Problem::Erase { offset, source }));
        }
        watch.advance(end - offset);
        offset = end;
    }
    Ok(Ok(()))
}
