//! Pieces of every operator: their bytes, their verdicts, and what is no piece.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests

use assay_crypto::Digest;
use assay_graph::{
    AdamWConfig, Data, Described, Input, JudgeError, Judged, Limits, Malformed, Noise, Op, Operand,
    Origin, Piece, Shape, WeightId, judge,
};
use assay_kernel::random::Stream;
use assay_kernel::{AttentionShape, IGNORE};
use borsh::BorshDeserialize;
use proptest::prelude::*;

type Sides = (u64, u64);

/// Makes pieces of small numbers.
struct Maker {
    stream: Stream,
    node: u32,
}

impl Maker {
    fn floats(&mut self, (rows, cols): Sides) -> (Data, Sides) {
        let count = rows * cols;
        let values = (0..count).map(|_| self.stream.uniform(0.25, 1.0));
        (Data::Floats(values.collect()), (rows, cols))
    }

    fn piece(&mut self, op: Op, inputs: Vec<(Data, Sides)>, outputs: &[Sides]) -> Piece {
        let shape = |(rows, cols): Sides| Shape { rows, cols };
        self.node += 1;
        let origin = |place: usize| match place % 2 {
            0 => Origin::Input(Input::Param(place as u32)),
            _ => Origin::Output { node: 0, output: 1 },
        };
        let operand = |(place, (_, sides)): (usize, &(Data, Sides))| Operand {
            shape: shape(*sides),
            origin: origin(place),
        };
        Piece {
            node: Described {
                node: self.node,
                op,
                inputs: inputs.iter().enumerate().map(operand).collect(),
                outputs: outputs.iter().map(|sides| shape(*sides)).collect(),
            },
            inputs: inputs.into_iter().map(|(data, _)| data).collect(),
        }
    }

    /// A piece whose operands are all numbers.
    fn plain(&mut self, op: Op, inputs: &[Sides], outputs: &[Sides]) -> Piece {
        let inputs = inputs.iter().map(|sides| self.floats(*sides)).collect();
        self.piece(op, inputs, outputs)
    }
}

fn ids() -> (Data, Sides) {
    (Data::Ids(vec![3, 0, 3]), (3, 1))
}

fn labels() -> (Data, Sides) {
    (Data::Labels(vec![2, IGNORE, 0]), (3, 1))
}

const ADAMW: AdamWConfig = AdamWConfig {
    beta1: 0.9,
    beta2: 0.999,
    eps: 1e-8,
    weight_decay: 0.01,
};

fn attention(batch: usize) -> AttentionShape {
    AttentionShape {
        batch,
        seq: 3,
        heads: 4,
        kv_heads: 2,
        head_dim: 2,
    }
}

