//! Generation with a cache: the bits of whole rows, sampling, conversations, settings.

use std::path::Path;
use std::sync::Arc;

use crate::common;
use assay_data::{Batch, Message, Role};
use assay_kernel::{IGNORE, Isa, Kernel};
use assay_model::{
    Adapter, Base, Ended, GenerateError, GenerateSettings, Generator, Method, ModelConfig,
    Precision, Sampling, logits,
};

fn example() -> Arc<Base> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/glassllm");
    Arc::new(Base::from_folder(&folder).unwrap())
}

/// The logits of every position, all at once.
fn whole(base: &Arc<Base>, adapter: Option<&Adapter>, row: &[u32]) -> Vec<Vec<u32>> {
    let batch = Batch {
        batch: 1,
        seq: row.len(),
        ids: row.to_vec(),
        labels: vec![IGNORE; row.len()],
    };
    let all = logits(&Kernel::detect().unwrap(), base, adapter, &batch).unwrap();
    all.chunks_exact(all.len() / row.len()).map(bits).collect()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

fn row(base: &Base, tokens: usize) -> Vec<u32> {
    let mut stream = assay_kernel::random::Stream::new(&[4; 32], 81, 0);
    let vocab = base.config().vocab_size as u32;
    (0..tokens).map(|_| stream.below(vocab)).collect()
}

/// Reads the row in parts of these lengths, the last one again and again, and compares the logits
/// after each part.
fn check_split(generator: &mut Generator, row: &[u32], expected: &[Vec<u32>], parts: &[usize]) {
    generator.rewind(0);
    let mut lengths = parts.iter().chain(std::iter::repeat(parts.last().unwrap()));
    let mut at = 0;
    while at < row.len() {
        let end = row.len().min(at + lengths.next().unwrap());
        let ours = bits(generator.read(&row[at..end]).unwrap());
        assert!(
            ours == expected[end - 1],
            "{parts:?}, up to position {end}: other bits than the whole row's"
        );
        at = end;
    }
    assert_eq!(generator.row(), row);
}

#[test]
fn cached_logits_have_the_bits_of_the_whole_row_with_every_method() {
    let kernel = Kernel::detect().unwrap();
    for json in [common::BIASED_TIED, common::QWEN, common::PLAIN] {
        let base = common::base(json);
        let row = row(&base, 32);
        let methods = common::methods().into_iter();
        let all = methods.map(|(name, method)| (name, Some(method)));
        for (name, method) in [("none", None)].into_iter().chain(all) {
            let adapter = method.map(|method: Method| common::adapter(&base, &method));
            let expected = whole(&base, adapter.as_ref(), &row);
            let mut generator =
                Generator::new(&kernel, base.clone(), adapter.as_ref(), 32).unwrap();
            println!("{name}");
            for parts in [
                &[1][..],
                &[32],
                &[5, 1],
                &[31, 1],
                &[7, 3],
                &[1, 13, 2, 1, 4],
            ] {
                check_split(&mut generator, &row, &expected, parts);
            }
        }
    }
}

/// DoRA also reads the frozen matrices as such.
#[test]
fn bases_in_shorter_forms_give_the_bits_of_whole_rows() {
    let kernel = Kernel::detect().unwrap();
    for precision in Precision::ALL {
        let files = common::files(common::QWEN);
        let base = Arc::new(Base::from_files(files).unwrap().held_in(precision));
        let row = row(&base, 20);
        for (_, method) in &common::methods()[1..4] {
            let adapter = common::adapter(&base, method);
            let expected = whole(&base, Some(&adapter), &row);
            let mut generator = Generator::new(&kernel, base.clone(), Some(&adapter), 20).unwrap();
            check_split(&mut generator, &row, &expected, &[7, 1]);
        }
    }
}

fn wide() -> Arc<Base> {
    let json = br#"{"model_type": "llama", "vocab_size": 300, "hidden_size": 48,
        "intermediate_size": 300, "num_hidden_layers": 2, "num_attention_heads": 6,
        "num_key_value_heads": 2, "head_dim": 12, "max_position_embeddings": 600}"#;
    let config = ModelConfig::from_json(json).unwrap();
    Arc::new(Base::random(config, &[1; 32]).unwrap())
}

/// Several blocks of 256 positions, prompts longer than what runs at once, wide products.
#[test]
fn long_rows_have_the_same_bits_on_every_path() {
    let base = wide();
    let adapter = common::adapter(&base, &common::methods()[2].1);
    let row = row(&base, 530);
    let expected = whole(&base, Some(&adapter), &row);
    for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
        for threads in 1..=2 {
            let kernel = Kernel::new(isa, threads).unwrap();
            let mut generator = Generator::new(&kernel, base.clone(), Some(&adapter), 530).unwrap();
            check_split(&mut generator, &row, &expected, &[509, 1]);
            check_split(&mut generator, &row, &expected, &[130, 100]);
        }
    }
}

