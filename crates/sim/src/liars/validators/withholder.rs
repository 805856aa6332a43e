//! Takes part in everything but keeps one kind of message to itself: its votes, or its shares of the
//! beacons.

use crate::liars::{Channel, Said, Tongue};

pub(super) struct Withholder {
    keeps: Channel,
}

impl Withholder {
    /// Blocks come and certificates go on, but this validator's votes never count.
    pub(super) fn of_votes() -> Self {
        Self {
            keeps: Channel::Votes,
        }
    }

    /// Blocks are agreed on, but this validator never helps to draw.
    pub(super) fn of_beacons() -> Self {
        Self {
            keeps: Channel::Beacons,
        }
    }
}

impl Tongue for Withholder {
    fn say(&mut self, said: Said) -> Vec<Said> {
        match said.channel == self.keeps {
            true => Vec::new(),
            false => vec![said],
        }
    }
}
