//! Operators and values of Python in chat templates, and the limits of what a template may build. What
//! is expected was written by Jinja2 as transformers sets it up.

use assay_data::{ChatTemplate, Message, Role, Setting, SpecialTokens};
use serde_json::json;

fn write(source: &str) -> Result<String, String> {
    let template =
        ChatTemplate::new(source, SpecialTokens::default()).map_err(|e| e.to_string())?;
    let values = json!({"m": {"a": 1, "b": [2], "c": "x"}});
    let setting = Setting {
        values: values.as_object().unwrap().clone(),
        ..Setting::default()
    };
    let text = template.render(&[], &setting, false);
    text.map_err(|e| e.to_string())
}

fn assert_written(cases: &[(&str, &str)]) {
    for (source, expected) in cases {
        assert_eq!(write(source).as_deref(), Ok(*expected), "{source}");
    }
}

fn assert_refused(cases: &[(&str, &str)]) {
    for (source, expected) in cases {
        let error = write(source).unwrap_err();
        assert!(error.contains(expected), "{source}: {error}");
    }
}

#[test]
fn operators_bind_and_make_what_jinja2s_do() {
    assert_written(&[
        (
            "{{ 'ab' * -1 }}|{{ 2 * 'ab' }}|{{ 'ab' * 2 ~ 'c' }}",
            "|abab|ababc",
        ),
        (
            "{{ [1] * 2 }}{{ (1, 2) * 2 }}{{ [1] + [2] + [3] }}{{ (1,) + (2,) }}",
            "[1, 1](1, 2, 1, 2)[1, 2, 3](1, 2)",
        ),
        (
            "{{ true + 1 }}|{{ 1.5 * 2 }}|{{ 1e-7 ~ '' }}|{{ 1e16 ~ 2.0 }}",
            "2|3.0|1e-07|1e+162.0",
        ),
        (
            "{{ 1 ~ 2 + '3' }}|{{ 'a' + 1 ~ 2 }}|{{ 2 * 3 ~ 4 }}",
            "123|a12|64",
        ),
        (
            "{{ nothing ~ 'x' }}{{ none ~ 'x' }}{{ [1.0, 'a'] ~ m }}",
            "xNonex[1.0, 'a']{'a': 1, 'b': [2], 'c': 'x'}",
        ),
        (
            "{{ 1 + 2 - 3 + 4 }}|{{ 7 / 2 * 4 }}|{{ 2 ** 3 * 2 }}|{{ -2 + 3 }}|{{ 2 * -3 }}|{{ 2 ** -1 + 1 }}|{{ 10 - 2 * 3 - 1 }}|{{ 7 // 2 * 3 % 4 }}",
            "4|14.0|16|1|-6|1.5|3|1",
        ),
        ("{{ 'a' ~ 'b' if 1 + 1 == 2 else 'c' ~ 'd' }}", "ab"),
        (
            "{{ 'x' + 'y' in ['xy'] and not 'a' ~ 'b' == 'ba' }}",
            "True",
        ),
        (
            "{{ 'x' ~ m.c | upper ~ 'z' }}|{{ ('x' ~ m.c) | upper }}",
            "xXz|XX",
        ),
        (
            "{{ 'a' ~ 'b' is string }}|{{ 1 + 1 is number }}|{{ 1 is not none }}",
            "aTrue|2|True",
        ),
        ("{%- set x = 'a' ~ 'b' -%} {{- x ~ '!' -}} ", "ab!"),
        (
            "{% set a, b = 1, 2 %}{{ a + b }}{% set t = 1, 2 %}{{ t }}",
            "3(1, 2)",
        ),
        (
            "{% for k, v in [(1, 2)] + [(3, 4)] if k + v > 3 %}{{ k ~ v }}{% endfor %}",
            "34",
        ),
        (
            "{% macro f(a, b=[1] + [2]) %}{{ a ~ b }}{% endmacro %}{{ f('x' ~ 'y') }}{{ f(a='x' + 'y', b={'k': 1 + 1}) }}",
            "xy[1, 2]xy{'k': 2}",
        ),
        (
            "{% with a = 'x' ~ 'y', b = [1][0:] %}{{ a ~ b }}{% endwith %}",
            "xy[1]",
        ),
        (
            "{{ m['c'] + m.c[0:1] ~ 'abc'[1:] ~ 'abc'[::-1] }}",
            "xxbccba",
        ),
        ("{{ {'k' + 'l': [1, 2][1:]} }}", "{'kl': [2]}"),
        ("{{ '%s' % ('a' ~ 'b') ~ 'c' }}", "abc"),
        (
            "{{ [1, 2][0] + 1 }}{{ (1 + 2) * 3 }}{{ ((1, 2), [3]) }}",
            "29((1, 2), [3])",
        ),
        (
            "{% if m.a + 1 > 1 and m.c ~ '' == 'x' %}y{% elif 'a' ~ 'b' %}n{% endif %}",
            "y",
        ),
        ("{{ 'a' ~ ('b' if m else 'c') ~ 'd' }}", "abd"),
        ("{{ 'a' + ('b' * 3)[1:] + 'c' }}", "abbc"),
        (
            "{{ 5 % 3 + 1 }}{{ m.a - 1 ~ 'x' if false else 3 - 1 }}",
            "32",
        ),
    ]);
    assert_refused(&[
        (
            "{{ 'a' + 1 }}",
            "cannot take a value that is string and one",
        ),
        ("{{ [1] + (1,) }}", "cannot take"),
        ("{{ nothing + 'a' }}", "that is undefined"),
        ("{{ m * 2 }}", "cannot take a value that is map"),
        (
            "{{ 9223372036854775807 * 9223372036854775807 * 9223372036854775807 }}",
            "too large",
        ),
    ]);
}

