use super::super::names::Pattern;
use super::*;

fn list(names: &[&str]) -> Names {
    Names::List(names.iter().map(|name| (*name).to_owned()).collect())
}

fn pattern(text: &str) -> Names {
    Names::Pattern(text.to_owned())
}

fn select(names: Names, layers: usize) -> Result<Vec<String>, String> {
    let selection = Modules::new(names).on(layers).map_err(|e| e.to_string())?;
    Ok(selection.names())
}

#[test]
fn every_spelling_of_one_choice_is_the_same_choice() {
    let both = Modules::new(list(&["q_proj", "down_proj"])).on(3).unwrap();
    assert_eq!(both.names(), ["q_proj", "down_proj"]);
    let paths: Vec<String> = (0..3)
        .flat_map(|layer| [Target::QProj, Target::DownProj].map(|t| t.path(layer)))
        .collect();
    for names in [
        list(&["self_attn.q_proj", "mlp.down_proj"]),
        Names::List(paths),
        pattern(r".*\.(q_proj|down_proj)"),
        pattern(r"model\.layers\.\d+\..*(q|down)_proj"),
        pattern(r"model\.layers\.[0-2]\.(self_attn\.q|mlp\.down)_proj"),
        pattern(r".*\.(?!k_proj|v_proj|o_proj|gate_proj|up_proj)[a-z]+_proj"),
    ] {
        assert_eq!(
            Modules::new(names.clone()).on(3).unwrap(),
            both,
            "{names:?}"
        );
    }
    let all = Modules::new(list(&Target::ALL.map(Target::name)))
        .on(3)
        .unwrap();
    for text in ["all-linear", "ALL-LINEAR"] {
        assert_eq!(Modules::new(pattern(text)).on(3).unwrap(), all);
    }
}

#[test]
fn layers_that_differ_are_named_by_module() {
    let names = select(pattern(r"model\.layers\.1\.self_attn\.[qv]_proj"), 12).unwrap();
    assert_eq!(
        names,
        [
            "model.layers.1.self_attn.q_proj",
            "model.layers.1.self_attn.v_proj"
        ]
    );
    // The list that is written selects the same again.
    assert_eq!(select(Names::List(names.clone()), 12).unwrap(), names);
    let chosen = |layers: &[i64], names: Names| Modules {
        layers_to_transform: Some(layers.to_vec()),
        layers_pattern: Some(pattern("layers")),
        ..Modules::new(names)
    };
    let some = chosen(&[0, 2], list(&["o_proj"])).on(3).unwrap();
    assert_eq!((some.at(0).count(), some.at(1).count()), (1, 0));
    // A whole name is taken whatever the layers are, as PEFT does.
    let whole = chosen(&[0], list(&["model.layers.2.mlp.up_proj", "q_proj"]));
    let whole = whole.on(3).unwrap();
    let names = whole.names();
    assert_eq!(
        names,
        [
            "model.layers.0.self_attn.q_proj",
            "model.layers.2.mlp.up_proj"
        ]
    );
    let all_layers = chosen(&[0, 1, 2], list(&["o_proj"])).on(3).unwrap();
    assert_eq!(all_layers.names(), ["o_proj"]);
}

#[test]
fn excluded_modules_are_left_out() {
    let without = |names: Names, exclude: Names| {
        let modules = Modules {
            exclude_modules: Some(exclude),
            ..Modules::new(names)
        };
        modules.on(2).map(|s| s.names()).map_err(|e| e.to_string())
    };
    let attention = ["q_proj", "k_proj", "v_proj", "o_proj"];
    let mlp = list(&["gate_proj", "up_proj", "down_proj"]);
    assert_eq!(without(pattern("all-linear"), mlp).unwrap(), attention);
    let none = list(&[]);
    assert_eq!(without(list(&["q_proj"]), none).unwrap(), ["q_proj"]);
    let by_expression = without(pattern("all-linear"), pattern(r".*mlp.*")).unwrap();
    assert_eq!(by_expression, attention);
    // An expression for everything but the rest of the model.
    let rest = pattern("lm_head|model.embed_tokens|model.norm");
    assert_eq!(without(pattern(".*"), rest).unwrap().len(), 7);
    let nothing = without(list(&["q_proj"]), list(&["q_proj"])).unwrap_err();
    assert!(nothing.contains("leaves out every module"), "{nothing}");
}

