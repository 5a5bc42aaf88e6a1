//! Programs of other people that bear witness. A test asks for the one that it needs; where it is missing the test
//! is skipped by name and reason, and with `CI=true` it fails.

use std::io::Write as _;
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

/// Records that `test` was skipped, and why, where the test runner collects it (`HOSTLER_SKIPS`).
///
/// # Panics
/// With `CI=true`: in CI a skip is a failure.
pub fn skip(test: &str, reason: &str) {
    assert!(std::env::var_os("CI").is_none_or(|v| v != "true"), "{test}: {reason}");
    eprintln!("skipped {test}: {reason}");
    if let Some(file) = std::env::var_os("HOSTLER_SKIPS")
        && let Ok(mut file) = std::fs::OpenOptions::new().create(true).append(true).open(file)
    {
        // Nothing depends on the record but the summary.
        let _ = writeln!(file, "{test}\t{reason}");
    }
}
