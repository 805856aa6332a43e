//! What a machine did, as one digest.

use assay_crypto::{Digest, Hasher, PublicKey};

/// The chain over every input that a machine acted on and what came of it.
///
/// ```text
/// h_0 = H(subject, account, H(seed))
/// h_j = H(h_{j-1}, input_j, output_j1, output_j2, ...)
/// ```
///
/// Whoever is given the seed and the inputs can run the machine again and compare the head, which
/// commits to every byte that it sent. Without them the head says nothing: the seed salts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transcript {
    steps: u64,
    head: Digest,
}

impl Transcript {
    /// The transcript of a machine of `account` that has done nothing yet.
    pub fn new(subject: &Digest, account: &PublicKey, seed: &[u8; 32]) -> Self {
        let salt = Digest::of("assay/transcript salt/v1", &[seed]);
        let parts: [&[u8]; 3] = [&subject.0, &account.0, &salt.0];
        Self {
            steps: 0,
            head: Digest::of("assay/transcript/v1", &parts),
        }
    }

    /// Adds one input and the outputs that came of it.
    pub fn step<'a>(&mut self, input: &[u8], outputs: impl IntoIterator<Item = &'a [u8]>) {
        let mut hasher = Hasher::new("assay/transcript step/v1");
        hasher.part(&self.head.0);
        hasher.part(input);
        outputs.into_iter().for_each(|output| hasher.part(output));
        self.head = hasher.finish();
        self.steps += 1;
    }

    /// How many inputs were acted on.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The digest after the last of them.
    pub fn head(&self) -> Digest {
        self.head
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(subject: u8, account: u8, seed: u8) -> Transcript {
        Transcript::new(
            &Digest([subject; 32]),
            &PublicKey([account; 32]),
            &[seed; 32],
        )
    }

    #[test]
    fn every_beginning_input_and_output_shows_in_the_head() {
        let step = |mut of: Transcript, input: &[u8], outputs: &[&[u8]]| {
            of.step(input, outputs.iter().copied());
            assert_eq!(of.steps(), 1);
            of.head()
        };
        let heads = [
            new(1, 2, 3).head(),
            new(9, 2, 3).head(),
            new(1, 9, 3).head(),
            new(1, 2, 9).head(),
            step(new(1, 2, 3), b"", &[]),
            step(new(1, 2, 3), b"a", &[]),
            step(new(1, 2, 3), b"", &[b"a"]),
            step(new(1, 2, 3), b"a", &[b"b", b"c"]),
            step(new(1, 2, 3), b"a", &[b"c", b"b"]),
            step(new(1, 2, 3), b"a", &[b"bc"]),
        ];
        for (i, head) in heads.iter().enumerate() {
            assert!(!heads[..i].contains(head), "{i}");
        }
    }

    #[test]
    fn the_chain_is_frozen() {
        let mut transcript = new(1, 2, 3);
        transcript.step(b"input", [&b"one"[..], b"two"]);
        assert_eq!(
            transcript.head().to_string(),
            "dd636b1163274a2f2b4a4a1129d8bf18b50f6734de2c3b7ff24e0528796260d0"
        );
    }
}
