//! Reading a file from nodes that may be gone, slow, or lying.
//!
//! The rules:
//!
//! - The manifest comes first, then slices in order, at most `window` at a time; memory is
//!   `window` slices, whatever the file.
//! - Every piece is compared with its digest before anything else looks at it. A node that does
//!   not have it, returns other bytes, breaks off or is too slow is reported, and another holder is
//!   asked. Nodes with fewer faults are asked first.
//! - A request that takes longer than `hedge_ms` is sent to a second holder as well; whichever
//!   answers first serves.
//! - When every holder has failed, those whose fault may pass are asked again, `rounds` times in
//!   all; then the download ends and names the piece and what each holder did.
//! - Slices are delivered in order, each authentic; the whole is checked at the end.
//! - Parts that an earlier download left are used instead of asked for, if they are what they
//!   should be.
//! - Where a file is fetched sealed, the list of its slices comes first, from any holder: it is compared with
//!   the root in the file's record. Nothing is opened then, so it does not matter what opens.
//! - A slice is delivered when the one before it is taken, so whoever is slow holds up the rest.

mod config;
mod fetch;
mod known;
mod protocol;
mod reading;

use std::collections::BTreeMap;
use std::io;

use assay_crypto::aead::FileKey;
use assay_crypto::merkle;
use assay_ledger::AccountId;
use assay_machine::{Context, Machine};

use crate::fault::{Fault, Unreachable};
use crate::piece::Piece;
use crate::placement::Placement;
use crate::time::{Millis, Tag, Tags};
use crate::unseal::{Content, Expected, UnsealError, Unsealer};
use crate::wire::{Request, Response};
use fetch::{Fetch, Next};
use reading::Reading;

pub use config::DownloadConfig;
pub use protocol::{Answer, Ask, DownloadError, Fetching, Input, Output, Part, PartFailed};

/// The machine.
pub struct Download {
    config: DownloadConfig,
    expected: Expected,
    placement: Placement,
    /// Until the manifest is open.
    key: Option<FileKey>,
    reading: Option<Reading>,
    fetches: BTreeMap<Part, Fetch>,
    ready: BTreeMap<u32, Piece>,
    /// The first slice not yet asked for, and the first not yet handed over.
    next_fetch: u32,
    next_deliver: u32,
    /// A part is being taken.
    taking: bool,
    /// Why it ended before it began.
    failed: Option<UnsealError>,
    flights: BTreeMap<Tag, Part>,
    strikes: BTreeMap<AccountId, u32>,
    tags: Tags,
    finished: bool,
}

impl Machine for Download {
    type Protocol = Fetching;

    fn step(&mut self, at: &Context<'_, Fetching>, input: Input) -> Vec<Output> {
        let mut out = Vec::new();
        if self.finished {
            return out;
        }
        match input {
            // It draws nothing, and what it keeps is for `known`.
            Input::Seed(_) | Input::Journal(_) => return out,
            Input::News => {
                let known = self.failed.take().map_or(Ok(()), Err);
                if let Err(error) = known.and_then(|()| self.deliver(&mut out)) {
                    self.finish(Err(error.into()), &mut out);
                }
            }
            Input::Wake | Input::Message { .. } => {}
            Input::Answer(tag, Answer::Reply(reply)) => {
                self.take_reply(at.now, tag, reply, &mut out);
            }
            Input::Answer(_, Answer::Taken(result)) => self.taken(result, &mut out),
        }
        self.advance(at.now, &mut out);
        out
    }
}

impl Download {
    /// A download of the file that the ledger describes as `expected`, from `placement`.
    pub fn new(
        config: DownloadConfig,
        expected: Expected,
        placement: Placement,
        key: FileKey,
    ) -> Self {
        let first = (Part::Manifest, Fetch::new(expected.id.0));
        let key = Some(key);
        Self {
            key,
            ..Self::beginning(config, expected, placement, first)
        }
    }

    /// A download of that file's slices as they are sealed.
    pub fn sealed(config: DownloadConfig, expected: Expected, placement: Placement) -> Self {
        let first = (Part::List, Fetch::new(expected.root));
        Self::beginning(config, expected, placement, first)
    }

