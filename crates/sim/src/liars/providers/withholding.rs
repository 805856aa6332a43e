//! A provider that does the work and then keeps back what others need to check it.

use assay_crypto::aead::FileKey;
use assay_ledger::{AccountId, Call, OrderCall, Phase, SealedKeys, StateFile};
use assay_machine::Machine;
use assay_proof::parties::Provider;
use assay_proof::{Ask, CallTag, Context, Identity, Input, Output, Traced, What};

/// What is kept back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Withheld {
    /// The answer, when it is asked whether it takes part.
    Answer,
    /// Everything after the assignment: it takes the order and falls silent.
    Run,
    /// What a copy has committed to.
    Reveal,
    /// The leaves at which replays start.
    Starts,
    /// The leaves at which drawn segments end.
    Ends,
    /// The moves of a dispute.
    Moves,
    /// The auditors' keys: nothing is granted.
    Grants,
    /// The auditors' keys: what is granted opens nothing. Validators are granted the right ones,
    /// to make the auditors look like liars.
    GoodGrants,
    /// The validators' keys: in a dispute nothing is granted.
    Evidence,
    /// The checkpoints' content: garbage under the right keys.
    Checkpoints,
    /// The checkpoints' keys: the right content under keys nobody is granted.
    Keys,
    /// The result's content: garbage under the right key.
    Result,
    /// One byte of the result's state.
    ResultTile,
    /// The result's state: another one, with all nodes that belong to it.
    ResultState,
    /// What stands behind the result's state. The state is there, so the requester has what it pays for.
    ResultNodes,
    /// The result's length: there is a byte more.
    ResultLength,
    /// The result's key: the right content under another key than the one it is bound to and releases.
    ResultKey,
    /// The release: nobody but it can read the result.
    Release,
}

/// An honest provider whose messages are filtered.
pub struct WithholdingProvider {
    honest: Provider,
    withheld: Withheld,
    /// Checkpoint that is the result, once known.
    last: Option<u32>,
    auditing: bool,
}

impl WithholdingProvider {
    /// A provider that keeps this back.
    pub fn new(me: Identity, withheld: Withheld) -> WithholdingProvider {
        WithholdingProvider::of(Provider::new(me), withheld)
    }

    /// The same over another honest provider.
    pub fn of(honest: Provider, withheld: Withheld) -> WithholdingProvider {
        WithholdingProvider {
            honest,
            withheld,
            last: None,
            auditing: false,
        }
    }

    fn filter(&self, output: Output) -> Option<Output> {
        match (self.withheld, output) {
            // It takes the order, or nobody would wait for it.
            (Withheld::Run, Output::Ask(tag, ask))
                if matches!(tag.what, What::Weigh | What::Call(CallTag::Answer)) =>
            {
                Some(Output::Ask(tag, ask))
            }
            (Withheld::Run, _) => None,
            (_, Output::Ask(tag, Ask::Submit(call))) => {
                let What::Call(kind) = tag.what else {
                    return None;
                };
                let call = Box::new(self.submitted(kind, *call)?);
                Some(Output::Ask(tag, Ask::Submit(call)))
            }
            (_, Output::Ask(tag, Ask::Store { name, key, bytes })) => {
                let (key, bytes) = match tag.what {
                    What::Checkpoint(index, _) => self.stored(index, key, bytes),
                    _ => (key, bytes),
                };
                Some(Output::Ask(tag, Ask::Store { name, key, bytes }))
            }
            (_, output) => Some(output),
        }
    }

    fn submitted(&self, kind: CallTag, call: Call) -> Option<Call> {
        match (self.withheld, kind, call) {
            (Withheld::Answer, CallTag::Answer, _)
            | (Withheld::Reveal, CallTag::RevealRun, _)
            | (Withheld::Starts, CallTag::OpenStarts, _)
            | (Withheld::Ends, CallTag::OpenEnds, _)
            | (Withheld::Moves, CallTag::Bisect(..), _)
            | (Withheld::Release, CallTag::Deliver, _) => None,
            (Withheld::Grants, CallTag::Grant(_), _) if self.auditing => None,
            (Withheld::Evidence, CallTag::Grant(_), _) if !self.auditing => None,
            (
                Withheld::GoodGrants,
                CallTag::Grant(_),
                Call::Order(OrderCall::Grant { place, grantee, .. }),
            ) if self.auditing => {
                let sealed = rubbish(&grantee);
                let grant = OrderCall::Grant {
                    place,
                    grantee,
                    sealed,
                };
                Some(grant.into())
            }
            (_, _, call) => Some(call),
        }
    }

    fn stored(&self, index: u32, key: FileKey, bytes: Vec<u8>) -> (FileKey, Vec<u8>) {
        let result = Some(index) == self.last;
        match self.withheld {
            Withheld::Checkpoints if !result => (key, garbage(&bytes)),
            Withheld::Result if result => (key, garbage(&bytes)),
            Withheld::ResultTile if result => (key, spoilt(bytes)),
            Withheld::ResultState if result => (key, other_state(&bytes)),
            Withheld::ResultNodes if result => (key, without_nodes(bytes)),
            Withheld::ResultLength if result => (key, [&bytes[..], &[0]].concat()),
            Withheld::ResultKey if result => (FileKey::derive(&key.0, "kept back", 0), bytes),
            Withheld::Keys if !result => (FileKey::derive(&key.0, "kept back", 0), bytes),
            _ => (key, bytes),
        }
    }
}

impl Machine for WithholdingProvider {
    type Protocol = Traced;

    fn step(&mut self, at: &Context<'_>, input: Input) -> Vec<Output> {
        let order = &at.view.order;
        self.last = Some(order.head.terms.segments());
        self.auditing = order.head.phase == Phase::Opening;
        let outputs = self.honest.step(at, input);
        outputs
            .into_iter()
            .filter_map(|output| self.filter(output))
            .collect()
    }
}

/// Bytes of the same length with every bit turned over.
fn garbage(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|byte| !byte).collect()
}

/// The same with one bit of its first byte turned over.
fn spoilt(mut bytes: Vec<u8>) -> Vec<u8> {
    if let Some(byte) = bytes.first_mut() {
        *byte ^= 1;
    }
    bytes
}

/// A state of the same length with every bit turned over, in a file of its own.
fn other_state(file: &[u8]) -> Vec<u8> {
    match StateFile::decode(file) {
        Ok((counts, state)) => StateFile::encode(&counts, garbage(state)),
        Err(_) => garbage(file),
    }
}

/// The same with every bit behind the state turned over.
fn without_nodes(mut file: Vec<u8>) -> Vec<u8> {
    let state = StateFile::decode(&file).map_or(0, |(_, state)| state.len());
    for byte in file.iter_mut().skip(state) {
        *byte = !*byte;
    }
    file
}

fn rubbish(grantee: &AccountId) -> SealedKeys {
    SealedKeys::new(grantee.0.to_vec()).unwrap_or_default()
}
