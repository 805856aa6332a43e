//! What a machine is waiting for.

use std::collections::{BTreeMap, BTreeSet};

/// What a machine has asked for and not been answered, so that it asks once for each thing.
///
/// Time is counted in whatever says that the view has moved on, such as block heights.
#[derive(Debug)]
pub struct Requests<T, N> {
    open: BTreeSet<T>,
    /// What is not asked for again before this time has passed.
    rested: BTreeMap<T, N>,
}

impl<T, N> Default for Requests<T, N> {
    fn default() -> Self {
        Self {
            open: BTreeSet::new(),
            rested: BTreeMap::new(),
        }
    }
}

impl<T: Ord + Copy, N: Ord + Copy> Requests<T, N> {
    /// Whether to make this request now; marks it as made.
    pub fn ask(&mut self, tag: T, now: N) -> bool {
        if self.rested.get(&tag).is_some_and(|at| now <= *at) {
            return false;
        }
        self.rested.remove(&tag);
        self.open.insert(tag)
    }

    /// Takes an answer; false for one that nobody waits for.
    pub fn answered(&mut self, tag: &T) -> bool {
        self.open.remove(tag)
    }

    /// Lets a request rest until `now` has passed: what came of it shows in the next view at the
    /// earliest, and what failed is not tried again before.
    pub fn rest(&mut self, tag: T, now: N) {
        self.rested.insert(tag, now);
    }

    /// Takes back a request that was marked as made and then was not.
    pub fn withdraw(&mut self, tag: &T) {
        self.open.remove(tag);
    }

    /// Forgets all requests; late answers will be ignored.
    pub fn clear(&mut self) {
        self.open.clear();
        self.rested.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_made_once_and_again_only_after_its_rest() {
        let mut requests = Requests::default();
        assert!(requests.ask('a', 1));
        assert!(!requests.ask('a', 1) && !requests.ask('a', 9));
        assert!(requests.answered(&'a'));
        assert!(!requests.answered(&'a'), "an answer counts once");
        requests.rest('a', 9);
        assert!(!requests.ask('a', 9));
        assert!(requests.ask('a', 10));
        requests.withdraw(&'a');
        assert!(requests.ask('a', 10));
        requests.clear();
        assert!(!requests.answered(&'a'));
        assert!(requests.ask('a', 0));
    }
}