#[test]
fn names_that_match_nothing_beside_others_are_passed_over_with_a_note() {
    let names = list(&[
        "q_proj",
        "self_attn.q_proj",
        "query",
        "model.layers.7.mlp.up_proj",
    ]);
    let modules = Modules::new(names);
    assert_eq!(modules.on(2).unwrap().names(), ["q_proj"]);
    assert_eq!(
        modules.notes(2).unwrap(),
        [
            "target_modules names \"model.layers.7.mlp.up_proj\", \"query\", and this model has no \
             such module: this is passed over, as PEFT does"
        ]
    );
    let plain = Modules::new(list(&["q_proj", "v_proj"]));
    assert!(plain.notes(2).unwrap().is_empty());
    let many = ["a", "b", "c", "d", "e", "f", "g", "q_proj"];
    let note = Modules::new(list(&many)).notes(2).unwrap().remove(0);
    assert!(note.contains("\"e\", and 2 more"), "{note}");
}

#[test]
fn an_exclusion_that_leaves_nothing_out_is_noted() {
    let note = |names: Names, exclude: Names| {
        let modules = Modules {
            exclude_modules: Some(exclude),
            ..Modules::new(names)
        };
        let notes = modules.notes(2).unwrap();
        assert!(notes.len() < 2, "{notes:?}");
        notes.into_iter().next().unwrap_or_default()
    };
    for idle in [
        list(&["fc2"]),
        // What holds projections is not what is adapted: they stay.
        list(&["mlp"]),
        list(&["q_proj", "o_proj"]),
        pattern("down_proj"),
        pattern(r".*\.mlp"),
    ] {
        let note = note(list(&["q_proj", "v_proj"]), idle.clone());
        assert!(note.contains("leaves nothing out"), "{idle:?}: {note}");
        assert!(!note.contains("\"q_proj\""), "{idle:?}: {note}");
    }
    for used in [
        list(&["q_proj", "lm_head"]),
        list(&["layers.1.self_attn.q_proj"]),
        pattern(r".*\.1\..*"),
        list(&[]),
    ] {
        assert_eq!(
            note(list(&["q_proj", "v_proj"]), used.clone()),
            "",
            "{used:?}"
        );
    }
    let rest = pattern("lm_head|model.embed_tokens|model.norm");
    assert_eq!(note(pattern(".*"), rest), "");
}

#[test]
fn feed_forward_modules_are_those_that_are_adapted() {
    let of = |targets: Names, exclude: &[&str], feedforward: Names| {
        let modules = Modules {
            exclude_modules: Some(list(exclude)),
            feedforward_modules: Some(feedforward),
            ..Modules::new(targets)
        };
        modules
            .feedforward_on(2)
            .map(|s| s.names())
            .map_err(|e| e.to_string())
    };
    let down = || Ok(vec!["down_proj".to_owned()]);
    let some = || list(&["k_proj", "down_proj", "fc2"]);
    assert_eq!(of(some(), &[], list(&["down_proj", "fc2"])), down());
    assert_eq!(of(some(), &[], pattern(".*(down|up)_proj")), down());
    assert_eq!(of(some(), &["down_proj"], list(&["down_proj"])), Ok(vec![]));
    assert_eq!(of(some(), &[], pattern("nothing")), Ok(vec![]));
    let text = of(some(), &[], list(&["up_proj"])).unwrap_err();
    assert!(text.contains("that target_modules does not"), "{text}");
    let text = of(some(), &[], list(&["downproj"])).unwrap_err();
    assert!(text.contains("\"downproj\" is unknown"), "{text}");
}