#[test]
fn views_and_ranges_are_written_as_python_writes_them() {
    assert_written(&[
        (
            "{{ range(3) }}{{ range(1, 9, 2) }}{{ range(5, 0, -2) | list }}{{ range(3)[1] }}{{ range(3)[-1] }}{{ range(0) | length }}",
            "range(0, 3)range(1, 9, 2)[5, 3, 1]120",
        ),
        (
            "{{ m.keys() }}{{ m.values() }}{{ m.items() }}{{ [m.keys(), range(2)] }}",
            "dict_keys(['a', 'b', 'c'])dict_values([1, [2], 'x'])dict_items([('a', 1), ('b', [2]), ('c', 'x')])[dict_keys(['a', 'b', 'c']), range(0, 2)]",
        ),
        (
            "{{ m.keys() is sequence }}{{ range(2) is sequence }}{{ m.keys() is iterable }}{{ m.keys() is mapping }}",
            "FalseTrueTrueFalse",
        ),
        (
            "{{ 'x' ~ m.keys() }}{{ m.keys() | length }}{{ m.items() | list }}{{ m.keys() | join(',') }}{{ 'a' in m.keys() }}{{ m.keys() | first }}",
            "xdict_keys(['a', 'b', 'c'])3[('a', 1), ('b', [2]), ('c', 'x')]a,b,cTruea",
        ),
        (
            "{{ {}.keys() }}{% if {}.keys() %}y{% else %}n{% endif %}{% if [] | select %}y{% endif %}",
            "dict_keys([])ny",
        ),
        (
            "{{ [3, 1] | map('string') | list }}{{ [1, 2] | reverse | list }}{% for x in [1, 2] | batch(1) %}{{ x }}{{ loop.last }}{% endfor %}",
            "['3', '1'][2, 1][1]False[2]True",
        ),
        (
            "{{ m | dictsort }}{% for g in [m] | groupby('a') %}{{ g }}{% endfor %}",
            "[('a', 1), ('b', [2]), ('c', 'x')](1, [{'a': 1, 'b': [2], 'c': 'x'}])",
        ),
    ]);
}

#[test]
fn what_python_would_write_with_an_address_is_refused_by_name() {
    assert_refused(&[
        ("{{ [1] | map('string') }}", "it writes a generator"),
        ("{{ [1] | select | length }}", "a generator has no length"),
        ("{{ namespace(a=1) }}", "it writes a namespace"),
        ("{{ [namespace(a=1)] ~ '' }}", "it writes a namespace"),
        ("{% for x in [1] %}{{ loop }}{% endfor %}", "a loop"),
        ("{% macro f() %}{% endmacro %}{{ f }}", "a macro"),
        ("{{ m.keys }}", "call the method"),
        ("{{ range }}", "it writes a function"),
        ("{{ m.keys() | tojson }}", "put |list before it"),
        ("{{ [m.values()] | tojson }}", "put |list before it"),
        ("{{ range(2) | tojson }}", "put |list before it"),
        ("{{ m.keys() + [1] }}", "cannot take"),
        ("{{ m.keys().index('a') }}", "method"),
        ("{{ range(100001) }}", "more than 100000 numbers"),
    ]);
}

/// A template that does this sixty times to a namespace with a text of 16 letters and a list.
fn sixty_times(body: &str) -> String {
    format!(
        "{{% set ns = namespace(s='xxxxxxxxxxxxxxxx', l=[1]) %}}{{% for i in range(60) %}}{body}\
         {{% endfor %}}{{{{ ns.s }}}}"
    )
}

