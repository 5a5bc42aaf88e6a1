//! Programs of other people that bear witness. A test asks for the one that it needs; where it is missing the test
//! is skipped by name and reason, and with `CI=true` it fails.

use crate::skip::skip;
use std::path::PathBuf;

/// The path of `program`, or `None` after the skip of `test` was recorded.
///
/// # Panics
/// With `CI=true`, if the program is not installed: in CI a skip is a failure.
#[must_use]
pub fn peer(test: &str, program: &str) -> Option<PathBuf> {
    let found = std::env::var_os("PATH")
        .into_iter()
        .flat_map(|path| std::env::split_paths(&path).collect::<Vec<_>>())
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|dir| dir.join(program))
        .find(|candidate| candidate.is_file());
    if found.is_none() {
        skip(test, &format!("{program} is not installed; `cargo xtask test --setup` installs it"));
    }
    found
}
