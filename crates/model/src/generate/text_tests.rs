use super::*;

/// ASCII, and one token for each other byte, as tokenizers with byte fallback have; ids are the
/// bytes.
fn tokenizer() -> Tokenizer {
    let name = |byte: u8| match byte.is_ascii() {
        true => char::from(byte).to_string(),
        false => format!("<0x{byte:02X}>"),
    };
    let vocab: serde_json::Map<String, serde_json::Value> =
        (0..=255).map(|byte| (name(byte), byte.into())).collect();
    let json = serde_json::json!({
        "version": "1.0", "added_tokens": [], "normalizer": null, "pre_tokenizer": null,
        "post_processor": null, "decoder": {"type": "ByteFallback"},
        "model": {"type": "BPE", "vocab": vocab, "merges": [], "byte_fallback": true},
    });
    Tokenizer::from_files(json.to_string().as_bytes(), None, None).unwrap()
}

/// The pieces, the text, and whether it was stopped after how many bytes.
fn write(text: &[u8], stops: &[&str], trimmed: bool) -> (Vec<String>, String, Option<usize>) {
    let tokenizer = tokenizer();
    let stops: Vec<String> = stops.iter().map(|s| (*s).to_owned()).collect();
    let mut pieces = Vec::new();
    let mut writer = TextWriter::new(&tokenizer, &stops, trimmed, |piece: &str| {
        pieces.push(piece.to_owned());
    });
    let stop = |byte: &u8| !writer.push((*byte).into()).unwrap();
    let stopped = text.iter().position(stop).map(|at| at + 1);
    let (text, ended) = writer.finish().unwrap();
    assert!(ended || stopped.is_none());
    assert_eq!(pieces.concat(), text);
    assert!(pieces.iter().all(|piece| !piece.is_empty()));
    (pieces, text, stopped)
}

#[test]
fn pieces_are_whole_characters() {
    let text = "a\u{e9}\u{20ac}\u{1f600}z\u{301}";
    let (pieces, all, stopped) = write(text.as_bytes(), &[], false);
    let characters: Vec<String> = text.chars().map(String::from).collect();
    assert_eq!((pieces, &*all, stopped), (characters, text, None));
}

#[test]
fn broken_text_is_written_in_the_end() {
    let (_, all, _) = write(b"ab\xe2\x82", &[], false);
    assert_eq!(all, "ab\u{fffd}\u{fffd}");
    let endless = [0xff; 40];
    let (pieces, all, _) = write(&endless, &[], false);
    assert!(pieces.len() > 1 && all.chars().all(|c| c == BROKEN));
    let (_, all, _) = write(b"\xff\xffok", &[], false);
    assert!(all.ends_with("ok"), "{all}");
}

#[test]
fn a_stop_string_ends_the_text_and_none_of_it_is_handed_out() {
    let (pieces, all, stopped) = write(b"one<two<end>three", &["<end>"], false);
    assert_eq!((&*all, stopped), ("one<two", Some(12)));
    assert!(pieces.contains(&"<t".to_owned()), "{pieces:?}");
    // The first in the text wins, of those that begin together too.
    assert_eq!(write(b"abcd", &["cd", "bc"], false).1, "a");
    assert_eq!(write(b"aab", &["ab"], false).1, "a");
    assert_eq!(write(b"aaab", &["aab"], false).1, "a");
    assert_eq!(write("a\u{20ac}b".as_bytes(), &["\u{20ac}"], false).1, "a");
    // Begun and never finished.
    let (pieces, all, stopped) = write(b"x<en", &["<end>"], false);
    assert_eq!((&*all, stopped, pieces.len()), ("x<en", None, 2));
    assert_eq!(write(b"", &["a"], false).1, "");
}

#[test]
fn answers_are_trimmed() {
    let (pieces, all, _) = write(b" \n one two  \n", &[], true);
    assert_eq!(all, "one two");
    assert_eq!(pieces, ["o", "n", "e", " t", "w", "o"]);
    // A line end before the answer is no end of the answer.
    let (_, all, stopped) = write(b"\n\none\ntwo", &["\n"], true);
    assert_eq!((&*all, stopped), ("one", Some(6)));
    assert_eq!(write(b"  \n", &["\n"], true).1, "");
}
