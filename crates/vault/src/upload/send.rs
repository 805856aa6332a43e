//! What an upload sends next, and what it makes of the answers.

use super::holder::Holder;
use super::journal::Entry;
use super::{Ask, Flight, Need, NodeFailed, Output, Upload, What};
use crate::fault::{Fault, Unreachable};
use crate::piece::Digests;
use crate::time::{Millis, Tag};
use crate::wire::{MAX_HAS, Refusal, Request, Response};
use assay_ledger::AccountId;

impl Upload {
    /// Does everything that can be done now.
    pub(super) fn advance(&mut self, now: Millis, out: &mut Vec<Output>) {
        if !self.started {
            return;
        }
        self.expire(now, out);
        if self.finished {
            return;
        }
        self.ask(now, out);
        self.send_slices(now, out);
        self.send_ending(now, out);
        self.wake(now, out);
    }

    pub(super) fn take_reply(
        &mut self,
        now: Millis,
        tag: Tag,
        reply: Result<Response, Unreachable>,
        out: &mut Vec<Output>,
    ) {
        let Some(flight) = self.flights.remove(&tag) else {
            return;
        };
        let Some(at) = self.holders.iter().position(|h| h.node == flight.node) else {
            return;
        };
        let fault = match reply {
            Err(Unreachable) => Some(Fault::Unreachable),
            Ok(Response::Refused(refusal)) => Some(Fault::Refused(refusal)),
            Ok(response) if self.is_accepted(at, flight.what, &response) => None,
            Ok(_) => Some(Fault::Nonsense),
        };
        match fault {
            None => self.holders[at].failures = 0,
            Some(fault) => self.fail(now, flight.node, fault, out),
        }
    }

    /// Notes an answer; false when it does not answer the question.
    fn is_accepted(&mut self, at: usize, what: What, response: &Response) -> bool {
        let stored = match response {
            Response::Stored { digest } => Some(*digest),
            _ => None,
        };
        let holder = &mut self.holders[at];
        match (what, response) {
            (What::Slice(index), _) if stored == self.digests.get(index as usize).copied() => {
                holder.slices.insert(index);
                stored.is_some()
            }
            (What::Manifest, _) if stored.is_some() => {
                holder.manifest = stored == self.expected_file.map(|file| file.0);
                holder.manifest
            }
            (What::Commit, Response::Committed { file }) => {
                holder.committed = Some(*file) == self.expected_file;
                holder.committed
            }
            (What::Has { from, until }, Response::Has { held }) => {
                let held = held.as_slice();
                if held.len() != (until - from) as usize {
                    return false;
                }
                for (index, _) in (from..until).zip(held).filter(|(_, held)| **held) {
                    holder.slices.insert(index);
                }
                holder.ask_from = until;
                true
            }
            _ => false,
        }
    }

    fn expire(&mut self, now: Millis, out: &mut Vec<Output>) {
        let mut late: Vec<AccountId> = self
            .flights
            .values()
            .filter(|flight| flight.deadline <= now)
            .map(|flight| flight.node)
            .collect();
        late.sort_unstable();
        late.dedup();
        self.flights.retain(|_, flight| flight.deadline > now);
        for node in late {
            self.fail(now, node, Fault::Late, out);
        }
    }

    /// Replaces nodes that have everything and do not agree to keep it. A node that was only busy has
    /// been asked several times: whoever acknowledges again and again, and never agrees, would keep
    /// the owner waiting for ever.
    pub(super) fn take_unaccepted(&mut self, nodes: Vec<NodeFailed>, out: &mut Vec<Output>) {
        if !std::mem::take(&mut self.recording) {
            return;
        }
        for NodeFailed { node, fault } in nodes {
            let Some(at) = self.holders.iter().position(|h| h.node == node) else {
                continue;
            };
            out.push(Output::Report(NodeFailed { node, fault }));
            self.replace(at, fault, out);
            if self.finished {
                return;
            }
        }
    }

    fn fail(&mut self, now: Millis, node: AccountId, fault: Fault, out: &mut Vec<Output>) {
        let Some(at) = self.holders.iter().position(|h| h.node == node) else {
            return;
        };
        out.push(Output::Report(NodeFailed { node, fault }));
        let holder = &mut self.holders[at];
        if fault.is_transient() && holder.not_before > now {
            // Requests that were out together fail together: that counts once.
            return;
        }
        holder.failures += 1;
        if !fault.is_transient() || holder.failures >= self.config.attempts {
            self.replace(at, fault, out);
            return;
        }
        let pause = self.config.retry_ms << (holder.failures - 1).min(10);
        holder.not_before = now + pause;
        if matches!(fault, Fault::Refused(Refusal::Incomplete { .. })) {
            holder.doubt(self.digests.len() as u32);
        }
    }

    fn replace(&mut self, at: usize, fault: Fault, out: &mut Vec<Output>) {
        let from = self.holders[at].node;
        self.flights.retain(|_, flight| flight.node != from);
        self.failed.push((from, fault));
        let Some(to) = self.spares.pop_front() else {
            self.holders.remove(at);
            self.give_up(out);
            return;
        };
        out.push(Output::Journal(Entry::Replaced { from, to }.encode()));
        self.holders[at] = Holder::new(to, 0);
    }

