//! How many files a process may have open: each simulated machine needs a few.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Sockets and files of one machine in its busiest moment.
const PER_MACHINE: u64 = 8;
/// Of everything else.
const BESIDES: u64 = 64;

/// The limit cannot be raised as far as a room needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{machines} machines need {needed} open files, but the limit is {allowed}; raise it with `ulimit -Hn {needed}`"
)]
pub struct TooFewFiles {
    machines: usize,
    needed: u64,
    allowed: u64,
}

/// Raises this process's limit to what `machines` machines need.
///
/// # Errors
/// If the system does not allow as many.
pub fn allow(machines: usize) -> Result<(), TooFewFiles> {
    let needed = BESIDES + PER_MACHINE * machines as u64;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    if maximum.is_none_or(|maximum| maximum >= needed)
        && setrlimit(Resource::Nofile, Rlimit { current: Some(needed), maximum }).is_ok()
    {
        return Ok(());
    }
    Err(TooFewFiles { machines, needed, allowed: maximum.or(current).unwrap_or_default() })
}

#[cfg(test)]
mod tests {
    use super::allow;

    #[test]
    fn a_small_room_fits_and_an_absurd_one_is_refused() {
        allow(1).unwrap();
        let error = allow(usize::MAX / 32).unwrap_err().to_string();
        assert!(error.contains("ulimit"), "{error}");
    }
}
