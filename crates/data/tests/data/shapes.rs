//! The shapes of records, and what is said about the rest.

use crate::common::{characters, learned, record};
use assay_data::{FALLBACK, Record, Role, encode};
use serde_json::{Value, json};

/// A template that writes all there may be.
const ALL: &str = "{% if tools %}T{{ tools | tojson }}\n{% endif %}{% if documents %}D{{ documents \
    | tojson }}\n{% endif %}{% for m in messages %}<{{ m.role }}{{ ' ' ~ m.name if m.name }}>\
    {% if m.reasoning_content %}({{ m.reasoning_content }}){% endif %}{{ m.content }}\
    {% for c in m.tool_calls or [] %}[{{ c.function.name }} {{ c.function.arguments | tojson }}]\
    {% endfor %}{{ m.tool_call_id }};\n{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}";

fn text(fields: &Value) -> String {
    learned(ALL, fields).unwrap().0
}

fn refusal(template: &str, fields: &Value) -> String {
    learned(template, fields).unwrap_err()
}

fn chat(answer: Value) -> Value {
    json!({"messages": [{"role": "user", "content": "u"}, answer]})
}

#[test]
fn a_call_reaches_the_template_with_any_content_beside_it() {
    let call = json!([{"id": "c1", "type": "function", "function": {"name": "f", "arguments": {"z": 1, "a": [2]}}}]);
    let written = "[f {\"z\": 1, \"a\": [2]}];\n";
    for (content, said) in [
        (json!(null), ""),
        (json!(""), ""),
        (json!("Wait."), "Wait."),
    ] {
        let record = chat(json!({"role": "assistant", "content": content, "tool_calls": call}));
        assert_eq!(
            text(&record),
            format!("<user>u;\n<assistant>{said}{written}")
        );
    }
    let record = chat(json!({"role": "assistant", "tool_calls": call}));
    let (_, parts) = learned(ALL, &record).unwrap();
    assert_eq!(parts, [written]);
}

#[test]
fn arguments_in_a_string_are_not_written_as_json_in_json() {
    let call = |arguments: Value| {
        chat(json!({"role": "assistant", "content": null, "tool_calls":
            [{"type": "function", "function": {"name": "f", "arguments": arguments}}]}))
    };
    let object = call(json!({"zone": "UTC"}));
    let string = call(json!("{\"zone\": \"UTC\"}"));
    assert_eq!(text(&object), text(&string));
    // A template that looks at the type gets what the record holds.
    let aware = ALL.replace(
        "c.function.arguments | tojson",
        "c.function.arguments if c.function.arguments is string else c.function.arguments | tojson",
    );
    let (found, _) = learned(&aware, &call(json!("{\"zone\":1}"))).unwrap();
    assert!(found.contains("[f {\"zone\":1}]"), "{found}");
}

#[test]
fn tools_documents_names_and_ids_reach_the_template() {
    let tools = json!([{"type": "function", "function": {"name": "f"}}]);
    let mut fields = json!({"messages": [
        {"role": "user", "name": "Ann", "content": "u"},
        {"role": "tool", "tool_call_id": "c1", "content": ""},
        {"role": "assistant", "content": "a", "reasoning": "r"}],
        "documents": [{"title": "t"}]});
    fields["tools"] = tools.clone();
    let expected = "T[{\"type\": \"function\", \"function\": {\"name\": \"f\"}}]\nD[{\"title\": \"t\"}]\n\
                    <user Ann>u;\n<tool>c1;\n<assistant>(r)a;\n";
    assert_eq!(text(&fields), expected);
    // Data sets that need one type for a column keep tools as JSON in a string.
    fields["tools"] = tools.to_string().into();
    assert_eq!(text(&fields), expected);
    for other in [json!(3), json!("no json"), json!(["f"]), json!({"a": 1})] {
        fields["tools"] = other;
        let error = refusal(ALL, &fields);
        assert!(
            error.contains("field tools is") && error.contains("a list of JSON objects"),
            "{error}"
        );
    }
}