    /// Asks holders of an earlier life of this upload what they still have.
    fn ask(&mut self, now: Millis, out: &mut Vec<Output>) {
        for at in 0..self.holders.len() {
            let holder = &self.holders[at];
            let busy = self.flights.values().any(|f| f.node == holder.node);
            if !holder.is_asking() || busy || holder.not_before > now {
                continue;
            }
            let from = holder.ask_from;
            let until = holder.ask_until.min(from + MAX_HAS as u32);
            let asked = self.digests[from as usize..until as usize].to_vec();
            if let Ok(digests) = Digests::new(asked) {
                let what = What::Has { from, until };
                self.send(now, at, what, Request::Has { digests }, out);
            }
        }
    }

    fn send_slices(&mut self, now: Millis, out: &mut Vec<Output>) {
        let wanted = self.wanted();
        self.hand.retain(|index, _| wanted.contains(index));
        for index in wanted {
            let Some(piece) = self.hand.get(&index).cloned() else {
                if self.needed.insert(index) {
                    let tag = self.tags.next();
                    out.push(Output::Ask(tag, Ask::Need(Need::Slice(index))));
                }
                continue;
            };
            for at in 0..self.holders.len() {
                let holder = &self.holders[at];
                if holder.slices.contains(index) || !self.is_free(now, holder, What::Slice(index)) {
                    continue;
                }
                let digest = self.digests[index as usize];
                let piece = piece.clone();
                self.send(
                    now,
                    at,
                    What::Slice(index),
                    Request::Put { digest, piece },
                    out,
                );
            }
        }
    }

    /// The lowest slices that some holder lacks, at most a window of them.
    fn wanted(&self) -> Vec<u32> {
        // Nothing is sealed, let alone again, before it is clear what holders already have.
        if self.holders.iter().any(Holder::is_asking) {
            return Vec::new();
        }
        let known = self.digests.len() as u32;
        let start = self.holders.iter().map(|h| h.slices.first_missing()).min();
        let lacks = |index: &u32| self.holders.iter().any(|h| !h.slices.contains(*index));
        let mut wanted: Vec<u32> = (start.unwrap_or(known)..known)
            .filter(lacks)
            .take(self.config.window)
            .collect();
        if !self.complete && wanted.len() < self.config.window {
            wanted.push(known);
        }
        wanted
    }

    /// Manifest, commit and record, once every holder has every slice.
    fn send_ending(&mut self, now: Millis, out: &mut Vec<Output>) {
        let all = self.digests.len() as u32;
        let stored = |h: &Holder| !h.is_asking() && h.slices.first_missing() == all;
        if !self.complete || !self.holders.iter().all(stored) {
            return;
        }
        let (Some(piece), Some(file)) = (self.manifest.clone(), self.expected_file) else {
            if !self.manifest_needed {
                self.manifest_needed = true;
                let tag = self.tags.next();
                out.push(Output::Ask(tag, Ask::Need(Need::Manifest)));
            }
            return;
        };
        for at in 0..self.holders.len() {
            let holder = &self.holders[at];
            let (what, request) = if !holder.manifest {
                let digest = file.0;
                let piece = piece.clone();
                (What::Manifest, Request::Put { digest, piece })
            } else if !holder.committed {
                match Digests::new(self.digests.clone()) {
                    Ok(slices) => (What::Commit, Request::Commit { file, slices }),
                    Err(_) => continue,
                }
            } else {
                continue;
            };
            if self.is_free(now, holder, what) {
                self.send(now, at, what, request, out);
            }
        }
        if !self.recording && self.holders.iter().all(|h| h.committed) {
            self.recording = true;
            let record = Ask::Record {
                file,
                placement: self.holders.iter().map(|h| h.node).collect(),
            };
            out.push(Output::Ask(self.tags.next(), record));
        }
    }

    /// Whether this may be sent to the holder now: not asking, not paused, not sent, not too much.
    fn is_free(&self, now: Millis, holder: &Holder, what: What) -> bool {
        let mut out_to_it = self.flights.values().filter(|f| f.node == holder.node);
        let count = out_to_it.clone().count();
        !holder.is_asking()
            && holder.not_before <= now
            && count < self.config.window
            && out_to_it.all(|flight| flight.what != what)
    }

    fn send(
        &mut self,
        now: Millis,
        at: usize,
        what: What,
        request: Request,
        out: &mut Vec<Output>,
    ) {
        let tag = self.tags.next();
        let node = self.holders[at].node;
        let deadline = now + self.config.timeout_ms;
        self.flights.insert(
            tag,
            Flight {
                node,
                what,
                deadline,
            },
        );
        out.push(Output::Ask(tag, Ask::Send { to: node, request }));
    }

    fn wake(&self, now: Millis, out: &mut Vec<Output>) {
        let deadlines = self.flights.values().map(|flight| flight.deadline);
        let pauses = self.holders.iter().map(|h| h.not_before);
        if let Some(at) = deadlines.chain(pauses).filter(|at| *at > now).min() {
            out.push(Output::WakeAt(at));
        }
    }
}
