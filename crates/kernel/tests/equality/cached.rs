//! Attention with a cache gives the rows of attention on the whole sequence.

use super::{all_agree, values};
use assay_kernel::AttentionShape;
use proptest::prelude::*;

fn cached(shape: AttentionShape, past: usize) {
    let whole = AttentionShape {
        seq: past + shape.seq,
        ..shape
    };
    let q = values(1, whole.query_len());
    let (k, v) = (values(2, whole.key_len()), values(3, whole.key_len()));
    let first = past * shape.heads * shape.head_dim;
    all_agree(&format!("{shape:?} after {past}"), |kernel| {
        let (mut all, mut probs) = (vec![9.0; q.len()], vec![9.0; whole.probs_len()]);
        kernel.attention(&q, &k, &v, whole, 0.3, &mut all, &mut probs);
        let mut out = vec![9.0; shape.query_len()];
        kernel.attention_cached(&q[first..], &k, &v, shape, past, 0.3, &mut out);
        assert!(
            out.iter()
                .map(|x| x.to_bits())
                .eq(all[first..].iter().map(|x| x.to_bits())),
            "{shape:?} after {past} on {kernel:?}: the cache changes a bit"
        );
        vec![out]
    });
}

#[test]
fn a_cache_over_several_blocks() {
    for (past, seq) in [
        (0, 1),
        (0, 40),
        (1, 1),
        (255, 1),
        (256, 1),
        (255, 3),
        (500, 20),
    ] {
        let shape = AttentionShape {
            batch: 1,
            seq,
            heads: 6,
            kv_heads: 2,
            head_dim: 64,
        };
        cached(shape, past);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn a_cache_of_any_shape(
        past in 0usize..70, seq in 0usize..9, kv_heads in 1usize..3, group in 1usize..4,
        head_dim in 0usize..40,
    ) {
        let heads = kv_heads * group;
        cached(AttentionShape { batch: 1, seq, heads, kv_heads, head_dim }, past);
    }
}