#[test]
fn what_the_template_does_not_write_is_refused_by_name() {
    let call = json!([{"function": {"name": "f", "arguments": {}}}]);
    let plain = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}";
    let cases = [
        (
            chat(json!({"role": "assistant", "content": "a", "tool_calls": call})),
            "message 2 has the field tool_calls",
        ),
        (
            chat(json!({"role": "assistant", "content": "a", "reasoning_content": "r"})),
            "message 2 has the field reasoning_content",
        ),
        (
            chat(json!({"role": "assistant", "content": "a", "mood": "glad"})),
            "message 2 has the field mood",
        ),
        (
            chat(json!({"role": "assistant", "content": "a", "function_call": {"name": "f"}})),
            "message 2 has the field function_call",
        ),
        (
            json!({"tools": [{"name": "f"}], "prompt": "p", "completion": "c"}),
            "the record has tools",
        ),
        (
            json!({"documents": [{"text": "t"}], "prompt": "p", "completion": "c"}),
            "the record has documents",
        ),
    ];
    for (fields, expected) in &cases {
        for template in [plain, FALLBACK] {
            let error = refusal(template, fields);
            assert!(error.contains(expected), "{error}");
            assert!(error.contains("would be lost"), "{error}");
        }
    }
    let odd = json!({"messages": [{"role": "critic", "content": "c"}, {"role": "assistant", "content": "a"}]});
    let silent = "{% for m in messages if m.role == 'assistant' %}{{ m.content }}{% endfor %}";
    assert!(refusal(silent, &odd).contains("message 1 has the role \"critic\""));
    assert!(learned(plain, &odd).unwrap().0.starts_with("critic: c"));
    let fine = chat(
        json!({"role": "assistant", "content": "a", "id": 7, "refusal": null, "annotations": [], "tool_calls": null}),
    );
    assert!(learned(plain, &fine).is_ok());
}

#[test]
fn words_that_the_template_leaves_out_are_refused_whoever_says_them() {
    // A message with calls says nothing else, as with Llama 3.1.
    let calls_only = "{% for m in messages %}<{{ m.role }}>{% if 'tool_calls' in m %}{% for c in \
        m.tool_calls %}[{{ c.function.name }}]{% endfor %}{% else %}{{ m.content }}{% endif %};\
        {% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}";
    let call = json!([{"type": "function", "function": {"name": "f", "arguments": {}}}]);
    let both = json!({"role": "assistant", "content": "Let me look.", "tool_calls": call});
    let error = refusal(calls_only, &chat(both));
    assert!(
        error.contains("message 2 (assistant) says something"),
        "{error}"
    );
    // An empty list calls nothing.
    let none = json!({"role": "assistant", "content": "yes we can", "tool_calls": []});
    assert_eq!(learned(calls_only, &chat(none)).unwrap().1, ["yes we can;"]);

    let two = "{% for m in messages %}{% if m.role == 'user' %}<u>{{ m.content }}{% elif m.role == \
        'assistant' %}<a>{{ m.content }};{% endif %}{% endfor %}{% if add_generation_prompt %}<a>{% endif %}";
    let says = |role: &str| {
        json!({"messages": [{"role": role, "content": "a"}, {"role": "user", "content": "u"},
            {"role": "assistant", "content": "a"}]})
    };
    assert!(refusal(two, &says("system")).contains("message 1 (system) says something"));
    // Though the same word stands elsewhere.
    assert!(refusal(two, &says("tool")).contains("message 1 has the role \"tool\""));
    let answer = json!({"role": "assistant", "content": "a"});
    assert!(refusal("hello", &chat(answer)).contains("message 1 (user) says something"));
}

#[test]
fn masks_under_other_names_and_roles_in_other_letters_are_refused() {
    for name in ["loss", "training", "train_on_turn", "learn", "trainable"] {
        let mut answer = json!({"role": "assistant", "content": "a"});
        answer[name] = json!(false);
        let error = refusal(ALL, &chat(answer));
        assert!(error.contains(name), "{error}");
    }
    for name in ["weight", "train"] {
        let mut part = json!({"type": "text", "text": "no"});
        part[name] = json!(0);
        let error = refusal(ALL, &chat(json!({"role": "assistant", "content": [part]})));
        assert!(error.contains("a part with a weight of its own"), "{error}");
    }
    for role in ["Assistant", "assistant ", "USER", "System"] {
        let error = refusal(ALL, &chat(json!({"role": role, "content": "a"})));
        assert!(error.contains(role), "{error}");
    }
}

