//! A session as the provider runs it.

use std::time::Duration;

use assay_split::session::{Answering, Closing, Last, Serving, Why};
use tokio::runtime::Handle;

use super::link::{Lines, Nobody};
use super::terms::Terms;
use crate::drive;
use crate::told;
use crate::transport::Channel;

/// A party, and the most messages that it takes.
pub(super) struct Party {
    pub(super) answering: Box<dyn Answering>,
    pub(super) most: u64,
}

/// Runs a session to its end; returns how many messages were taken, and how it ended.
pub(super) async fn serve(
    channel: Channel,
    party: Party,
    terms: &Terms,
    idle: Duration,
) -> (u64, String) {
    let limit = (terms.longest_message as usize).max(Closing::MAX);
    let requester = channel.peer();
    let handle = Handle::current();
    let mut lines = Lines::new(&handle, vec![channel], limit, idle, true);
    let outgoing = lines.outgoing();
    let mut machine = Serving::new(
        party.answering,
        requester,
        party.most,
        idle.as_millis() as u64,
    );
    // It computes, so it has a thread of its own.
    let served = tokio::task::spawn_blocking(move || {
        let watch = lines.watch();
        let driven = drive::run_with_mail(&mut machine, None, watch, &mut lines, &Nobody, |()| {});
        let served = handle.block_on(driven);
        (served, lines.take_error())
    });
    match served.await {
        Ok((Ok(served), error)) => {
            let reason = match (served.last, error) {
                (Some(Last::Theirs(said)), _) => format!("the requester ended it: {said}"),
                (Some(Last::Ours(closing)), _) => closing.text,
                (None, Some(error)) => told(&error),
                (None, None) => "the connection was lost".to_owned(),
            };
            (served.messages, reason)
        }
        Ok((Err(error), _)) => (0, told(&error)),
        Err(_) => {
            let closing = Closing::new(Why::Failed, "computing failed");
            outgoing.iter().for_each(|to| to.send(closing.encode()));
            (0, closing.text)
        }
    }
}
