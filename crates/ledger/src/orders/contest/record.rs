//! The records of a contest: how far it has come, and each claim.

use assay_crypto::custody::CustodyKey;
use assay_crypto::tiles::Tiled;
use assay_crypto::{Digest, EncryptionKey};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use super::custody::Custody;
use crate::{
    AccountId, Amount, BoundedVec, FindingCommitment, Height, Leaf, Moment, OrderId, Outcome,
    Place, Trace,
};

/// How far a contest has come.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
pub struct Contest {
    /// The test set's key, once it is dealt.
    pub custody: Option<Custody>,
    /// What everybody's seed follows from: from a beacon after all had claimed.
    pub seed: Option<Digest>,
    /// The claims, by number; as long as claimants come and go, nobody's number is fixed.
    pub entries: Vec<ClaimEntry>,
    /// The claims that are scored, by number, in the order of a sheet.
    pub listed: Vec<u16>,
    /// What validators say now: of all scores, or of one that is challenged.
    pub ballot: Ballot,
    /// What they said of all scores, once those are found.
    pub sheets: Vec<ScoreSheet>,
    /// Challenges so far: each score can be challenged once.
    pub challenges: u16,
    /// The one that is open.
    pub challenge: Option<ScoreChallenge>,
    /// Why there are no scores, where there are none.
    pub unscored: Option<Outcome>,
    /// How it ends, once that is decided: as soon as everybody is paid and let go.
    pub ending: Option<Outcome>,
}

/// One claim, in short.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct ClaimEntry {
    /// Whose it is.
    pub account: AccountId,
    /// How far it has come.
    pub stage: ClaimStage,
    /// When it was committed to: of equal scores the earlier is the better.
    pub committed: Option<Height>,
    /// Its score, higher is better; none while it has none, or where the model could not be scored.
    pub score: Option<u64>,
    /// Its score was challenged, and stays as it is now.
    pub challenged: bool,
}

/// How far a claim has come.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum ClaimStage {
    /// It was made; nothing is committed.
    Claimed,
    /// Its run is committed to.
    Committed,
    /// Its run was shown.
    Shown,
    /// Its run is audited.
    Audited,
    /// The audit found nothing against it.
    Stands,
    /// It came to nothing; the bond is free, as far as it was not lost.
    Out,
}

impl ClaimStage {
    /// Whether it may still be paid: it was shown, and nothing was found against it.
    pub fn is_alive(self) -> bool {
        matches!(
            self,
            ClaimStage::Shown | ClaimStage::Audited | ClaimStage::Stands
        )
    }
}

/// What validators say, sealed first.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
pub struct Ballot {
    /// What validators committed to, in the order in which it came.
    pub commitments: Vec<FindingCommitment>,
    /// When enough had committed, if they did.
    pub closed: Option<Moment>,
    /// What they revealed.
    pub sheets: Vec<ScoreSheet>,
}

/// What one validator says.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct ScoreSheet {
    /// The validator.
    pub validator: AccountId,
    /// Whether it had committed to it.
    pub committed: bool,
    /// What it found.
    pub scores: Scores,
}

/// The scores of the claims in question, in their order: higher is better. None is said of a model that cannot be
/// had, or is not what was committed to: that is its claimant's fault, and it is not paid. One that can be had and
/// gives nothing on the test set has 0: that may be the test set's fault. Nothing at all is said where the test set
/// cannot be read, or is none for such models.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Scores(pub Option<BoundedVec<Option<u64>, 64>>);

impl Scores {
    /// The digest that a validator posts before anybody shows one. It binds validator and place.
    pub fn commitment(&self, place: &Place, validator: AccountId, salt: &Digest) -> Digest {
        // Serialising into memory cannot fail.
        let scores = borsh::to_vec(self).unwrap_or_default();
        let parts: [&[u8]; 6] = [
            &place.order.0.0,
            &place.run.0.to_le_bytes(),
            &place.occasion.bytes(),
            &validator.0,
            &scores,
            &salt.0,
        ];
        Digest::of("assay/scores/v1", &parts)
    }
}

/// A score that is doubted.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
pub struct ScoreChallenge {
    /// The claim's number.
    pub claim: u16,
    /// Who doubts it.
    pub by: AccountId,
    /// What it should be.
    pub score: Option<u64>,
}

/// A claim, whole.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Claim {
    /// The account.
    pub account: AccountId,
    /// Who owned it when it claimed.
    pub owner: AccountId,
    /// Where grants to it are sealed: its registered key when it claimed.
    pub encryption_key: EncryptionKey,
    /// What is locked of its bond; nothing once it is out.
    pub bond: Amount,
    /// The digest of its run: see [`Trace::commitment`].
    pub commitment: Option<Digest>,
    /// What was shown of it.
    pub shown: Option<ShownRun>,
    /// The order in which it is audited.
    pub audit: Option<OrderId>,
}

/// What a claimant showed of its run.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct ShownRun {
    /// Its steps; the result is the file of the model, whose key follows from the salt.
    pub trace: Trace,
    /// The salt of its commitment: see [`Contest::model_key`].
    pub salt: Digest,
    /// Leaf 0 and the last leaf.
    pub opened: Vec<Leaf>,
    /// What the model hashes to: the state in the last leaf.
    pub model: Tiled,
}

impl Claim {
    /// Whether its bond is locked.
    pub fn is_bound(&self) -> bool {
        self.bond > Amount::ZERO
    }
}

impl Contest {
    /// The number of an account's claim.
    pub fn number_of(&self, account: &AccountId) -> Option<u16> {
        let mut entries = self.entries.iter();
        let at = entries.position(|entry| entry.account == *account)?;
        u16::try_from(at).ok()
    }

    /// A claim by its number.
    pub fn entry(&self, number: u16) -> Option<&ClaimEntry> {
        self.entries.get(usize::from(number))
    }

    pub(super) fn entry_mut(&mut self, number: u16) -> Option<&mut ClaimEntry> {
        self.entries.get_mut(usize::from(number))
    }

    /// The numbers of claims in a stage.
    pub fn in_stage(&self, stage: ClaimStage) -> impl Iterator<Item = u16> {
        self.numbers(move |entry| entry.stage == stage)
    }

    /// The numbers of those claims.
    pub(super) fn numbers(&self, which: impl Fn(&ClaimEntry) -> bool) -> impl Iterator<Item = u16> {
        let entries = (0..).zip(&self.entries);
        entries.filter_map(move |(number, entry)| which(entry).then_some(number))
    }

    /// The public randomness of an account's run: no two have the same, so none is another's.
    pub fn seed_of(&self, order: OrderId, account: &AccountId) -> Option<Digest> {
        let seed = self.seed?;
        let parts: [&[u8]; 3] = [&order.0.0, &account.0, &seed.0];
        Some(Digest::of("assay/contest/claim/v1", &parts))
    }

    /// The key of a claim's model: nobody but the claimant can read it before its salt is shown, and everybody
    /// after.
    pub fn model_key(order: OrderId, salt: &Digest) -> assay_crypto::aead::FileKey {
        assay_crypto::aead::FileKey::derive(&salt.0, &format!("contest {order}"), 0)
    }

    /// The test set's key, once it is open.
    pub fn opened(&self) -> Option<&CustodyKey> {
        self.custody.as_ref()?.opened.as_ref()
    }
}
