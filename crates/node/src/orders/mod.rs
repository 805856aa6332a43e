//! Drives the parties of orders: what they watch, and what is done for them.

mod compute;
mod fits;
mod perform;
mod records;

use std::{path::Path, sync::Arc};

use assay_api::ChainView;
use assay_ledger::{AccountId, Height, OrderId};
use assay_proof::{Outcome, Party, Progress, Traced, View};
use tokio::sync::watch;
use tracing::{info, warn};

pub use self::compute::{Compute, Due, OnStep};
pub use self::perform::{OnWork, Services};
use crate::{
    drive::{self, DriveError, JournalKey, Memory, Watch},
    told,
};

/// Called with everything a party reports.
pub type OnProgress = Box<dyn FnMut(&Progress) + Send>;

/// Drives `party` through `order` until it says that its part is over. `file` is the party's
/// journal, created when missing and replayed when there.
///
/// # Errors
/// [`DriveError`]. The order is unharmed: running again goes on.
pub async fn run(
    services: &Arc<Services>,
    order: OrderId,
    mut party: Box<Party>,
    file: &Path,
    mut on_progress: OnProgress,
) -> Result<Outcome, DriveError> {
    let part = file.file_name().unwrap_or_default().to_string_lossy();
    let key = JournalKey::new(&services.key, &format!("order {order} {part}"));
    let memory = Memory::open(file, key)?;
    let watch = OrderWatch {
        chain: services.chain.clone(),
        heights: services.chain.heights(),
        order,
        me: services.key.public(),
        begun: false,
    };
    let doer = ForOrder { services, order };
    let report = |progress: Progress| {
        if let Progress::Trouble(trouble) = &progress {
            warn!(%order, trouble, "in the way of an order");
        }
        on_progress(&progress);
    };
    let outcome = drive::run(&mut *party, Some(memory), watch, &doer, report).await?;
    // With its handles.
    drop(party);
    services.release_inputs(order).await;
    info!(%order, ?outcome, "an order is over");
    Ok(outcome)
}

/// Does for the parties of one order what they ask for.
struct ForOrder<'a> {
    services: &'a Services,
    order: OrderId,
}

/// An order as every block leaves it.
struct OrderWatch {
    chain: Arc<dyn ChainView>,
    heights: watch::Receiver<Height>,
    order: OrderId,
    /// Who looks.
    me: AccountId,
    begun: bool,
}

impl Watch<Traced> for OrderWatch {
    async fn news(&mut self) -> Option<View> {
        loop {
            if self.begun {
                self.heights.changed().await.ok()?;
            }
            self.begun = true;
            match View::read(&*self.chain.state(), &self.order, Some(self.me)) {
                Ok(Some(view)) => return Some(view),
                Ok(None) => {}
                // The next block is another try.
                Err(error) => {
                    warn!(order = %self.order, reason = told(&error), "an order cannot be read");
                }
            }
        }
    }
}
