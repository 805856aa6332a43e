//! Sends bytes that are nothing on every channel, and its own messages with a bit flipped.

use assay_chain::validator::{Identity, Member};
use assay_crypto::Digest;
use assay_crypto::stream::Stream;

use crate::liars::{Channel, Said, Tongue};

/// Longest message of nothing, in bytes.
const LONGEST: u64 = 600;

pub(super) struct Garbage {
    others: Vec<Identity>,
    random: Stream,
}

impl Garbage {
    pub(super) fn new(member: &Member, names: &[Identity], seed: u64) -> Self {
        let me = member.identity();
        let key = Digest::of("assay/sim/v1", &[&member.account().0]);
        Self {
            others: names.iter().filter(|name| *name != me).cloned().collect(),
            random: Stream::new(key, "garbage", seed),
        }
    }

    fn nothing(&mut self) -> Vec<u8> {
        let length = self.random.below(LONGEST) as usize;
        let mut bytes = vec![0; length];
        self.random.fill(&mut bytes);
        bytes
    }
}

impl Tongue for Garbage {
    fn say(&mut self, said: Said) -> Vec<Said> {
        let mut bytes = said.bytes.as_ref().to_vec();
        let at = self.random.below(bytes.len() as u64 * 8) as usize;
        if let Some(byte) = bytes.get_mut(at / 8) {
            *byte ^= 1 << (at % 8);
        }
        let flipped = Said {
            bytes: bytes.into(),
            ..said.clone()
        };
        vec![flipped, said]
    }

    fn speaks_unasked(&self) -> bool {
        true
    }

    fn tick(&mut self) -> Vec<Said> {
        Channel::ALL
            .map(|channel| Said {
                channel,
                to: self.others.clone(),
                bytes: self.nothing().into(),
            })
            .into()
    }
}
