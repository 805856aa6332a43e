//! Records with what storage nodes signed.

use assay_ledger::{
    Acceptance, Amount, BoundedVec, FileCall, FileRecord, Keeping, LedgerTime, query,
};

use crate::world::{Who, World};

impl World {
    /// Ledger time of the last block.
    pub(crate) fn ledger_time(&self) -> LedgerTime {
        query::now(&self.store).unwrap().time
    }

    /// What the nodes of a record are to keep.
    pub(crate) fn keeping(&self, record: &FileRecord, until: LedgerTime) -> Keeping {
        Keeping::of(self.chain, record, until)
    }

    /// What the nodes of a record sign who ask this price.
    pub(crate) fn agreed(
        &self,
        record: &FileRecord,
        until: LedgerTime,
        price: Amount,
    ) -> Vec<Acceptance> {
        let keeping = self.keeping(record, until);
        let by = self.ledger_time().after(600_000);
        let nodes = record.placement.iter().map(|node| Who::of(*node).secret());
        nodes
            .map(|node| Acceptance::sign(&node, &keeping, price, by))
            .collect()
    }

    /// Records a file for a time, for which every node asks this price.
    pub(crate) fn put_for(&self, record: FileRecord, ms: u64, price: Amount) -> FileCall {
        let until = self.ledger_time().after(ms);
        let acceptances = self.agreed(&record, until, price);
        put(record, until, false, &acceptances)
    }

    /// Records a file as long and as firm as any order asks for, for nothing.
    pub(crate) fn put(&self, mut record: FileRecord) -> FileCall {
        if let Some(stored) = self.stored.get(&record.id) {
            (record.root, record.slices) = *stored;
        }
        let until = self
            .ledger_time()
            .after(self.genesis.parameters.max_kept_ms);
        let acceptances = self.agreed(&record, until, Amount::ZERO);
        put(record, until, true, &acceptances)
    }
}

/// Records a file with these agreements.
pub(crate) fn put(
    record: FileRecord,
    until: LedgerTime,
    firm: bool,
    acceptances: &[Acceptance],
) -> FileCall {
    FileCall::Put {
        record: Box::new(record),
        until,
        firm,
        acceptances: BoundedVec::new(acceptances).unwrap(),
    }
}
