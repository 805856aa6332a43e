//! Blocks: calls become transactions, and the ledger executes them.

use std::collections::BTreeMap;

use assay_crypto::{Digest, Signature};
use assay_ledger::{
    Acceptance, AccountCall, Amount, BlockContext, BoundedBytes, BoundedString, BoundedVec, Call,
    Event, FileCall, FileRecord, Height, Keeping, LedgerTime, MAX_DEADLINE_MS, Receipt, Status,
    Transaction, execute_verified_block, query,
};

use super::citizen::{Citizen, Member, STORAGE, secret};
use super::{Broken, Town};

impl Town {
    /// Makes a block of calls that must all count, and executes it.
    pub(crate) fn block(
        &mut self,
        calls: Vec<(usize, Call)>,
        after_ms: u64,
    ) -> Result<Vec<Receipt>, Broken> {
        let transactions = self.transactions(calls)?;
        self.height += 1;
        self.stamp += after_ms;
        let context = self.context();
        let executed = execute_verified_block(&self.store, &context, &transactions)?;
        self.store.apply(&executed.writes);
        let receipts = executed.receipts.receipts;
        for (receipt, transaction) in receipts.iter().zip(&transactions) {
            // Whoever is asked answers at once, and pays for it, also where others have decided by then; so
            // does a validator that judges.
            let name = transaction.call.name();
            let may_come_late = matches!(name, "answer" | "commit_finding" | "attest");
            if let Status::Refused(refusal) = &receipt.status
                && !may_come_late
            {
                let at = self.places.get(&transaction.sender);
                let who = at.map(|at| self.members[*at].name.clone());
                return Err(Broken::Refused {
                    who: who.unwrap_or_default(),
                    why: refusal.to_string(),
                });
            }
        }
        Ok(receipts)
    }

    /// What the next block would do with a beacon of this number, if nobody moved.
    pub(crate) fn would(&self, beacon: u64) -> Result<Vec<Event>, Broken> {
        let context = BlockContext {
            height: Height(self.height + 1),
            timestamp_ms: self.stamp + 1_000,
            beacon: Digest::of("assay/market/trial/v1", &[&beacon.to_le_bytes()]),
            view: None,
        };
        let executed = execute_verified_block(&self.store, &context, &[])?;
        Ok(executed.receipts.events)
    }

    fn context(&self) -> BlockContext {
        let parts: [&[u8]; 2] = [&self.seed.to_le_bytes(), &self.height.to_le_bytes()];
        BlockContext {
            height: Height(self.height),
            timestamp_ms: self.stamp,
            beacon: Digest::of("assay/market/beacon/v1", &parts),
            view: None,
        }
    }

    /// The calls with nonces, and with the least fee that their length allows.
    fn transactions(&self, calls: Vec<(usize, Call)>) -> Result<Vec<Transaction>, Broken> {
        let parameters = query::parameters(&self.store)?.unwrap_or_default();
        let mut made = BTreeMap::new();
        let mut transactions = Vec::new();
        for (at, call) in calls {
            let sender = self.members[at].account;
            let before = made.entry(at).or_insert(0u64);
            let mut transaction = Transaction {
                chain: self.chain,
                sender,
                nonce: query::account(&self.store, &sender)?.nonce + *before,
                fee: Amount::ZERO,
                call,
                signature: Signature([0; 64]),
            };
            *before += 1;
            transaction.fee = parameters.min_fee(transaction.encoded_len());
            transactions.push(transaction);
        }
        Ok(transactions)
    }

    /// The record of a file, which is kept for nothing and for as long as there may be.
    pub(super) fn record(&self, at: usize, name: &str) -> Call {
        let member = &self.members[at];
        let record = FileRecord {
            id: Citizen::file(name),
            owner: member.account,
            name: BoundedString::new(name).unwrap_or_default(),
            length_class: 1_024,
            slices: 1,
            root: Digest::of("assay/market/content/v1", &[&member.account.0]),
            placement: BoundedVec::new(vec![Citizen::account(STORAGE)]).unwrap_or_default(),
            media_type: BoundedString::new("application/octet-stream").unwrap_or_default(),
            key_envelope: BoundedBytes::default(),
        };
        let until = LedgerTime(MAX_DEADLINE_MS);
        let keeping = Keeping::of(self.chain, &record, until);
        let agreed = Acceptance::sign(&secret(STORAGE), &keeping, Amount::ZERO, until);
        Call::File(FileCall::Put {
            record: Box::new(record),
            until,
            firm: true,
            acceptances: BoundedVec::new([agreed]).unwrap_or_default(),
        })
    }

    /// Somebody gives up its name, and comes back under another with as much of a bond: it pays for its
    /// new account, its registration and its file.
    pub(crate) fn rename(&mut self, from: usize, next: Citizen) -> Result<(), Broken> {
        let (role, bond) = (next.role, Amount::tokens(next.bond));
        let Some(role) = role else { return Ok(()) };
        let purse = from;
        let member = Member::new(next);
        let at = self.members.len();
        let to = member.account;
        let register = Call::Account(AccountCall::Register {
            role,
            bond,
            encryption_key: member.key,
            address: BoundedString::new("localhost:7000").unwrap_or_default(),
            offer: role.is_drawn().then(|| self.offer.clone()),
        });
        self.places.insert(member.account, at);
        self.members.push(member);
        let leave = Call::Account(AccountCall::Unregister { role });
        self.block(vec![(purse, leave)], 1_000)?;
        let amount = query::account(&self.store, &self.members[purse].account)?.balance;
        // The fee of this transfer is all that stays behind.
        let amount = Amount(amount.0.saturating_sub(10_000));
        let transfer = Call::Account(AccountCall::Transfer { to, amount });
        self.block(vec![(purse, transfer)], 1_000)?;
        self.block(vec![(at, register)], 1_000)?;
        let file = self.record(at, &self.members[at].name);
        self.block(vec![(at, file)], 1_000).map(drop)
    }
}
