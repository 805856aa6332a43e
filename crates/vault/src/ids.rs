//! temporary
pub use assay_crypto::PublicKey as AccountId;
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    borsh::BorshSerialize,
    borsh::BorshDeserialize,
)]
pub struct FileId(pub assay_crypto::Digest);
