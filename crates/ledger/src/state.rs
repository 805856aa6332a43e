//! The state while a block is executed: what was, what the block changed, what the call changed.

use std::cell::RefCell;
use std::collections::BTreeMap;

use borsh::{BorshDeserialize, BorshSerialize};

use crate::accounts::keys::{account_of, registration, registrations};
use crate::held::Totals;
use crate::{
    Account, AccountId, Amount, BlockContext, BoundedString, ChainId, Event, Height, LedgerTime,
    Moment, Parameters, ReadError, Registration, Role, Store, accounts, keys, store,
};

/// Changed keys with their new values; `None` deletes.
pub(crate) type Writes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// What the whole network agrees on and no call changes.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Chain {
    pub(crate) id: ChainId,
    pub(crate) name: BoundedString<64>,
    pub(crate) supply: Amount,
    pub(crate) validators: Vec<AccountId>,
    pub(crate) parameters: Parameters,
}

impl Chain {
    /// The record of the network a state belongs to.
    pub(crate) fn of(store: &dyn Store) -> Result<Option<Chain>, ReadError> {
        let key = keys::chain();
        let value = store.get(&key)?;
        value.map(|value| store::decode(&key, &value)).transpose()
    }

    /// Whose turn it is to propose in a view: they take turns, in ascending order of their accounts.
    pub(crate) fn proposer(&self, view: u64) -> Option<AccountId> {
        let at = view.checked_rem(self.validators.len() as u64)?;
        self.validators.get(usize::try_from(at).ok()?).copied()
    }

    /// Validators that must agree: 2f + 1 of n = 3f + 1, and `n - f` for any n.
    pub(crate) fn quorum(&self) -> usize {
        quorum(self.validators.len())
    }

    /// Validators that may lie: f of n = 3f + 1.
    pub(crate) fn liars(&self) -> usize {
        self.validators.len() - self.quorum()
    }
}

/// [`Chain::quorum`] of so many validators.
pub(crate) fn quorum(validators: usize) -> usize {
    validators - validators.saturating_sub(1) / 3
}

/// The last block executed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct BlockInfo {
    pub(crate) height: Height,
    pub(crate) timestamp_ms: u64,
    pub(crate) time: LedgerTime,
}

impl BlockInfo {
    /// The last block of a state; none on the genesis state.
    pub(crate) fn of(store: &dyn Store) -> Result<Option<BlockInfo>, ReadError> {
        let key = keys::block();
        let value = store.get(&key)?;
        value.map(|value| store::decode(&key, &value)).transpose()
    }

    /// What a block is after this one.
    pub(crate) fn next(before: Option<BlockInfo>, context: &BlockContext) -> BlockInfo {
        let (height, timestamp_ms) = (context.height, context.timestamp_ms);
        let time = before.map(|of| of.time.of_block(of.timestamp_ms, timestamp_ms));
        BlockInfo {
            height,
            timestamp_ms,
            time: time.unwrap_or_default(),
        }
    }
}

/// Money that belongs to nobody in particular, and how much there is of all other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Pools {
    /// Fees, as far as they did not go to proposers.
    pub(crate) treasury: Amount,
    /// What slashed bonds left over.
    pub(crate) pot: Amount,
    /// All other money.
    pub(crate) held: Totals,
}

/// A state under change. Writes of a call stay apart until [`State::commit`], so that a refused
/// call leaves nothing behind.
///
/// Reads that fail are answered as if nothing were there, and remembered: what follows from them
/// is never used, since [`State::finish`] then gives the failure instead of the writes. Calls and
/// deadlines so need no arm for a disk that fails, and none can forget it.
pub(crate) struct State<'a> {
    base: &'a dyn Store,
    failure: RefCell<Option<ReadError>>,
    block: Writes,
    call: Writes,
    events: Vec<Event>,
    pub(crate) chain: Chain,
    pub(crate) context: BlockContext,
    /// A bond or a slot came free since this was set back last: see [`crate::sweep`].
    pub(crate) roused: bool,
    moment: Moment,
}

