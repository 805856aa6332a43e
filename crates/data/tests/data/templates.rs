//! Chat templates against what `transformers` makes of them (`fixtures/templates.json`, written by
//! `bench/make_template_fixtures.py`).

use crate::common;
use assay_data::{ChatTemplate, Record, Setting, SpecialTokens};
use serde_json::{Value, json};

fn fixtures() -> Value {
    let fixtures = include_str!("../fixtures/templates.json");
    serde_json::from_str(fixtures).unwrap()
}

fn tokens() -> SpecialTokens {
    SpecialTokens {
        bos: "<s>".into(),
        eos: "</s>".into(),
        ..SpecialTokens::default()
    }
}

/// What a template writes with these variables, without messages.
fn write(source: &str, values: &Value) -> Result<String, String> {
    let template = ChatTemplate::new(source, tokens()).map_err(|e| e.to_string())?;
    let setting = Setting {
        values: values.as_object().unwrap().clone(),
        ..Setting::default()
    };
    template
        .render(&[], &setting, false)
        .map_err(|e| e.to_string())
}

#[test]
fn every_template_is_written_byte_for_byte_as_transformers_writes_it() {
    let fixtures = fixtures();
    let templates = fixtures["templates"].as_array().unwrap();
    assert!(templates.len() >= 25);
    let mut texts = 0;
    for template in templates {
        let name = &template["name"];
        let source = template["template"].as_str().unwrap();
        let compiled =
            ChatTemplate::new(source, tokens()).unwrap_or_else(|e| panic!("{name}: {e}"));
        for case in template["cases"].as_array().unwrap() {
            let Record::Chat(chat) = common::record(&case["record"]).unwrap() else {
                panic!("{name}: no conversation");
            };
            let prompt = case["prompt"] == true;
            let found = compiled.render(&chat.messages, &chat.setting, prompt);
            match case["text"].as_str() {
                Some(text) => {
                    let found = found.unwrap_or_else(|e| panic!("{name}: {e}"));
                    assert_eq!(found, text, "{name}");
                    texts += 1;
                }
                None => assert!(found.is_err(), "{name}: {} was expected", case["error"]),
            }
        }
    }
    assert!(texts > 250, "{texts}");
}

/// A record less what the template does not read, which would be refused.
fn read_by(source: &str, record: &Value) -> Value {
    let mut record = record.clone();
    if !source.contains("tools") {
        record.as_object_mut().unwrap().remove("tools");
    }
    for message in record["messages"].as_array_mut().unwrap() {
        if !source.contains("reasoning_content") {
            message.as_object_mut().unwrap().remove("reasoning_content");
        }
    }
    record
}

#[test]
fn what_generation_blocks_write_is_what_is_learned() {
    let mut found = 0;
    for template in fixtures()["templates"].as_array().unwrap() {
        for case in template["cases"].as_array().unwrap() {
            let Some(answers) = case["answers"].as_array() else {
                continue;
            };
            let source = template["template"].as_str().unwrap();
            let (_, learned) = common::learned(source, &read_by(source, &case["record"])).unwrap();
            let answers: Vec<&str> = answers.iter().map(|a| a.as_str().unwrap()).collect();
            assert_eq!(learned, answers, "{}", template["name"]);
            found += 1;
        }
    }
    assert!(found >= 8, "{found}");
}

#[test]
fn json_is_written_as_python_writes_it() {
    let value = json!({"v": {"z": [1, 2.0, 1e16, 1e-7, null, true], "a": "<it's> & \"é\"\u{7f}\n", "e": [], "o": {}}});
    let cases = [
        (
            "{{ v | tojson }}",
            "{\"z\": [1, 2.0, 1e+16, 1e-07, null, true], \"a\": \"<it's> & \\\"é\\\"\u{7f}\\n\", \"e\": [], \"o\": {}}",
        ),
        ("{{ v.z[:2] | tojson(indent=1) }}", "[\n 1,\n 2.0\n]"),
        (
            "{{ v.e | tojson(indent=2) }}{{ v.o | tojson(indent=2) }}",
            "[]{}",
        ),
        (
            "{{ v.a | tojson(ensure_ascii=true) }}",
            "\"<it's> & \\\"\\u00e9\\\"\\u007f\\n\"",
        ),
        (
            "{{ {'b': 1, 'a': (1, 2)} | tojson(sort_keys=true, separators=(',', ':')) }}",
            "{\"a\":[1,2],\"b\":1}",
        ),
        ("{{ 'a\\u2028b' | tojson }}", "\"a\u{2028}b\""),
        ("{{ [1] | tojson(indent='--') }}", "[\n--1\n]"),
    ];
    for (source, expected) in cases {
        assert_eq!(write(source, &value).unwrap(), expected, "{source}");
    }
    assert!(write("{{ nothing | tojson }}", &value).is_err());
}

#[test]
fn keys_of_a_dictionary_and_its_methods_do_not_meet() {
    let value = json!({"p": {"items": {"type": "string"}, "get": 1, "b": 2}});
    let cases = [
        ("{{ p['items'].type }}", "string"),
        ("{{ p.items() | length }}", "3"),
        ("{{ p.get('b') }}{{ p['get'] }}", "21"),
        (
            "{% for k, v in p.items() %}{{ k }},{% endfor %}",
            "items,get,b,",
        ),
        ("{{ p.items is callable }}{{ 'items' in p }}", "TrueTrue"),
    ];
    for (source, expected) in cases {
        assert_eq!(write(source, &value).unwrap(), expected, "{source}");
    }
}

