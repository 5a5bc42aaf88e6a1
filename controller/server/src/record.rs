//! `--record` and `replay`: the same inputs lead to the same state, byte for byte, in the same version.

use anyhow::Context as _;
use hostler_core::input::Input;
use hostler_core::time::{Timestamp, Timing};
use hostler_core::world::World;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;

/// A file with one JSON line for each input that was stored. Passwords in it are sealed as in the store.
#[derive(Debug)]
pub(crate) struct Record(File);

impl Record {
    /// Appends to `path`, or makes it.
    pub(crate) fn create(path: &Path) -> anyhow::Result<Self> {
        let file = File::options().create(true).append(true).open(path);
        Ok(Self(file.with_context(|| format!("cannot write the record {}", path.display()))?))
    }

    pub(crate) fn append(&mut self, at: Timestamp, input: &Input) -> std::io::Result<()> {
        let mut line = serde_json::to_vec(&(at, input))?;
        line.push(b'\n');
        self.0.write_all(&line)
    }
}

/// The state that a record leads to, from an empty store on.
pub(crate) fn replay(path: &Path, timing: Timing) -> anyhow::Result<World> {
    let file = File::open(path).with_context(|| format!("cannot read the record {}", path.display()))?;
    let mut world = World::new(timing);
    for (line, number) in BufReader::new(file).lines().zip(1..) {
        let line = line.with_context(|| format!("cannot read the record {}", path.display()))?;
        let (at, input): (Timestamp, Input) = serde_json::from_str(&line)
            .with_context(|| format!("{}:{number} is no input", path.display()))?;
        // Refusals are part of history; nobody waits for the answer any more.
        let _ = world.apply(at, input);
    }
    world.take_changes();
    Ok(world)
}
