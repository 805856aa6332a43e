//! Requesters that a provider must survive: strangers, garbage, terms that do not fit, hoarders.

use std::{collections::BTreeSet, path::Path, sync::Arc, time::Duration};

use assay_crypto::{Digest, SecretKey};
use assay_node::split::{Allowed, Closing, Held, Mode, SplitLimits, Terms, Why};
use assay_node::transport::{Channel, Refusal, RequestError, Transport};
use assay_split::wire::Message;

use crate::lab::{Lab, STEPS};

const LONG: Duration = Duration::from_secs(20);

struct Asker {
    lab: Arc<Lab>,
    own: Transport,
    provider: Transport,
}

impl Asker {
    fn new(limits: SplitLimits, allowed: Allowed) -> Self {
        let lab = Lab::new();
        let provider = Arc::new(lab.provider(limits, allowed));
        let own = lab.node_of(5, provider.clone());
        let provider = lab.node(6, provider.clone(), provider);
        own.book().set(provider.id(), [provider.address()]);
        Self { lab, own, provider }
    }

    fn usual() -> Self {
        Self::new(SplitLimits::default(), Allowed::Anyone)
    }

    fn open(&self, terms: &Terms) -> Result<Channel, RequestError> {
        let opened = self.own.open(self.provider.id(), terms);
        let (agreed, channel) = self.lab.runtime.block_on(opened)?;
        assert_eq!(agreed, terms.digest());
        Ok(channel)
    }

    /// Sends messages and returns the last words.
    fn closing(&self, mut channel: Channel, messages: &[Vec<u8>]) -> Closing {
        self.lab.runtime.block_on(async {
            for message in messages {
                channel.sender.send(message, 1 << 30, LONG).await.unwrap();
            }
            loop {
                let bytes = channel.receiver.receive(1 << 30, LONG).await.unwrap();
                if Closing::is(&bytes) {
                    return Closing::decode(&bytes).unwrap();
                }
            }
        })
    }

    /// The provider is as it was.
    fn still_serves(&self, dir: &Path) {
        let trained = self.lab.train(&[&self.provider], dir).unwrap();
        assert_eq!(trained.state_digest, self.lab.expected());
        assert_eq!(trained.counted, trained.formula);
    }

    fn first_message(&self) -> Vec<u8> {
        let tensor = self.lab.split.received_by(assay_split::Side::Provider)[0];
        let values = self.lab.split.graph().tensor(tensor).values();
        let message = Message::Values {
            exchange: 0,
            tensor: tensor.0,
            values: vec![0.5; values],
        };
        message.encode()
    }
}

