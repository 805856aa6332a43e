//! The numbers a network agrees on.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::state::quorum;
use crate::{Amount, Call, Deadlines, Offer, Ppm, Role, Transaction};

/// The longest deadline or delay that any network may have, in milliseconds: a year.
pub const MAX_DEADLINE_MS: u64 = 365 * 86_400_000;

/// The longest file that a vault keeps, in bytes: no network may allow longer inputs.
pub const MAX_FILE_BYTES: u64 = 256 << 30;

/// The most blocks that a network may give every phase at least.
const MAX_MIN_BLOCKS: u32 = 1 << 16;

/// Floors under which somebody who is honest, but whose machine restarts or whose line fails for a few
/// minutes, may lose a bond.
const FLOORS: Deadlines = Deadlines {
    assign: 60_000,
    attest: 1_200_000,
    ..Deadlines::all(300_000)
};

/// Parameters of a network, part of its genesis and of the state.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Parameters {
    /// Least fee of a transaction, whatever its size.
    pub base_fee: Amount,
    /// Least fee for each encoded byte, on top.
    pub byte_fee: Amount,
    /// Least bond of a validator.
    pub validator_bond: Amount,
    /// Least bond of a provider, and the least an order may lock of it.
    pub provider_bond: Amount,
    /// Least bond of an auditor, and the least an order may lock of it.
    pub auditor_bond: Amount,
    /// Least bond of a storage node.
    pub storage_bond: Amount,
    /// What a storage node locks of its bond for each GiB that it keeps.
    pub storage_bond_per_gib: Amount,
    /// How long a provider must have results and checkpoints kept at least, from when it commits to
    /// them, in milliseconds of ledger time: what it is paid for does not vanish.
    pub kept_ms: u64,
    /// The longest that a file is kept without being recorded again, in milliseconds of ledger time.
    pub max_kept_ms: u64,
    /// Ledger time between giving up a role and getting the bond back, in milliseconds.
    pub unbonding_ms: u64,
    /// Share of a provider's locked bond lost when it does not commit to a run in time.
    pub late_rate: Ppm,
    /// Share of a slashed bond that goes to providers and auditors who were right or worked in vain; the
    /// rest goes to the pot. Below one, since whoever cheats may also be its own challenger.
    /// Requesters, who set the terms, get nothing of a bond.
    pub reward_rate: Ppm,
    /// Share of the price that a provider earns by having begun; the rest is earned step by step.
    pub setup_rate: Ppm,
    /// What an order holds besides what it may pay, from its posting to its end: a waiting order takes
    /// room and time of everybody, and is to cost whoever posts many of them.
    pub order_deposit: Amount,
    /// Orders of one account that may be open together.
    pub max_open_orders: u32,
    /// Deposited with a complaint; goes to the provider when the complaint is unfounded.
    pub complaint_deposit: Amount,
    /// Paid to each validator that committed to what the verdict on a dispute says and revealed it in time:
    /// of the loser's bond, or of the deposit of a complaint that was wrong.
    pub judge_fee: Amount,
    /// How many times what a role earns in an order the order may lock of its bond.
    pub max_bond_multiple: u32,
    /// How long whoever is asked to take part in an order has to answer, in milliseconds of ledger time.
    pub answer_ms: u64,
    /// Lists of those who are asked to take part whose answers an order pays the fees of, for each run that
    /// it can have; when they are used up nobody else is asked.
    pub answer_lists: u16,
    /// Share of the price that a requester owes whoever it keeps waiting: a provider that accepted
    /// while the order is withdrawn, or is handed no keys in time.
    pub idle_rate: Ppm,
    /// What every auditor that counts for [`Parameters::min_share`] takes at least: terms as good as this
    /// are never short of auditors by that rule.
    pub standard_offer: Offer,
    /// Least share of the auditors' bonds whose offers take an order, or it is not drawn for: see
    /// [`eligible_share`](crate::eligible_share).
    pub min_share: Ppm,
    /// Paid to the pot to renew an offer that was suspended because its account did not answer.
    pub renewal_fee: Amount,
    /// Share of the bonds of all auditors who would take an order that must be free for its auditors to be
    /// drawn. Where less is, because others are busy, the order waits; and when it has waited for as long
    /// as its terms say, validators audit it. Without it, whoever keeps honest auditors busy with small
    /// orders has its accomplices drawn for its large ones.
    pub least_free: Ppm,
    /// The shortest deadlines that an order may set for its phases, in milliseconds of ledger time.
    pub floors: Deadlines,
    /// The longest deadline that an order may set for a phase, and the longest that a grant of a file
    /// may last, in milliseconds of ledger time.
    pub max_deadline_ms: u64,
    /// Blocks that every phase lasts at least, whatever its deadline.
    pub min_blocks: u32,
    /// Rounds of audit draws for one run before its order is refunded.
    pub max_rounds: u8,
    /// Deadlines of orders under way that end in one block at most, as many of orders on which nobody
    /// works, as many bonds, grants and records of files, and runs whose keys are forgotten; the rest is
    /// carried over.
    pub max_timers: u32,
    /// Waiting orders that one block draws for at most.
    pub max_draws: u32,
    /// Waiting orders, and classes of them, that one block looks at most whether anybody takes them. More
    /// than four times what can be posted in one block, so that the line of new orders never grows by
    /// those that nobody takes.
    pub max_looks: u32,
    /// Most that the calls of one block may cost together: see [`Call::cost`](crate::Call::cost).
    pub max_block_cost: u32,
    /// Most work of one segment, in products that are added up: see
    /// [`Terms::segment_units`](crate::Terms::segment_units). It is what a judge may have to replay for one
    /// dispute, while others wait.
    pub max_judge_units: u64,
    /// Largest length class of one input of an order, in bytes.
    pub max_input_bytes: u64,
    /// Most that the length classes of all inputs of an order may come to together, in bytes.
    pub max_task_bytes: u64,
    /// Share of a block's fees that goes to the owner of whoever proposed it; the rest to the treasury.
    pub proposer_rate: Ppm,
}

