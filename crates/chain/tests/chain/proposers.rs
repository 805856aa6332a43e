//! The ledger pays whom the engine lets propose.

use assay_crypto::Digest;
use assay_ledger::{
    AccountCall, AccountId, Amount, BlockContext, Height, MemoryStore, Transaction, execute_block,
    query,
};
use commonware_codec::{Copying, DecodeExt as _};
use commonware_consensus::simplex::elector::{Config, Elector as _, RoundRobin};
use commonware_consensus::simplex::scheme::bls12381_threshold::standard::Scheme;
use commonware_consensus::types::{Epoch, Round, View};
use commonware_cryptography::bls12381::primitives::variant::MinSig;
use commonware_cryptography::{Sha256, ed25519};
use commonware_utils::ordered::Set;

use crate::support::{client, free_addresses, genesis, key};

#[test]
fn the_ledger_pays_whom_the_engine_lets_propose() {
    let (genesis, _) = genesis(&free_addresses::<4>(), Vec::new());
    let accounts: Vec<AccountId> = genesis.validators.iter().map(|of| of.account).collect();
    let identity = |account: &AccountId| ed25519::PublicKey::decode(Copying(&account.0)).unwrap();
    let identities: Vec<_> = accounts.iter().map(identity).collect();
    let participants = Set::try_from(identities).unwrap();
    let elector = RoundRobin::<Sha256>::default();
    let elector = Config::<Scheme<ed25519::PublicKey, MinSig>>::build(elector, &participants);
    for view in 1..=9 {
        let mut store = MemoryStore::new(genesis.state().unwrap());
        let (to, amount) = (key(102).public(), Amount(1));
        let call = AccountCall::Transfer { to, amount };
        let (chain, fee) = (genesis.chain_id(), Amount::tokens(1));
        let transaction = Transaction::sign(&client(), chain, 0, fee, call);
        let context = BlockContext {
            height: Height(1),
            timestamp_ms: genesis.timestamp_ms + 1_000,
            beacon: Digest::ZERO,
            view: Some(view),
        };
        let executed = execute_block(&store, &context, &[transaction]).unwrap();
        store.apply(&executed.writes);
        let balance = |account: &AccountId| query::account(&store, account).unwrap().balance;
        let paid = accounts.iter().filter(|of| balance(of) > Amount::ZERO);
        let leader = elector.elect(Round::new(Epoch::zero(), View::new(view)), ());
        let expected = &accounts[usize::from(leader)];
        assert_eq!(paid.collect::<Vec<_>>(), [expected], "view {view}");
        assert_eq!(balance(expected), genesis.parameters.proposer_rate.of(fee));
    }
}