fn refused(result: Result<Channel, RequestError>) -> (Refusal, String) {
    match result {
        Err(RequestError::Refused {
            refusal, reason, ..
        }) => (refusal, reason),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_stranger_is_turned_away_by_name() {
    let friend = SecretKey::from_seed([99; 32]).public();
    let allowed = Allowed::Accounts(BTreeSet::from([friend]));
    let asker = Asker::new(SplitLimits::default(), allowed);
    let (refusal, reason) = refused(asker.open(&asker.lab.terms));
    assert_eq!(refusal, Refusal::NotAllowed);
    assert!(reason.contains(&asker.own.id().to_string()), "{reason}");
    // The one who is on the list is served.
    asker.still_serves(tempfile::tempdir().unwrap().path());
}

#[test]
fn terms_that_do_not_fit_are_refused_with_the_reason() {
    let asker = Asker::usual();
    let good = asker.lab.terms.clone();
    let plain = |change: fn(&mut u32, &mut u32, &mut u8, &mut Digest)| {
        let mut terms = good.clone();
        if let Mode::Plain {
            r,
            lora_alpha,
            targets,
            plan,
            ..
        } = &mut terms.mode
        {
            change(r, lora_alpha, targets, plan);
        }
        terms
    };
    let other = |change: fn(&mut Terms)| {
        let mut terms = good.clone();
        change(&mut terms);
        terms
    };
    for (terms, expected) in [
        (other(|t| t.kernel_spec += 1), "of the kernel specification"),
        (
            other(|t| t.base = Digest::ZERO),
            "both sides need the same model",
        ),
        (other(|t| t.held = Held::Int8), "in float32"),
        (
            other(|t| t.longest_message += 4),
            "you announce messages of up to",
        ),
        (other(|t| t.seq = 32), "plan different steps"),
        (other(|t| t.checkpointing = true), "plan different steps"),
        (other(|t| t.rounded = true), "plan different steps"),
        (other(|t| t.batch = 4096), "plan different steps"),
        (
            other(|t| t.mode = Mode::Masked { provider: 2 }),
            "the provider's number is 2",
        ),
        (
            other(|t| t.mode = Mode::Masked { provider: 0 }),
            "you announce messages of up to",
        ),
        (plain(|r, _, _, _| *r = 0), "no settings of PrivateLoRA"),
        (plain(|r, _, _, _| *r = 4), "plan different steps"),
        (plain(|_, alpha, _, _| *alpha = 32), "plan different steps"),
        (
            plain(|_, _, targets, _| *targets = 0),
            "no settings of PrivateLoRA",
        ),
        (
            plain(|_, _, targets, _| *targets = 0xff),
            "plan different steps",
        ),
        (
            plain(|_, _, _, plan| *plan = Digest::ZERO),
            "plan different steps",
        ),
    ] {
        let (refusal, reason) = refused(asker.open(&terms));
        assert_eq!(refusal, Refusal::Invalid, "{reason}");
        assert!(reason.contains(expected), "{reason:?} lacks {expected:?}");
    }
    asker.still_serves(tempfile::tempdir().unwrap().path());
}

#[test]
fn garbage_ends_its_own_session_and_no_other() {
    let asker = Asker::usual();
    let first = asker.first_message();
    let mut not_a_number = first.clone();
    not_a_number[24..28].copy_from_slice(&f32::INFINITY.to_le_bytes());
    let mut early = first.clone();
    early[16] ^= 1;
    for (messages, expected) in [
        (vec![vec![7; 100]], "no message of the split protocol"),
        (vec![vec![]], "shorter than its header"),
        (
            vec![first[..first.len() - 4].to_vec()],
            "the header announces",
        ),
        (vec![not_a_number], "is a NaN or infinity"),
        (vec![early], "comes next"),
        (vec![first.clone(), first.clone()], "comes next"),
        (vec![vec![0; 1 << 20]], "the message has 1048576 bytes"),
    ] {
        let channel = asker.open(&asker.lab.terms).unwrap();
        let closing = asker.closing(channel, &messages);
        assert_eq!(closing.why, Why::Refused, "{}", closing.text);
        assert!(
            closing.text.contains(expected),
            "{:?} lacks {expected:?}",
            closing.text
        );
    }
    asker.still_serves(tempfile::tempdir().unwrap().path());
}

#[test]
fn a_session_has_the_agreed_steps_and_no_more() {
    let asker = Asker::usual();
    let terms = Terms {
        steps: 1,
        ..asker.lab.terms.clone()
    };
    let channel = asker.open(&terms).unwrap();
    let abandon = |exchange| Message::Abandon { exchange }.encode();
    let most = asker
        .lab
        .split
        .received_by(assay_split::Side::Provider)
        .len() as u64;
    let messages: Vec<_> = (0..=most).map(abandon).collect();
    let closing = asker.closing(channel, &messages);
    assert_eq!(closing.why, Why::Refused);
    assert!(
        closing.text.contains("every step that was agreed on"),
        "{}",
        closing.text
    );
}

#[test]
fn sessions_are_limited_and_silence_frees_them() {
    let limits = SplitLimits {
        sessions: 2,
        idle_timeout: Duration::from_millis(500),
        ..SplitLimits::default()
    };
    let asker = Asker::new(limits, Allowed::Anyone);
    let held = [(); 2].map(|()| asker.open(&asker.lab.terms).unwrap());
    let (refusal, reason) = refused(asker.open(&asker.lab.terms));
    assert_eq!(refusal, Refusal::Busy);
    assert!(reason.contains("all 2 sessions are taken"), "{reason}");
    for channel in held {
        let closing = asker.closing(channel, &[]);
        assert_eq!(closing.why, Why::Silence, "{}", closing.text);
    }
    // Whoever asks again in time is served: "busy" is waited for.
    asker.still_serves(tempfile::tempdir().unwrap().path());
    assert_eq!(asker.lab.terms.steps, STEPS);
}

#[test]
fn memory_and_messages_are_bounded_before_anything_is_made() {
    let asker = Asker::new(
        SplitLimits {
            step_memory: 1 << 20,
            ..SplitLimits::default()
        },
        Allowed::Anyone,
    );
    let (_, reason) = refused(asker.open(&asker.lab.terms));
    assert!(reason.contains("this provider allows 1048576"), "{reason}");
    let asker = Asker::new(
        SplitLimits {
            longest_message: 1000,
            ..SplitLimits::default()
        },
        Allowed::Anyone,
    );
    let (_, reason) = refused(asker.open(&asker.lab.terms));
    assert!(reason.contains("sends messages of"), "{reason}");
}
