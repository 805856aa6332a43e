//! A signed call.

use assay_crypto::{BadSignature, Digest, PublicKey, SecretKey, Signature};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{AccountId, Amount, Call, ChainId, TxId};

/// Longest encoded transaction, in bytes.
pub const MAX_TX_BYTES: usize = 64 * 1024;

const SIGNATURE_DOMAIN: &str = "assay/transaction/v1";
const ID_DOMAIN: &str = "assay/transaction id/v1";

/// A call with its sender, its place in the sender's sequence, its fee and its signature.
///
/// Encoding: borsh, fields in this order; the signature covers everything before it. The chain
/// keeps a transaction of one network from counting on another, the nonce from counting twice.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Transaction {
    /// The network.
    pub chain: ChainId,
    /// Who signs and pays.
    pub sender: AccountId,
    /// The sender's next nonce.
    pub nonce: u64,
    /// Paid whether the call succeeds or not, to the treasury and to who proposed the block.
    pub fee: Amount,
    /// What is asked for.
    pub call: Call,
    /// Ed25519 over everything above.
    pub signature: Signature,
}

/// Bytes that are not a transaction.
#[derive(Debug, Error)]
pub enum DecodeError {
    /// Longer than [`MAX_TX_BYTES`].
    #[error("a transaction is at most {MAX_TX_BYTES} bytes, this one has {0}")]
    TooLong(usize),
    /// Not the encoding of one.
    #[error("the bytes are not a transaction; was it made by another version?")]
    Malformed(#[source] std::io::Error),
}

#[derive(BorshSerialize)]
struct Unsigned<'a> {
    chain: &'a ChainId,
    sender: &'a AccountId,
    nonce: u64,
    fee: Amount,
    call: &'a Call,
}

impl Transaction {
    /// Bytes of one that answers whether its sender takes part in an order; every one has as many.
    pub const ANSWER_BYTES: usize = 32 + 32 + 8 + 8 + 42 + 64;

    /// Signs a call.
    pub fn sign(
        secret: &SecretKey,
        chain: ChainId,
        nonce: u64,
        fee: Amount,
        call: impl Into<Call>,
    ) -> Transaction {
        let call = call.into();
        let sender = secret.public();
        let body = encode(&Unsigned {
            chain: &chain,
            sender: &sender,
            nonce,
            fee,
            call: &call,
        });
        let signature = secret.sign(SIGNATURE_DOMAIN, &body);
        Transaction {
            chain,
            sender,
            nonce,
            fee,
            call,
            signature,
        }
    }

    /// Reads exactly one transaction.
    ///
    /// # Errors
    /// [`DecodeError`] for bytes that are too many, too few, or no transaction.
    pub fn decode(bytes: &[u8]) -> Result<Transaction, DecodeError> {
        if bytes.len() > MAX_TX_BYTES {
            return Err(DecodeError::TooLong(bytes.len()));
        }
        Transaction::try_from_slice(bytes).map_err(DecodeError::Malformed)
    }

    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// Length of [`Transaction::encode`], in bytes.
    pub fn encoded_len(&self) -> usize {
        borsh::object_length(self).unwrap_or(usize::MAX)
    }

    /// The transaction's name: digest of its bytes, signature included.
    pub fn id(&self) -> TxId {
        TxId(Digest::of(ID_DOMAIN, &[&self.encode()]))
    }

    /// Checks the signature, nothing else.
    ///
    /// # Errors
    /// [`BadSignature`].
    pub fn verify(&self) -> Result<(), BadSignature> {
        let mut bytes = self.encode();
        bytes.truncate(bytes.len() - self.signature.0.len());
        self.verify_body(&self.sender, &bytes)
    }

    fn verify_body(&self, sender: &PublicKey, body: &[u8]) -> Result<(), BadSignature> {
        sender.verify(SIGNATURE_DOMAIN, body, &self.signature)
    }
}

fn encode<T: BorshSerialize>(value: &T) -> Vec<u8> {
    // Serialising into memory cannot fail.
    borsh::to_vec(value).unwrap_or_default()
}