    fn beginning(
        config: DownloadConfig,
        expected: Expected,
        placement: Placement,
        first: (Part, Fetch),
    ) -> Self {
        Self {
            config,
            expected,
            placement,
            key: None,
            reading: None,
            fetches: BTreeMap::from([first]),
            ready: BTreeMap::new(),
            next_fetch: 0,
            next_deliver: 0,
            taking: false,
            failed: None,
            flights: BTreeMap::new(),
            strikes: BTreeMap::new(),
            tags: Tags::default(),
            finished: false,
        }
    }

    /// Slices handed over, and slices in the file.
    pub fn progress(&self) -> (u32, u32) {
        (self.next_deliver, self.expected.slices)
    }

    fn take_reply(
        &mut self,
        now: Millis,
        tag: Tag,
        reply: Result<Response, Unreachable>,
        out: &mut Vec<Output>,
    ) {
        let Some(part) = self.flights.remove(&tag) else {
            return;
        };
        let Some(fetch) = self.fetches.get_mut(&part) else {
            return;
        };
        let Some(node) = fetch.landed(tag) else {
            return;
        };
        let fault = match reply {
            Ok(Response::Piece { piece })
                if part != Part::List && piece.digest() == fetch.digest() =>
            {
                self.arrived(now, part, out);
                self.take_piece(part, piece, out);
                return;
            }
            Ok(Response::Slices { slices })
                if part == Part::List
                    && slices.as_slice().len() as u64 == u64::from(self.expected.slices)
                    && merkle::root(slices.as_slice().to_vec()) == fetch.digest() =>
            {
                self.arrived(now, part, out);
                let (slices, taken) = (slices.into_vec(), 0);
                self.reading = Some(Reading::Sealed { slices, taken });
                return;
            }
            Ok(Response::Piece { .. } | Response::Slices { .. }) => Fault::Corrupt,
            Ok(Response::Refused(refusal)) => Fault::Refused(refusal),
            Ok(_) => Fault::Nonsense,
            Err(Unreachable) => Fault::Unreachable,
        };
        fetch.failed(node, fault);
        self.report(node, part, fault, out);
    }

    /// A part is here: nobody is asked for it any more.
    fn arrived(&mut self, now: Millis, part: Part, out: &mut Vec<Output>) {
        let fetch = self.fetches.remove(&part);
        let overtaken = fetch.map(|fetch| fetch.overtaken(now, self.config.hedge_ms));
        for node in overtaken.into_iter().flatten() {
            self.report(node, part, Fault::Late, out);
        }
        self.flights.retain(|_, other| *other != part);
    }

    fn take_piece(&mut self, part: Part, piece: Piece, out: &mut Vec<Output>) {
        let done = match part {
            Part::Slice(index) => {
                self.ready.insert(index, piece);
                Ok(())
            }
            // It is no piece.
            Part::List => Ok(()),
            Part::Manifest => self.open(&piece).map(|()| {
                let plain = Vec::new();
                self.hand_over(part, plain, piece, out);
            }),
        };
        if let Err(error) = done.and_then(|()| self.deliver(out)) {
            self.finish(Err(error.into()), out);
        }
    }

    fn open(&mut self, piece: &Piece) -> Result<(), UnsealError> {
        if let Some(key) = self.key.take() {
            let unsealer = Unsealer::new(&self.expected, piece, key)?;
            self.reading = Some(Reading::Opened(unsealer));
        }
        Ok(())
    }

    fn hand_over(&mut self, part: Part, plain: Vec<u8>, piece: Piece, out: &mut Vec<Output>) {
        self.taking = true;
        let take = Ask::Take { part, plain, piece };
        out.push(Output::Ask(self.tags.next(), take));
    }

    fn taken(&mut self, result: io::Result<()>, out: &mut Vec<Output>) {
        if !std::mem::take(&mut self.taking) {
            return;
        }
        let done = result.map_err(UnsealError::Sink);
        if let Err(error) = done.and_then(|()| self.deliver(out)) {
            self.finish(Err(error.into()), out);
        }
    }

