//! A map that remembers which of its rows were touched, so that exactly those are stored.

use serde::{Serialize, Serializer};
use std::collections::{BTreeMap, BTreeSet};

/// Rows by id.
#[derive(Clone, Debug)]
pub struct Table<K, V> {
    rows: BTreeMap<K, V>,
    touched: BTreeSet<K>,
    unread: Unread<K>,
}

/// The rows that were changed or put in place since somebody last looked.
#[derive(Clone, Debug)]
pub(crate) enum News<K> {
    /// Any of them.
    All,
    /// These.
    Of(BTreeSet<K>),
}

/// Of more than so many rows it is not remembered which: looking at all is no more work then.
const MOST_NEWS: usize = 4096;

/// What each of those who follow the rows has not looked at yet.
#[derive(Clone, Debug)]
struct Unread<K> {
    scheduler: News<K>,
    inrush: News<K>,
    unused: News<K>,
}

impl<K: Ord + Copy> Unread<K> {
    fn add(&mut self, key: K) {
        self.scheduler.add(key);
        self.inrush.add(key);
        self.unused.add(key);
    }
}

impl<K: Ord> News<K> {
    const fn take(&mut self) -> Self {
        std::mem::replace(self, Self::Of(BTreeSet::new()))
    }

    fn add(&mut self, key: K) {
        if let Self::Of(keys) = self {
            keys.insert(key);
            if keys.len() > MOST_NEWS {
                *self = Self::All;
            }
        }
    }
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self {
            rows: BTreeMap::new(),
            touched: BTreeSet::new(),
            unread: Unread { scheduler: News::All, inrush: News::All, unused: News::All },
        }
    }
}

impl<K: Ord + Copy, V> Table<K, V> {
    /// The row, for reading.
    #[must_use]
    pub fn get(&self, key: K) -> Option<&V> {
        self.rows.get(&key)
    }

    /// All rows, by id.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &V> {
        self.rows.values()
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// True if there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The row, for change; it counts as touched.
    pub(crate) fn get_mut(&mut self, key: K) -> Option<&mut V> {
        let row = self.rows.get_mut(&key);
        if row.is_some() {
            self.touched.insert(key);
            self.unread.add(key);
        }
        row
    }

    pub(crate) fn insert(&mut self, key: K, row: V) {
        self.rows.insert(key, row);
        self.touched.insert(key);
        self.unread.add(key);
    }

    pub(crate) fn remove(&mut self, key: K) -> Option<V> {
        let row = self.rows.remove(&key);
        if row.is_some() {
            self.touched.insert(key);
            self.unread.add(key);
        }
        row
    }

    /// Puts a stored row in place: it does not count as touched.
    pub(crate) fn restore(&mut self, key: K, row: V) {
        self.rows.insert(key, row);
        self.unread.add(key);
    }

    /// Takes away a row that is gone from the store.
    pub(crate) fn forget(&mut self, key: K) -> Option<V> {
        self.unread.add(key);
        self.rows.remove(&key)
    }

    /// The ids touched since the last call.
    pub(crate) fn take_touched(&mut self) -> BTreeSet<K> {
        std::mem::take(&mut self.touched)
    }

    /// What is new since the scheduler asked last.
    pub(crate) const fn take_news(&mut self) -> News<K> {
        self.unread.scheduler.take()
    }

    /// What is new since the last look at who is starting.
    pub(crate) const fn take_inrush_news(&mut self) -> News<K> {
        self.unread.inrush.take()
    }

    /// What is new since the last look at who is unused.
    pub(crate) const fn take_unused_news(&mut self) -> News<K> {
        self.unread.unused.take()
    }
}

/// Rows only: two tables are the same state if their rows are.
impl<K: Serialize, V: Serialize> Serialize for Table<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.rows.values())
    }
}