#[test]
fn a_shared_beginning_is_not_read_again() {
    let kernel = Kernel::detect().unwrap();
    let base = common::base(common::QWEN);
    let row = row(&base, 30);
    let mut generator = Generator::new(&kernel, base.clone(), None, 32).unwrap();
    generator.read(&row[..20]).unwrap();
    let mut other = row.clone();
    other[12] = (other[12] + 1) % common::VOCAB as u32;
    for row in [&row, &other, &other] {
        let expected = whole(&base, None, row);
        assert_eq!(bits(generator.reread(row).unwrap()), expected[29]);
        assert_eq!(generator.row(), row);
    }
    let expected = whole(&base, None, &other[..9]);
    assert_eq!(bits(generator.reread(&other[..9]).unwrap()), expected[8]);
    generator.rewind(4);
    assert!(generator.logits().is_empty());
}

fn sampling() -> Sampling {
    Sampling::new(0.9, 40, 0.95, [7; 32]).unwrap()
}

fn tokens(kernel: &Kernel, base: &Arc<Base>, adapter: &Adapter, sampling: Sampling) -> Vec<u32> {
    let settings = GenerateSettings {
        sampling: Some(sampling),
        ..GenerateSettings::greedy(60)
    };
    let mut generator = Generator::new(kernel, base.clone(), Some(adapter), 128).unwrap();
    let mut all = Vec::new();
    let take = |token| {
        all.push(token);
        Ok(true)
    };
    generator.tokens(&[2, 40, 41, 42], &settings, take).unwrap();
    all
}

#[test]
fn a_seed_gives_one_text_on_every_path_and_number_of_threads() {
    let base = wide();
    let adapter = common::adapter(&base, &common::methods()[6].1);
    let first = tokens(&Kernel::detect().unwrap(), &base, &adapter, sampling());
    let distinct: std::collections::BTreeSet<u32> = first.iter().copied().collect();
    assert!(
        first.len() == 60 && distinct.len() > 20,
        "a weak test: {first:?}"
    );
    for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
        for threads in 1..=3 {
            let kernel = Kernel::new(isa, threads).unwrap();
            assert_eq!(tokens(&kernel, &base, &adapter, sampling()), first);
        }
    }
    let other = Sampling::new(0.9, 40, 0.95, [8; 32]).unwrap();
    let kernel = Kernel::detect().unwrap();
    assert_ne!(tokens(&kernel, &base, &adapter, other), first);
}

#[test]
fn sampling_among_one_token_is_greedy() {
    let (kernel, base) = (Kernel::detect().unwrap(), common::base(common::PLAIN));
    let prompt = [3, 1, 4, 1, 5];
    let greedy = assay_model::generate(&kernel, &base, None, &prompt, 20).unwrap();
    let mut generator = Generator::new(&kernel, base, None, 32).unwrap();
    for (top_k, top_p) in [(1, 1.0), (0, 1e-6)] {
        let settings = GenerateSettings {
            sampling: Some(Sampling::new(1.5, top_k, top_p, [1; 32]).unwrap()),
            ..GenerateSettings::greedy(20)
        };
        let mut all = Vec::new();
        let take = |token| {
            all.push(token);
            Ok(true)
        };
        let ended = generator.tokens(&prompt, &settings, take).unwrap();
        assert_eq!((ended, &all), (Ended::MaxNewTokens, &greedy));
    }
}

#[test]
fn a_conversation_goes_on_in_the_same_row() {
    let (kernel, base) = (Kernel::detect().unwrap(), example());
    let mut generator = Generator::new(&kernel, base.clone(), None, usize::MAX).unwrap();
    assert_eq!(generator.context(), base.config().max_sequence());
    let settings = GenerateSettings {
        sampling: Some(sampling()),
        ..GenerateSettings::greedy(25)
    };
    let mut messages = vec![Message::new(Role::User, "What is the matter?")];
    let mut shown = String::new();
    let show = |piece: &str| shown.push_str(piece);
    let first = generator.answer(&messages, &settings, show).unwrap();
    assert_eq!(first.text, shown);
    assert!(!first.text.is_empty() && first.new_tokens <= 25);
    assert_eq!(first.text, first.text.trim());

    messages.push(Message::new(Role::Assistant, &first.text));
    messages.push(Message::new(Role::User, "Why?"));
    let second = generator.answer(&messages, &settings, |_| ()).unwrap();
    let mut fresh = Generator::new(&kernel, base.clone(), None, usize::MAX).unwrap();
    assert_eq!(fresh.answer(&messages, &settings, |_| ()).unwrap(), second);
    assert!(second.prompt_tokens > first.prompt_tokens + first.new_tokens);

    // The same question again gives the same text, and a plain text has no chat marks around it.
    let again = fresh.answer(&messages[..1], &settings, |_| ()).unwrap();
    assert_eq!(again, first);
    let mut shown = String::new();
    let show = |piece: &str| shown.push_str(piece);
    let plain = fresh.complete("The house", &settings, show).unwrap();
    assert_eq!(plain.text, shown);
}

