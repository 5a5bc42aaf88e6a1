//! The search for devices, as those see it who wait for its end.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Whether drivers for what is there have been loaded. Copies are of the same search.
#[derive(Clone, Debug)]
pub struct Search(Arc<Mutex<Progress>>);

#[derive(Debug)]
enum Progress {
    /// What is heard of it first is how it came out.
    Going(Receiver<io::Result<()>>),
    Quiet,
    Ended(String),
}

/// Devices may be there that nobody knows of.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the search for devices has ended before all were found: {0}")]
pub struct SearchEnded(String);

impl Search {
    /// A search, and where it says how it came out. If that is dropped without a word, the search has failed.
    pub(in crate::linux) fn new() -> (Sender<io::Result<()>>, Self) {
        let (told, hears) = channel();
        (told, Self(Arc::new(Mutex::new(Progress::Going(hears)))))
    }

    /// Waits until all is quiet, but not longer than `bound`; true if it is.
    ///
    /// # Errors
    /// If the search is over without that.
    pub fn wait(&self, bound: Duration) -> Result<bool, SearchEnded> {
        let mut progress = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Progress::Going(hears) = &*progress {
            *progress = match hears.recv_timeout(bound) {
                Ok(Ok(())) => Progress::Quiet,
                Ok(Err(error)) => Progress::Ended(error.to_string()),
                Err(RecvTimeoutError::Disconnected) => {
                    Progress::Ended("the thread that loads drivers is gone".to_owned())
                }
                Err(RecvTimeoutError::Timeout) => return Ok(false),
            };
        }
        match &*progress {
            Progress::Ended(why) => Err(SearchEnded(why.clone())),
            Progress::Going(_) | Progress::Quiet => Ok(true),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(1);

    #[test]
    fn what_goes_on_and_what_has_failed_are_told_apart() {
        let (told, search) = Search::new();
        assert_eq!(search.wait(SOON), Ok(false));
        told.send(Ok(())).unwrap();
        drop(told);
        assert_eq!((search.wait(SOON), search.clone().wait(SOON)), (Ok(true), Ok(true)));

        let (told, search) = Search::new();
        told.send(Err(io::Error::other("no netlink"))).unwrap();
        let error = search.wait(SOON).unwrap_err().to_string();
        assert_eq!(error, "the search for devices has ended before all were found: no netlink");

        let (told, search) = Search::new();
        let thread = std::thread::spawn(move || {
            let _told = told;
            panic!("as a bug would");
        });
        assert!(thread.join().is_err());
        let expected =
            "the search for devices has ended before all were found: the thread that loads drivers is gone";
        assert_eq!(search.wait(Duration::MAX).unwrap_err().to_string(), expected);
        assert!(search.wait(SOON).is_err(), "it stays so");
    }
}
