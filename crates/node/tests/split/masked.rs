//! Masked sessions: the bits of the parties in one process, and providers that lie.

use std::{sync::Arc, time::Duration};

use assay_crypto::{Digest, PublicKey};
use assay_job::Course;
use assay_ledger::{StepIndex, Taken};
use assay_model::Purpose;
use assay_node::split::Terms;
use assay_node::transport::{BoxFuture, Channel, Conversation, Host, Refused, Transport};
use assay_proof::ProgramError;
use assay_split::Outcome;
use assay_split::masked::{MaskedProvider, MaskedRequester, Masker, step};

use crate::lab::{Lab, STEPS};

/// The digest that a masked run has in one process.
fn in_one_process(lab: &Lab) -> Digest {
    let mut course = Course::new(&lab.task).unwrap();
    let (kernel, base, shape) = (
        course.kernel().clone(),
        course.base().clone(),
        course.shape(),
    );
    let mut providers =
        [0, 1].map(|which| MaskedProvider::new(which, &base, shape.positions()).unwrap());
    let purpose = Purpose::Train(course.settings());
    let (state, masker) = (course.state().clone(), Masker::new([3; 32]));
    let mut requester =
        MaskedRequester::new(&kernel, &base, state, shape, purpose, masker).unwrap();
    for index in 1..=STEPS {
        let taken = course.advance(StepIndex(index), |state, batch, rate| {
            let (outcome, _) = step(&mut requester, &mut providers, batch, rate).unwrap();
            state.clone_from(requester.state());
            let Outcome::Trained(output) = outcome else {
                panic!("{outcome:?}");
            };
            Ok::<_, ProgramError>(Some(output))
        });
        assert_eq!(taken.unwrap().taken, Taken::Valid);
    }
    course.tiled().digest()
}

#[test]
fn three_nodes_compute_the_bits_of_the_parties_in_one_process() {
    let lab = Lab::new();
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (lab.honest(2), lab.honest(3));
    let trained = lab.train(&[&first, &second], dir.path()).unwrap();
    assert_eq!(trained.state_digest, in_one_process(&lab));
    assert_eq!(trained.counted, trained.formula);
    assert_eq!(trained.exchanged, STEPS);
}

/// Changes an answer, given the one before.
type Lie = fn(answer: &mut Vec<u8>, before: &[u8]);

struct Liar {
    lab: Arc<Lab>,
    lie: Lie,
}

impl Host<Terms> for Liar {
    fn open(
        &self,
        _: PublicKey,
        terms: Terms,
    ) -> BoxFuture<'_, Result<(Digest, Conversation), Refused>> {
        let (lab, lie) = (self.lab.clone(), self.lie);
        Box::pin(async move {
            let talk: Conversation = Box::new(move |channel| Box::pin(talk(channel, lab, lie)));
            Ok((terms.digest(), talk))
        })
    }
}

/// The second provider, with its fourth answer changed.
async fn talk(mut channel: Channel, lab: Arc<Lab>, lie: Lie) {
    let (long, most) = (Duration::from_secs(60), 1 << 30);
    let positions = lab.course.shape().positions();
    let mut party = MaskedProvider::new(1, lab.course.base(), positions).unwrap();
    let mut before = Vec::new();
    let mut answered = 0;
    while let Ok(bytes) = channel.receiver.receive(most, long).await {
        let mut answer = party.receive(&bytes).unwrap();
        let honest = answer.clone();
        if answered == 3 {
            lie(&mut answer, &before);
        }
        answered += 1;
        before = honest;
        if channel.sender.send(&answer, most, long).await.is_err() {
            return;
        }
    }
}

const LIES: [(Lie, &str); 6] = [
    (
        |a, _| a[6] = 0,
        "concerns provider 0, and provider 1 was meant",
    ),
    (
        |a, _| a[6] = 9,
        "concerns provider 9, and provider 1 was meant",
    ),
    (|a, _| a.truncate(a.len() - 8), "the header announces"),
    (|a, before| *a = before.to_vec(), "belongs to exchange"),
    (|a, _| a[16] ^= 1, "is not held here or was not asked for"),
    (|a, _| a[5] = 1, "comes from the wrong party"),
];

#[test]
fn lies_of_one_of_two_providers_are_its_own() {
    let lab = Lab::new();
    let first = lab.honest(2);
    for (lie, reason) in LIES {
        let dir = tempfile::tempdir().unwrap();
        let liar: Transport = lab.node_of(
            4,
            Arc::new(Liar {
                lab: lab.clone(),
                lie,
            }),
        );
        let error = lab.train(&[&first, &liar], dir.path()).unwrap_err();
        let text = assay_api::told(&error);
        assert!(error.is_untrue(), "{text}");
        assert!(text.contains(reason), "{text:?} lacks {reason:?}");
        assert!(text.contains(&liar.id().to_string()), "{text}");
        lab.runtime.block_on(liar.close());
    }
}