impl<'a> State<'a> {
    /// For a block after `before`.
    pub(crate) fn new(
        base: &'a dyn Store,
        chain: Chain,
        before: Option<BlockInfo>,
        context: BlockContext,
    ) -> State<'a> {
        let info = BlockInfo::next(before, &context);
        State {
            base,
            failure: RefCell::new(None),
            block: Writes::new(),
            call: Writes::new(),
            events: Vec::new(),
            chain,
            context,
            roused: false,
            moment: Moment {
                time: info.time,
                height: info.height,
            },
        }
    }

    /// The block's height.
    pub(crate) fn now(&self) -> Height {
        self.moment.height
    }

    /// The block's ledger time.
    pub(crate) fn time(&self) -> LedgerTime {
        self.moment.time
    }

    /// Both.
    pub(crate) fn moment(&self) -> Moment {
        self.moment
    }

    /// Keeps what was written since the last commit; returns the events since then.
    #[must_use = "events that reach no receipt are lost"]
    pub(crate) fn commit(&mut self) -> Vec<Event> {
        self.block.extend(std::mem::take(&mut self.call));
        std::mem::take(&mut self.events)
    }

    /// Forgets what was written since the last commit.
    pub(crate) fn roll_back(&mut self) {
        self.call.clear();
        self.events.clear();
    }

    /// Everything committed, if every read it rests on succeeded.
    pub(crate) fn finish(self) -> Result<Writes, ReadError> {
        match self.failure.into_inner() {
            None => Ok(self.block),
            Some(failure) => Err(failure),
        }
    }

    /// Whether a read failed, so that nothing about this state means anything any more.
    pub(crate) fn is_lost(&self) -> bool {
        self.failure.borrow().is_some()
    }

    /// The outcome of a read of the state below, or nothing where it failed.
    fn noted<T>(&self, read: Result<T, ReadError>) -> Option<T> {
        let note = |failure| {
            self.failure.borrow_mut().get_or_insert(failure);
        };
        read.map_err(note).ok()
    }

    pub(crate) fn emit(&mut self, event: impl Into<Event>) {
        self.events.push(event.into());
    }

    fn bytes(&self, key: &[u8]) -> Option<Vec<u8>> {
        match self.call.get(key).or_else(|| self.block.get(key)) {
            Some(value) => value.clone(),
            None => self.noted(self.base.get(key)).flatten(),
        }
    }

    pub(crate) fn load<T: BorshDeserialize>(&self, key: &[u8]) -> Option<T> {
        self.noted(store::decode(key, &self.bytes(key)?))
    }

    pub(crate) fn has(&self, key: &[u8]) -> bool {
        match self.call.get(key).or_else(|| self.block.get(key)) {
            Some(value) => value.is_some(),
            None => self.noted(self.base.get(key)).flatten().is_some(),
        }
    }

    pub(crate) fn save<T: BorshSerialize>(&mut self, key: Vec<u8>, value: &T) {
        // Serialising into memory cannot fail.
        self.call
            .insert(key, Some(borsh::to_vec(value).unwrap_or_default()));
    }

    pub(crate) fn remove(&mut self, key: Vec<u8>) {
        self.call.insert(key, None);
    }

    /// The first `limit` pairs under `prefix` whose key is not below `from`, ascending.
    pub(crate) fn scan(&self, prefix: &[u8], from: &[u8], limit: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
        let from = prefix.max(from);
        let changes = || {
            let layers = [&self.block, &self.call].into_iter();
            layers.flat_map(|layer| {
                let changed = layer.range(from.to_vec()..);
                changed.take_while(|(key, _)| key.starts_with(prefix))
            })
        };
        // As many more as may turn out to be removed.
        let removed = changes().filter(|(_, value)| value.is_none()).count();
        let below = self.base.scan(prefix, from, limit.saturating_add(removed));
        let below = self.noted(below).unwrap_or_default();
        let mut pairs: BTreeMap<_, _> = below.into_iter().collect();
        for (key, value) in changes() {
            match value {
                Some(value) => pairs.insert(key.clone(), value.clone()),
                None => pairs.remove(key),
            };
        }
        pairs.into_iter().take(limit).collect()
    }

    /// All pairs under `prefix`, ascending.
    pub(crate) fn range(&self, prefix: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.scan(prefix, prefix, usize::MAX)
    }

    pub(crate) fn account(&self, account: &AccountId) -> Account {
        self.load(&accounts::keys::account(account))
            .unwrap_or_default()
    }

    /// Who owns a node: itself, unless it consented to an owner.
    pub(crate) fn owner(&self, node: &AccountId) -> AccountId {
        self.load(&accounts::keys::owner(node)).unwrap_or(*node)
    }

    pub(crate) fn save_account(&mut self, account: &AccountId, value: &Account) {
        self.save(accounts::keys::account(account), value);
    }

    pub(crate) fn registration(&self, role: Role, account: &AccountId) -> Option<Registration> {
        self.load(&registration(role, account))
    }

    /// Saves a registration; one without bond that is being left disappears.
    pub(crate) fn save_registration(
        &mut self,
        role: Role,
        account: &AccountId,
        value: &Registration,
    ) {
        let key = registration(role, account);
        if value.leaving && value.bond == Amount::ZERO {
            self.remove(key);
        } else {
            self.save(key, value);
        }
    }

    /// Everybody registered in a role, ascending.
    pub(crate) fn registrations(&self, role: Role) -> Vec<(AccountId, Registration)> {
        let pairs = self.range(&registrations(role)).into_iter();
        pairs
            .filter_map(|(key, value)| {
                let account = account_of(&key)?;
                Some((account, self.noted(store::decode(&key, &value))?))
            })
            .collect()
    }

    /// Writes `value` unless just these bytes lie there.
    pub(crate) fn save_changed<T: BorshSerialize>(&mut self, key: Vec<u8>, value: &T) {
        // Serialising into memory cannot fail.
        let bytes = borsh::to_vec(value).unwrap_or_default();
        if self.bytes(&key).as_ref() != Some(&bytes) {
            self.call.insert(key, Some(bytes));
        }
    }
}