    /// Delivers the next slice when it is here, or ends when there is none.
    fn deliver(&mut self, out: &mut Vec<Output>) -> Result<(), UnsealError> {
        let Some(reading) = self.reading.as_mut().filter(|_| !self.taking) else {
            return Ok(());
        };
        if let Some(piece) = self.ready.remove(&self.next_deliver) {
            let index = self.next_deliver;
            let plain = reading.take(index, &piece)?;
            self.next_deliver += 1;
            self.hand_over(Part::Slice(index), plain, piece, out);
        } else if reading.is_complete()
            && let Some(reading) = self.reading.take()
        {
            let content = reading.finish()?;
            self.finish(Ok(content), out);
        }
        Ok(())
    }

    fn advance(&mut self, now: Millis, out: &mut Vec<Output>) {
        if self.finished {
            return;
        }
        self.extend_window();
        let parts: Vec<Part> = self.fetches.keys().copied().collect();
        for part in parts {
            self.pursue(now, part, out);
            if self.finished {
                return;
            }
        }
        let wakes = self
            .fetches
            .values()
            .filter_map(|f| f.wake(now, &self.config));
        if let Some(at) = wakes.min() {
            out.push(Output::WakeAt(at));
        }
    }

    fn extend_window(&mut self) {
        let Some(reading) = &self.reading else {
            return;
        };
        let end = self.next_deliver.saturating_add(self.config.window as u32);
        while self.next_fetch < end.min(self.expected.slices) {
            if let Some(digest) = reading.slices().get(self.next_fetch as usize) {
                let part = Part::Slice(self.next_fetch);
                self.fetches.insert(part, Fetch::new(*digest));
            }
            self.next_fetch += 1;
        }
    }

    /// Gives up what is late, and asks the next holder where one should be asked.
    fn pursue(&mut self, now: Millis, part: Part, out: &mut Vec<Output>) {
        let Some(fetch) = self.fetches.get_mut(&part) else {
            return;
        };
        let late = fetch.expire(now, self.config.timeout_ms);
        for (tag, node) in late {
            self.flights.remove(&tag);
            self.report(node, part, Fault::Late, out);
        }
        let order = self.order(part);
        let Some(fetch) = self.fetches.get_mut(&part) else {
            return;
        };
        match fetch.next(now, &order, &self.config) {
            Next::Wait => {}
            Next::Ask(node) => {
                let tag = self.tags.next();
                fetch.sent(tag, node, now);
                let (file, digest) = (self.expected.id, fetch.digest());
                self.flights.insert(tag, part);
                let request = match part {
                    Part::List => Request::Slices { file, root: digest },
                    Part::Manifest | Part::Slice(_) => Request::Get { digest },
                };
                out.push(Output::Ask(tag, Ask::Send { to: node, request }));
            }
            Next::GiveUp => {
                let error = DownloadError::Missing {
                    file: self.expected.id,
                    part,
                    tried: fetch.tried(),
                };
                self.finish(Err(error), out);
            }
        }
    }

    /// The holders of a part: fewest faults first, and otherwise a different first one per slice.
    fn order(&self, part: Part) -> Vec<AccountId> {
        let index = match part {
            Part::Manifest | Part::List => 0,
            Part::Slice(index) => index,
        };
        let mut holders = self.placement.holders(index).to_vec();
        if !holders.is_empty() {
            let first = index as usize % holders.len();
            holders.rotate_left(first);
        }
        holders.sort_by_key(|node| self.strikes.get(node).copied().unwrap_or(0));
        holders
    }

    fn report(&mut self, node: AccountId, part: Part, fault: Fault, out: &mut Vec<Output>) {
        *self.strikes.entry(node).or_default() += 1;
        out.push(Output::Report(PartFailed { node, part, fault }));
    }

    fn finish(&mut self, result: Result<Option<Content>, DownloadError>, out: &mut Vec<Output>) {
        self.finished = true;
        self.ready.clear();
        self.fetches.clear();
        self.flights.clear();
        out.push(Output::End(result));
    }
}

/// The Merkle root, id and counts of a file are public; what they cover is not.
impl std::fmt::Debug for Download {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Download")
            .field("expected", &self.expected)
            .field("delivered", &self.next_deliver)
            .finish_non_exhaustive()
    }
}