#[test]
fn a_namespace_is_set_from_within_a_macro_and_a_generation_block() {
    let cases = [
        (
            "{% set ns = namespace(a=1) %}{% macro f() %}{% set ns.a = 5 %}{% endmacro %}{{ f() }}{{ ns.a }}",
            "5",
        ),
        (
            "{% set ns = namespace(a=1) %}{% generation %}\n  {%- set ns.a = 2 -%} x{% endgeneration %}{{ ns.a }}",
            "x2",
        ),
        (
            "a\n  {% set ns = namespace() %}\n{% set ns.b = [1] %}\n{{ ns.b }}",
            "a\n[1]",
        ),
    ];
    for (source, expected) in cases {
        assert_eq!(write(source, &json!({})).unwrap(), expected, "{source}");
    }
}

#[test]
fn texts_are_formatted_and_cut_as_python_does() {
    let value = json!({"s": " a b  c ", "n": 7, "w": "they're o'neil x-y"});
    let cases = [
        (
            "{{ '%s and %03d' % (s, n) }}|{{ \"%s\" % n | string }}",
            " a b  c  and 007|7",
        ),
        (
            "{{ '%s' % s.strip() ~ '!' }}{{ 7 % 4 }}{% if n % 2 %}odd{% endif %}",
            "a b  c!3odd",
        ),
        (
            "{{ s.split(none, 1) }}{{ s.rsplit(none, 1) }}{{ s.split(' ') }}",
            "['a', 'b  c '][' a b', 'c']['', 'a', 'b', '', 'c', '']",
        ),
        (
            "{{ w.title() }}|{{ w | title }}",
            "They'Re O'Neil X-Y|They're O'neil X-Y",
        ),
        (
            "{{ 'a\\x1cb' | trim }}{{ '\\x1c x\\x1f' | trim }}",
            "a\u{1c}bx",
        ),
        (
            "{{ 'x' | int }}{{ '0x1f' | int(base=16) }}{{ none | default('d', boolean=true) }}",
            "031d",
        ),
        (
            "{{ 'a\\r\\nb\\n' | indent(2) }}|{{ [] | first }}|{{ '\\101\\d' }}",
            "a\n  b\n||A\\d",
        ),
        ("{{ \"it's <b>\" | e }}", "it&#39;s &lt;b&gt;"),
    ];
    for (source, expected) in cases {
        assert_eq!(write(source, &value).unwrap(), expected, "{source}");
    }
}

#[test]
fn what_jinja_would_not_do_or_the_engine_does_otherwise_is_refused_by_name() {
    let cases = [
        ("{% do [].append(1) %}", "the tag \"do\""),
        ("{% include 'x' %}", "the tag \"include\""),
        ("{% block b %}{% endblock %}", "the tag \"block\""),
        (
            "{% set x = [] %}{% set _ = x.append(1) %}",
            "append changes its object",
        ),
        ("{{ {}.update({'a': 1}) }}", "update changes its object"),
        ("{{ [1, 2, 3][2:0:-1] }}", "slices that run backwards"),
        ("{{ [1, 2] | random }}", "random is unknown"),
        ("{{ '\\N{BULLET}' }}", "\\N{...}"),
        ("{{ nothing.a }}", "undefined"),
        ("{{ 5 is divisibleby(0) }}", "division by zero"),
        ("{{ strftime_now('%q') }}", "%q is not understood"),
        (
            "{{ raise_exception('only ' ~ 1 ~ ' turn') }}",
            "only 1 turn",
        ),
        ("{{ [].pop() }}", "pop changes its object"),
    ];
    for (source, expected) in cases {
        let error = write(source, &json!({})).unwrap_err();
        assert!(error.contains(expected), "{source}: {error}");
    }
}

#[test]
fn a_template_can_neither_panic_nor_run_for_ever() {
    for source in [
        "{{ ''[::-1] }}",
        "{{ 'x' * 99999999 * 9 }}",
        "{% macro f(n) %}{{ f(n) }}{% endmacro %}{{ f(1) }}",
        "{% for i in range(99999) %}{% for j in range(99999) %}{{ i }}{% endfor %}{% endfor %}",
        "{{ 'ab'.replace('', 'x' * 9999999) }}",
    ] {
        if let Ok(text) = write(source, &json!({})) {
            assert!(text.len() <= 64 << 20, "{source}");
        }
    }
    let long = [
        format!("{{{{ {}1{} }}}}", "(".repeat(9_000), ")".repeat(9_000)),
        format!("{{{{ {}1 }}}}", "not ".repeat(30_000)),
        format!("{{{{ {}1 }}}}", "-".repeat(50_000)),
        format!("{{{{ 'a'{} }}}}", "~'a'".repeat(40_000)),
        format!("{{{{ 1{} }}}}", " and 1".repeat(40_000)),
        format!("{{% if 0 %}}{}{{% endif %}}", "{% elif 0 %}".repeat(8_000)),
        "{{ '%10000000000d' | format(1) }}".to_owned(),
        "{{ '%10000000000d' % 1 }}".to_owned(),
        "{{ '{:10000000000}'.format(1) }}".to_owned(),
        "{{ '%*d' % (10000000000, 1) }}".to_owned(),
    ];
    for source in long {
        let shown: String = source.chars().take(60).collect();
        assert!(write(&source, &json!({})).is_err(), "{shown}");
    }
    // As long as templates get, and formats as wide as texts get.
    let list = format!("{{{{ [{}] | length }}}}", "1, ".repeat(900));
    assert_eq!(write(&list, &json!({})).unwrap(), "900");
    for (source, written) in [
        ("{{ '%5d' | format(1) }}", "    1"),
        ("{{ '%(a)s' | format(a=1) }}", "1"),
        ("{{ '%d%% of 12345678' | format(5) }}", "5% of 12345678"),
    ] {
        assert_eq!(write(source, &json!({})).unwrap(), written, "{source}");
    }
}
