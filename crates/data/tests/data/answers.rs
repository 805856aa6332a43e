//! Where the answers begin and end, with templates that do not simply go on from their prompt.

use crate::common;
use crate::common::learned;
use assay_data::Record;
use serde_json::{Value, json};

fn parts(template: &str, fields: &Value) -> Vec<String> {
    learned(template, fields).unwrap().1
}

fn turns(said: &[(&str, &str)]) -> Value {
    let turn = |(role, content): &(&str, &str)| json!({"role": role, "content": content});
    json!({"messages": said.iter().map(turn).collect::<Vec<_>>()})
}

const TWO: [(&str, &str); 4] = [
    ("user", "Name a bird."),
    ("assistant", "A wren."),
    ("user", "And another."),
    ("assistant", "An owl."),
];

#[test]
fn a_prompt_that_opens_a_thought_is_followed_as_far_as_the_text_goes() {
    let opens = "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}<U>{{ m.content }}\
        {% else %}<A>{{ m.content }}{{ eos_token }}{% endif %}{% endfor %}\
        {% if add_generation_prompt %}<A><think>\n{% endif %}";
    assert_eq!(parts(opens, &turns(&TWO)), ["A wren.</s>", "An owl.</s>"]);
    // An answer that goes on from the opened thought begins where the prompt ends.
    let thought = [TWO[0], ("assistant", "<think>\nHm.</think>A wren.")];
    assert_eq!(parts(opens, &turns(&thought)), ["Hm.</think>A wren.</s>"]);
    // One that begins like the prompt's own text, but is another, is learned whole.
    let alike = [TWO[0], ("assistant", "<thinly> veiled")];
    assert_eq!(parts(opens, &turns(&alike)), ["<thinly> veiled</s>"]);
}

#[test]
fn a_template_that_drops_earlier_thoughts_is_followed() {
    let drops = "{% for m in messages %}<{{ m.role }}>\n{% if m.role == 'assistant' and not loop.last \
        %}{{ m.content.split('</think>')[-1].lstrip('\n') }}{% else %}{{ m.content }}{% endif %}<end>\n\
        {% endfor %}{% if add_generation_prompt %}<assistant>\n{% endif %}";
    let thoughts = [
        TWO[0],
        ("assistant", "<think>\nSmall.\n</think>\n\nA wren."),
        TWO[2],
        ("assistant", "<think>\nLarge.\n</think>\n\nAn owl."),
    ];
    let expected = [
        "A wren.<end>\n",
        "<think>\nLarge.\n</think>\n\nAn owl.<end>\n",
    ];
    assert_eq!(parts(drops, &turns(&thoughts)), expected);
}

#[test]
fn an_empty_thought_that_only_the_last_answer_has_is_followed() {
    let last = "{% for m in messages %}<{{ m.role }}>\n{% if m.role == 'assistant' and loop.last %}\
        <think>\n\n</think>\n\n{% endif %}{{ m.content | trim }}<end>\n{% endfor %}\
        {% if add_generation_prompt %}<assistant>\n{% endif %}";
    let expected = ["A wren.<end>\n", "<think>\n\n</think>\n\nAn owl.<end>\n"];
    assert_eq!(parts(last, &turns(&TWO)), expected);
}

#[test]
fn an_end_that_only_the_last_answer_has_is_learned_there() {
    let ends = "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% if m.role == 'assistant' %}\
        {{ '<return>' if loop.last else '<end>' }}{% endif %}{% endfor %}\
        {% if add_generation_prompt %}[assistant]{% endif %}";
    assert_eq!(
        parts(ends, &turns(&TWO)),
        ["A wren.<end>", "An owl.<return>"]
    );
    let asked = ends.replace(
        "if loop.last else",
        "if loop.last and not add_generation_prompt else",
    );
    assert_eq!(
        parts(&asked, &turns(&TWO)),
        ["A wren.<end>", "An owl.<return>"]
    );
}

#[test]
fn an_end_of_text_after_the_whole_conversation_is_learned_with_the_last_answer() {
    let whole = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}\
        {% if add_generation_prompt %}<|assistant|>{% else %}{{ eos_token }}{% endif %}";
    assert_eq!(
        parts(whole, &turns(&TWO)),
        ["A wren.<|end|>", "An owl.<|end|></s>"]
    );
}

#[test]
fn calls_and_thoughts_are_part_of_the_answer() {
    let template = "{% for m in messages %}<{{ m.role }}>{% if m.reasoning_content and loop.last %}\
        <think>{{ m.reasoning_content }}</think>{% endif %}{{ m.content }}{% for c in m.tool_calls or [] %}\
        ({{ c.function.name }}){% endfor %};{% endfor %}{% if add_generation_prompt %}<assistant><think>{% endif %}";
    let record = json!({"messages": [{"role": "user", "content": "u"},
        {"role": "assistant", "content": null, "reasoning_content": "why", "tool_calls": [{"function": {"name": "clock", "arguments": {}}}]},
        {"role": "tool", "content": "noon"},
        {"role": "assistant", "content": "It is noon.", "reasoning_content": "so"}]});
    assert_eq!(
        parts(template, &record),
        ["(clock);", "so</think>It is noon.;"]
    );
}

