//! A disk, and a store on it that fails in every way that a store can.

use hostler_core::time::Timing;
use hostler_core::world::{Change, World};
use hostler_store::{Batch, BatchNumber, Loaded, Store, StoreError};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Longer than clients take to ask.
const HANG: Duration = Duration::from_millis(2);

/// What is on the disk, and what becomes of those who use it.
pub(super) struct Disk {
    pub(super) rows: Vec<Change>,
    pub(super) last: BatchNumber,
    pub(super) dice: u64,
    /// The machine has lost its power: this controller reads and writes nothing more.
    pub(super) is_off: bool,
    /// How often it is not there yet when somebody asks.
    pub(super) away: u64,
    pub(super) fates: Fates,
}

/// What commits came to, and how many.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fates {
    pub(super) stores: u64,
    pub(super) written: u64,
    pub(super) failed: u64,
    pub(super) hung: u64,
    /// The connection was: whether it was written is not known.
    pub(super) cut: u64,
    pub(super) lost_power: u64,
}

impl Fates {
    pub(super) const fn add(&mut self, other: Self) {
        self.stores += other.stores;
        self.written += other.written;
        self.failed += other.failed;
        self.hung += other.hung;
        self.cut += other.cut;
        self.lost_power += other.lost_power;
    }
}

impl Disk {
    /// One with these rows on it, and a seed that decides what becomes of it.
    pub(super) fn new(rows: Vec<Change>, seed: u64) -> Self {
        let fates = Fates { stores: 1, ..Fates::default() };
        Self { rows, last: BatchNumber::default(), dice: seed, is_off: false, away: 0, fates }
    }

    /// Less than `sides`; the same for the same seed.
    fn roll(&mut self, sides: u64) -> u64 {
        self.dice = self.dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.dice >> 33) % sides
    }

    fn write(&mut self, batch: &Batch) {
        assert!(batch.number > self.last, "{:?} after {:?}", batch.number, self.last);
        self.fates.written += 1;
        self.rows.extend(batch.changes.iter().cloned());
        self.last = batch.number;
    }

    pub(super) fn world(&self) -> World {
        let mut world = World::new(Timing::default());
        world.restore(self.rows.iter().cloned());
        world
    }
}

#[derive(Clone)]
pub(super) struct Simulated(pub(super) Arc<Mutex<Disk>>);

fn off() -> StoreError {
    StoreError::Database("no power".into())
}

fn cut() -> StoreError {
    StoreError::Unavailable { store: "the store".into(), source: "cut off".into() }
}

impl Store for Simulated {
    fn claim(&mut self) -> Result<u64, StoreError> {
        let mut disk = self.0.lock().unwrap();
        (disk.is_off, disk.away) = (false, 0);
        disk.last = BatchNumber { epoch: disk.last.epoch + 1, batch: 0 };
        Ok(disk.last.epoch)
    }

    fn load(&mut self) -> Result<Loaded, StoreError> {
        let mut disk = self.0.lock().unwrap();
        if disk.is_off {
            return Err(off());
        }
        if disk.away > 0 {
            disk.away -= 1;
            return Err(cut());
        }
        Ok(Loaded { changes: disk.rows.clone(), last: disk.last })
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let mut disk = self.0.lock().unwrap();
        if disk.is_off {
            return Err(off());
        }
        let fate = disk.roll(14);
        if matches!(fate, 5 | 6) {
            // It hangs: meanwhile others come and wait.
            disk.fates.hung += 1;
            drop(disk);
            std::thread::sleep(HANG);
            disk = self.0.lock().unwrap();
        }
        // Both a loss of the connection and of power may come before or after the transaction.
        if !matches!(fate, 0 | 2 | 4 | 6) {
            disk.write(batch);
        }
        match fate {
            0 => {
                disk.fates.failed += 1;
                Err(StoreError::Database("a constraint".into()))
            }
            1 | 2 | 6 => {
                disk.fates.cut += 1;
                disk.away = disk.roll(4);
                Err(cut())
            }
            3 | 4 => {
                disk.fates.lost_power += 1;
                disk.is_off = true;
                Err(off())
            }
            _ => Ok(()),
        }
    }
}
