//! A program of another root directory, with the shared libraries that it needs.

use super::cpio::Archive;
use super::elf::Elf;
use anyhow::{Context as _, bail};
use hostler_core::hardware::Arch;
use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

/// Where dynamic linkers look without being told, besides the directory of the architecture below them.
const LIBRARIES: [&str; 4] = ["lib", "usr/lib", "lib64", "usr/lib64"];

/// Links in a row, before they are taken for a circle.
const MOST_LINKS: usize = 16;

/// Copies the first of `candidates` that is there to `target`, and its libraries to lib. Returns the names of the
/// libraries.
///
/// # Errors
/// If none is there, one is for another architecture, or a library is not found.
pub(super) fn add(
    archive: &mut Archive,
    root: &Path,
    candidates: &[&str],
    target: &str,
    arch: Arch,
) -> anyhow::Result<Vec<String>> {
    let Some(file) = candidates.iter().find_map(|path| resolve(root, Path::new(path))) else {
        bail!("{} has no {}", root.display(), candidates.join(" or "));
    };
    let program = load(&file, arch)?;
    let mut wanted: Vec<String> = program.elf.needed.clone();
    if let Some(interpreter) = &program.elf.interpreter {
        // It is asked for by its path, and by its name by others.
        let file = resolve(root, Path::new(interpreter))
            .with_context(|| format!("{} has no {interpreter}", root.display()))?;
        archive.file(interpreter, 0o755, load(&file, arch)?.bytes);
        wanted.extend(Path::new(interpreter).file_name().map(|name| name.to_string_lossy().into_owned()));
    }
    archive.file(target, 0o755, program.bytes);
    let mut libraries = BTreeSet::new();
    while let Some(name) = wanted.pop() {
        if !libraries.insert(name.clone()) {
            continue;
        }
        let file = library(root, &name, arch)
            .with_context(|| format!("{} has no library {name}, which {target} needs", root.display()))?;
        let library = load(&file, arch)?;
        wanted.extend(library.elf.needed.iter().cloned());
        let path = format!("lib/{name}");
        if !archive.contains(&path) {
            archive.file(&path, 0o755, library.bytes);
        }
    }
    Ok(libraries.into_iter().collect())
}

struct Loaded {
    elf: Elf,
    bytes: Vec<u8>,
}

fn load(file: &Path, arch: Arch) -> anyhow::Result<Loaded> {
    let what = file.display().to_string();
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {what}"))?;
    let elf = Elf::parse(&bytes).with_context(|| format!("cannot use {what}"))?;
    elf.must_be_for(arch, &what)?;
    Ok(Loaded { elf, bytes })
}

fn library(root: &Path, name: &str, arch: Arch) -> Option<PathBuf> {
    let triplet = match arch {
        Arch::X86_64 => "x86_64-linux-gnu",
        Arch::Aarch64 => "aarch64-linux-gnu",
        Arch::Ppc64le => "powerpc64le-linux-gnu",
    };
    let dirs = LIBRARIES.iter().flat_map(|dir| [PathBuf::from(dir).join(triplet), PathBuf::from(dir)]);
    dirs.map(|dir| dir.join(name)).find_map(|path| resolve(root, &path))
}

/// Follows links as the system below `root` would: an absolute one begins there again. `None` if nothing is there.
fn resolve(root: &Path, path: &Path) -> Option<PathBuf> {
    let mut pending: Vec<PathBuf> = components(path);
    let mut found = PathBuf::new();
    let mut links = 0;
    while let Some(part) = pending.pop() {
        if part == Path::new("..") {
            found.pop();
            continue;
        }
        let next = found.join(&part);
        match std::fs::read_link(root.join(&next)) {
            Ok(target) => {
                links += 1;
                if links > MOST_LINKS {
                    return None;
                }
                if target.is_absolute() {
                    found = PathBuf::new();
                }
                pending.extend(components(&target));
            }
            Err(_) => found = next,
        }
    }
    let file = root.join(found);
    file.is_file().then_some(file)
}

/// The last one first.
fn components(path: &Path) -> Vec<PathBuf> {
    let kept = path.components().filter(|c| matches!(c, Component::Normal(_) | Component::ParentDir));
    let mut parts: Vec<PathBuf> = kept.map(|c| PathBuf::from(c.as_os_str())).collect();
    parts.reverse();
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_stay_below_the_root() {
        let root = tempfile::tempdir().unwrap();
        let path = |p: &str| root.path().join(p);
        std::fs::create_dir_all(path("usr/lib/x")).unwrap();
        std::fs::write(path("usr/lib/x/real"), "").unwrap();
        symlink("usr/lib", path("lib")).unwrap();
        symlink("/lib/x/real", path("usr/lib/absolute")).unwrap();
        symlink("../lib/x/real", path("usr/lib/relative")).unwrap();
        symlink("circle", path("usr/lib/circle")).unwrap();
        symlink("/../../../../lib/x", path("usr/lib/up")).unwrap();
        for name in ["lib/x/real", "/lib/absolute", "lib/relative", "lib/up/real"] {
            assert_eq!(resolve(root.path(), Path::new(name)), Some(path("usr/lib/x/real")), "{name}");
        }
        for name in ["lib/circle", "lib/none", "lib/x"] {
            assert_eq!(resolve(root.path(), Path::new(name)), None, "{name}");
        }
    }
}
