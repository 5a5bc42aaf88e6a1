//! What an agent remembers of the leadership when its system starts anew: a controller that was replaced before is not
//! obeyed after a restart either.

use crate::atomic;
use crate::url::ControllerUrl;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// What was heard last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Heard {
    /// The highest epoch.
    pub(crate) epoch: u64,
    /// Where the controllers are, the leader first.
    pub(crate) controllers: Vec<ControllerUrl>,
}

/// A file with it.
#[derive(Debug)]
pub(crate) struct Memory {
    path: PathBuf,
    heard: Heard,
}

impl Memory {
    /// Reads it. Better nothing than no agent.
    pub(crate) fn load(spool: &Path) -> Self {
        let path = spool.join("leadership.json");
        let heard = std::fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Self { path, heard: heard.unwrap_or_default() }
    }

    /// What was heard last.
    pub(crate) const fn heard(&self) -> &Heard {
        &self.heard
    }

    /// Writes it, if it is new.
    pub(crate) fn keep(&mut self, heard: Heard) {
        if heard == self.heard {
            return;
        }
        let written =
            serde_json::to_vec(&heard).map_err(Into::into).and_then(|json| atomic::write(&self.path, &json));
        match written {
            Ok(()) => self.heard = heard,
            Err(error) => tracing::warn!("cannot remember which controller leads: {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_heard_is_there_after_a_restart() {
        let spool = tempfile::tempdir().unwrap();
        assert_eq!(*Memory::load(spool.path()).heard(), Heard::default());
        let heard = Heard { epoch: 7, controllers: vec!["https://192.0.2.1:7443".parse().unwrap()] };
        Memory::load(spool.path()).keep(heard.clone());
        assert_eq!(*Memory::load(spool.path()).heard(), heard);
        std::fs::write(spool.path().join("leadership.json"), "{").unwrap();
        assert_eq!(*Memory::load(spool.path()).heard(), Heard::default(), "what makes no sense is nothing");
    }
}
