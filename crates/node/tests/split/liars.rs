//! Providers that send something else than they should. The requester says what was wrong, its state
//! stays where it was, and it goes on with another provider to the same end.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use std::time::Duration;

use assay_crypto::{Digest, PublicKey};
use assay_node::split::{Closing, SplitError, Terms, Why};
use assay_node::transport::{BoxFuture, Channel, Conversation, Host, Refused, Transport};
use assay_split::Side;
use assay_split::wire::Message;

use crate::lab::{Lab, STEPS};

/// What goes out in place of answer number `n`, given those that were due before it and the number of
/// answers in a step; `None` hangs up.
type Lie = fn(n: usize, answer: Vec<u8>, before: &[Vec<u8>], step: usize) -> Option<Vec<Vec<u8>>>;

struct Liar {
    lab: Arc<Lab>,
    lie: Lie,
    /// Sessions in which it lies; honest after these.
    lies: AtomicUsize,
    agreed: Option<Digest>,
}

impl Liar {
    fn node(lab: &Arc<Lab>, lie: Lie, lies: usize) -> Transport {
        let liar = Self {
            lab: lab.clone(),
            lie,
            lies: AtomicUsize::new(lies),
            agreed: None,
        };
        lab.node_of(1, Arc::new(liar))
    }
}

impl Host<Terms> for Liar {
    fn open(
        &self,
        _: PublicKey,
        terms: Terms,
    ) -> BoxFuture<'_, Result<(Digest, Conversation), Refused>> {
        let lies = self.lies.load(Ordering::SeqCst);
        self.lies.store(lies.saturating_sub(1), Ordering::SeqCst);
        let honest: Lie = |_, answer, _, _| Some(vec![answer]);
        let (lab, lie) = (self.lab.clone(), if lies > 0 { self.lie } else { honest });
        Box::pin(async move {
            let agreed = self.agreed.unwrap_or(terms.digest());
            let talk: Conversation = Box::new(move |channel| Box::pin(talk(channel, lab, lie)));
            Ok((agreed, talk))
        })
    }
}

