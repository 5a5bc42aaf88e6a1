//! What a CI job leaves on a machine, and whether anybody finds it afterwards.

use hostler_lab::tenant::Tenant;
use rustix::fs::{SeekFrom, seek};
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// What the payload writes into a file of the deployed system: nobody may find it afterwards.
pub(crate) const PATTERN: &str = "pattern-of-the-former-tenant-";

/// Leaves a report, and 4 MiB of the pattern on the disk.
const PAYLOAD: &str = r#"
echo "on $HOSTLER_NODE as $HOSTLER_ROLE, $(uname -m)"
[ "$(hostname)" = "$HOSTLER_NODE" ] || exit 9
yes "PATTERN$HOSTLER_NODE" | head -c 4194304 > /root/secret
sync
cat > report.xml <<X
<testsuites><testsuite name="lab" tests="1"><testcase classname="lab" name="$HOSTLER_NODE"/></testsuite></testsuites>
X
"#;

/// Runs the payload on all members; their outputs and reports are in the directory then.
pub(crate) fn run_payload(ci: &Tenant<'_>, lease: u64) -> anyhow::Result<PathBuf> {
    let script = ci.script(&PAYLOAD.replace("PATTERN", PATTERN))?;
    let results = ci.path(&format!("results-{lease}"));
    let (script, out) = (script.display(), results.display());
    ci.ok(&format!("run {lease} --timeout 5m --script {script} --junit report.xml --results {out}"))?;
    Ok(results)
}

/// True if the bytes of `pattern` are anywhere on the disk, which must not be in use. Holes of the file are skipped.
pub(crate) fn is_on_disk(disk: &Path, pattern: &str) -> anyhow::Result<bool> {
    let file = File::open(disk)?;
    let mut end = 0;
    // Behind the last data there is no such position.
    while let Ok(start) = seek(&file, SeekFrom::Data(end)) {
        end = seek(&file, SeekFrom::Hole(start))?;
        if is_in_extent(&file, start..end, pattern.as_bytes())? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Reads in pieces that overlap by the length of the pattern.
fn is_in_extent(file: &File, extent: Range<u64>, pattern: &[u8]) -> anyhow::Result<bool> {
    const PIECE: u64 = 1 << 20;
    let mut at = extent.start;
    while at < extent.end {
        let length = (extent.end - at).min(PIECE + pattern.len() as u64);
        let mut piece = vec![0; usize::try_from(length)?];
        file.read_exact_at(&mut piece, at)?;
        if piece.windows(pattern.len()).any(|window| window == pattern) {
            return Ok(true);
        }
        at += PIECE;
    }
    Ok(false)
}

#[test]
fn a_pattern_is_found_between_holes_and_across_pieces() {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(64 << 20).unwrap();
    assert!(!is_on_disk(file.path(), PATTERN).unwrap());
    file.as_file().write_all_at(&[1; 3 << 20], 8 << 20).unwrap();
    assert!(!is_on_disk(file.path(), PATTERN).unwrap());
    file.as_file().write_all_at(PATTERN.as_bytes(), (9 << 20) - 5).unwrap();
    assert!(is_on_disk(file.path(), PATTERN).unwrap());
}