/// One piece of every operator, and of some settings of one.
fn pieces() -> Vec<Piece> {
    let mut m = Maker {
        stream: Stream::new(&[5; 32], 1, 2),
        node: 0,
    };
    let (q, k, cache, probs) = ((6, 8), (6, 4), (5, 4), (24, 3));
    let int8 = |rows: u64, cols: u64| {
        let values = (0..rows * cols).map(|i| (i as i8).wrapping_mul(7) % 127);
        let scales = vec![0.5; rows as usize];
        let values = values.collect();
        (Data::Int8 { values, scales }, (rows, cols))
    };
    let mut all = Vec::new();
    let x = m.floats((4, 5));
    all.push(m.piece(Op::Embedding, vec![x, ids()], &[(3, 5)]));
    let x = m.floats((3, 5));
    all.push(m.piece(Op::EmbeddingBackward, vec![x, ids()], &[(4, 5)]));
    all.push(m.plain(
        Op::RmsNorm { eps: 1e-5 },
        &[(3, 5), (1, 5)],
        &[(3, 5), (3, 1)],
    ));
    let norm = [(3, 5), (3, 5), (1, 5), (3, 1)];
    for weight in [false, true] {
        let outputs = &[(3, 5), (1, 5)][..1 + usize::from(weight)];
        all.push(m.plain(Op::RmsNormBackward { weight }, &norm, outputs));
    }
    for (ta, tb, accumulate) in [
        (false, true, true),
        (true, false, false),
        (true, true, true),
    ] {
        let turn = |(rows, cols): Sides, turned| if turned { (cols, rows) } else { (rows, cols) };
        let inputs = [turn((3, 5), ta), turn((5, 2), tb), (3, 2)];
        let inputs = &inputs[..2 + usize::from(accumulate)];
        all.push(m.plain(Op::Product { ta, tb, accumulate }, inputs, &[(3, 2)]));
    }
    for (transposed, accumulate) in [(true, true), (false, false)] {
        let op = Op::QuantizedProduct {
            transposed,
            accumulate,
        };
        let matrix = if transposed { int8(2, 5) } else { int8(5, 2) };
        let mut inputs = vec![m.floats((3, 5)), matrix];
        if accumulate {
            inputs.push(m.floats((3, 2)));
        }
        all.push(m.piece(op, inputs, &[(3, 2)]));
    }
    all.push(m.plain(Op::AddBias, &[(3, 5), (1, 5)], &[(3, 5)]));
    for inverse in [false, true] {
        let op = Op::Rope { heads: 2, inverse };
        all.push(m.plain(op, &[(6, 8), (3, 2), (3, 2)], &[(6, 8)]));
    }
    let (shape, scale) = (attention(2), 0.5);
    all.push(m.plain(Op::Attention { shape, scale }, &[q, k, k], &[q, probs]));
    let backward = Op::AttentionBackward { shape, scale };
    all.push(m.plain(backward, &[q, q, k, k, probs], &[q, k, k]));
    let (q, k) = ((3, 8), (3, 4));
    let shape = attention(1);
    let mut inputs: Vec<_> = [q, k, k, cache, cache].map(|s| m.floats(s)).into();
    inputs.push((Data::Past(2), (0, 0)));
    let op = Op::CachedAttention { shape, scale };
    all.push(m.piece(op, inputs, &[q, cache, cache]));
    all.push(m.plain(Op::LastRow, &[(3, 5)], &[(1, 5)]));
    all.push(m.plain(Op::SiluMul, &[(3, 5); 2], &[(3, 5)]));
    all.push(m.plain(Op::SiluMulBackward, &[(3, 5); 3], &[(3, 5); 2]));
    for gradient in [false, true] {
        let outputs = &[(3, 1), (3, 5)][..1 + usize::from(gradient)];
        let inputs = vec![m.floats((3, 5)), labels(), labels()];
        all.push(m.piece(Op::CrossEntropy { gradient }, inputs, outputs));
    }
    all.push(m.plain(Op::Sum, &[(3, 1)], &[(1, 1)]));
    let x = m.floats((3, 1));
    all.push(m.piece(Op::Mean, vec![x, labels()], &[(1, 1)]));
    all.push(m.plain(Op::Scale { factor: 0.5 }, &[(3, 5)], &[(3, 5)]));
    all.push(m.plain(Op::Add, &[(3, 5); 2], &[(3, 5)]));
    all.push(m.plain(Op::Divide, &[(1, 5); 2], &[(1, 5)]));
    all.push(m.plain(Op::ScaleColumns, &[(3, 5), (1, 5)], &[(3, 5)]));
    all.push(m.plain(Op::ScaleBy, &[(3, 5), (1, 1)], &[(3, 5)]));
    for accumulate in [false, true] {
        let more = usize::from(accumulate);
        let sums = &[(3, 5), (1, 5)][..1 + more];
        all.push(m.plain(Op::ColumnSums { accumulate }, sums, &[(1, 5)]));
        let dots = &[(3, 5), (3, 5), (1, 5)][..2 + more];
        all.push(m.plain(Op::ColumnDots { accumulate }, dots, &[(1, 5)]));
        let squares = &[(3, 5), (1, 1)][..1 + more];
        all.push(m.plain(Op::SumSquares { accumulate }, squares, &[(1, 1)]));
    }
    all.push(m.plain(Op::RowNorms, &[(3, 5)], &[(1, 3)]));
    let noise = Noise {
        key: [9; 32],
        step: 4,
    };
    let op = Op::Dropout {
        p: 0.25,
        slot: 3,
        slots: 7,
    };
    let x = m.floats((3, 5));
    all.push(m.piece(op, vec![x, (Data::Noise(noise), (0, 0))], &[(3, 5)]));
    all.push(m.plain(Op::RoundBf16, &[(3, 5)], &[(3, 5)]));
    all.push(m.plain(Op::ClipFactor { max_norm: 0.1 }, &[(1, 1)], &[(1, 1)]));
    all.push(m.plain(Op::NextPowers(ADAMW), &[(1, 2)], &[(1, 2)]));
    let inputs = [(3, 5), (3, 5), (3, 5), (3, 5), (1, 2), (1, 1)];
    all.push(m.plain(Op::AdamW(ADAMW), &inputs, &[(3, 5); 3]));
    all
}