async fn talk(mut channel: Channel, lab: Arc<Lab>, lie: Lie) {
    let (long, most) = (Duration::from_secs(60), 1 << 30);
    let step = lab.split.received_by(Side::Requester).len();
    let mut party = lab.party();
    let mut before = Vec::new();
    while let Ok(bytes) = channel.receiver.receive(most, long).await {
        for answer in party.receive(&bytes).unwrap_or_default() {
            let Some(instead) = lie(before.len(), answer.clone(), &before, step) else {
                return;
            };
            before.push(answer);
            for message in instead {
                if channel.sender.send(&message, most, long).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Changes answer number 4 only.
fn fifth(n: usize, answer: Vec<u8>, change: impl FnOnce(&mut Vec<u8>)) -> Option<Vec<Vec<u8>>> {
    let mut answer = answer;
    if n == 4 {
        change(&mut answer);
    }
    Some(vec![answer])
}

const LIES: [(&str, Lie, &str); 11] = [
    (
        "fewer bytes than announced",
        |n, a, _, _| fifth(n, a, |a| a.truncate(a.len() - 4)),
        "the header announces",
    ),
    (
        "more bytes than announced",
        |n, a, _, _| fifth(n, a, |a| a.push(0)),
        "the header announces",
    ),
    (
        "another length, announced",
        |n, a, _, _| {
            fifth(n, a, |a| {
                a.truncate(assay_split::wire::HEADER + 8);
                a[20..24].copy_from_slice(&2u32.to_le_bytes());
            })
        },
        "the tensor has 2 values instead of",
    ),
    (
        "not a number",
        |n, a, _, _| fifth(n, a, |a| a[28..32].copy_from_slice(&f32::NAN.to_le_bytes())),
        "value 1 of the message is a NaN or infinity",
    ),
    (
        "an answer twice",
        |n, a, before, _| {
            let again = (n == 4).then(|| before[3].clone());
            Some(again.into_iter().chain([a]).collect())
        },
        "comes next",
    ),
    (
        "answers out of order",
        |n, a, before, _| match n {
            0 => Some(vec![]),
            1 => Some(vec![a, before[0].clone()]),
            _ => Some(vec![a]),
        },
        "comes next",
    ),
    (
        "an answer of the step before",
        |n, a, before, step| match n == step {
            true => Some(vec![before[0].clone()]),
            false => Some(vec![a]),
        },
        "belongs to exchange 0, and this is exchange 1",
    ),
    (
        "an answer of the step after",
        |n, a, _, _| fifth(n, a, |a| a[8] = 1),
        "belongs to exchange 1, and this is exchange 0",
    ),
    (
        "something else",
        |n, a, _, _| fifth(n, a, |a| a.fill(b'x')),
        "no message of the split protocol",
    ),
    (
        "abandoned without a reason",
        |n, a, _, _| fifth(n, a, |a| *a = Message::Abandon { exchange: 0 }.encode()),
        "comes from the wrong party",
    ),
    (
        "last words that are none",
        |n, a, _, _| fifth(n, a, |a| a[..4].copy_from_slice(b"ASPX")),
        "the last message of the session is malformed",
    ),
];

#[test]
fn every_lie_is_named_and_costs_nothing_but_another_provider() {
    let lab = Lab::new();
    let (expected, honest) = (lab.expected(), lab.honest(2));
    for (name, lie, reason) in LIES {
        let dir = tempfile::tempdir().unwrap();
        let liar = Liar::node(&lab, lie, usize::MAX);
        let error = lab.train(&[&liar], dir.path()).unwrap_err();
        let text = assay_api::told(&error);
        assert!(error.is_untrue() && !error.is_transient(), "{name}: {text}");
        assert!(text.contains(reason), "{name}: {text:?} lacks {reason:?}");
        assert!(text.contains(&liar.id().to_string()), "{name}: {text}");
        let trained = lab.train(&[&honest], dir.path()).unwrap();
        assert_eq!(trained.state_digest, expected, "{name}");
        lab.runtime.block_on(liar.close());
    }
}

#[test]
fn a_message_over_the_agreed_length_is_not_taken_in() {
    let lab = Lab::new();
    let dir = tempfile::tempdir().unwrap();
    let liar = Liar::node(
        &lab,
        |n, a, _, _| fifth(n, a, |a| a.resize(8 << 20, 0)),
        usize::MAX,
    );
    let error = lab.train(&[&liar], dir.path()).unwrap_err();
    assert!(error.is_untrue(), "{error}");
    let text = assay_api::told(&error);
    assert!(text.contains("the message has 8388608 bytes"), "{text}");
}

#[test]
fn sessions_that_break_are_opened_again_and_the_bits_stay() {
    let lab = Lab::new();
    let hang_up: Lie = |n, a, _, step| (n < step + 5).then(|| vec![a]);
    let dir = tempfile::tempdir().unwrap();
    let flaky = Liar::node(&lab, hang_up, 3);
    let trained = lab.train(&[&flaky], dir.path()).unwrap();
    assert_eq!(trained.state_digest, lab.expected());
    assert_eq!(trained.exchanged, STEPS);
    assert_eq!(trained.counted, trained.formula);
    assert!(trained.wasted.sent > 0);
}

#[test]
fn silence_is_waited_for_and_then_reported() {
    let lab = Lab::new();
    let dir = tempfile::tempdir().unwrap();
    let silent: Lie = |n, a, _, _| Some(if n < 4 { vec![a] } else { vec![] });
    let node = Liar::node(&lab, silent, usize::MAX);
    let error = lab.train(&[&node], dir.path()).unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert!(
        assay_api::told(&error).contains("was silent for"),
        "{error}"
    );
}

#[test]
fn a_step_that_a_provider_declares_without_number_is_counted_as_skipped() {
    let lab = Lab::new();
    let dir = tempfile::tempdir().unwrap();
    let skip: Lie = |n, a, _, _| {
        fifth(n, a, |a| {
            *a = Closing::new(Why::NotFinite, "no number").encode()
        })
    };
    let node = Liar::node(&lab, skip, 1);
    let trained = lab.train(&[&node], dir.path()).unwrap();
    assert_eq!((trained.skipped, trained.exchanged), (1, STEPS - 1));
    assert_ne!(trained.state_digest, lab.expected());
}

#[test]
fn a_provider_that_agrees_to_other_terms_is_left() {
    let lab = Lab::new();
    let dir = tempfile::tempdir().unwrap();
    let liar = Liar {
        lab: lab.clone(),
        lie: |_, a, _, _| Some(vec![a]),
        lies: AtomicUsize::new(0),
        agreed: Some(Digest::ZERO),
    };
    let node = lab.node_of(1, Arc::new(liar));
    let error = lab.train(&[&node], dir.path()).unwrap_err();
    assert!(matches!(error, SplitError::NotAgreed { .. }), "{error}");
    assert!(error.is_untrue());
}