#[test]
fn texts_end_where_they_should() {
    let (kernel, base) = (Kernel::detect().unwrap(), example());
    let mut generator = Generator::new(&kernel, base.clone(), None, usize::MAX).unwrap();
    let asked = [Message::new(Role::User, "I am cold.")];
    let greedy = GenerateSettings::greedy;
    let all = generator.answer(&asked, &greedy(1000), |_| ()).unwrap();
    assert!(matches!(all.ended, Ended::EndOfText | Ended::Context));
    let short = generator.answer(&asked, &greedy(3), |_| ()).unwrap();
    assert_eq!((short.ended, short.new_tokens), (Ended::MaxNewTokens, 3));
    assert!(all.text.starts_with(&short.text));
    let word = all.text.split(' ').nth(1).unwrap();
    let stopping = GenerateSettings {
        stop_strings: vec!["never there".into(), word.into()],
        ..greedy(1000)
    };
    let stopped = generator.answer(&asked, &stopping, |_| ()).unwrap();
    assert_eq!(stopped.ended, Ended::Stopped);
    assert_eq!(
        stopped.text,
        all.text[..all.text.find(word).unwrap()].trim()
    );
    let none = generator.answer(&asked, &greedy(0), |_| ()).unwrap();
    assert_eq!((none.new_tokens, none.ended), (0, Ended::MaxNewTokens));

    let mut narrow = Generator::new(&kernel, base, None, all.prompt_tokens + 2).unwrap();
    let cut = narrow.answer(&asked, &greedy(1000), |_| ()).unwrap();
    assert_eq!((cut.ended, cut.new_tokens), (Ended::Context, 2));
}

#[test]
fn what_cannot_be_read_is_refused() {
    let (kernel, base) = (Kernel::detect().unwrap(), example());
    let mut generator = Generator::new(&kernel, base.clone(), None, usize::MAX).unwrap();
    let settings = GenerateSettings::greedy(5);
    let long = [Message::new(Role::User, "tea ".repeat(500))];
    let text = |error: GenerateError| error.to_string();
    let error = text(generator.answer(&long, &settings, |_| ()).unwrap_err());
    assert!(error.contains("there is room for 1 to 127"), "{error}");
    let error = text(generator.read(&[]).unwrap_err());
    assert!(error.contains("the prompt has 0 tokens"), "{error}");
    let error = text(generator.read(&[5, 1024]).unwrap_err());
    assert!(error.contains("id 1024"), "{error}");
    assert!(generator.row().is_empty());
    generator.read(&[5; 128]).unwrap();
    assert!(generator.read(&[5]).is_err());
    assert_eq!(generator.row().len(), 128);
    let error = text(Generator::new(&kernel, base.clone(), None, 0).unwrap_err());
    assert!(error.contains("a cache of 0 positions"), "{error}");

    let bad = GenerateSettings {
        stop_strings: vec![String::new()],
        ..settings.clone()
    };
    let error = text(generator.complete("a", &bad, |_| ()).unwrap_err());
    assert!(error.contains("a stop string is empty"), "{error}");

    let other = common::base(common::PLAIN);
    for (name, method) in common::methods() {
        let foreign = common::adapter(&other, &method);
        let made = Generator::new(&kernel, base.clone(), Some(&foreign), 10);
        assert!(made.is_err(), "{name}");
    }
    let mut wordless = Generator::new(&kernel, other.clone(), None, 10).unwrap();
    let failed = wordless.tokens(&[1], &settings, |_| {
        Err(assay_model::LoadError::NoTokenizer.into())
    });
    assert!(matches!(failed, Err(GenerateError::Load(_))));
}

/// A model whose numbers overflow is reported, and the generator can still be used after.
#[test]
fn an_overflow_is_reported_and_leaves_the_row() {
    let (kernel, base) = (Kernel::detect().unwrap(), common::base(common::PLAIN));
    let mut adapter = common::adapter(&base, &common::lora(&[assay_model::Target::DownProj]));
    for param in adapter.params_mut() {
        param.values.fill(3e38);
    }
    let mut generator = Generator::new(&kernel, base, Some(&adapter), 10).unwrap();
    for row in [&[1][..], &[1, 2, 3]] {
        let error = generator.read(row).unwrap_err().to_string();
        assert!(error.contains("gave a NaN or infinity"), "{error}");
        assert!(generator.row().is_empty() && generator.logits().is_empty());
    }
}
