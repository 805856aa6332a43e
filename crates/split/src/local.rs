//! All parties of a step in one process: the machines of [`session`](crate::session), and links that
//! carry bytes in order, lose nothing and count.

use std::collections::VecDeque;

use assay_crypto::PublicKey;
use assay_data::Batch;
use assay_machine::{Context, Input, Machine, Millis, Output, Protocol};

use crate::provider::Provider;
use crate::requester::{Outcome, Requester};
use crate::session::{Answering, Leading, Link, Serving, StepEnd, Stepping};

/// A step that did not finish; the state is as before it.
#[derive(Debug, thiserror::Error)]
#[error("the step did not finish: {0:?}")]
pub struct Unfinished(pub StepEnd);

/// Everything that crossed during one exchange.
#[derive(Clone, Debug, Default)]
pub struct Transcript {
    /// What the provider was sent: its whole view of the requester.
    pub to_provider: Vec<Vec<u8>>,
    /// What the requester was sent.
    pub to_requester: Vec<Vec<u8>>,
    /// How often the direction changed: the waits on the network, in one-way trips.
    pub trips: usize,
}

/// Runs one exchange to its end.
///
/// # Errors
/// [`Unfinished`]; both parties have then abandoned the exchange.
pub fn exchange(
    requester: &mut Requester,
    provider: &mut Provider,
    batch: &Batch,
    learning_rate: f32,
) -> Result<(Outcome, Transcript), Unfinished> {
    let result = step(requester, [&mut *provider], (batch, learning_rate));
    if result.is_err() {
        if let Some(bytes) = requester.abandon() {
            // The provider may have ended it itself.
            let _ = provider.receive(&bytes);
        }
        provider.abandon();
    }
    let (outcome, [transcript]) = result?;
    Ok((outcome, transcript))
}

/// Runs a step of a requester with `N` providers; returns what crossed to and from each.
pub(crate) fn step<const N: usize>(
    party: &mut dyn Leading,
    providers: [&mut dyn Answering; N],
    feed: (&Batch, f32),
) -> Result<(Outcome, [Transcript; N]), Unfinished> {
    let account = |n: usize| PublicKey([n as u8 + 1; 32]);
    let accounts: [PublicKey; N] = std::array::from_fn(account);
    let requester = PublicKey([0; 32]);
    let mut serving = providers.map(|party| Serving::new(party, requester, u64::MAX, u64::MAX));
    let mut stepping = Stepping::new(party, &accounts, feed, u64::MAX);
    let mut transcripts: [Transcript; N] = std::array::from_fn(|_| Transcript::default());
    let (mut outgoing, mut end) = sorted(give(&mut stepping, Input::News));
    while end.is_none() {
        let mut answers = VecDeque::new();
        for (to, bytes) in outgoing.drain(..) {
            let Some(at) = accounts.iter().position(|account| *account == to) else {
                continue;
            };
            transcripts[at].to_provider.push(bytes.clone());
            let from = requester;
            let (sent, _) = sorted(give(&mut serving[at], Input::Message { from, bytes }));
            answers.extend(sent.into_iter().map(|(_, bytes)| (at, bytes)));
        }
        transcripts.iter_mut().for_each(|one| one.trips += 2);
        if answers.is_empty() {
            // Both wait for the other one.
            end = Some(StepEnd::Silent(accounts[0]));
        }
        for (at, bytes) in answers {
            transcripts[at].to_requester.push(bytes.clone());
            let from = accounts[at];
            let (sent, ended) = sorted(give(&mut stepping, Input::Message { from, bytes }));
            outgoing.extend(sent);
            end = end.or(ended);
        }
    }
    match end {
        Some(StepEnd::Finished(outcome)) => Ok((outcome, transcripts)),
        Some(end) => Err(Unfinished(end)),
        None => Err(Unfinished(StepEnd::Silent(accounts[0]))),
    }
}

/// Gives a machine an input in a world whose clock stands.
fn give<M>(machine: &mut M, input: Input<M::Protocol>) -> Vec<Output<M::Protocol>>
where
    M: Machine,
    M::Protocol: Protocol<View = Link>,
{
    let at = Context {
        now: Millis(0),
        view: &Link::Up,
    };
    machine.step(&at, input)
}

/// Bytes, each with the account they are for.
type Sent = Vec<(PublicKey, Vec<u8>)>;

/// What is sent, in order, and the end if it is one.
fn sorted<P: Protocol>(outputs: Vec<Output<P>>) -> (Sent, Option<P::End>) {
    let (mut sent, mut end) = (Vec::new(), None);
    for output in outputs {
        match output {
            Output::Send { to, bytes } => sent.push((to, bytes)),
            Output::End(ended) => end = Some(ended),
            _ => {}
        }
    }
    (sent, end)
}
