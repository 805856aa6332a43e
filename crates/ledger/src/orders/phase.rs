//! Whose move an order waits for, and how it can end.

use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// Whose move it is. Every phase that is not final has a deadline.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Waits for the beacon to draw whom to ask to provide.
    Posted,
    /// Those who were drawn say whether they take it.
    Asked,
    /// Waits for the beacon that gives its seed.
    Taken,
    /// The requester grants its keys to the provider.
    Assigned,
    /// The provider runs the job.
    Running,
    /// Waits for the beacon to draw whom to ask to audit.
    Committed,
    /// Those who were drawn say whether they audit.
    Called,
    /// Waits for the beacon that draws the segments.
    Seated,
    /// The provider opens the starts of the drawn segments and grants keys to the auditors.
    Opening,
    /// The auditors replay and commit.
    Auditing,
    /// The provider opens the ends of the drawn segments.
    Closing,
    /// The auditors reveal.
    Revealing,
    /// Provider and challenger narrow their difference down to one step.
    Bisecting,
    /// The validators replay what is disputed and attest.
    Attesting,
    /// The run stands; the provider releases the key of its result to the requester.
    Delivering,
    /// The key is released; the requester may complain about what it opens.
    Accepted,
    /// Trainers join, until there are as many as may be or the time is over.
    Joining,
    /// The trainers of the round take their steps and commit to them.
    Training,
    /// The validators say which updates they hold.
    Gathering,
    /// Waits for the beacon to draw whose steps are audited; in a contest, for a block in which audits begin.
    Closed,
    /// The steps of those who were drawn are audited, each in an order of its own.
    Checking,
    /// The validators make the next model, or the first one.
    Merging,
    /// Waits for the beacon: the round that is over is paid, a part in each block, and the next begins.
    Between,
    /// Final: everybody whose work stands is paid.
    Settled,
    /// Final: withdrawn before any work.
    Cancelled,
    /// Final: the requester has its money back.
    Refunded,
    /// The requester deals the key of its test set to the validators.
    Dealing,
    /// The validators say whether they hold good shares of it.
    Holding,
    /// The claimants run the job and commit to their runs.
    Claiming,
    /// The claims are closed; the claimants show their runs.
    Sealed,
    /// The validators show their shares of the test set's key.
    TestOpen,
    /// The validators score every model on the test set.
    Validating,
    /// The scores are known; anybody with a bond may challenge one.
    Verifying,
    /// The validators score one model once more.
    Recounting,
}

impl Phase {
    /// Whether nothing can happen any more.
    pub fn is_final(self) -> bool {
        matches!(self, Phase::Settled | Phase::Cancelled | Phase::Refunded)
    }

    /// Whether the beacon moves the order on.
    pub fn waits_for_draw(self) -> bool {
        matches!(
            self,
            Phase::Posted
                | Phase::Taken
                | Phase::Committed
                | Phase::Seated
                | Phase::Closed
                | Phase::Between
        )
    }

    /// Every phase, in the order of their encoding.
    pub const ALL: [Phase; 34] = [
        Phase::Posted,
        Phase::Asked,
        Phase::Taken,
        Phase::Assigned,
        Phase::Running,
        Phase::Committed,
        Phase::Called,
        Phase::Seated,
        Phase::Opening,
        Phase::Auditing,
        Phase::Closing,
        Phase::Revealing,
        Phase::Bisecting,
        Phase::Attesting,
        Phase::Delivering,
        Phase::Accepted,
        Phase::Joining,
        Phase::Training,
        Phase::Gathering,
        Phase::Closed,
        Phase::Checking,
        Phase::Merging,
        Phase::Between,
        Phase::Settled,
        Phase::Cancelled,
        Phase::Refunded,
        Phase::Dealing,
        Phase::Holding,
        Phase::Claiming,
        Phase::Sealed,
        Phase::TestOpen,
        Phase::Validating,
        Phase::Verifying,
        Phase::Recounting,
    ];

    /// Its place in keys of the state; the same as in its encoding.
    pub(crate) fn byte(self) -> u8 {
        self as u8
    }

    /// Whether the validators judge a dispute, or will, have updates to gather or merge, keep a key, or score.
    pub fn is_judged(self) -> bool {
        matches!(
            self,
            Phase::Bisecting
                | Phase::Attesting
                | Phase::Gathering
                | Phase::Closed
                | Phase::Checking
                | Phase::Merging
                | Phase::Holding
                | Phase::TestOpen
                | Phase::Validating
                | Phase::Verifying
                | Phase::Recounting
        )
    }

