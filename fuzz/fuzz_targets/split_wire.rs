//! Messages of a split step: one encoding, and parties that survive any of them. The first byte
//! picks the protocol and the party.
#![no_main]

use std::sync::Arc;

use assay_data::Batch;
use assay_fuzz::canonical;
use assay_fuzz::samples::model::tiny;
use assay_kernel::{Isa, Kernel};
use assay_model::{
    AdamWConfig, Adapter, Base, BatchShape, Method, PrivateLoraConfig, Purpose, TrainState,
};
use assay_split::masked::wire::Shares;
use assay_split::masked::{MaskedProvider, MaskedRequester, Masker};
use assay_split::wire::Message;
use assay_split::{Holdings, Provider, Requester, Side, Split};
use libfuzzer_sys::fuzz_target;

const SHAPE: BatchShape = BatchShape { batch: 1, seq: 2 };
const TARGETS: [&str; 2] = ["q_proj", "up_proj"];

fn purpose() -> Purpose {
    Purpose::Train(AdamWConfig::default().into())
}

fn kernel() -> Kernel {
    Kernel::new(Isa::Scalar, 1).expect("a kernel")
}

fn base() -> Base {
    Base::random(tiny(), &[4; 32]).expect("a valid configuration")
}

fn settings() -> PrivateLoraConfig {
    PrivateLoraConfig::new(1, 2, &TARGETS).expect("valid settings")
}

fn adapter(base: &Base) -> Adapter {
    Adapter::init(&kernel(), base, &Method::PrivateLora(settings()), &[5; 32])
}

fn batch() -> Batch {
    let mut batch = Batch::padding(SHAPE.batch, SHAPE.seq, 1);
    batch.labels[0] = 2;
    batch
}

fn plain() -> (Requester, Provider) {
    let (base, settings) = (base(), settings());
    let adapter = adapter(&base);
    let split = Split::new(base.config(), &settings, SHAPE, purpose()).expect("a split");
    let split = Arc::new(split);
    let part = |side| Holdings::of(&split, side, &base, &adapter).expect("all tensors");
    let provider = Provider::new(&kernel(), split.clone(), part(Side::Provider));
    let state = TrainState::new(adapter.clone());
    let requester = Requester::new(&kernel(), split.clone(), part(Side::Requester), state);
    (
        requester.expect("a requester"),
        provider.expect("a provider"),
    )
}

fn masked() -> (MaskedRequester, MaskedProvider) {
    let base = base();
    let (state, masker) = (TrainState::new(adapter(&base)), Masker::new([1; 32]));
    let requester = MaskedRequester::new(&kernel(), &base, state, SHAPE, purpose(), masker);
    let provider = MaskedProvider::new(0, &base, SHAPE.positions());
    (
        requester.expect("a requester"),
        provider.expect("a provider"),
    )
}

fn seeds() -> Vec<Vec<u8>> {
    let (mut requester, mut provider) = plain();
    let turn = requester.begin(&batch(), 0.1).expect("a valid batch");
    let back = provider
        .receive(&turn.messages[0])
        .expect("the next message");
    let (mut hidden, mut multiplier) = masked();
    let turn_of_shares = hidden.begin(&batch(), 0.1).expect("a valid batch");
    let [share, _] = turn_of_shares.shares.expect("a first product");
    let product = multiplier.receive(&share).expect("the next message");
    let abandon = requester.abandon().expect("an exchange under way");
    [
        (0, turn.messages[0].clone()),
        (0, abandon.clone()),
        (1, back[0].clone()),
        (1, abandon),
        (2, share),
        (3, product),
    ]
    .into_iter()
    .map(|(which, bytes)| [vec![which], bytes].concat())
    .collect()
}

fuzz_target!(init: assay_fuzz::plant(seeds()), |data: &[u8]| {
    let Some((which, bytes)) = data.split_first() else {
        return;
    };
    match which {
        0 | 1 => {
            canonical(bytes, Message::decode, Message::encode);
            let (mut requester, mut provider) = plain();
            let before = requester.state().digest();
            let turn = requester.begin(&batch(), 0.1).expect("a valid batch");
            let good = &turn.messages[0];
            if *which == 0 {
                // Refused messages change nothing: the right one is taken after them.
                if provider.receive(bytes).is_err() && provider.is_idle() {
                    provider.receive(good).expect("nothing was lost");
                }
            } else {
                let back = provider.receive(good).expect("the next message");
                let refused = matches!(
                    requester.receive(bytes),
                    Err(assay_split::StepError::Message(_))
                );
                if refused {
                    requester.receive(&back[0]).expect("nothing was lost");
                }
                assert_eq!(requester.state().digest(), before);
            }
        }
        2 | 3 => {
            canonical(bytes, Shares::decode, Shares::encode);
            let (mut requester, mut provider) = masked();
            let turn = requester.begin(&batch(), 0.1).expect("a valid batch");
            let [good, _] = turn.shares.expect("a first product");
            if *which == 2 {
                if provider.receive(bytes).is_err() {
                    provider.receive(&good).expect("nothing was lost");
                }
            } else {
                let product = provider.receive(&good).expect("the next message");
                if requester.receive(bytes).is_err() {
                    requester.receive(&product).expect("nothing was lost");
                }
            }
        }
        _ => {}
    }
});
