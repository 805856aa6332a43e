//! A validator that says that the updates make another model than they do.

use assay_ledger::StateFile;
use assay_machine::Machine;
use assay_proof::parties::Merger;
use assay_proof::{Answer, Context, Identity, Input, Output, Traced};

/// An honest one whose machine computes something else: it stores that, and says that it is the model. All that lie
/// like this say the same.
pub struct WrongModel(Merger);

impl WrongModel {
    /// A validator that knows nothing yet.
    pub fn new(me: Identity) -> Self {
        Self(Merger::new(me))
    }
}

impl Machine for WrongModel {
    type Protocol = Traced;

    fn step(&mut self, at: &Context<'_>, input: Input) -> Vec<Output> {
        let input = match input {
            Input::Answer(tag, Answer::Worked(Ok(mut done))) => {
                if let Ok((counts, state)) = StateFile::decode(&done.state) {
                    let other = state.iter().map(|byte| byte ^ 1).collect();
                    done.state = StateFile::encode(&counts, other);
                }
                Input::Answer(tag, Answer::Worked(Ok(done)))
            }
            input => input,
        };
        self.0.step(at, input)
    }
}
