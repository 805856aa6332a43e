//! Runs a party of an order: performs what it asks for and brings back the answers.
//!
//! The party decides everything; a driver has the sockets, the disk, the threads and the clock.
//! Entries of the journal are on disk before anything after them happens, so a driver may be
//! killed at any moment and [`run`] again.

mod compute;
mod journal;
mod perform;

use std::{path::Path, sync::Arc};

use assay_ledger::{Height, OrderId};
use assay_proof::{Context, Input, Outcome, Output, Party, Progress, View};
use tokio::{sync::watch, task::JoinSet};
use tracing::{info, warn};

pub use self::compute::{Compute, OnStep};
pub use self::journal::Journal;
pub use self::perform::{OnWork, Services};
use crate::{client::ChainView, told};

/// Called with everything a party reports.
pub type OnProgress = Box<dyn FnMut(&Progress) + Send>;

/// Why a party could not be driven to its end.
#[derive(Debug, thiserror::Error)]
pub enum DriveError {
    /// The journal cannot be read or written; going on without it could double a move.
    #[error("the journal {path} cannot be used; free disk space or mend the disk and restart")]
    Journal {
        /// The file.
        path: std::path::PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// There is no randomness for salts and seals.
    #[error("the system gave no randomness")]
    Randomness(#[source] getrandom::Error),
    /// A request ended without an answer.
    #[error("a request of the party was lost; the part is taken up again at the next start")]
    Lost,
    /// The chain this node follows has ended.
    #[error("the chain has stopped")]
    ChainStopped,
}

/// Drives `party` through `order` until it says that its part is over. `file` is the party's
/// journal, created when missing and replayed when there.
///
/// # Errors
/// [`DriveError`]. The order is unharmed: running again goes on.
pub async fn run(
    services: &Arc<Services>,
    order: OrderId,
    mut party: Box<dyn Party>,
    file: &Path,
    mut on_progress: OnProgress,
) -> Result<Outcome, DriveError> {
    let broken = |source: std::io::Error| DriveError::Journal {
        path: file.to_owned(),
        source,
    };
    let (mut journal, past) = Journal::open(file).map_err(broken)?;
    let mut heights = services.chain.heights();
    for entry in past {
        // Nothing is asked for while the past is retold; views come after it.
        party.step(&context(&*services.chain)?, Input::Journal(entry));
    }
    let mut answers: JoinSet<Option<Input>> = JoinSet::new();
    let mut input = view(&*services.chain, order);
    loop {
        if let Some(input) = input.take() {
            for output in party.step(&context(&*services.chain)?, input) {
                match output {
                    Output::Journal(entry) => journal.append(&entry).map_err(broken)?,
                    Output::Progress(progress) => {
                        if let Progress::Trouble(trouble) = &progress {
                            warn!(%order, trouble, "in the way of an order");
                        }
                        on_progress(&progress);
                    }
                    Output::Finished(outcome) => {
                        info!(%order, ?outcome, "an order is over");
                        return Ok(outcome);
                    }
                    request => {
                        let services = services.clone();
                        answers.spawn(async move { services.perform(order, request).await });
                    }
                }
            }
        }
        input = tokio::select! {
            Some(answer) = answers.join_next() => answer.map_err(|_| DriveError::Lost)?,
            changed = next(&mut heights) => {
                if !changed {
                    return Err(DriveError::ChainStopped);
                }
                view(&*services.chain, order)
            }
        };
    }
}

async fn next(heights: &mut watch::Receiver<Height>) -> bool {
    heights.changed().await.is_ok()
}

/// The order as it is now; `None` where there is none, or where the state cannot be read: the
/// next block is another try.
fn view(chain: &dyn ChainView, order: OrderId) -> Option<Input> {
    match View::read(&*chain.state(), &order) {
        Ok(view) => view.map(|view| Input::Order(Box::new(view))),
        Err(error) => {
            warn!(%order, reason = told(&error), "an order cannot be read");
            None
        }
    }
}

fn context(chain: &dyn ChainView) -> Result<Context, DriveError> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(DriveError::Randomness)?;
    Ok(Context {
        now: chain.head().height,
        random,
    })
}

/// Where the journal of a party lies: one file per order and role.
pub fn journal_file(dir: &Path, order: OrderId, role: &str) -> std::path::PathBuf {
    dir.join("orders")
        .join(order.to_string())
        .join(format!("{role}.journal"))
}
