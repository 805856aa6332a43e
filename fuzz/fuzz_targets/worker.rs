//! Frames between a node and its worker. The first byte picks the direction.
#![no_main]

use assay_crypto::Digest;
use assay_crypto::tiles::Tiled;
use assay_fuzz::{canonical, to_borsh};
use assay_ledger::{Counts, FileId, Reached, StepIndex, StopRule, Taken};
use assay_node::inputs::Passage;
use assay_node::worker::{Answer, Ask, Piece, read_frame};
use assay_proof::{StepReport, WorkFailure};
use borsh::BorshDeserialize;
use libfuzzer_sys::fuzz_target;

fn asks() -> Vec<Ask> {
    vec![
        Ask::Input {
            digest: Digest([1; 32]),
            bytes: b"part".to_vec(),
            last: true,
        },
        Ask::Work(Box::new(Piece {
            piece: 1,
            desk: 2,
            kind: "finetune".to_owned(),
            spec: b"{}".to_vec(),
            model: vec![1; 41],
            memory: u64::MAX,
            inputs: vec![("model".to_owned(), Digest([1; 32]))],
            seed: Digest([2; 32]),
            steps: 8,
            segment_steps: 4,
            stop: StopRule {
                stop_after: 4,
                max_invalid: 8,
            },
            start: Some(vec![7]),
            from: StepIndex(4),
            to: StepIndex(8),
        })),
        Ask::Stop { desk: 2, piece: 1 },
        Ask::Leave { desk: 2 },
        Ask::Open(Box::new(Passage {
            path: b"/inputs/a.0.part".to_vec(),
            file: FileId(Digest([4; 32])),
            root: Digest([5; 32]),
            slices: 3,
            length_class: 9 << 20,
            key: [6; 32],
            content: Digest([1; 32]),
        })),
    ]
}

fn answers() -> Vec<Answer> {
    vec![
        Answer::Missing {
            piece: 1,
            inputs: vec![Digest([1; 32])],
        },
        Answer::Step {
            piece: 1,
            report: StepReport {
                step: StepIndex(5),
                loss_micro: Some(1_000),
                units: 64,
                taken: Taken::Valid,
            },
        },
        Answer::Done {
            piece: 1,
            leaves: vec![Digest([3; 32])],
            last: Reached {
                state: Tiled::of(&[3]),
                counts: Counts::default(),
            },
            state: vec![8],
        },
        Answer::Failed {
            piece: 1,
            failure: WorkFailure::Unable("1 PiB".to_owned()),
        },
    ]
}

fn seeds() -> Vec<Vec<u8>> {
    let asks = asks().into_iter().map(|a| [vec![0], to_borsh(&a)].concat());
    let answers = answers()
        .into_iter()
        .map(|a| [vec![1], to_borsh(&a)].concat());
    asks.chain(answers).collect()
}

fuzz_target!(init: assay_fuzz::plant(seeds()), |data: &[u8]| {
    match data.split_first() {
        Some((0, bytes)) => {
            canonical(bytes, Ask::try_from_slice, to_borsh);
        }
        Some((1, bytes)) => {
            canonical(bytes, Answer::try_from_slice, to_borsh);
        }
        Some((_, mut bytes)) => {
            let _ = read_frame::<Answer>(&mut bytes);
        }
        None => {}
    }
});
