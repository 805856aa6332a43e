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
    let chosen = |layers: &[usize], names: Names| Modules {
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
fn what_matches_nothing_or_too_much_is_refused_by_name() {
    let refused = |names: Names, expected: &str| {
        let text = select(names.clone(), 2).unwrap_err();
        assert!(
            text.contains(expected),
            "{names:?}: {text:?} lacks {expected:?}"
        );
    };
    refused(
        list(&["q_proj", "query"]),
        "target module \"query\" is unknown",
    );
    refused(list(&["lm_head"]), "target module \"lm_head\" is unknown");
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
    let text = with(|m| m.layers_to_transform = Some(vec![2]));
    assert!(text.contains("layer 2 is named"), "{text}");
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
