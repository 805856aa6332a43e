//! Whether an order can be done, told from what is public of it before anything is fetched.

use assay_job::{Bytes, Lengths, Price};
use assay_ledger::Terms;
use assay_proof::FetchFailure;
use assay_vault::length;

use crate::told;

/// Whether a run of an order fits into so many bytes, told before any of its files is here; `inputs`
/// are the least that they can be. What no run can be made of is refused when its program is built, by
/// every machine alike.
pub(super) fn run_fits(terms: &Terms, inputs: &Lengths, memory: u64) -> Result<(), FetchFailure> {
    match Price::of_terms(terms, inputs) {
        Ok(price) if price.total() > memory => Err(FetchFailure::TooLarge(format!(
            "a run takes {price}, and this machine gives {}",
            Bytes(memory)
        ))),
        _ => Ok(()),
    }
}

/// Whether the specification is one of a kind that this version knows, of the method that the terms name,
/// a step no more work than they say, and a run, with inputs that are at least so long, no more memory.
/// Told from what is public, by every machine alike.
pub(super) fn makes_sense(terms: &Terms, inputs: &Lengths) -> Result<(), String> {
    let price = Price::of_terms(terms, inputs).map_err(|error| told(&error))?;
    let (takes, said) = (price.work, terms.step_units);
    if takes > said {
        return Err(format!(
            "a step takes {takes} products, and the terms say {said}"
        ));
    }
    let (takes, said) = (Bytes(price.anywhere), Bytes(terms.memory));
    if price.anywhere > terms.memory {
        return Err(format!(
            "a run takes {takes} of memory, and the terms say {said}"
        ));
    }
    let kind = assay_job::kind(terms.kind.as_str());
    let method = kind.and_then(|kind| kind.method(&terms.spec).ok()?);
    let (does, said) = (method.unwrap_or_default(), terms.method.as_str());
    match does == said {
        true => Ok(()),
        false => Err(format!(
            "the specification asks for the method {does:?}, and the terms say {said:?}"
        )),
    }
}

/// Whether a file of this length class can be one of at most so many bytes. The same on every
/// machine.
pub(super) fn file_fits(class: u64, most: u64) -> Result<(), FetchFailure> {
    if class <= length::class(most) {
        return Ok(());
    }
    Err(FetchFailure::Corrupt(format!(
        "its record says up to {}, and it may hold {}",
        Bytes(class),
        Bytes(most)
    )))
}

#[cfg(test)]
mod tests {
    use assay_crypto::Digest;
    use assay_job::Sizes;
    use assay_proof::MAX_STATE_BYTES;

    use super::*;

    #[test]
    fn a_state_that_no_order_can_have_is_not_fetched() {
        let most = MAX_STATE_BYTES as u64;
        for bytes in [0, 1, most / 2, most - 1, most] {
            assert!(file_fits(length::class(bytes), most).is_ok(), "{bytes}");
        }
        for bytes in [most + (most >> 3), 200 << 30, u64::MAX] {
            let refused = file_fits(bytes, most);
            assert!(matches!(refused, Err(FetchFailure::Corrupt(_))), "{bytes}");
        }
    }

    #[test]
    fn a_run_that_is_too_large_is_known_by_its_terms() {
        let file = r#"kind = "finetune"
            name = "n"
            model = { path = "m" }
            data = { train = "t", sequence_length = 8 }
            training = { steps = 4, batch_size = 1, learning_rate = 1e-4 }"#;
        let job = assay_job::read(file, std::path::Path::new("/nowhere")).unwrap();
        let shape = assay_model::ModelShape {
            vocab_size: 32_000,
            hidden_size: 4_096,
            intermediate_size: 11_008,
            num_hidden_layers: 32,
            num_attention_heads: 32,
            num_key_value_heads: 32,
            head_dim: 128,
            max_sequence: 2_048,
            rms_norm_eps: 1e-5,
            qkv_bias: false,
            o_bias: false,
            mlp_bias: false,
            tie_word_embeddings: false,
        };
        let terms = |model: &[u8]| {
            let draft =
                assay_job::Draft::new(&job, (model, &Sizes::default()), |_| Digest::ZERO, None);
            draft.unwrap().place([])
        };
        let lengths = |bytes| Lengths::from(["model", "train"].map(|name| (name.into(), bytes)));
        let told = terms(&shape.to_bytes());
        let error = run_fits(&told, &lengths(1), 1 << 30).unwrap_err();
        assert!(matches!(error, FetchFailure::TooLarge(_)), "{error}");
        assert!(run_fits(&told, &lengths(1), 1 << 40).is_ok());
        assert!(run_fits(&told, &lengths(u64::MAX / 2), 1 << 40).is_err());
        // Every machine says the same of it once it has the files.
        assert!(run_fits(&terms(&[1; 41]), &lengths(1), 1 << 30).is_ok());
    }

    #[test]
    fn terms_that_say_less_than_the_work_takes_or_another_method_are_refused() {
        let file = r#"kind = "finetune"
            name = "n"
            model = { path = "m" }
            data = { train = "t", sequence_length = 8 }
            training = { steps = 4, batch_size = 2, learning_rate = 1e-4 }"#;
        let job = assay_job::read(file, std::path::Path::new("/nowhere")).unwrap();
        let shape = assay_model::ModelShape {
            vocab_size: 64,
            hidden_size: 16,
            intermediate_size: 32,
            num_hidden_layers: 2,
            num_attention_heads: 2,
            num_key_value_heads: 2,
            head_dim: 8,
            max_sequence: 64,
            rms_norm_eps: 1e-5,
            qkv_bias: false,
            o_bias: false,
            mlp_bias: false,
            tie_word_embeddings: false,
        };
        let draft = assay_job::Draft::new(
            &job,
            (&shape.to_bytes(), &Sizes::default()),
            |_| Digest::ZERO,
            None,
        );
        let mut terms = draft.unwrap().place([]);
        // Sixteen tokens pass through all weights, forwards and back.
        assert!(terms.step_units > 16 * 2 * 16 * 32, "{}", terms.step_units);
        let lengths = |bytes| Lengths::from(["model", "train"].map(|name| (name.into(), bytes)));
        let refused = |terms: &Terms| makes_sense(terms, &lengths(0)).unwrap_err();
        assert_eq!(makes_sense(&terms, &lengths(0)), Ok(()));
        // Texts that are longer than was said of take more memory, too.
        assert!(makes_sense(&terms, &lengths(1_000)).is_err());
        terms.step_units -= 1;
        assert!(refused(&terms).contains("products"));
        terms.step_units += 1;
        terms.memory -= 1;
        assert!(refused(&terms).contains("of memory"));
        terms.memory += 1;
        terms.method = assay_ledger::JobMethod::new("full").unwrap();
        assert!(refused(&terms).contains("the method \"lora\""));
    }
}