impl Default for Parameters {
    fn default() -> Parameters {
        Parameters {
            base_fee: Amount(1_000),
            byte_fee: Amount(1),
            validator_bond: Amount::tokens(100),
            provider_bond: Amount::tokens(1),
            auditor_bond: Amount::tokens(1),
            storage_bond: Amount::tokens(1),
            storage_bond_per_gib: Amount(100_000),
            kept_ms: 7 * 86_400_000,
            max_kept_ms: 120 * 86_400_000,
            unbonding_ms: 7 * 86_400_000,
            late_rate: Ppm(200_000),
            reward_rate: Ppm(500_000),
            setup_rate: Ppm(50_000),
            order_deposit: Amount(100_000),
            max_open_orders: 64,
            complaint_deposit: Amount::tokens(1),
            // Twice what the two calls cost.
            judge_fee: Amount(5_000),
            max_bond_multiple: 20,
            answer_ms: 30_000,
            answer_lists: 8,
            idle_rate: Ppm(50_000),
            standard_offer: Offer::standard(),
            min_share: Ppm(500_000),
            renewal_fee: Amount(10_000),
            least_free: Ppm(500_000),
            floors: FLOORS,
            max_deadline_ms: 30 * 86_400_000,
            min_blocks: 20,
            max_rounds: 8,
            max_timers: 64,
            max_draws: 64,
            max_looks: 1_024,
            max_block_cost: 3_000,
            // About three quarters of an hour at 10^11 products a second.
            max_judge_units: 1 << 48,
            max_input_bytes: 64 << 30,
            max_task_bytes: 80 << 30,
            proposer_rate: Ppm(500_000),
        }
    }
}

impl Parameters {
    /// The numbers of a network on one machine, which is there to be tried out: no phase is too short,
    /// since all parties are one person.
    pub fn devnet() -> Parameters {
        Parameters {
            floors: Deadlines::all(0),
            least_free: Ppm(0),
            min_blocks: 2,
            unbonding_ms: 3_600_000,
            max_judge_units: u64::MAX,
            kept_ms: 3_600_000,
            ..Parameters::default()
        }
    }

    /// The least fee of a transaction of `length` encoded bytes.
    pub fn min_fee(&self, length: usize) -> Amount {
        let bytes = self.byte_fee.0.saturating_mul(length as u64);
        Amount(self.base_fee.0.saturating_add(bytes))
    }

    /// What whoever is asked to take part in an order gets for its answer: the least fee of one.
    pub fn answer_fee(&self) -> Amount {
        self.min_fee(Transaction::ANSWER_BYTES)
    }

