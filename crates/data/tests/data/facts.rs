//! What a tokenizer learns from each file of a model folder, and which of two that differ is followed.

use std::collections::BTreeMap;

use assay_data::{FALLBACK, Message, Record, Role, Setting, Tokenizer, chat_templates, encode};
use serde_json::{Value, json};

/// A tokenizer of whole words, with `<s>`, `</s>` and `<end>` as special tokens; `<old>` is a word.
fn words() -> Value {
    let special = |id: u32, content: &str| {
        json!({"id": id, "content": content, "special": true, "single_word": false,
               "lstrip": false, "rstrip": false, "normalized": false})
    };
    json!({
        "version": "1.0", "truncation": null, "padding": null, "normalizer": null, "decoder": null,
        "added_tokens": [special(0, "<s>"), special(1, "</s>"), special(2, "<end>")],
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": null,
        "model": {"type": "WordLevel", "unk_token": "?",
                  "vocab": {"<s>": 0, "</s>": 1, "<end>": 2, "?": 3, "a": 4, "b": 5, "<old>": 6}},
    })
}

/// A folder with that tokenizer and other files.
fn folder(files: &[(&str, Value)]) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::from([(
        "tokenizer.json".to_owned(),
        words().to_string().into_bytes(),
    )]);
    for (name, content) in files {
        let bytes = match content {
            Value::String(text) => text.clone().into_bytes(),
            other => other.to_string().into_bytes(),
        };
        all.insert((*name).to_owned(), bytes);
    }
    all
}

fn read(files: &[(&str, Value)]) -> Tokenizer {
    Tokenizer::from_model_files(&folder(files)).unwrap()
}

fn refused(files: &[(&str, Value)]) -> String {
    let error = Tokenizer::from_model_files(&folder(files)).unwrap_err();
    error.to_string()
}

const CONFIG: &str = "tokenizer_config.json";
const MAP: &str = "special_tokens_map.json";
const GENERATION: &str = "generation_config.json";
const MODEL: &str = "config.json";

#[test]
fn an_end_that_any_file_names_ends_running_text() {
    let places = [
        (CONFIG, json!({"eos_token": "</s>"})),
        (
            CONFIG,
            json!({"eos_token": {"__type": "AddedToken", "content": "</s>"}}),
        ),
        (MAP, json!({"eos_token": "</s>"})),
        (
            MAP,
            json!({"eos_token": {"content": "</s>", "lstrip": false}}),
        ),
        (GENERATION, json!({"eos_token_id": 1})),
        (GENERATION, json!({"eos_token_id": [1, 2]})),
        (MODEL, json!({"eos_token_id": 1})),
        (MODEL, json!({"eos_token_id": [1]})),
    ];
    for place in places {
        let tokenizer = read(std::slice::from_ref(&place));
        assert_eq!(tokenizer.eos(), Some(1), "{place:?}");
        let text = encode(&Record::Text("a b".into()), &tokenizer, false).unwrap();
        assert_eq!(text.ids, [4, 5, 1], "{place:?}");
        assert!(tokenizer.notes().is_empty(), "{place:?}");
    }
}

#[test]
fn running_text_without_an_end_is_told_and_an_end_beyond_the_vocabulary_refused() {
    let nothing = read(&[]);
    assert_eq!(nothing.eos(), None);
    let [note] = nothing.notes() else {
        panic!("{:?}", nothing.notes());
    };
    assert!(
        note.starts_with("no file names an end-of-text token"),
        "{note}"
    );
    // A file that says that there is none is believed over a number in the model's settings.
    for file in [MODEL, GENERATION] {
        let none = [
            (CONFIG, json!({"eos_token": null})),
            (file, json!({"eos_token_id": 1})),
        ];
        let none = read(&none);
        assert_eq!(none.eos(), None);
        let expected = format!(
            "eos_token is null, which is followed, and {file} names the id 1 as the end of a text: \
             running text is learned without an end"
        );
        assert_eq!(none.notes(), [expected]);
        for id in [json!(7), json!([7, 1])] {
            let error = refused(&[(file, json!({"eos_token_id": id}))]);
            let expected = format!("{file} is wrong: eos_token_id is 7, and tokenizer.json has no");
            assert!(error.starts_with(&expected), "{error}");
        }
    }
}