#[test]
fn a_text_or_list_that_doubles_is_refused_before_it_fills_the_memory() {
    // Some grow faster: what they build before they are refused takes time.
    for body in [
        "{% set ns.s = ns.s ~ ns.s %}",
        "{% set ns.s = ns.s * 3000 + ns.s * 3000 %}",
        "{% set ns.s = ns.s * 3000 %}",
        "{% set ns.s = ([ns.s] * 3000) | join %}",
        "{% set ns.s = ns.s.replace('x', 'x' * 3000) %}",
        "{% set ns.s = '%s%s' % (ns.s, ns.s) %}",
        "{% set ns.s = '{}{}'.format(ns.s, ns.s) %}",
        "{% set ns.s = ns.s | replace('x', 'x' * 3000) %}",
        "{% set s %}{{ ns.s }}{{ ns.s * 3000 }}{% endset %}{% set ns.s = s %}",
        "{% set ns.l = ns.l * 3000 + ns.l * 3000 %}",
        "{% set ns.l = ns.l * 3000 %}",
        "{% set ns.l = [ns.l, ns.l, ns.l, ns.l] %}",
        "{% set ns.l = (ns.l, ns.l, ns.l, ns.l) %}",
        "{% set ns.l = {'a': ns.l, 'b': ns.l, 'c': ns.l, 'd': ns.l} %}",
        "{% set ns.l = ns.l, ns.l, ns.l, ns.l %}",
        "{% set ns.s = ns.s ~ ns.l %}{% set ns.l = [ns.s] * 3000 %}",
    ] {
        let error = write(&sixty_times(body)).unwrap_err();
        assert!(error.contains("MiB"), "{body}: {error}");
    }
    let nested = |open: &str, close: &str| {
        let (open, close) = (open.repeat(40), close.repeat(40));
        format!("{{% set s = 'xxxxxxxxxxxxxxxx' %}}{open}{{{{ s }}}}{close}")
    };
    for source in [
        nested("{% with s = s * 3000 %}", "{% endwith %}"),
        nested("{% for s in [s * 3000] %}", "{% endfor %}"),
        "{% macro f(s, n) %}{% if n %}{{ f(s * 3000, n - 1) }}{% endif %}{% endmacro %}{{ f('xxxxxxxx', 60) }}".into(),
        "{% macro f(n) %}{{ f(n - 1) * 3000 if n else 'xxxxxxxx' }}{% endmacro %}{{ f(60) }}".into(),
        "{% for s in ['xxxxxxxx'] recursive %}{{ loop([s * 3000]) }}{% endfor %}".into(),
    ] {
        let error = write(&source).unwrap_err();
        let bounded = ["MiB", "too many steps", "recursion"];
        assert!(bounded.iter().any(|b| error.contains(b)), "{error}");
    }
}

#[test]
fn copies_of_a_long_text_are_counted_together() {
    for copy in [
        "ns.s ~ i",
        "ns.s[1:]",
        "ns.s | upper",
        "ns.s.strip('y')",
        "ns.s | tojson",
        "ns.s | list",
        "ns.s.split('y')",
        "'%s' | format(ns.s)",
    ] {
        let source = format!(
            "{{% set ns = namespace(s='x' * 1000000, l=[]) %}}{{% for i in range(2000) %}}\
             {{% set ns.l = ns.l + [{copy}] %}}{{% endfor %}}"
        );
        let error = write(&source).unwrap_err();
        assert!(error.contains("MiB"), "{copy}: {error}");
    }
    let long = "x".repeat(200 << 10);
    for source in [
        format!("{{% set s %}}{{% for i in range(100000) %}}{long}{{% endfor %}}{{% endset %}}"),
        format!("{{% for i in range(100000) %}}{long}{{% endfor %}}"),
        "{{ [[[[1]]]] | tojson(indent='x' * 30000000) }}".into(),
        "{{ ['x' * 1000000] * 1000 }}".into(),
        "{{ ('%999999d' * 1000) | format(1) }}".into(),
        "{{ [0] * 100000000 }}".into(),
    ] {
        let error = write(&source).unwrap_err();
        let bounded = ["MiB", "too many steps"];
        let shown: String = source.chars().take(60).collect();
        assert!(
            bounded.iter().any(|b| error.contains(b)),
            "{shown}: {error}"
        );
    }
}

#[test]
fn what_holds_itself_or_is_nested_without_end_is_refused() {
    let deep = "{% set ns = namespace(l=[]) %}{% for i in range(99999) %}";
    for body in [
        "{% set ns.l = [ns.l] %}",
        "{% set ns.l = ns.l, %}",
        "{% set ns.l = {'a': ns.l} %}",
        "{% set ns.l = namespace(a=ns.l) %}",
        "{% set ns.l = ns.l | batch(1) %}{% set ns.l = [ns.l] | list %}",
        "{% set ns.l = ns %}",
    ] {
        let error = write(&format!("{deep}{body}{{% endfor %}}")).unwrap_err();
        assert!(error.contains("more than 200 deep"), "{body}: {error}");
    }
}

/// As long as a record may be, with a template that joins, copies and slices.
#[test]
fn a_long_conversation_is_written_within_the_limits() {
    let source = "{% set ns = namespace(last='') %}{% for m in messages %}{% set text = m.content | trim %}\
        {% set ns.last = '<' + m.role + '>' + text + '\\n' %}{{ ns.last ~ '' }}\
        {% if text[:1] == 'x' and messages[1:] | length > 2 %}{{ '.' }}{% endif %}{% endfor %}";
    let template = ChatTemplate::new(source, SpecialTokens::default()).unwrap();
    let text = "x".repeat(16 << 10);
    let turns: Vec<Message> = (0..256)
        .map(|_| Message::new(Role::User, text.as_str()))
        .collect();
    let written = template.render(&turns, &Setting::default(), false).unwrap();
    assert_eq!(written.len(), 256 * ((16 << 10) + "<user>\n.".len()));
    let again = template.render(&turns, &Setting::default(), false).unwrap();
    assert_eq!(again, written);
}