    /// The phase's name as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Posted => "posted",
            Phase::Asked => "asked",
            Phase::Taken => "taken",
            Phase::Assigned => "assigned",
            Phase::Running => "running",
            Phase::Committed => "committed",
            Phase::Called => "called",
            Phase::Seated => "seated",
            Phase::Opening => "opening",
            Phase::Auditing => "auditing",
            Phase::Closing => "closing",
            Phase::Revealing => "revealing",
            Phase::Bisecting => "bisecting",
            Phase::Attesting => "attesting",
            Phase::Delivering => "delivering",
            Phase::Accepted => "accepted",
            Phase::Joining => "joining",
            Phase::Training => "training",
            Phase::Gathering => "gathering",
            Phase::Closed => "closed",
            Phase::Checking => "checking",
            Phase::Merging => "merging",
            Phase::Between => "between",
            Phase::Settled => "settled",
            Phase::Cancelled => "cancelled",
            Phase::Refunded => "refunded",
            Phase::Dealing => "dealing",
            Phase::Holding => "holding",
            Phase::Claiming => "claiming",
            Phase::Sealed => "sealed",
            Phase::TestOpen => "test_open",
            Phase::Validating => "validating",
            Phase::Verifying => "verifying",
            Phase::Recounting => "recounting",
        }
    }
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// How an order ended.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Accepted and paid.
    Paid,
    /// Withdrawn by the requester.
    Withdrawn,
    /// No provider could be found in time, or too few auditors were there to audit it.
    NoProvider,
    /// The requester did not grant its keys in time.
    NotGranted,
    /// Every attempt failed.
    AttemptsUsed,
    /// Too many steps came to nothing, so the run was given up; it was paid for what it computed.
    Failed,
    /// No copy stands, and nobody has worked for nothing.
    NoCopies,
    /// Too few trainers joined for a first round.
    TooFewTrainers,
    /// Rounds went on to merge nothing, or too few trainers were left; the rounds until then were paid.
    EndedEarly,
    /// The key of a contest's test set was dealt badly; whoever looked was paid.
    BadDealing,
    /// Too few validators said in time that they hold the key of a contest's test set, or that they do not.
    NotHeld,
    /// No claim of a contest stands.
    NoClaims,
    /// No claim of a contest that stands is better than the baseline; claimants were paid in equal parts.
    NoImprovement,
    /// The test set of a contest did not open; claimants were paid in equal parts.
    CustodyShut,
    /// The test set of a contest could not be read; claimants were paid in equal parts.
    TestUnread,
    /// Too few validators scored the models of a contest; claimants were paid in equal parts.
    NotScored,
}

impl Outcome {
    /// The phase in which an order is over that ended like this.
    pub fn phase(self) -> Phase {
        match self {
            Outcome::Withdrawn => Phase::Cancelled,
            Outcome::Paid | Outcome::Failed | Outcome::EndedEarly => Phase::Settled,
            _ if self.pays_claims() => Phase::Settled,
            _ => Phase::Refunded,
        }
    }

    /// Whether claimants are paid where a contest ends like this.
    pub fn pays_claims(self) -> bool {
        matches!(
            self,
            Outcome::Paid
                | Outcome::NoImprovement
                | Outcome::CustodyShut
                | Outcome::TestUnread
                | Outcome::NotScored
        )
    }
}

impl fmt::Display for Outcome {
    /// The end of a sentence that begins with "the order was".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Paid => "accepted: everybody whose work stands was paid",
            Self::Withdrawn => "withdrawn by the requester, who got everything back",
            Self::NoProvider => {
                "refunded: no provider took it in time, or there were too few auditors for it"
            }
            Self::NotGranted => "refunded: the requester handed over no keys in time",
            Self::AttemptsUsed => "refunded: every attempt failed",
            Self::Failed => {
                "given up: too many steps came to nothing; what was computed is paid, the rest is back"
            }
            Self::NoCopies => "refunded: no copy of the work stands",
            Self::TooFewTrainers => "refunded: too few trainers joined in time",
            Self::EndedEarly => {
                "ended early: rounds merged nothing, or too few trainers were left; what was done is paid, the rest is back"
            }
            Self::BadDealing => {
                "refunded, less what validators earned by looking: the key of the test set was dealt badly"
            }
            Self::NotHeld => {
                "refunded, less what validators earned by looking: too few of them said in time that they hold the key of the test set"
            }
            Self::NoClaims => {
                "refunded: no claim stands"
            }
            Self::NoImprovement => {
                "over without a winner: no model is better than the baseline; claimants whose runs stand share their part equally"
            }
            Self::CustodyShut => {
                "over without a winner: the validators did not open the test set in time; claimants whose runs stand share their part equally"
            }
            Self::TestUnread => {
                "over without a winner: the test set could not be read; claimants whose runs stand share their part equally"
            }
            Self::NotScored => {
                "over without a winner: too few validators scored the models; claimants whose runs stand share their part equally"
            }
        })
    }
}
