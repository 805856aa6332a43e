//! Chat templates: programs from outside. They end, in bounded memory, with a text or a reason.
#![no_main]

use assay_data::{ChatTemplate, FALLBACK, Message, Role, Setting, SpecialTokens};
use assay_fuzz::parts::{Parts, part};
use libfuzzer_sys::fuzz_target;

fn seeds() -> Vec<Vec<u8>> {
    let templates = [
        FALLBACK,
        "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}[INST] {{ m['content'] \
         | trim }} [/INST]{% else %}{{ m.content.strip() + eos_token }}{% endif %}{% endfor %}",
        "{% if messages[0].role == 'system' %}{% set s = messages[0].content %}{% set messages = \
         messages[1:] %}{% else %}{% set s = '' %}{% endif %}{% for m in messages %}{% if \
         (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('order') }}{% endif \
         %}{% if loop.index0 == 0 %}{% set c = s ~ m.content %}{% else %}{% set c = m.content \
         %}{% endif %}{{ '<|' ~ m.role ~ '|>\\n' ~ c }}{% endfor %}",
        "{% macro f(x) %}{{ x | upper | replace('A', 'b') }}{% endmacro %}{{ f(messages[0].content) \
         }}{{ messages | tojson }}{% for i in range(3) %}{{ i }}{% break %}{% endfor %}",
        "{% for t in tools %}{{ t | tojson(indent=2) }}{% for k, v in t.items() %}{{ k ~ v }}{% endfor \
         %}{% endfor %}{% for m in messages[::-1] %}{% generation %}{{ '%s-%d' % (m.content, 3) \
         }}{{ m.content.split('a', 1)[-1].rstrip('\\n') }}{% endgeneration %}{% endfor %}",
        "{{ strftime_now('%d %b') }}{{ messages | selectattr('role', 'equalto', 'user') | map(attribute=\
         'content') | join(', ') | indent(2) }}{{ messages[0] }}{{ '\\x41\\u00e9' | title }}",
    ];
    let seed = |template: &str| [part(template.as_bytes()), b"Hello".to_vec()].concat();
    templates.iter().map(|template| seed(template)).collect()
}

fuzz_target!(init: assay_fuzz::plant(seeds()), |data: &[u8]| {
    let mut parts = Parts::new(data);
    let (template, content) = (parts.part(), parts.rest());
    let (Ok(template), Ok(content)) = (str::from_utf8(template), str::from_utf8(content)) else {
        return;
    };
    let tokens = SpecialTokens { bos: "<s>".into(), eos: "</s>".into(), ..SpecialTokens::default() };
    let Ok(compiled) = ChatTemplate::new(template, tokens) else {
        return;
    };
    let messages = [
        Message::new(Role::System, "Be brief."),
        Message::new(Role::User, content),
        Message::new(Role::Assistant, "Yes."),
    ];
    let setting = Setting {
        tools: Some(serde_json::json!([{"type": "function", "function": {"name": content}}])),
        ..Setting::default()
    };
    for (messages, prompt) in [(&messages[..], false), (&messages[..2], true)] {
        let one = compiled.render(messages, &setting, prompt);
        let two = compiled.render(messages, &setting, prompt);
        assert_eq!(one.ok(), two.ok(), "the same conversation written in two ways");
    }
});
