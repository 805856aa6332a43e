//! Reading a file.

use std::{collections::VecDeque, io::Write, time::Duration};

use assay_crypto::aead::FileKey;
use assay_ledger::FileRecord;
use assay_vault::{
    Content, Expected,
    download::{Download, DownloadConfig, DownloadError, Input, Output},
    placement::Placement,
};
use tokio::{task::JoinSet, time::sleep};
use tracing::debug;

use super::ask;
use crate::{clock, transport::Transport};

/// Fetches the file that `record` describes from its storage nodes, opens it with `key` and
/// writes its plaintext to `sink`, slice by slice as it verifies.
///
/// Nodes that are gone, slow or lying are passed over while another copy can be had. What was
/// written before an error is authentic but incomplete.
///
/// # Errors
/// [`DownloadError`], naming what each storage node did; a `sink` that fails shows up as
/// [`assay_vault::UnsealError::Sink`].
pub async fn download(
    transport: &Transport,
    config: DownloadConfig,
    record: &FileRecord,
    key: FileKey,
    sink: &mut (dyn Write + Send),
) -> Result<Content, DownloadError> {
    let (expected, placement) = (Expected::from(record), Placement::from(record));
    let mut machine = Download::new(config, expected, placement, key);
    let mut replies = JoinSet::new();
    let mut wake = None;
    let mut outputs = VecDeque::from(machine.step(clock::now(), Input::Tick));
    loop {
        while let Some(output) = outputs.pop_front() {
            match output {
                Output::Send { tag, to, request } => {
                    let transport = transport.clone();
                    replies.spawn(async move {
                        Input::Reply {
                            tag,
                            reply: ask(&transport, to, request).await,
                        }
                    });
                }
                Output::WakeAt(at) => wake = Some(at),
                Output::Report { node, part, fault } => {
                    debug!(%node, %part, %fault, file = %record.id, "storage node failed");
                }
                Output::Deliver { plain, .. } => {
                    sink.write_all(&plain)
                        .map_err(assay_vault::UnsealError::Sink)?;
                }
                Output::Finished(result) => return result,
            }
        }
        let pause = wake.map_or(1_000, |at| at.0.saturating_sub(clock::now().0).max(1));
        let input = tokio::select! {
            Some(reply) = replies.join_next() => reply.unwrap_or(Input::Tick),
            () = sleep(Duration::from_millis(pause)) => Input::Tick,
        };
        outputs.extend(machine.step(clock::now(), input));
    }
}
