//! The task Prove: a burn-in that is bounded, of a machine that failed. It finds what is broken, not what is weak: hours
//! of a memory tester find more.

use super::readback::ReadBack;
use super::task::{StepError, Watch, Workshop, is_kept};
use crate::clock::elapsed_ms;
use crate::disk::DiskInfo;
use crate::error::chain;
use crate::machine::BurnIn;
use crate::random::Sequence;
use aws_lc_rs::digest::{SHA256, digest};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use hostler_proto::agent::v1::{ProofCheck, ProveTask, Proved};
use std::hint::black_box;
use std::time::Duration;
use tokio::task::{JoinError, JoinSet, spawn_blocking};
use tokio::time::Instant;

/// Disks that are read at the same time.
const PARALLEL: usize = 8;

/// Memory is written and read in pieces of this many words, between which the task may be cancelled.
const PIECE_WORDS: usize = 4 << 20;

/// How often a digest is taken of the digest before, from 32 zeros, until the result is [`KNOWN`].
const CHAIN: u32 = 4096;

/// What every processor makes of [`CHAIN`].
const KNOWN: [u8; 32] = [
    0xf3, 0x4f, 0xce, 0x81, 0xc2, 0x2c, 0xd5, 0x2b, 0xe6, 0xed, 0xe2, 0x80, 0x8c, 0xda, 0x3a, 0x2f, 0x26,
    0x9b, 0xb8, 0x10, 0xd9, 0xb1, 0x4b, 0xed, 0x56, 0xe3, 0xac, 0xaf, 0x9d, 0x6d, 0x1c, 0x35,
];

pub(crate) async fn prove(
    workshop: &Workshop,
    id: u64,
    task: ProveTask,
    watch: &Watch,
) -> Result<Proved, StepError> {
    let start = Instant::now();
    let burn_in = workshop.machine.burn_in();
    let memory = memory(&burn_in, watch).await?;
    let processors = processors(&burn_in, watch).await?;
    let disks = disks(workshop, &task.keep_disks, watch).await?;
    let checks = vec![check("memory", memory), check("processors", processors), check("disks", disks)];
    Ok(Proved { task_id: id, checks, duration_ms: elapsed_ms(start) })
}

fn check(part: &str, found: Result<String, String>) -> ProofCheck {
    let passed = found.is_ok();
    ProofCheck { part: part.to_owned(), passed, detail: found.unwrap_or_else(|problem| problem) }
}

/// Writes patterns and their inverse, and reads them. Pieces stay allocated until the last was read, so that each is
/// other memory.
async fn memory(burn_in: &BurnIn, watch: &Watch) -> Result<Result<String, String>, StepError> {
    let words = usize::try_from(burn_in.memory_bytes / 8).unwrap_or(usize::MAX);
    watch.expect(burn_in.memory_bytes);
    let mut tested = Vec::new();
    let mut left = words;
    while left > 0 {
        watch.check()?;
        let length = left.min(PIECE_WORDS);
        let seed = Sequence::unpredictable().next();
        match spawn_blocking(move || test_piece(length, seed)).await {
            Ok(Ok(piece)) => tested.push(piece),
            Ok(Err(problem)) => return Ok(Err(problem)),
            Err(error) => return Ok(Err(ended(&error))),
        }
        left -= length;
        watch.advance(length as u64 * 8);
    }
    Ok(Ok(format!("{} MiB written and read in two patterns", burn_in.memory_bytes >> 20)))
}

fn test_piece(words: usize, seed: u64) -> Result<Vec<u64>, String> {
    let mut piece = Vec::new();
    piece.try_reserve_exact(words).map_err(|_| format!("cannot have {words} words of it"))?;
    for flip in [0, u64::MAX] {
        let mut pattern = Sequence::from_seed(seed);
        piece.clear();
        piece.extend(std::iter::repeat_with(|| pattern.next() ^ flip).take(words));
        // Without this, a compiler may know what it would read.
        let read: &Vec<u64> = black_box(&piece);
        let mut pattern = Sequence::from_seed(seed);
        if let Some((at, word)) = read.iter().enumerate().find(|(_, word)| **word != pattern.next() ^ flip) {
            return Err(format!("word {at} of {words} reads as {word:#018x}, which was not written"));
        }
    }
    Ok(piece)
}