fn judged(piece: &Piece) -> Judged {
    judge(piece, Limits::TRANSACTION).unwrap()
}

fn refused(piece: &Piece) -> Malformed {
    match judge(piece, Limits::TRANSACTION) {
        Err(JudgeError::Malformed(why)) => why,
        other => panic!("{:?}: {other:?}", piece.node),
    }
}

/// Bytes and verdicts of all pieces.
#[test]
fn bytes_and_verdicts_are_frozen() {
    let (mut bytes, mut verdicts) = (Vec::new(), Vec::new());
    for piece in pieces() {
        let written = borsh::to_vec(&piece).unwrap();
        assert_eq!(Piece::try_from_slice(&written).unwrap(), piece);
        bytes.extend(written);
        let record = judged(&piece).record().unwrap();
        verdicts.extend_from_slice(record.digest().as_bytes());
    }
    let found = [bytes, verdicts].map(|all| Digest::of("assay/test", &[&all]).to_string());
    assert_eq!(found, GOLDEN);
}

const GOLDEN: [&str; 2] = [
    "62913e0b6cdfabaca0bc1b3a3b26d751480d5b8f57e93cb19440f6545c743d42",
    "3817f8a273cd9fa494932c9fbe2ad30c8e1ef8aac92e051ab3676f2ee90b8dff",
];

/// A product's description, byte by byte.
#[test]
fn the_bytes_of_a_node_are_as_documented() {
    let node = Described {
        node: 258,
        op: Op::Product {
            ta: false,
            tb: true,
            accumulate: false,
        },
        inputs: vec![
            Operand {
                shape: Shape { rows: 3, cols: 5 },
                origin: Origin::Output { node: 7, output: 1 },
            },
            Operand {
                shape: Shape { rows: 2, cols: 5 },
                origin: Origin::Input(Input::Weight(WeightId(9))),
            },
        ],
        outputs: vec![Shape { rows: 3, cols: 2 }],
    };
    let eight = |n: u64| n.to_le_bytes().to_vec();
    let expected = [
        vec![2, 1, 0, 0],
        vec![4, 0, 1, 0],
        vec![2, 0, 0, 0],
        eight(3),
        eight(5),
        vec![1, 7, 0, 0, 0, 1],
        eight(2),
        eight(5),
        vec![0, 0, 9, 0, 0, 0],
        vec![1, 0, 0, 0],
        eight(3),
        eight(2),
    ]
    .concat();
    assert_eq!(borsh::to_vec(&node).unwrap(), expected);
    assert_eq!(node.digest(), Digest::of("assay/node/v2", &[&expected]));
}

/// The operator, its settings, its place, where operands come from and every shape are bound.
#[test]
fn a_nodes_digest_covers_all_of_it() {
    let mut digests: Vec<Digest> = pieces().iter().map(|piece| piece.node.digest()).collect();
    let node = pieces()[5].node.clone();
    let changes: [fn(&mut Described); 6] = [
        |n| n.node += 1,
        |n| n.op = Op::Add,
        |n| n.inputs[0].shape.rows += 1,
        |n| n.inputs[1].origin = Origin::Output { node: 0, output: 0 },
        |n| n.inputs.swap(0, 1),
        |n| n.outputs[0].cols += 1,
    ];
    for change in changes {
        let mut other = node.clone();
        change(&mut other);
        digests.push(other.digest());
    }
    for (i, digest) in digests.iter().enumerate() {
        assert!(!digests[i + 1..].contains(digest), "{i}");
    }
}

