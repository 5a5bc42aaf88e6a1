//! Bounds on how much of the server its peers can hold at a time.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Counts what is in progress, in all and for each address. Clones count together.
#[derive(Clone, Debug)]
pub(crate) struct Admission(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    total: usize,
    per_address: usize,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    total: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// Leave to hold something; given back when dropped.
#[derive(Debug)]
pub(crate) struct Pass {
    inner: Arc<Inner>,
    address: IpAddr,
}

impl Admission {
    /// Admits `total` at a time, and no more than `per_address` of one address.
    pub(crate) fn new(total: usize, per_address: usize) -> Self {
        Self(Arc::new(Inner { total, per_address, counts: Mutex::default() }))
    }

    /// `None` if a bound is reached.
    pub(crate) fn enter(&self, address: IpAddr) -> Option<Pass> {
        let mut counts = self.0.counts();
        let of_address = counts.by_address.get(&address).copied().unwrap_or(0);
        if counts.total >= self.0.total || of_address >= self.0.per_address {
            return None;
        }
        counts.total += 1;
        counts.by_address.insert(address, of_address + 1);
        Some(Pass { inner: self.0.clone(), address })
    }
}

impl Inner {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut counts = self.inner.counts();
        counts.total = counts.total.saturating_sub(1);
        if let Some(of_address) = counts.by_address.get_mut(&self.address) {
            *of_address = of_address.saturating_sub(1);
            if *of_address == 0 {
                counts.by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_bounds_hold_and_what_is_dropped_makes_room() {
        let [a, b, c] = [1, 2, 3].map(|host| IpAddr::from([10, 0, 0, host]));
        let admission = Admission::new(3, 2);
        let first = admission.enter(a).unwrap();
        let second = admission.enter(a).unwrap();
        assert!(admission.enter(a).is_none(), "more than two of one address");
        let _third = admission.enter(b).unwrap();
        assert!(admission.enter(c).is_none(), "more than three in all");
        drop(first);
        let _fourth = admission.enter(c).unwrap();
        drop(second);
        assert!(admission.0.counts().by_address.len() <= 2, "addresses without anything are forgotten");
    }
}