    /// The least bond of a role.
    pub fn min_bond(&self, role: Role) -> Amount {
        match role {
            Role::Validator => self.validator_bond,
            Role::Provider => self.provider_bond,
            Role::Auditor => self.auditor_bond,
            Role::Storage => self.storage_bond,
        }
    }

    /// What is wrong with these parameters in a network of so many validators, if anything.
    pub(crate) fn problem(&self, validators: usize) -> Option<&'static str> {
        let rate = |rate: Ppm| rate > Ppm::ONE;
        if Role::ALL
            .iter()
            .any(|role| self.min_bond(*role) == Amount::ZERO)
        {
            return Some("a least bond is zero: a role without a bond has nothing to lose");
        }
        let rates = [
            self.late_rate,
            self.reward_rate,
            self.setup_rate,
            self.idle_rate,
            self.min_share,
            self.least_free,
            self.proposer_rate,
        ];
        if rates.into_iter().any(rate) {
            return Some("a rate is above 1,000,000 parts per million");
        }
        let mut floors = self.floors.named().into_iter();
        if self.max_deadline_ms == 0 || floors.any(|(_, floor)| floor > self.max_deadline_ms) {
            return Some("the longest deadline must be above zero, and no floor above it");
        }
        if self.floors.attest / 4 < self.floors.reveal {
            return Some(
                "a quarter of the least time for validators to attest must be enough to reveal in",
            );
        }
        // The smallest sums that they are paid of.
        let unrewarded = |bond: Amount| Amount(bond.0 - self.reward_rate.of(bond).0);
        let bonds = [self.provider_bond, self.auditor_bond].map(unrewarded);
        let sums = [self.complaint_deposit, bonds[0], bonds[1]];
        let all = self.judge_fee.checked_mul(quorum(validators) as u64);
        if !sums.iter().all(|sum| all.is_some_and(|all| all <= *sum)) {
            return Some(
                "the deposit of a complaint, and what of a least bond is no reward, must be enough to pay \
                 the judge_fee to a quorum of validators",
            );
        }
        if self.storage_bond_per_gib == Amount::ZERO {
            return Some("a storage node must lock something for what it keeps");
        }
        if self.kept_ms > self.max_kept_ms / 4 || self.max_deadline_ms > self.max_kept_ms / 2 {
            return Some("files must be kept for longer than any phase and any result need them");
        }
        let lengths = [
            self.max_deadline_ms,
            self.unbonding_ms,
            self.answer_ms,
            self.max_kept_ms,
        ];
        if lengths.iter().any(|length| *length > MAX_DEADLINE_MS) {
            return Some("a deadline or delay is above a year");
        }
        if self.min_blocks == 0 || self.min_blocks > MAX_MIN_BLOCKS {
            return Some(
                "a phase must last at least one block, and at most 65,536 whatever its time",
            );
        }
        if self.answer_ms == 0 {
            return Some("whoever is asked must have some time to answer");
        }
        if self.answer_lists == 0 {
            return Some("an order must pay the answers to at least one list");
        }
        if self.max_timers == 0 || self.max_draws == 0 {
            return Some("a block must end at least one deadline and draw for at least one order");
        }
        let posted = self.max_block_cost.div_ceil(Call::POST_COST);
        if self.max_looks < posted.saturating_mul(4) {
            return Some("a block must look at four times the orders that can be posted in one");
        }
        if self.max_open_orders == 0 {
            return Some("an account must be allowed an open order");
        }
        if self.max_block_cost < Call::MAX_COST {
            return Some("a block must have room for its dearest call");
        }
        if self.max_judge_units == 0 {
            return Some("a segment must be allowed some work");
        }
        if self.max_input_bytes == 0 || self.max_input_bytes > MAX_FILE_BYTES {
            return Some("an input must be allowed at least one byte, and at most 256 GiB");
        }
        if self.max_task_bytes < self.max_input_bytes || self.max_task_bytes > 8 * MAX_FILE_BYTES {
            return Some("an order must be allowed its largest input, and at most 2 TiB together");
        }
        if self.max_bond_multiple == 0 {
            return Some("an order must be allowed to lock what it pays");
        }
        if self.unbonding_ms == 0 || self.max_rounds == 0 {
            return Some("the unbonding time and audit rounds must be at least one");
        }
        None
    }
}