#[test]
fn parts_of_text_are_read_and_others_refused() {
    let parts = |parts: Value| chat(json!({"role": "assistant", "content": parts}));
    let two = parts(json!([{"type": "text", "text": "one "}, {"type": "text", "text": "two"}]));
    // This template prints content as it is, so that it gets the text.
    assert!(text(&two).ends_with("<assistant>one two;\n"));
    let reads = "{% for m in messages %}<{{ m.role }}>{% if m.content is string %}{{ m.content }}{% else %}\
                 {% for p in m.content %}({{ p.text }}){% endfor %}{% endif %}{% endfor %}";
    assert_eq!(
        learned(reads, &two).unwrap().0,
        "<user>u<assistant>(one )(two)"
    );
    let lists = "{% for m in messages %}<{{ m.role }}>{% for p in m.content %}({{ p['text'] }}){% endfor %}{% endfor %}";
    assert_eq!(
        learned(lists, &two).unwrap().0,
        "<user>(u)<assistant>(one )(two)"
    );
    let error = refusal(
        ALL,
        &parts(json!([{"type": "image_url", "image_url": "x"}])),
    );
    assert!(
        error.contains("message 2 has a part of content of the type \"image_url\""),
        "{error}"
    );
    let error = refusal(ALL, &parts(json!([{"type": "text"}])));
    assert!(error.contains("only parts of type \"text\""), "{error}");
}

#[test]
fn weights_and_train_say_which_answers_are_learned() {
    let turns = |first: Value, second: Value| {
        let mut fields = json!({"messages": [{"role": "user", "content": "u"}, {"role": "assistant", "content": "one"},
            {"role": "user", "content": "v"}, {"role": "assistant", "content": "two"}]});
        let mut put = |at: usize, more: Value| {
            let message = fields["messages"][at].as_object_mut().unwrap();
            message.extend(more.as_object().unwrap().clone());
        };
        put(1, first);
        put(3, second);
        fields
    };
    let parts = |fields: &Value| learned(ALL, fields).map(|(_, parts)| parts);
    let second = ["two;\n".to_owned()];
    assert_eq!(
        parts(&turns(json!({"weight": 0}), json!({"weight": 1}))).unwrap(),
        second
    );
    assert_eq!(
        parts(&turns(json!({"weight": 0.0}), json!({}))).unwrap(),
        second
    );
    assert_eq!(
        parts(&turns(json!({"train": false}), json!({"train": true}))).unwrap(),
        second
    );
    assert_eq!(
        parts(&turns(json!({"weight": 1}), json!({})))
            .unwrap()
            .len(),
        2
    );
    let marks = "{% for m in messages %}<{{ m.role }}>{% if m.role == 'assistant' %}{% generation %}{{ m.content }}.{% endgeneration %}{% else %}{{ m.content }}{% endif %}{% endfor %}";
    let marked = learned(marks, &turns(json!({"weight": 0}), json!({}))).unwrap();
    assert_eq!(marked.1, ["two."]);
    let cases = [
        (
            turns(json!({"weight": 0.5}), json!({})),
            "message 2 has the weight 0.5",
        ),
        (
            turns(json!({"weight": "high"}), json!({})),
            "message 2 has the weight \"high\"",
        ),
        (
            turns(json!({"weight": 0}), json!({"train": false})),
            "no assistant message to learn",
        ),
        (
            turns(json!({"weight": 0, "train": true}), json!({})),
            "message 2 has weight and train",
        ),
        (
            turns(json!({"train": 3}), json!({})),
            "field train is a number",
        ),
        (
            json!({"messages": [{"role": "user", "content": "u", "weight": 1}, {"role": "assistant", "content": "a"}]}),
            "message 1 is to be learned",
        ),
    ];
    for (fields, expected) in &cases {
        let error = refusal(ALL, fields);
        assert!(error.contains(expected), "{error}");
    }
    let all = encode(
        &record(&turns(json!({"weight": 0}), json!({}))).unwrap(),
        &characters(ALL),
        false,
    );
    assert!(
        all.unwrap_err()
            .to_string()
            .contains("message 2 is marked as not learned")
    );
}