#[test]
fn merges_are_never_left_out_at_random() {
    let file = |dropout: Value| {
        let mut words = words();
        words["pre_tokenizer"] = Value::Null;
        words["added_tokens"] = json!([]);
        words["model"] = json!({"type": "BPE", "dropout": dropout, "unk_token": null,
            "vocab": {"a": 0, "b": 1, "ab": 2, "abab": 3}, "merges": ["a b", "ab ab"]});
        read(&[("tokenizer.json", words)])
    };
    let text = "ab".repeat(40);
    let plain = file(Value::Null);
    let ids = plain.encode(&text, false).unwrap().ids;
    assert_eq!(ids, [3; 20]);
    for dropout in [0.3, 1.0] {
        let random = file(dropout.into());
        for _ in 0..2 {
            assert_eq!(random.encode(&text, false).unwrap().ids, ids);
        }
        let note = &random.notes()[0];
        let expected = format!("tokenizer.json says dropout = {dropout}, which leaves out merges");
        assert!(note.starts_with(&expected), "{note}");
        assert_eq!(random.notes()[1..], *plain.notes());
    }
}

#[test]
fn further_special_tokens_are_tokens_or_refused() {
    for (file, field) in [
        (CONFIG, "additional_special_tokens"),
        (CONFIG, "extra_special_tokens"),
        (MAP, "additional_special_tokens"),
    ] {
        let with = |token: Value| (file, json!({ field: [token] }));
        for known in [json!("<end>"), json!("<old>"), json!({"content": "<old>"})] {
            let tokenizer = read(&[with(known.clone())]);
            let old = if known == "<end>" { 3 } else { 6 };
            assert_eq!(tokenizer.encode("a<end>", false).unwrap().ids, [4, 2]);
            let ids = tokenizer.encode("a <old>a", false).unwrap().ids;
            assert_eq!(ids[1], old, "{known}");
        }
        let error = refused(&[with(json!("<new>"))]);
        let expected =
            format!("{file} is wrong: {field} names \"<new>\", and tokenizer.json has no");
        assert!(error.starts_with(&expected), "{error}");
        let error = refused(&[with(json!(3))]);
        assert!(error.contains("neither a text nor an object"), "{error}");
    }
    let named = (
        CONFIG,
        json!({"extra_special_tokens": {"image_token": "<image>"}}),
    );
    assert!(refused(&[named]).contains("\"<image>\""));
    let split = (CONFIG, json!({"split_special_tokens": true}));
    assert!(read(&[split]).notes()[0].contains("split_special_tokens = true"));
    let whole = (CONFIG, json!({"split_special_tokens": false}));
    assert_eq!(read(&[whole]).notes().len(), 1);
}

#[test]
fn of_two_names_the_one_that_transformers_takes_is_used_and_the_other_is_told() {
    let map = (MAP, json!({"eos_token": "<end>"}));
    let both = [(CONFIG, json!({"eos_token": "</s>"})), map.clone()];
    let tokenizer = read(&both);
    assert_eq!(tokenizer.eos(), Some(2));
    assert!(
        tokenizer.notes()[0].contains("\"<end>\" is used"),
        "{:?}",
        tokenizer.notes()
    );
    let newer = json!({"eos_token": "</s>", "added_tokens_decoder": {"1": {"content": "</s>", "special": true}}});
    let tokenizer = read(&[(CONFIG, newer), map.clone()]);
    assert_eq!(tokenizer.eos(), Some(1));
    assert!(
        tokenizer.notes()[0].contains("\"</s>\" is used"),
        "{:?}",
        tokenizer.notes()
    );
    // What the newer file leaves open, the older one says.
    let silent = json!({"added_tokens_decoder": {}});
    assert_eq!(read(&[(CONFIG, silent), map]).eos(), Some(2));
    let same = [
        (CONFIG, json!({"eos_token": "</s>"})),
        (MAP, json!({"eos_token": {"content": "</s>"}})),
    ];
    assert!(read(&same).notes().is_empty());
}

