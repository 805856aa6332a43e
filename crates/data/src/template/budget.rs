//! How many bytes one rendering may build.
//!
//! The engine counts instructions and not bytes, and one instruction can double a text. So whatever
//! makes a text or a list here pays for its bytes out of one allowance, which is full when a
//! rendering begins. Operators, literals and assignments of a template are rewritten to calls that
//! pay ([`super::terms`]); filters, methods and what is written pay by themselves.

use std::cell::Cell;

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, Value};

use super::views::is_opaque;

/// The most bytes of one text, and of one list or dictionary written out.
pub(super) const MAX_VALUE: usize = 64 << 20;
/// The most bytes of everything that one rendering makes, whether it keeps it or not.
const MAX_TOTAL: usize = 256 << 20;
/// Nesting of lists and dictionaries beyond which the engine could not even drop them.
const MAX_DEPTH: usize = 200;
/// What an entry of a list costs beside its content, and what a list or dictionary does.
const ENTRY: usize = 24;
const CONTAINER: usize = 128;

thread_local! {
    /// What the rendering of this thread may still make.
    static LEFT: Cell<usize> = const { Cell::new(0) };
}

/// A rendering begins.
pub(super) fn begin() {
    LEFT.set(MAX_TOTAL);
}

/// Pays for bytes.
pub(super) fn charge(bytes: usize) -> Result<(), Error> {
    let left = LEFT.get().checked_sub(bytes).ok_or_else(|| {
        let mib = MAX_TOTAL >> 20;
        wrong(format!("it builds more than {mib} MiB of text and lists"))
    })?;
    LEFT.set(left);
    Ok(())
}

/// Pays for the entries of a list.
pub(super) fn charge_entries(count: usize) -> Result<(), Error> {
    charge(count.saturating_mul(ENTRY))
}

/// Pays for a text that has just been made.
pub(super) fn made(text: String) -> Result<String, Error> {
    check(text.len())?;
    charge(text.len())?;
    Ok(text)
}

/// Refuses a text of more bytes than any may have.
pub(super) fn check(bytes: usize) -> Result<(), Error> {
    match bytes > MAX_VALUE {
        true => Err(too_long()),
        false => Ok(()),
    }
}

/// A text that grows and pays as it does.
#[derive(Default)]
pub(super) struct Text(String);

impl Text {
    pub(super) fn push(&mut self, part: &str) -> Result<(), Error> {
        check(self.0.len().saturating_add(part.len()))?;
        charge(part.len())?;
        self.0.push_str(part);
        Ok(())
    }

    pub(super) fn push_char(&mut self, c: char) -> Result<(), Error> {
        self.push(c.encode_utf8(&mut [0; 4]))
    }

    pub(super) fn done(self) -> String {
        self.0
    }
}

/// Pays for a copy of a text or of a list's entries.
pub(super) fn copied(value: Value) -> Result<Value, Error> {
    match value.kind() {
        ValueKind::String => charge(value.as_str().unwrap_or_default().len())?,
        ValueKind::Seq | ValueKind::Iterable => charge_entries(value.len().unwrap_or(0))?,
        _ => {}
    }
    Ok(value)
}

/// Refuses a value that is nested too deeply, or too large when it is written out: a list may hold
/// the same list many times.
pub(super) fn nested(value: Value) -> Result<Value, Error> {
    weight(&value)?;
    Ok(value)
}

/// About how many bytes a value has when it is written out; at most [`MAX_VALUE`].
pub(super) fn weight(value: &Value) -> Result<usize, Error> {
    let mut sum = 0;
    weigh(value, 0, &mut sum)?;
    Ok(sum)
}

fn weigh(value: &Value, depth: usize, sum: &mut usize) -> Result<(), Error> {
    if depth > MAX_DEPTH {
        let message = format!("it nests lists or dictionaries more than {MAX_DEPTH} deep");
        return Err(wrong(message));
    }
    *sum += match value.kind() {
        ValueKind::String => ENTRY + value.as_str().unwrap_or_default().len(),
        ValueKind::Seq | ValueKind::Iterable | ValueKind::Map => CONTAINER,
        _ => ENTRY,
    };
    check(*sum)?;
    match value.kind() {
        ValueKind::Seq | ValueKind::Iterable => {
            for item in value.try_iter()? {
                weigh(&item, depth + 1, sum)?;
            }
        }
        ValueKind::Map if !is_opaque(value) => {
            for key in value.try_iter()? {
                weigh(&value.get_item(&key)?, depth + 1, sum)?;
                weigh(&key, depth + 1, sum)?;
            }
        }
        _ => {}
    }
    Ok(())
}

fn too_long() -> Error {
    let mib = MAX_VALUE >> 20;
    wrong(format!("a text or list of it has more than {mib} MiB"))
}

fn wrong(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}
