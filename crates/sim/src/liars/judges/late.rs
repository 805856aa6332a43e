//! A validator that attests at the last moment.

use assay_machine::Machine;
use assay_proof::parties::Validator;
use assay_proof::{Ask, CallTag, Context, Identity, Input, Output, Traced, What};

/// Ledger time before the deadline at which it speaks, in milliseconds.
const LAST_MS: u64 = 2_000;

/// An honest validator that keeps its finding back until nearly all of the time is over.
pub struct LateJudge {
    honest: Validator,
    held: Option<Output>,
}

impl LateJudge {
    /// A late judge.
    pub fn new(me: Identity) -> LateJudge {
        LateJudge {
            honest: Validator::new(me),
            held: None,
        }
    }
}

impl Machine for LateJudge {
    type Protocol = Traced;

    fn step(&mut self, at: &Context<'_>, input: Input) -> Vec<Output> {
        let mut said = Vec::new();
        for output in self.honest.step(at, input) {
            match output {
                Output::Ask(tag, Ask::Submit(call)) if is_finding(tag.what) => {
                    self.held = Some(Output::Ask(tag, Ask::Submit(call)));
                }
                output => said.push(output),
            }
        }
        if at.view.time.after(LAST_MS) >= at.view.order.head.deadline.time {
            said.extend(self.held.take());
        }
        said
    }
}

/// Whether a call says what a judge found, or commits it to that.
fn is_finding(what: What) -> bool {
    matches!(what, What::Call(CallTag::Attest | CallTag::CommitFinding))
}
