//! How what the chain holds becomes the bodies of answers, and proofs come out of them again.

use assay_crypto::PublicKey;
use assay_ledger::{Account, Order, Receipt, Registration, Role, Status as CallStatus};

use super::{
    AccountView, BlockView, HeadView, OrderSummary, OutcomeView, ProofView, ReceiptView, RoleView,
    TransactionView,
};
use crate::{
    proof::{BadProof, ValueProof},
    view::{BlockInfo, Head, Included},
};

impl From<Head> for HeadView {
    fn from(head: Head) -> Self {
        Self {
            height: head.height.0,
            digest: head.digest,
            parent: head.parent,
            timestamp_ms: head.timestamp_ms,
            state_root: head.state_root,
            tx_root: head.tx_root,
            receipts_root: head.receipts_root,
        }
    }
}

impl From<BlockInfo> for BlockView {
    fn from(block: BlockInfo) -> Self {
        let pairs = block.transactions.into_iter().zip(block.receipts.receipts);
        let transactions = pairs.map(|(transaction, receipt)| TransactionView {
            tx: receipt.tx,
            sender: transaction.sender,
            nonce: transaction.nonce,
            fee: receipt.fee,
            kind: transaction.call.name().to_owned(),
            call: transaction.call,
            outcome: receipt.into(),
        });
        Self {
            head: block.head.into(),
            events: block.receipts.events,
            transactions: transactions.collect(),
        }
    }
}

impl From<Receipt> for OutcomeView {
    fn from(receipt: Receipt) -> Self {
        let refusal = match receipt.status {
            CallStatus::Applied => None,
            CallStatus::Refused(refusal) => Some(refusal.to_string()),
        };
        Self {
            applied: refusal.is_none(),
            refusal,
            events: receipt.events,
        }
    }
}

impl From<Included> for ReceiptView {
    fn from(included: Included) -> Self {
        Self {
            tx: included.receipt.tx,
            height: included.height.0,
            index: included.index,
            fee: included.receipt.fee,
            outcome: included.receipt.into(),
        }
    }
}

impl AccountView {
    pub(crate) fn new(account: PublicKey, state: Account, roles: Vec<RoleView>) -> Self {
        Self {
            account,
            balance: state.balance,
            nonce: state.nonce,
            roles,
        }
    }
}

impl RoleView {
    pub(crate) fn new(account: PublicKey, role: Role, of: Registration) -> Self {
        Self {
            account,
            role,
            bond: of.bond,
            locked: of.locked,
            address: of.address.to_string(),
            leaving: of.leaving,
            offer: of.offer,
            serving: of.serving,
            asked: of.asked,
            missed: of.missed,
            suspended: of.suspended,
        }
    }
}

impl From<&Order> for OrderSummary {
    fn from(order: &Order) -> Self {
        Self {
            order: order.head.id,
            kind: order.head.terms.kind.to_string(),
            phase: order.head.phase,
            requester: order.head.requester,
            provider: order.provider(),
            price: order.head.terms.price,
            posted: order.head.posted.0,
            updated: order.head.updated.0,
            deadline_ms: order.head.deadline.time.0,
            failures: order.failed().count() as u64,
        }
    }
}

impl ProofView {
    pub(crate) fn new(key: String, proof: ValueProof) -> Self {
        Self {
            key,
            value: proof.value.map(hex::encode),
            proof: hex::encode(proof.proof),
            header: hex::encode(proof.header),
        }
    }

    /// The proof behind the hexadecimal text, still to be verified.
    ///
    /// # Errors
    /// [`BadProof`] when a field is not hexadecimal.
    pub fn parts(&self) -> Result<ValueProof, BadProof> {
        let bytes = |text: &String| {
            hex::decode(text).map_err(|e| BadProof::Proof(std::io::Error::other(e)))
        };
        Ok(ValueProof {
            value: self.value.as_ref().map(bytes).transpose()?,
            proof: bytes(&self.proof)?,
            header: bytes(&self.header)?,
        })
    }
}
