//! `assay vault renew` and `assay vault forget`: how long a file of one's own stays recorded.

use assay_crypto::PublicKey;
use assay_ledger::{Amount, FileCall, FileId, FileRecord, LedgerTime, Role, TxId, query};
use assay_node::files::{self, Kept};
use serde::Serialize;

use crate::{
    failure::{Failure, Kind},
    output::{Output, facts, left, short},
    session::{Session, runtime},
};

/// For how long files are recorded, and at what price.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Lasting {
    /// Days for which storage nodes are paid to keep it; networks say how many there are at most
    #[arg(long, default_value_t = 28, value_name = "DAYS")]
    days: u32,
    /// Most tokens for a GiB and an hour; nodes that ask more are passed over
    #[arg(long, value_name = "TOKENS", default_value_t = files::MOST_PRICE)]
    most_price: Amount,
}

impl Lasting {
    /// From now on, by the ledger.
    pub(super) fn kept(self, session: &Session) -> Result<Kept, Failure> {
        let ms = u64::from(self.days) * 86_400_000;
        let kept = session
            .light()
            .read(|store| Kept::lasting(store, ms, false))?;
        let most_price = self.most_price;
        Ok(Kept { most_price, ..kept })
    }
}

#[derive(Serialize)]
struct Renewed {
    file: FileId,
    /// Until this ledger time, in milliseconds.
    until: LedgerTime,
    /// The ledger time, in milliseconds.
    now: LedgerTime,
    placement: Vec<PublicKey>,
    tx: TxId,
}

#[derive(Serialize)]
struct Forgotten {
    file: FileId,
    tx: TxId,
}

/// Has the nodes that hold a file keep it from now on for longer.
pub(super) fn renew(
    session: &Session,
    file: FileId,
    lasting: Lasting,
    output: &Output,
) -> Result<(), Failure> {
    let key = session.key()?;
    let record = own(session, file)?;
    let firm = session
        .light()
        .read(|store| query::file_contract(store, &file, &key.public()))?
        .is_some_and(|contract| contract.firm);
    let kept = Kept {
        firm,
        ..lasting.kept(session)?
    };
    let nodes = session.registered(Role::Storage)?;
    let call = runtime()?.block_on(async {
        let transport = session.dial(&key, &nodes).await?;
        let agreed = files::agreements(&transport, &kept, &record).await;
        transport.close().await;
        agreed
            .map(|agreed| kept.call(record.clone(), &agreed))
            .map_err(|failed| {
                let told = failed
                    .iter()
                    .map(|of| format!("{}: {}", short(of.node), of.fault))
                    .collect::<Vec<_>>()
                    .join("; ");
                let text = format!("not every storage node agrees to keep the file longer: {told}");
                Failure::say(Kind::Failed, text)
                    .hint("fetch it with `assay vault get` and store it again")
            })
    })?;
    let included = session.call(&key, call)?;
    let renewed = Renewed {
        file,
        until: kept.until,
        now: session.light().read(query::now)?.time,
        placement: record.placement.to_vec(),
        tx: included.receipt.tx,
    };
    output.result(&renewed, |renewed| {
        facts([
            ("renewed", output.strong(renewed.file)),
            ("ends in", left(renewed.now, kept.until).to_string()),
        ])
    })
}

/// Ends the record of a file before its time.
pub(super) fn forget(session: &Session, file: FileId, output: &Output) -> Result<(), Failure> {
    let key = session.key()?;
    own(session, file)?;
    let included = session.call(&key, FileCall::Delete { file })?;
    let tx = included.receipt.tx;
    output.result(&Forgotten { file, tx }, |forgotten| {
        facts([("forgotten", output.strong(forgotten.file))])
    })
}

fn own(session: &Session, file: FileId) -> Result<FileRecord, Failure> {
    let owner = session.key()?.public();
    let record = session
        .light()
        .read(|store| query::file(store, &file, &owner))?;
    record.ok_or_else(|| {
        let text = format!("you have recorded no file {file}");
        Failure::say(Kind::NotFound, text).hint("`assay vault ls` lists your files")
    })
}
