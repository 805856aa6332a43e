//! How a node is: whether it works yet, what is in its way, and what ended it.
//!
//! A problem is raised under a topic and cleared when it is over; it goes to the log when it
//! begins and when it ends, and stands in `/v1/status` meanwhile. A failure ends the node: going
//! on without one of its parts would look like a node that works.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync::watch;
use tracing::{error, info, warn};

/// What a problem is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// No new blocks.
    Blocks,
    /// This machine's clock, or another validator's.
    Clock,
    /// Room on the disk.
    Disk,
    /// Open files.
    Files,
    /// What the ledger says of this node's address.
    Address,
    /// Roles that the ledger has and the configuration has not.
    Roles,
    /// Offers that the ledger and the configuration have differently.
    Offer,
}

impl Topic {
    /// The topic's name in logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Blocks => "blocks",
            Self::Clock => "clock",
            Self::Disk => "disk",
            Self::Files => "files",
            Self::Address => "address",
            Self::Roles => "roles",
            Self::Offer => "offer",
        }
    }

    /// The nodes of a devnet share a process and a disk: one of them says so.
    fn said(self) -> Option<&'static AtomicBool> {
        match self {
            Self::Files => Some(&FILES_SAID),
            Self::Disk => Some(&DISK_SAID),
            Self::Blocks | Self::Clock | Self::Address | Self::Roles | Self::Offer => None,
        }
    }
}

/// Whether a node of this process has said that its files, or its room, run out.
static FILES_SAID: AtomicBool = AtomicBool::new(false);
static DISK_SAID: AtomicBool = AtomicBool::new(false);

/// A node's state, shared by its parts.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    problems: Mutex<BTreeMap<Topic, String>>,
    failure: Mutex<Option<String>>,
    offered: AtomicBool,
    ready: watch::Sender<bool>,
}

impl Health {
    /// Notes a problem; says so in the log when it is new.
    pub fn raise(&self, topic: Topic, problem: impl Into<String>) {
        let problem = problem.into();
        let mut problems = lock(&self.0.problems);
        let said = topic
            .said()
            .is_some_and(|said| said.swap(true, Ordering::Relaxed));
        if !problems.contains_key(&topic) && !said {
            warn!(about = topic.name(), "{problem}");
        }
        problems.insert(topic, problem);
    }

    /// Notes that a problem is over.
    pub fn clear(&self, topic: Topic) {
        if lock(&self.0.problems).remove(&topic).is_some() {
            if let Some(said) = topic.said() {
                said.store(false, Ordering::Relaxed);
            }
            info!(about = topic.name(), "the problem is over");
        }
    }

    /// Ends the node; the first reason stays.
    pub fn fail(&self, reason: impl Into<String>) {
        let mut failure = lock(&self.0.failure);
        if failure.is_none() {
            let reason = reason.into();
            error!("this node stops: {reason}");
            *failure = Some(reason);
            self.0.ready.send_replace(false);
        }
    }

    /// Why the node has to end.
    pub fn failure(&self) -> Option<String> {
        lock(&self.0.failure).clone()
    }

    /// The failure, if there is one, and every problem.
    pub fn problems(&self) -> Vec<String> {
        let mut all: Vec<String> = self.failure().into_iter().collect();
        all.extend(lock(&self.0.problems).values().cloned());
        all
    }

    /// Notes that every role is offered on the ledger at the node's address.
    pub fn offered(&self) {
        self.0.offered.store(true, Ordering::Relaxed);
    }

    /// Whether every role is offered.
    pub fn is_offered(&self) -> bool {
        self.0.offered.load(Ordering::Relaxed)
    }

    /// Notes that the node does what it is for.
    pub fn works(&self) {
        let failed = lock(&self.0.failure).is_some();
        self.0.ready.send_if_modified(|ready| {
            let news = !*ready && !failed;
            *ready |= news;
            news
        });
    }

    /// Whether the node does what it is for.
    pub fn is_ready(&self) -> bool {
        *self.0.ready.borrow()
    }

    /// Waits until it does.
    pub async fn ready(&self) {
        // The sender lives as long as we do.
        let _ = self.0.ready.subscribe().wait_for(|ready| *ready).await;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_come_and_go_and_the_first_failure_stays() {
        let health = Health::default();
        assert!(health.problems().is_empty() && !health.is_ready());
        health.raise(Topic::Disk, "little room");
        health.raise(Topic::Disk, "less room");
        health.raise(Topic::Clock, "late");
        assert_eq!(health.problems(), ["late", "less room"]);
        health.clear(Topic::Disk);
        health.clear(Topic::Files);
        assert_eq!(health.problems(), ["late"]);
        health.works();
        assert!(health.is_ready());
        health.fail("the disk is full");
        health.fail("and then this");
        health.works();
        assert_eq!(health.failure().as_deref(), Some("the disk is full"));
        assert_eq!(health.problems(), ["the disk is full", "late"]);
        assert!(!health.is_ready(), "what has failed does not work");
    }
}