#[test]
fn every_id_that_a_file_names_ends_a_text() {
    let files = [
        (CONFIG, json!({"eos_token": "</s>"})),
        (GENERATION, json!({"eos_token_id": [2, 1]})),
        (MODEL, json!({"eos_token_id": 6})),
    ];
    assert_eq!(read(&files).ends().collect::<Vec<_>>(), [1, 2, 6]);
    let error = refused(&[(GENERATION, json!({"eos_token_id": "</s>"}))]);
    assert!(
        error.contains("generation_config.json is wrong: eos_token_id"),
        "{error}"
    );
    assert!(refused(&[(GENERATION, json!("{"))]).contains("generation_config.json is wrong"));
    assert!(
        read(&[(MODEL, json!({"eos_token_id": -1}))])
            .ends()
            .next()
            .is_none()
    );
}

/// Llama 3 Instruct and ChatML models end a turn with another token than a text.
#[test]
fn the_token_that_a_template_writes_after_an_answer_ends_it() {
    let template = "{% for m in messages %}{{ m.content }}{% if m.role == 'assistant' %} <end>{% endif %}\n{% endfor %}";
    let config = json!({"eos_token": "</s>", "chat_template": template});
    let tokenizer = read(&[(CONFIG, config)]);
    assert_eq!(tokenizer.ends().collect::<Vec<_>>(), [1, 2]);
    // A word that follows, as in templates that go on with the next turn, is no end.
    let template = "{% for m in messages %}{{ m.content }} a {% endfor %}";
    let config = json!({"eos_token": "</s>", "chat_template": template});
    assert_eq!(read(&[(CONFIG, config)]).ends().collect::<Vec<_>>(), [1]);
}

#[test]
fn an_end_that_is_no_token_is_refused_by_file() {
    let error = refused(&[(CONFIG, json!({"eos_token": "<|im_end|>"}))]);
    assert!(
        error.starts_with("tokenizer_config.json is wrong: eos_token is \"<|im_end|>\""),
        "{error}"
    );
    let error = refused(&[(MAP, json!({"eos_token": "<|im_end|>"}))]);
    assert!(error.starts_with("special_tokens_map.json"), "{error}");
    let tokenizer = read(&[(
        CONFIG,
        json!({"bos_token": "<|begin|>", "pad_token": "[PAD]"}),
    )]);
    assert_eq!((tokenizer.bos(), tokenizer.pad()), (None, 0));
    let notes = tokenizer.notes().iter();
    assert_eq!(notes.filter(|note| note.contains("bos_token")).count(), 1);
    assert!(refused(&[(CONFIG, json!({"eos_token": 3}))]).contains("neither a text nor"));
}

#[test]
fn tokens_that_were_added_later_come_from_every_file() {
    let entry = json!({"content": "<tool>", "special": true});
    let decoder = json!({"added_tokens_decoder": {"7": entry, "1": {"content": "</s>"}}});
    for files in [
        (CONFIG, decoder),
        ("added_tokens.json", json!({"<tool>": 7})),
    ] {
        let tokenizer = read(&[files]);
        assert_eq!(tokenizer.encode("a<tool>b", false).unwrap().ids, [4, 7, 5]);
        assert_eq!(tokenizer.id_limit(), 8);
    }
    let error = refused(&[("added_tokens.json", json!({"<tool>": 9}))]);
    assert!(
        error.contains("\"<tool>\" the id 9, and tokenizer.json 7"),
        "{error}"
    );
    assert!(refused(&[("added_tokens.json", json!({"<tool>": -1}))]).contains("has no number"));
    // A word of the vocabulary that a file calls special is one token wherever it stands.
    let tokenizer = read(&[(CONFIG, json!({"eos_token": "<old>"}))]);
    assert_eq!(tokenizer.encode("a<old>", false).unwrap().ids, [4, 6]);
    assert_eq!(read(&[]).encode("a<old>", false).unwrap().ids, [3]);
}