#[test]
fn sharegpt_alpaca_and_trl_are_read() {
    let sharegpt = json!({"system": "Be kind.", "conversations": [{"from": "human", "value": "u"}, {"from": "gpt", "value": "a"},
        {"from": "function_call", "value": "{\"name\": \"f\", \"arguments\": {\"x\": 1}}"}, {"from": "observation", "value": "o"},
        {"from": "gpt", "value": "b", "weight": 1}]});
    let (text, parts) = learned(ALL, &sharegpt).unwrap();
    assert_eq!(
        text,
        "<system>Be kind.;\n<user>u;\n<assistant>a;\n<assistant>[f {\"x\": 1}];\n<tool>o;\n<assistant>b;\n"
    );
    assert_eq!(parts, ["a;\n", "[f {\"x\": 1}];\n", "b;\n"]);

    let alpaca = json!({"instruction": "Add.", "input": "1 and 2", "output": "3", "text": "Below is ...", "id": 4});
    assert_eq!(
        learned(ALL, &alpaca).unwrap(),
        (
            "<user>Add.\n\n1 and 2;\n<assistant>3;\n".into(),
            vec!["3;\n".into()]
        )
    );
    let alone = json!({"instruction": "Sing.", "input": "", "output": "La."});
    assert_eq!(
        learned(ALL, &alone).unwrap().0,
        "<user>Sing.;\n<assistant>La.;\n"
    );

    let lists = json!({"prompt": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}, {"role": "assistant", "content": "shown"}, {"role": "user", "content": "v"}],
        "completion": [{"role": "assistant", "content": "c"}], "chat_template_kwargs": {"x": 1}});
    assert_eq!(learned(ALL, &lists).unwrap().1, ["c;\n"]);
    let strings = json!({"prompt": "p", "completion": "c", "chosen": null, "images": []});
    assert_eq!(
        learned(ALL, &strings).unwrap(),
        ("<user>p;\n<assistant>c;\n".into(), vec!["c;\n".into()])
    );

    let roles = json!({"conversations": [{"role": "developer", "content": "d"}, {"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}]});
    let Record::Chat(chat) = record(&roles).unwrap() else {
        panic!()
    };
    assert_eq!(*chat.messages[0].role(), Role::Developer);
    // UltraChat repeats its first question beside the messages.
    let ultra = json!({"prompt": "u", "prompt_id": "x", "messages": [{"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}]});
    assert!(record(&ultra).is_ok());
}

#[test]
fn fields_that_would_change_the_meaning_are_refused_by_name() {
    let with = |name: &str, value: Value| {
        let mut fields = json!({"prompt": "p", "completion": "c"});
        fields[name] = value;
        fields
    };
    let cases = [
        (
            with("rejected", json!("r")),
            "field rejected belongs to preference data",
        ),
        (
            json!({"prompt": "p", "chosen": "c", "rejected": "r"}),
            "field chosen belongs to preference data",
        ),
        (
            with("label", json!(false)),
            "field label marks wanted and unwanted",
        ),
        (with("images", json!(["a.png"])), "field images holds media"),
        (
            with("weight", json!(2)),
            "field weight stands beside the messages",
        ),
        (
            with("functions", json!([{"name": "f"}])),
            "field functions is OpenAI's older way",
        ),
        (
            with("input_ids", json!([1])),
            "field input_ids holds tokens",
        ),
        (
            with("history", json!([["a", "b"]])),
            "field history holds earlier turns",
        ),
        (
            with("text", json!("t")),
            "the record has prompt and completion, and text beside it",
        ),
        (
            with("messages", json!([{"role": "user", "content": "u"}])),
            "beside it",
        ),
        (
            json!({"text": "t", "summary": "s"}),
            "the record has text, and summary beside it",
        ),
        (
            json!({"text": "t", "tools": [{"name": "f"}]}),
            "field tools goes with a conversation",
        ),
        (
            with("chat_template_kwargs", json!({"messages": []})),
            "field messages stands in chat_template_kwargs",
        ),
        (
            with("chat_template_kwargs", json!(3)),
            "field chat_template_kwargs is a number",
        ),
        (with("system", json!(["s"])), "field system is a list"),
        (
            chat(json!({"role": "gpt", "content": "a"})),
            "role \"gpt\" is unknown; use system",
        ),
        (
            chat(json!({"role": "assistant", "content": null})),
            "field content is missing",
        ),
        (
            chat(json!({"role": "assistant", "tool_calls": [{"id": "1"}]})),
            "message 2: a call has no name",
        ),
        (
            json!({"conversations": [{"from": "function_call", "value": "f(1)"}]}),
            "message 1: the call is no JSON object",
        ),
    ];
    for (fields, expected) in &cases {
        let error = record(fields).unwrap_err();
        assert!(error.contains(expected), "{error:?} lacks {expected:?}");
    }
}

#[test]
fn calls_and_thoughts_of_others_that_the_template_leaves_out_are_refused() {
    let call = |name: &str| json!({"function": {"name": name, "arguments": {}}});
    let calls_of_answers = ALL.replace(
        "for c in m.tool_calls or []",
        "for c in (m.tool_calls or [] if m.role == 'assistant' else [])",
    );
    for role in ["user", "system", "tool", "assistant"] {
        let fields = json!({"messages": [{"role": role, "content": "u", "tool_calls": [call("f")]},
            {"role": "assistant", "content": "a"}]});
        assert!(learned(ALL, &fields).is_ok(), "{role}");
        let found = learned(&calls_of_answers, &fields);
        match role {
            "assistant" => assert!(found.is_ok()),
            _ => {
                let error = found.unwrap_err();
                assert!(
                    error.starts_with("message 1 has the field tool_calls, of which"),
                    "{error}"
                );
            }
        }
    }
    // Only the first of several calls.
    let first = ALL.replace("m.tool_calls or []", "(m.tool_calls or [])[:1]");
    let both =
        chat(json!({"role": "assistant", "content": null, "tool_calls": [call("f"), call("g")]}));
    assert!(learned(ALL, &both).is_ok());
    assert!(refusal(&first, &both).starts_with("message 2 has the field tool_calls, of which"));
    let thoughts_of_answers = ALL.replace(
        "if m.reasoning_content",
        "if m.reasoning_content and m.role == 'assistant'",
    );
    let fields = json!({"messages": [{"role": "user", "content": "u", "reasoning": "r"},
        {"role": "assistant", "content": "a"}]});
    assert!(learned(ALL, &fields).is_ok());
    let error = refusal(&thoughts_of_answers, &fields);
    assert!(
        error.starts_with("message 1 has the field reasoning, which"),
        "{error}"
    );
}

#[test]
fn arguments_in_a_string_are_read_as_strictly_as_the_record() {
    let call = |arguments: &str| {
        chat(json!({"role": "assistant", "content": null, "tool_calls":
            [{"type": "function", "function": {"name": "f", "arguments": arguments}}]}))
    };
    let aware = ALL.replace(
        "c.function.arguments | tojson",
        "c.function.arguments if c.function.arguments is string else c.function.arguments | tojson",
    );
    for (arguments, expected) in [
        (
            "{\"n\": 100000000000000000000}",
            "field n holds the whole number 100000000000000000000",
        ),
        (
            "{\"n\": 1, \"n\": 2}",
            "field arguments holds JSON that is not understood: ",
        ),
    ] {
        let error = refusal(ALL, &call(arguments));
        assert!(error.starts_with(expected), "{error}");
        // Written as they are, they keep what they say.
        let (text, _) = learned(&aware, &call(arguments)).unwrap();
        assert!(text.contains(arguments), "{text}");
    }
}