/// Has every processor compute what is known, all at once: that is also what a power supply and fans are tried by.
async fn processors(burn_in: &BurnIn, watch: &Watch) -> Result<Result<String, String>, StepError> {
    let mut workers = JoinSet::new();
    for _ in 0..burn_in.processors {
        let (span, watch) = (burn_in.computing, watch.clone());
        workers.spawn_blocking(move || compute(span, &watch));
    }
    let mut digests = 0;
    while let Some(worker) = workers.join_next().await {
        match worker {
            Ok(result) => match result? {
                Ok(rounds) => digests += rounds * u64::from(CHAIN),
                Err(problem) => return Ok(Err(problem)),
            },
            Err(error) => return Ok(Err(ended(&error))),
        }
    }
    Ok(Ok(format!("{} at once for {} s, {digests} digests", burn_in.processors, burn_in.computing.as_secs())))
}

/// How many rounds one processor made of the span.
fn compute(span: Duration, watch: &Watch) -> Result<Result<u64, String>, StepError> {
    let begun = Instant::now();
    let mut rounds = 0;
    loop {
        watch.check()?;
        let result = digest_chain();
        if result != KNOWN {
            return Ok(Err(format!("one computed {result:02x?} in round {rounds}, which is wrong")));
        }
        rounds += 1;
        if begun.elapsed() >= span {
            return Ok(Ok(rounds));
        }
    }
}

fn digest_chain() -> [u8; 32] {
    let mut value = [0; 32];
    for _ in 0..CHAIN {
        let next = digest(&SHA256, &value);
        value.copy_from_slice(next.as_ref());
    }
    value
}

/// Reads the disks that were wiped, again and elsewhere.
async fn disks(
    workshop: &Workshop,
    keep: &[String],
    watch: &Watch,
) -> Result<Result<String, String>, StepError> {
    let disks = workshop.machine.disks().await.map_err(StepError::Disks)?;
    let wiped: Vec<_> = disks.into_iter().filter(|disk| !is_kept(disk, keep)).collect();
    let count = wiped.len();
    let read: Vec<Result<u64, String>> = stream::iter(wiped)
        .map(|disk| read_disk(workshop, disk, watch))
        .buffered(PARALLEL)
        .try_collect()
        .await?;
    let bytes: Result<Vec<u64>, String> = read.into_iter().collect();
    Ok(bytes.map(|bytes| format!("{} MiB of {count} disks read", bytes.iter().sum::<u64>() >> 20)))
}

async fn read_disk(
    workshop: &Workshop,
    info: DiskInfo,
    watch: &Watch,
) -> Result<Result<u64, String>, StepError> {
    let disk = match workshop.machine.open_disk(&info).await {
        Ok(disk) => disk,
        Err(error) => return Ok(Err(format!("cannot open {}: {error}", info.path))),
    };
    let plan = ReadBack::plan(info.size_bytes, &[], &mut Sequence::unpredictable());
    watch.expect(plan.bytes());
    let read = plan.check(disk.as_ref(), watch).await?;
    Ok(read.map_err(|unclean| format!("{} (serial {:?}): {}", info.path, info.serial, chain(&unclean))))
}

fn ended(error: &JoinError) -> String {
    format!("its test ended: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `python3 -c 'import hashlib; v = bytes(32)
    /// for _ in range(4096): v = hashlib.sha256(v).digest()
    /// print(v.hex())'`
    #[test]
    fn what_processors_compute_is_known() {
        assert_eq!(digest_chain(), KNOWN);
    }
}