#[test]
fn counts_kinds_and_settings_that_do_not_fit_are_named() {
    for piece in pieces() {
        let mut other = piece.clone();
        other.inputs.pop();
        assert!(matches!(refused(&other), Malformed::Inputs { .. }));
        other.node.inputs.pop();
        assert!(matches!(refused(&other), Malformed::Inputs { .. }));
        let mut other = piece.clone();
        other.node.outputs.push(Shape { rows: 1, cols: 1 });
        assert!(matches!(refused(&other), Malformed::Outputs { .. }));
        for place in 0..piece.inputs.len() {
            let mut other = piece.clone();
            other.inputs[place] = match &piece.inputs[place] {
                Data::Floats(_) => Data::Ids(vec![0]),
                _ => Data::Floats(vec![0.0]),
            };
            assert_eq!(refused(&other), Malformed::Kind(place));
        }
    }
    let shape = |heads, kv_heads| AttentionShape {
        heads,
        kv_heads,
        ..attention(2)
    };
    let scale = 1.0;
    let at = |op: Op| Piece {
        node: Described {
            op,
            ..piece_of(op).node
        },
        ..piece_of(op)
    };
    for op in [
        Op::RmsNorm { eps: f32::NAN },
        Op::Scale {
            factor: f32::INFINITY,
        },
        Op::ClipFactor { max_norm: f32::NAN },
        Op::Dropout {
            p: 1.0,
            slot: 0,
            slots: 0,
        },
        Op::Attention {
            shape: shape(4, 3),
            scale,
        },
        Op::Attention {
            shape: shape(4, 0),
            scale,
        },
        Op::Attention {
            shape: shape(4, 2),
            scale: f32::NAN,
        },
        Op::AdamW(AdamWConfig {
            eps: f32::NAN,
            ..ADAMW
        }),
        Op::NextPowers(AdamWConfig {
            beta2: f32::INFINITY,
            ..ADAMW
        }),
    ] {
        assert_eq!(refused(&at(op)), Malformed::Setting, "{op:?}");
    }
}

/// A piece of the same operator.
fn piece_of(op: Op) -> Piece {
    let alike = |piece: &Piece| piece.node.op.name() == op.name();
    pieces().into_iter().find(alike).unwrap()
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    for piece in pieces() {
        for place in 0..piece.inputs.len() {
            for (rows, cols) in [
                (0, 1),
                (7, 11),
                (u64::MAX, u64::MAX),
                (1 << 40, 2),
                (1 << 33, 1),
            ] {
                let mut other = piece.clone();
                other.node.inputs[place].shape = Shape { rows, cols };
                refused(&other);
            }
        }
        for place in 0..piece.node.outputs.len() {
            for (rows, cols) in [(0, 1), (7, 11), (u64::MAX, 2), (1, 1 << 40)] {
                let mut other = piece.clone();
                other.node.outputs[place] = Shape { rows, cols };
                refused(&other);
            }
        }
    }
}

#[test]
fn values_that_do_not_fit_are_refused() {
    for piece in pieces() {
        for (place, data) in piece.inputs.iter().enumerate() {
            let with = |data: Data| {
                let mut other = piece.clone();
                other.inputs[place] = data;
                refused(&other)
            };
            match data.clone() {
                Data::Floats(mut values) => {
                    let mut longer = values.clone();
                    longer.push(0.0);
                    assert_eq!(with(Data::Floats(longer)), Malformed::Length(place));
                    *values.last_mut().unwrap() = f32::NAN;
                    assert_eq!(with(Data::Floats(values)), Malformed::NotFinite(place));
                }
                Data::Ids(mut ids) => {
                    ids[1] = 4;
                    assert_eq!(with(Data::Ids(ids.clone())), Malformed::Range(place));
                    ids.pop();
                    assert_eq!(with(Data::Ids(ids)), Malformed::Length(place));
                }
                Data::Labels(mut labels) if place == 1 && piece.inputs.len() == 3 => {
                    for bad in [5, -1, i32::MIN] {
                        labels[0] = bad;
                        assert_eq!(with(Data::Labels(labels.clone())), Malformed::Range(1));
                    }
                }
                Data::Int8 { mut values, scales } => {
                    let (bad, fewer) = (vec![f32::INFINITY; scales.len()], scales[1..].to_vec());
                    for (scales, why) in [
                        (bad, Malformed::NotFinite(place)),
                        (fewer, Malformed::Length(place)),
                    ] {
                        let values = values.clone();
                        assert_eq!(with(Data::Int8 { values, scales }), why);
                    }
                    values[3] = i8::MIN;
                    assert_eq!(with(Data::Int8 { values, scales }), Malformed::Range(place));
                }
                Data::Past(_) => {
                    for bad in [3, u64::MAX] {
                        assert_eq!(with(Data::Past(bad)), Malformed::Range(place));
                    }
                }
                Data::Labels(_) | Data::Noise(_) => {}
            }
        }
    }
}

