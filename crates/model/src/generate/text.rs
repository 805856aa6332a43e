//! Tokens to text, piece by piece.

use assay_data::{Tokenizer, TokenizerError};

/// What a decoder writes for bytes that are no whole character.
const BROKEN: char = '\u{fffd}';
/// So many tokens without a whole character at their end are no character in the making, which
/// has at most four bytes.
const PATIENCE: usize = 8;

/// Puts the text of tokens together and hands out what is certain of it.
pub(super) struct TextWriter<'a, F> {
    tokenizer: &'a Tokenizer,
    stops: &'a [String],
    trimmed: bool,
    on_text: F,
    ids: Vec<u32>,
    /// Tokens from here on are decoded together: one alone may look different.
    window: usize,
    /// The text of tokens before this is in `text`.
    decoded: usize,
    text: String,
    /// Bytes of `text` that are settled: handed out, or space before a trimmed text.
    settled: usize,
    started: bool,
    stopped: bool,
}

impl<'a, F: FnMut(&str)> TextWriter<'a, F> {
    pub(super) fn new(
        tokenizer: &'a Tokenizer,
        stops: &'a [String],
        trimmed: bool,
        on_text: F,
    ) -> Self {
        Self {
            tokenizer,
            stops,
            trimmed,
            on_text,
            ids: Vec::new(),
            window: 0,
            decoded: 0,
            text: String::new(),
            settled: 0,
            started: false,
            stopped: false,
        }
    }

    /// Takes a token; false once a stop string is there.
    pub(super) fn push(&mut self, id: u32) -> Result<bool, TokenizerError> {
        self.ids.push(id);
        self.decode(false)?;
        self.settle(false);
        Ok(!self.stopped)
    }

    /// The whole text, and whether a stop string ended it.
    pub(super) fn finish(mut self) -> Result<(String, bool), TokenizerError> {
        if !self.stopped {
            self.decode(true)?;
            self.settle(true);
        }
        let text = match self.trimmed {
            true => self.text.trim().to_owned(),
            false => self.text,
        };
        Ok((text, self.stopped))
    }

    /// Appends the text of the tokens that have none yet, once it ends with a whole character.
    fn decode(&mut self, last: bool) -> Result<(), TokenizerError> {
        if self.decoded == self.ids.len() {
            return Ok(());
        }
        let text = |to: usize| self.tokenizer.decode(&self.ids[self.window..to], true);
        let (old, new) = (text(self.decoded)?, text(self.ids.len())?);
        let waited = self.ids.len() - self.decoded >= PATIENCE;
        let whole = new.len() > old.len() && !new.ends_with(BROKEN);
        if !(whole || last || waited) {
            return Ok(());
        }
        // A decoder may put earlier characters differently in the light of later ones: what was
        // handed out stays.
        let pairs = old.chars().zip(new.chars());
        let same: usize = pairs
            .take_while(|(a, b)| a == b)
            .map(|(a, _)| a.len_utf8())
            .sum();
        self.text.push_str(&new[same..]);
        self.window = self.decoded;
        self.decoded = self.ids.len();
        Ok(())
    }

    /// Looks for a stop string and hands out what can be part of none.
    fn settle(&mut self, last: bool) {
        if self.trimmed && !self.started {
            self.settled = self.text.len() - self.text.trim_start().len();
        }
        let rest = &self.text[self.settled..];
        let stop = self.stops.iter().filter_map(|stop| rest.find(stop)).min();
        if let Some(at) = stop {
            self.stopped = true;
            self.text.truncate(self.settled + at);
        }
        let rest = &self.text[self.settled..];
        let open = match last || self.stopped {
            true => 0,
            false => self.stops.iter().map(|s| begun(rest, s)).max().unwrap_or(0),
        };
        let mut sure = &rest[..rest.len() - open];
        if self.trimmed {
            sure = sure.trim_end();
        }
        if !sure.is_empty() {
            (self.on_text)(sure);
            self.settled += sure.len();
            self.started = true;
        }
    }
}

/// The length of the longest end of `text` with which `stop` begins.
fn begun(text: &str, stop: &str) -> usize {
    let lengths = (1..stop.len().min(text.len() + 1)).rev();
    let mut begins = lengths.filter(|n| text.as_bytes().ends_with(&stop.as_bytes()[..*n]));
    begins.next().unwrap_or(0)
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
