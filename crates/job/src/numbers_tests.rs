use serde::Deserialize;

use super::*;

#[derive(Debug, PartialEq, Deserialize)]
struct Written {
    #[serde(deserialize_with = "Tokens::deserialize")]
    price: Amount,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Counted {
    #[serde(deserialize_with = "count::<_, _, 1, 16>")]
    auditors: u8,
}

fn price(text: &str) -> Result<Amount, String> {
    let read = toml::from_str::<Written>(&format!("# a comment\nprice = {text}"));
    read.map(|read| read.price).map_err(|e| e.to_string())
}

#[test]
fn an_amount_is_a_string_or_a_number() {
    for (text, micro) in [
        ("\"12\"", 12_000_000),
        ("\"0.5\"", 500_000),
        ("\"0.000001\"", 1),
        ("12", 12_000_000),
        ("0", 0),
        ("12.0", 12_000_000),
        ("0.1", 100_000),
        ("0.000001", 1),
        ("1e3", 1_000_000_000),
        ("999999999.999999", 999_999_999_999_999),
        ("18446744073709", 18_446_744_073_709_000_000),
        ("\"18446744073709.551615\"", u64::MAX),
    ] {
        assert_eq!(price(text), Ok(Amount(micro)), "{text}");
    }
}

#[test]
fn anything_else_is_named_with_its_line_and_what_to_write() {
    for (text, remedy) in [
        ("\"ten\"", "like 12 or 0.5"),
        ("\"\"", "like 12 or 0.5"),
        ("\" 1\"", "like 12 or 0.5"),
        ("\"1e3\"", "like 12 or 0.5"),
        ("\"1,5\"", "like 12 or 0.5"),
        ("\"-1\"", "like 12 or 0.5"),
        ("-1", "like 12 or 0.5"),
        ("-0.5", "like 12 or 0.5"),
        ("nan", "like 12 or 0.5"),
        ("inf", "like 12 or 0.5"),
        ("\"0.0000001\"", "at most six decimals"),
        ("0.0000001", "at most six decimals"),
        ("\"18446744073709.551616\"", "at most 18446744073709.551615"),
        ("18446744073710", "at most 18446744073709.551615"),
        ("1234567890.5", "write it as a string"),
        ("true", "an amount of tokens"),
        ("[1]", "an amount of tokens"),
    ] {
        let told = price(text).unwrap_err();
        assert!(told.contains(remedy), "{text}: {told}");
        assert!(
            told.contains("line 2") && told.contains("price ="),
            "{told}"
        );
    }
}

#[test]
fn a_count_outside_its_range_is_told_the_range_whatever_its_type_would_hold() {
    for text in ["0", "17", "99", "300", "-1", "99999999999"] {
        let told = toml::from_str::<Counted>(&format!("auditors = {text}"));
        let told = told.unwrap_err().to_string();
        assert!(
            told.contains("a whole number from 1 to 16"),
            "{text}: {told}"
        );
        assert!(told.contains("line 1"), "{told}");
    }
    for text in ["\"2\"", "2.0", "true"] {
        let told = toml::from_str::<Counted>(&format!("auditors = {text}"));
        let told = told.unwrap_err().to_string();
        assert!(
            told.contains("a whole number from 1 to 16"),
            "{text}: {told}"
        );
    }
    assert_eq!(
        toml::from_str("auditors = 16"),
        Ok(Counted { auditors: 16 })
    );
}
