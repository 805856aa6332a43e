//! What an earlier download left.

use super::{Download, Part};
use crate::piece::Piece;
use crate::unseal::UnsealError;

impl Download {
    /// Takes what an earlier download left here, before the first input: the manifest's piece, then
    /// those of the slices in order. False for a piece that is not what it should be; that part is
    /// fetched like any other, and so is every one after it.
    pub fn known(&mut self, piece: &Piece) -> bool {
        if self.failed.is_some() {
            return false;
        }
        let wanted = match &self.reading {
            None => self.key.as_ref().map(|_| self.expected.id.0),
            Some(reading) => reading.slices().get(self.next_fetch as usize).copied(),
        };
        if wanted != Some(piece.digest()) {
            return false;
        }
        if let Err(error) = self.open_known(piece) {
            self.failed = Some(error);
        }
        true
    }

    fn open_known(&mut self, piece: &Piece) -> Result<(), UnsealError> {
        match &mut self.reading {
            None => {
                self.fetches.remove(&Part::Manifest);
                self.open(piece)
            }
            Some(reading) => {
                reading.take(self.next_fetch, piece)?;
                self.next_fetch += 1;
                self.next_deliver += 1;
                Ok(())
            }
        }
    }
}
