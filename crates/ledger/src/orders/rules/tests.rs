use super::*;

struct OnNothing;

impl Rule for OnNothing {
    fn kind(&self) -> &'static str {
        "nothing"
    }

    fn inputs(&self) -> &'static [&'static str] {
        &[]
    }

    fn on_model(&self) -> bool {
        false
    }

    fn check_terms(&self, _: &Terms) -> Result<(), String> {
        Ok(())
    }
}

#[test]
fn a_kind_with_methods_names_one_of_them_and_another_none() {
    assert_eq!(method("lora", &finetune::Finetune), None);
    assert!(method("", &finetune::Finetune).is_some());
    assert!(method("mine", &finetune::Finetune).is_some());
    assert_eq!(method("", &OnNothing), None);
    assert!(method("lora", &OnNothing).is_some());
}

#[test]
fn a_kind_tells_the_sizes_of_its_model_and_no_others() {
    let sizes = [Terms::MODEL_VERSION; Terms::MODEL_BYTES];
    assert_eq!(model(&sizes, &finetune::Finetune), None);
    assert_eq!(model(&[], &OnNothing), None);
    assert!(model(&sizes, &OnNothing).is_some());
    let other = [Terms::MODEL_VERSION + 1; Terms::MODEL_BYTES];
    for wrong in [&[][..], &sizes[1..], &[&sizes[..], &[0]].concat(), &other] {
        assert!(model(wrong, &finetune::Finetune).is_some(), "{wrong:?}");
    }
}