fn framed() -> Value {
    let mut words = words();
    let special = |id: &str| json!({"SpecialToken": {"id": id, "type_id": 0}});
    let text = json!({"Sequence": {"id": "A", "type_id": 0}});
    words["post_processor"] = json!({
        "type": "TemplateProcessing",
        "single": [special("<s>"), text, special("</s>")],
        "pair": [special("<s>"), text, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {"<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]},
                           "</s>": {"id": "</s>", "ids": [1], "tokens": ["</s>"]}},
    });
    words
}

#[test]
fn a_token_around_a_text_is_not_put_there_twice() {
    let config = json!({"bos_token": "<s>", "eos_token": "</s>"});
    let tokenizer = read(&[("tokenizer.json", framed()), (CONFIG, config)]);
    for text in ["a b", "<s>a b", "a b</s>", "<s> a b </s>"] {
        let ids = tokenizer.encode(text, true).unwrap().ids;
        assert_eq!(ids, [0, 4, 5, 1], "{text:?}");
    }
    // What the text itself says twice stays.
    assert_eq!(tokenizer.encode("<s><s>a", true).unwrap().ids, [0, 0, 4, 1]);
    assert_eq!(tokenizer.encode("<s>a", false).unwrap().ids, [0, 4]);
    assert_eq!(tokenizer.encode("", true).unwrap().ids, [0, 1]);
}

#[test]
fn flags_that_contradict_the_tokenizer_are_told() {
    let config = |bos: bool| {
        let config = json!({"bos_token": "<s>", "eos_token": "</s>", "add_bos_token": bos});
        (CONFIG, config)
    };
    let plain = ("tokenizer.json", words());
    let framed = ("tokenizer.json", framed());
    for (json, says, told) in [
        (&plain, false, 0),
        (&plain, true, 1),
        (&framed, true, 0),
        (&framed, false, 1),
    ] {
        let tokenizer = read(&[json.clone(), config(says)]);
        assert_eq!(tokenizer.notes().len(), told, "{:?}", tokenizer.notes());
        assert!(
            tokenizer
                .notes()
                .iter()
                .all(|note| note.contains("add_bos_token"))
        );
    }
}

fn rendered(tokenizer: &Tokenizer) -> String {
    let turn = [Message::new(Role::User, "a")];
    tokenizer
        .template()
        .render(&turn, &Setting::default(), false)
        .unwrap()
}

#[test]
fn templates_are_found_in_every_place_in_the_order_of_transformers() {
    let jinja = ("chat_template.jinja", json!("b b"));
    let config = (CONFIG, json!({"chat_template": "a a"}));
    let named = json!({"chat_template": [{"name": "tool_use", "template": "b"},
                                         {"name": "default", "template": "a a"}]});
    let named = (CONFIG, named);
    let processor = ("chat_template.json", json!({"chat_template": "a b"}));
    for (files, text, notes) in [
        (vec![jinja.clone()], "b b", 0),
        (vec![config.clone()], "a a", 0),
        (vec![named.clone()], "a a", 0),
        (vec![processor.clone()], "a b", 0),
        (vec![config.clone(), jinja.clone()], "b b", 1),
        (vec![named.clone(), jinja.clone()], "b b", 1),
        (vec![config.clone(), processor.clone()], "a a", 1),
        (vec![jinja.clone(), processor.clone()], "b b", 1),
        (
            vec![config.clone(), ("chat_template.jinja", json!("a a\n"))],
            "a a",
            0,
        ),
    ] {
        let tokenizer = read(&files);
        assert_eq!(rendered(&tokenizer).trim(), text, "{files:?}");
        let about = tokenizer.notes().iter();
        let about = about.filter(|note| note.contains("template"));
        assert_eq!(about.count(), notes, "{files:?}");
        assert!(tokenizer.has_template());
        assert_eq!(
            chat_templates(&folder(&files)).unwrap()["default"].trim(),
            text
        );
    }
    assert_eq!(read(&[]).template_source(), FALLBACK);
    assert!(chat_templates(&folder(&[])).unwrap().is_empty());
    // A file without a word in it is no template.
    assert!(!read(&[("chat_template.jinja", json!(" \n"))]).has_template());
}

#[test]
fn conversations_with_tools_take_the_template_for_them() {
    let tools = ("additional_chat_templates/tool_use.jinja", json!("tools"));
    let files = [("chat_template.jinja", json!("plain")), tools.clone()];
    let tokenizer = read(&files);
    let turn = [Message::new(Role::User, "a")];
    let by_tools = tokenizer.tool_template().unwrap();
    assert_eq!(
        by_tools.render(&turn, &Setting::default(), false).unwrap(),
        "tools"
    );
    assert_eq!(rendered(&tokenizer), "plain");
    let only = read(&files[..1]);
    let by_tools = only.tool_template().unwrap();
    assert_eq!(
        by_tools.render(&turn, &Setting::default(), false).unwrap(),
        "plain"
    );
    // One that does not parse is in nobody's way until it is asked for.
    let broken = (
        "additional_chat_templates/tool_use.jinja",
        json!("{% if %}"),
    );
    let tokenizer = read(&[files[0].clone(), broken]);
    assert!(tokenizer.tool_template().is_err());
    let error = refused(&[tools]);
    assert!(error.contains("named default, only tool_use"), "{error}");
}

#[test]
fn templates_of_two_places_are_not_mixed() {
    let named = json!({"chat_template": [{"name": "default", "template": "a"},
                                         {"name": "tool_use", "template": "b"}]});
    let files = [("chat_template.jinja", json!("a")), (CONFIG, named)];
    let tokenizer = read(&files);
    assert_eq!(rendered(&tokenizer), "a");
    let with_tools = tokenizer.tool_template().unwrap();
    let turn = [Message::new(Role::User, "a")];
    assert_eq!(
        with_tools
            .render(&turn, &Setting::default(), false)
            .unwrap(),
        "a"
    );
    let note = &tokenizer.notes()[0];
    assert!(
        note.contains("tokenizer_config.json holds another chat template for tool_use"),
        "{note}"
    );
    let all = chat_templates(&folder(&files[1..])).unwrap();
    let all: Vec<(&str, &str)> = all.iter().map(|(a, b)| (&**a, &**b)).collect();
    assert_eq!(all, [("default", "a"), ("tool_use", "b")]);
    // Each becomes a file of its name.
    for name in ["../../x", "a/b", "", ".", "c:\\x"] {
        let named = json!({"chat_template": {"default": "a", name: "b"}});
        let error = refused(&[(CONFIG, named)]);
        assert!(error.contains("cannot be the name of a file"), "{error}");
    }
}

#[test]
fn an_added_token_under_another_id_is_refused_in_whatever_file() {
    for (file, entries) in [
        (
            CONFIG,
            json!({"added_tokens_decoder": {"2": {"content": "</s>"}}}),
        ),
        (
            CONFIG,
            json!({"added_tokens_decoder": {"1": {"content": "<end>"}, "2": {"content": "</s>"}}}),
        ),
        ("added_tokens.json", json!({"</s>": 2})),
    ] {
        let error = refused(&[(file, entries)]);
        assert!(error.starts_with(file), "{error}");
        assert!(error.contains("use files of one model"), "{error}");
    }
    let same =
        json!({"added_tokens_decoder": {"1": {"content": "</s>"}, "7": {"content": "<new>"}}});
    let tokenizer = read(&[(CONFIG, same.clone())]);
    assert_eq!(tokenizer.id_limit(), 8);
    let twice = ("added_tokens.json", json!({"<new>": 9}));
    let error = refused(&[(CONFIG, same), twice]);
    assert!(
        error.contains("\"<new>\" the id 9, and tokenizer.json 7"),
        "{error}"
    );
}
