//! What a misspelt name was probably meant to be.

/// The known name most like the one that a message refuses; the message is serde's, such as
/// ``unknown field `lisen`, expected one of `listen`, `http` ``.
pub(super) fn meant(message: &str) -> Option<String> {
    let (refused, known) = message.split_once("expected")?;
    if !refused.contains("unknown field") && !refused.contains("unknown variant") {
        return None;
    }
    let refused = quoted(refused).next()?;
    let likeness = |name: &&str| strsim::jaro_winkler(&refused.to_lowercase(), name);
    let best = quoted(known).max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(&best) > 0.75).then(|| best.to_owned())
}

/// Adds the suggestion to a message.
pub(super) fn told(meant: Option<&str>) -> String {
    meant.map_or_else(String::new, |name| format!(" (did you mean `{name}`?)"))
}

/// The texts between backquotes.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_known_name_is_suggested_and_no_far_one() {
        let known =
            "expected one of `roles`, `key`, `dir`, `genesis`, `listen`, `advertise`, `http`";
        for (wrong, right) in [
            ("lisen", Some("listen")),
            ("Listen", Some("listen")),
            ("advertize", Some("advertise")),
            ("htttp", Some("http")),
            ("role", Some("roles")),
            ("zzz", None),
        ] {
            let message = format!("unknown field `{wrong}`, {known}");
            assert_eq!(meant(&message).as_deref(), right, "{wrong}");
        }
        let one = meant("unknown variant `storag`, expected `storage`");
        assert_eq!(one.as_deref(), Some("storage"));
        for none in [
            "missing field `dir`",
            "unknown field `a`, there are no fields",
            "",
        ] {
            assert_eq!(meant(none), None);
        }
    }
}
