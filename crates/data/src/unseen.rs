//! Characters that nobody sees, named for messages.

/// Names of characters that files get by accident.
const NAMES: [(char, &str); 18] = [
    ('\u{0}', "a zero byte"),
    ('\t', "a tab"),
    ('\u{1a}', "Ctrl-Z, which ended files in DOS"),
    (
        '\u{1b}',
        "an escape character, as terminals use it for colours",
    ),
    ('\u{85}', "a line end of mainframes"),
    ('\u{a0}', "a no-break space"),
    ('\u{ad}', "a soft hyphen"),
    ('\u{200b}', "a space of no width"),
    ('\u{200c}', "a non-joiner of no width"),
    ('\u{200d}', "a joiner of no width"),
    ('\u{200e}', "a mark for text from left to right"),
    ('\u{200f}', "a mark for text from right to left"),
    ('\u{2028}', "a line separator"),
    ('\u{2029}', "a paragraph separator"),
    ('\u{202f}', "a narrow no-break space"),
    ('\u{2060}', "a word joiner"),
    ('\u{3000}', "an ideographic space"),
    (
        '\u{feff}',
        "a byte order mark, as files that were joined have it in the middle",
    ),
];

/// Whether a character shows nothing, or nothing of its own.
fn is_unseen(c: char) -> bool {
    c.is_control() || NAMES.iter().any(|(unseen, _)| *unseen == c)
}

/// Number and name of a character, if it is one that nobody sees.
pub(crate) fn name(c: char) -> Option<String> {
    if !is_unseen(c) {
        return None;
    }
    let known = NAMES.iter().find(|(unseen, _)| *unseen == c);
    let known = known.map_or("a control character", |(_, name)| name);
    Some(format!("U+{:04X}, {known}", u32::from(c)))
}

/// A text in which characters that nobody sees stand as their numbers, such as `<U+FEFF>`.
pub(crate) fn shown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match is_unseen(c) {
            true => out.push_str(&format!("<U+{:04X}>", u32::from(c))),
            false => out.push(c),
        }
    }
    out
}

/// What to say of a mark in a text that files get by accident, to follow another sentence; nothing if
/// there is none.
pub(crate) fn note(text: &str) -> String {
    let marks = ['\u{1a}', '\u{2028}', '\u{2029}', '\u{feff}'];
    let named = text.chars().find(|c| marks.contains(c)).and_then(name);
    named.map_or_else(String::new, |named| {
        format!(" (there is a character that nobody sees: {named}; remove it)")
    })
}
