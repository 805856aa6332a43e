//! Blocks, headers and messages between nodes.

use assay_api::{ReceiptProof, ValueProof};
use assay_chain::light::CertifiedHeader;
use assay_chain::{BeaconSignature, Block, Header, deal};
use assay_crypto::merkle;
use assay_ledger::{BoundedBytes, Genesis, Height, Receipt, Status, TxId};
use assay_model::{AdamWConfig, Base, BatchShape, PrivateLoraConfig, Purpose};
use assay_node::split::{Held, Mode, TERMS_VERSION, Terms};
use assay_split::{Split, wire};

use super::ledger::{self, digest};
use super::model::tiny;
use crate::to_borsh;

/// [`ledger::genesis`] with a beacon key that belongs to its validators.
pub fn genesis() -> Genesis {
    let genesis = ledger::genesis();
    let validators: Vec<_> = genesis.validators.iter().map(|v| v.account).collect();
    let dealt = deal(&validators, [1; 32]).expect("a valid committee");
    Genesis {
        beacon_key: BoundedBytes::new(dealt.beacon_key).expect("it fits"),
        ..genesis
    }
}

/// A header above `parent`, or the first.
pub fn header(parent: Option<&Header>, beacon: bool) -> Header {
    Header {
        height: Height(parent.map_or(1, |parent| parent.height.0 + 1)),
        parent: parent.map_or(digest("genesis"), Header::digest),
        view: 7,
        timestamp_ms: 1_700_000_000_000,
        beacon: beacon.then_some(BeaconSignature(point())),
        tx_root: digest("transactions"),
        state_root: digest("state"),
        receipts_root: digest("receipts"),
    }
}

/// A point of the signature group, though no signature: the group's generator.
pub fn point() -> [u8; 48] {
    let text = "97f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac58\
                6c55e83ff97a1aeffb3af00adb22c6bb";
    let byte = |at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).expect("hexadecimal");
    std::array::from_fn(byte)
}

/// A certificate about `header` in form: epoch, view, the parent's view, digest, a point.
pub fn certificate(header: &Header) -> Vec<u8> {
    let view = u8::try_from(header.view).expect("a small view");
    [&[0, view, 0][..], &header.digest().0, &point()].concat()
}

/// A header with two descendants and a certificate that only lacks the validators' signature.
pub fn certified() -> CertifiedHeader {
    let first = header(None, false);
    let second = header(Some(&first), false);
    let third = header(Some(&second), true);
    CertifiedHeader {
        certificate: certificate(&third),
        header: first,
        descendants: vec![second, third],
    }
}

/// A block with some transactions.
pub fn block() -> Block {
    let transactions: Vec<Vec<u8>> = ledger::transactions()
        .iter()
        .take(2)
        .map(assay_ledger::Transaction::encode)
        .collect();
    Block {
        header: header(None, false),
        transactions,
    }
}

/// A proof of a value, in form only.
pub fn value_proof() -> ValueProof {
    let state = ledger::genesis().state().expect("it makes sense");
    let update = assay_ledger::root::genesis(&state).expect("an empty tree");
    let tree = update.nodes.into_iter();
    let tree = tree
        .filter_map(|(key, node)| Some((key, node?)))
        .collect::<std::collections::BTreeMap<_, _>>();
    let (key, value) = state.first_key_value().expect("not empty");
    let proof = assay_ledger::root::prove(&tree, Height(0), key, Some(value));
    ValueProof {
        value: Some(value.clone()),
        proof: to_borsh(&proof.expect("a whole tree")),
        header: certified().to_bytes(),
    }
}

/// A proof of a receipt, in form only.
pub fn receipt_proof() -> ReceiptProof {
    let transaction = &ledger::transactions()[0];
    ReceiptProof {
        transaction: transaction.encode(),
        receipt: Receipt {
            tx: transaction.id(),
            fee: transaction.fee,
            status: Status::Applied,
            events: vec![],
        },
        index: 0,
        count: 2,
        path: merkle::Path(vec![digest("sibling")]),
        receipt_path: merkle::Path(vec![digest("sibling"); 2]),
        header: certified().to_bytes(),
    }
}

/// A base of the smallest model.
pub fn base() -> Base {
    Base::random(tiny(), &[4; 32]).expect("a valid configuration")
}

/// Terms of a plain and of a masked session on [`base`] that a provider takes.
pub fn terms() -> [Terms; 2] {
    let settings = PrivateLoraConfig::new(1, 2, &["q_proj", "up_proj"]).expect("valid settings");
    let (base, shape) = (base(), BatchShape { batch: 1, seq: 2 });
    let purpose = Purpose::Train(AdamWConfig::default().into());
    let split = Split::new(base.config(), &settings, shape, purpose).expect("a split");
    let plain = Terms {
        version: TERMS_VERSION,
        messages: wire::VERSION,
        kernel_spec: assay_kernel::SPEC_VERSION,
        base: base.digest(),
        held: Held::Float32,
        batch: 1,
        seq: 2,
        micro_batches: 1,
        checkpointing: false,
        rounded: false,
        steps: 3,
        longest_message: split.longest_message() as u64,
        mode: Mode::Plain {
            r: 1,
            lora_alpha: 2,
            targets: settings.target_modules().bits(),
            seed: [5; 32],
            plan: split.digest(),
        },
    };
    let widest = base
        .config()
        .hidden_size
        .max(base.config().intermediate_size);
    let masked = Terms {
        longest_message: (wire::HEADER + 8 * shape.positions() * widest) as u64,
        mode: Mode::Masked { provider: 1 },
        ..plain.clone()
    };
    [plain, masked]
}

/// The name of a transaction.
pub fn tx() -> TxId {
    ledger::transactions()[0].id()
}