#[test]
fn what_matches_nothing_or_too_much_is_refused_by_name() {
    let refused = |names: Names, expected: &str| {
        let text = select(names.clone(), 2).unwrap_err();
        assert!(
            text.contains(expected),
            "{names:?}: {text:?} lacks {expected:?}"
        );
    };
    refused(list(&["key", "query"]), "target module \"key\" is unknown");
    // PEFT refuses these too: they are modules that it can put no adapter on.
    for name in ["lm_head", "norm", "embed_tokens"] {
        refused(list(&["q_proj", name]), name);
    }
    refused(list(&["q_proj", "mlp"]), "matches model.layers.0.mlp,");
    refused(
        list(&["q_proj", "input_layernorm"]),
        "matches model.layers.0.input_layernorm,",
    );
    refused(list(&["proj"]), "target module \"proj\" is unknown");
    refused(
        list(&["model.layers.7.mlp.up_proj"]),
        "layer 7 is named, and the model has 2",
    );
    refused(list(&[]), "matches no projection");
    refused(pattern("q_proj"), "matches no projection");
    refused(pattern(r".*\.query_key_value"), "matches no projection");
    refused(pattern(".*"), "matches lm_head");
    refused(pattern("(q_proj"), "no regular expression");
    refused(pattern(&"a".repeat(5000)), "1 to 4096 bytes");
    let with = |change: fn(&mut Modules)| {
        let mut modules = Modules::new(list(&["q_proj"]));
        change(&mut modules);
        modules.on(2).unwrap_err().to_string()
    };
    for layer in [2, -1, i64::MAX, i64::MIN] {
        let modules = Modules {
            layers_to_transform: Some(vec![0, layer]),
            ..Modules::new(list(&["q_proj"]))
        };
        let text = modules.on(2).unwrap_err().to_string();
        let expected = format!(
            "layers_to_transform: layer {layer} is named, and the model has 2 layers, 0 to 1"
        );
        assert_eq!(text, expected);
        // Which layers there are, only a model says.
        modules.check().unwrap();
    }
    let text = with(|m| m.layers_pattern = Some(list(&["layers"])));
    assert!(text.contains("without layers_to_transform"), "{text}");
    let text = with(|m| {
        m.layers_to_transform = Some(vec![0]);
        m.layers_pattern = Some(list(&["h"]));
    });
    assert!(text.contains("layers_pattern matches nothing"), "{text}");
    let text = with(|m| {
        m.layers_to_transform = Some(vec![0]);
        m.target_modules = pattern("all-linear");
    });
    assert!(text.contains("goes with a list"), "{text}");
}

#[test]
fn patterns_give_values_by_the_end_of_a_name() {
    let of = |keys: &[(&str, u64)], path: &str| {
        let keys = keys
            .iter()
            .map(|(key, r)| ((*key).to_owned(), *r))
            .collect();
        let pattern = Pattern::new("rank_pattern", &keys).unwrap();
        pattern.of(path).map_err(|e| e.to_string())
    };
    let path = "model.layers.1.self_attn.q_proj";
    for key in [
        path,
        "q_proj",
        "1.self_attn.q_proj",
        "self_attn.*",
        ".*q_proj",
        "^model.*",
    ] {
        assert_eq!(of(&[(key, 4)], path), Ok(Some(4)), "{key}");
    }
    for key in [
        "proj",
        "model.layers.11.self_attn.q_proj",
        "k_proj",
        "layers.1",
    ] {
        assert_eq!(of(&[(key, 4)], path), Ok(None), "{key}");
    }
    assert_eq!(of(&[("q_proj", 4), (".*_proj", 4)], path), Ok(Some(4)));
    let text = of(&[("q_proj", 4), (".*_proj", 5)], path).unwrap_err();
    assert!(text.contains("both match"), "{text}");
}