#[test]
fn what_the_template_leaves_out_is_said() {
    let only_last = "{% for m in messages %}{% if m.role == 'user' or loop.last %}<{{ m.role }}>{{ m.content }}\
        {% endif %}{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}";
    let error = learned(only_last, &turns(&TWO)).unwrap_err();
    assert!(
        error.contains("message 2 (assistant) says something"),
        "{error}"
    );
    let marks = "{% for m in messages %}<{{ m.role }}>{% if m.role == 'assistant' and loop.last %}{% generation %}\
        {{ m.content }}{% endgeneration %}{% else %}{{ m.content }}{% endif %}{% endfor %}";
    let mut weighted = turns(&TWO);
    weighted["messages"][3]["weight"] = json!(0);
    let error = learned(marks, &weighted).unwrap_err();
    assert!(
        error.contains("marks 1 answers, and the conversation has 2"),
        "{error}"
    );
    // Without marks of its own, what the template marks is learned, and no more.
    assert_eq!(parts(marks, &turns(&TWO)), ["An owl."]);
    let record = json!({"messages": [{"role": "user", "content": "u\u{fdd0}"}, {"role": "assistant", "content": "a"}]});
    assert!(learned(marks, &record).unwrap_err().contains("U+FDD0"));
}

#[test]
fn an_answer_that_changes_the_heading_does_not_take_the_question_with_it() {
    let turns = "{% for m in messages %}<{{ m.role }}>{{ m.content }};{% endfor %}\
        {% if add_generation_prompt %}<assistant>{% endif %}";
    for heading in [
        "{% if messages|selectattr('reasoning_content', 'defined')|list %}on{% else %}off{% endif %}\n",
        "{% if messages[-1].role == 'assistant' %}Len {{ messages[-1].content|length }}{% endif %}\n",
    ] {
        let mut answer = json!({"role": "assistant", "content": "Three."});
        if heading.contains("reasoning") {
            answer["reasoning_content"] = json!("counted");
        }
        let record = json!({"messages": [{"role": "user", "content": "How many?"}, answer]});
        let error = learned(&format!("{heading}{turns}"), &record).unwrap_err();
        assert!(error.contains("around message 1 too"), "{error}");
    }
}

#[test]
fn answers_of_other_languages_and_the_first_message_are_found() {
    let opens = "{% for m in messages %}<{{ m.role[0] }}>{{ m.content }}\u{29fc}{% endfor %}\
        {% if add_generation_prompt %}<a>\u{29fb}{% endif %}";
    let said = [
        ("assistant", "\u{4f60}\u{597d}"),
        ("user", "\u{e9}"),
        ("assistant", "\u{1f426}\u{1f426}"),
    ];
    assert_eq!(
        parts(opens, &turns(&said)),
        ["\u{4f60}\u{597d}\u{29fc}", "\u{1f426}\u{1f426}\u{29fc}"]
    );
    let pair = Record::pair("Who?", "Me.");
    let tokenizer = common::characters(opens);
    let found = assay_data::encode(&pair, &tokenizer, true).unwrap();
    assert_eq!(found.counts.iter().filter(|counts| **counts).count(), 4);
}

/// The shape of gpt-oss's template: a thought that is dropped once an answer follows, so that the text
/// does not simply go on, and the heading of a result that repeats the name of its call.
#[test]
fn a_call_ends_before_the_heading_that_repeats_its_name() {
    let template = "{% set ns = namespace(name=none) %}{% for m in messages %}{% if m.tool_calls %}\
        {% set f = m.tool_calls[0].function %}{% if m.reasoning_content and loop.last %}\
        <b>assistant thinks {{ m.reasoning_content }};{% endif %}<b>assistant to {{ f.name }}:\
        {{ f.arguments | tojson }}<call>{% set ns.name = f.name %}{% elif m.role == 'tool' %}\
        <b>{{ ns.name }} to assistant:{{ m.content }}<end>{% else %}<b>{{ m.role }}:{{ m.content }}<end>\
        {% endif %}{% endfor %}{% if add_generation_prompt %}<b>assistant{% endif %}";
    let with = |arguments: Value| {
        json!({"messages": [{"role": "user", "content": "u"},
            {"role": "assistant", "reasoning_content": "why",
             "tool_calls": [{"function": {"name": "clock", "arguments": arguments}}]},
            {"role": "tool", "content": "noon"},
            {"role": "assistant", "content": "It is noon."}]})
    };
    for (arguments, written) in [
        (json!({"zone": "UTC"}), "{\"zone\": \"UTC\"}"),
        (json!("{\"zone\": \"UTC\"}"), "{\"zone\": \"UTC\"}"),
        (json!({}), "{}"),
    ] {
        let call = format!(" to clock:{written}<call>");
        let expected = [call, ":It is noon.<end>".to_owned()];
        assert_eq!(parts(template, &with(arguments)), expected);
    }
    // Where only the name of the call is written, its end cannot be told.
    let silent = template.replace(":{{ f.arguments | tojson }}", "");
    let error = learned(&silent, &with(json!({}))).unwrap_err();
    assert!(
        error.contains("message 2 says changes the text around message 3 too"),
        "{error}"
    );
}

/// OLMo 2 and Tulu end the last answer without the line end that others have.
#[test]
fn what_separates_two_answers_and_the_second_heading_are_not_learned() {
    let olmo = "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}{% if m.role == 'assistant' %}\
        {{ eos_token }}{{ '' if loop.last else '\n' }}{% else %}{{ '\n' }}{% endif %}\
        {% if loop.last and add_generation_prompt %}<|assistant|>\n{% endif %}{% endfor %}";
    let said = [TWO[0], TWO[1], ("assistant", "Or an owl."), TWO[2], TWO[3]];
    assert_eq!(
        parts(olmo, &turns(&said)),
        ["A wren.</s>", "Or an owl.</s>", "An owl.</s>"]
    );
}