/// Work is told from the shapes before anything is computed, or copied.
#[test]
fn what_is_too_large_is_refused_before_it_is_computed() {
    for piece in pieces() {
        for limits in [
            Limits {
                values: 1,
                ..Limits::TRANSACTION
            },
            Limits {
                work: 1,
                ..Limits::TRANSACTION
            },
        ] {
            let found = judge(&piece, limits);
            let large = matches!(
                found,
                Err(JudgeError::Malformed(Malformed::TooLarge { .. }))
            );
            assert!(large, "{:?}", piece.node.op);
        }
    }
    // Shapes that fit each other, and no values at all.
    let side = 1 << 20;
    let mut piece = piece_of(Op::Product {
        ta: false,
        tb: true,
        accumulate: true,
    });
    let square = Shape {
        rows: side,
        cols: side,
    };
    piece
        .node
        .inputs
        .iter_mut()
        .for_each(|operand| operand.shape = square);
    piece.node.outputs[0] = square;
    assert!(matches!(refused(&piece), Malformed::TooLarge { .. }));
}

/// What overflows has no digest that machines could agree on, and is said to have none.
#[test]
fn results_that_are_not_finite_have_no_digest() {
    let mut piece = piece_of(Op::Scale { factor: 1.0 });
    piece.node.op = Op::Scale { factor: f32::MAX };
    piece.inputs[0] = Data::Floats(vec![f32::MAX; 15]);
    let judged = judged(&piece);
    assert_eq!((judged.outputs.as_ref(), judged.record()), (None, None));
}

proptest! {
    /// Bytes from nowhere are a piece or an error, and what is judged is small.
    #[test]
    fn any_bytes_are_answered(
        which: prop::sample::Index,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
        cut: prop::sample::Index,
        short: bool,
    ) {
        let all = pieces();
        let mut bytes = borsh::to_vec(&all[which.index(all.len())]).unwrap();
        // Most changes fall where shapes and settings stand.
        let reach = bytes.len().min(120);
        for (at, byte) in changes {
            bytes[at.index(reach)] = byte;
        }
        if short {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(piece) = Piece::try_from_slice(&bytes) {
            prop_assert_eq!(borsh::to_vec(&piece).unwrap(), bytes);
            if let Ok(first) = judge(&piece, Limits::TRANSACTION) {
                prop_assert_eq!(judge(&piece, Limits::TRANSACTION).unwrap(), first);
            }
        }
    }

    /// Whatever the sizes of an attention, they are answered.
    #[test]
    fn any_attention_is_answered(
        sides in prop::array::uniform5(prop_oneof![0usize..5, any::<usize>()]),
        which in 0usize..3,
    ) {
        let [batch, seq, heads, kv_heads, head_dim] = sides;
        let shape = AttentionShape { batch, seq, heads, kv_heads, head_dim };
        let scale = 1.0;
        let op = [
            Op::Attention { shape, scale },
            Op::AttentionBackward { shape, scale },
            Op::CachedAttention { shape, scale },
        ][which];
        let mut piece = piece_of(op);
        piece.node.op = op;
        let fits = [attention(1), attention(2)].contains(&shape);
        prop_assert!(fits || judge(&piece, Limits::TRANSACTION).is_err());
    }
}
