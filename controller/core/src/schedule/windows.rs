//! When machines are not to be had, or only by somebody: drains that are announced or have an end, and reservations.

use super::shape::{Class, Shape};
use crate::calendar::Window;
use std::sync::Arc;

/// The windows of each class. Machines that are alike have the same.
#[derive(Clone, Debug, Default)]
pub struct Windows(Arc<Vec<Vec<Window>>>);

impl Windows {
    /// These, by class. Classes that are left out at the end have none.
    #[must_use]
    pub fn new(by_class: Vec<Vec<Window>>) -> Self {
        let any = by_class.iter().any(|windows| !windows.is_empty());
        Self(Arc::new(if any { by_class } else { Vec::new() }))
    }

    /// True if any class has one.
    pub(super) fn any(&self) -> bool {
        !self.0.is_empty()
    }

    /// True if this class has one.
    pub(super) fn concern(&self, class: Class) -> bool {
        self.0.get(class).is_some_and(|windows| !windows.is_empty())
    }

    /// Leaves of these counts what such a group may have from `start` until just before `end`.
    pub(super) fn restrict(&self, shape: &Shape, free: &mut [u32], start: u64, end: u64) {
        for (free, windows) in free.iter_mut().zip(self.0.iter()) {
            if *free > 0 && !is_open(windows, shape, start, end) {
                *free = 0;
            }
        }
        // Classes without windows are nobody's reservation.
        if shape.reservation().is_some() {
            free.iter_mut().skip(self.0.len()).for_each(|free| *free = 0);
        }
    }

    /// The next moment after `at` at which one begins or ends that matters to such a group.
    pub(super) fn next_edge(&self, shape: &Shape, at: u64) -> Option<u64> {
        let useful = self.0.iter().enumerate().filter(|(class, _)| shape.could_use(*class));
        useful.flat_map(|(_, windows)| windows).filter_map(|window| window.next_edge(at)).min()
    }
}

fn is_open(windows: &[Window], shape: &Shape, start: u64, end: u64) -> bool {
    let own = |window: &&Window| window.reserved.is_some() && window.reserved == shape.reservation();
    let closed = windows.iter().filter(|window| !own(window)).any(|window| window.meets(start, end));
    let in_own = || windows.iter().filter(own).any(|window| window.contains(start, end));
    !closed && (shape.reservation().is_none() || in_own())
}
