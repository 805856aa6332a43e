//! Showing again what judges could not get.

use std::collections::{BTreeMap, BTreeSet};

use assay_ledger::{Piece, Place, Run as RunRecord, SegmentIndex};

use super::Provider;
use crate::handle::Handle;
use crate::party::{Ask, Tag, What};
use crate::view::View;

/// What a provider shows again in a second look at a dispute.
#[derive(Default)]
pub(super) struct Shown {
    place: Option<Place>,
    /// States of its own that it has fetched for it, by checkpoint.
    states: BTreeMap<u32, Vec<u8>>,
    /// What is shown.
    done: BTreeSet<Piece>,
}

impl Shown {
    /// Takes a state of one's own.
    pub(super) fn reread(&mut self, checkpoint: u32, state: Vec<u8>) {
        self.states.insert(checkpoint, state);
    }

    /// Notes that a piece is shown.
    pub(super) fn shown(&mut self, piece: Piece) {
        self.done.insert(piece);
        if let Piece::State(SegmentIndex(checkpoint)) = piece {
            self.states.remove(&checkpoint);
        }
    }
}

impl Provider {
    /// Brings all that a judge needs to other storage nodes: who missed one piece may not have come to the
    /// next. Keys are granted anew anyway, in a place of their own.
    pub(super) fn show_again(&mut self, view: &View, mine: &RunRecord) {
        let (place, now) = (view.dispute(), view.height);
        let Some(dispute) = view.order.dispute() else {
            return;
        };
        if self.shown.place != Some(place) {
            self.shown = Shown {
                place: Some(place),
                ..Shown::default()
            };
        }
        if dispute.named.is_empty() {
            return;
        }
        let inputs = (0..).zip(view.order.head.terms.inputs.iter());
        let mut pieces: BTreeSet<Piece> = inputs.map(|(at, _)| Piece::Input(at)).collect();
        pieces.insert(Piece::State(view.begins_at(dispute)));
        for piece in pieces.difference(&self.shown.done.clone()) {
            match *piece {
                Piece::Keys => {}
                Piece::Input(input) => self.show_input(view, (place, *piece), input),
                Piece::State(segment) => {
                    let Some(file) = mine.state_file(segment) else {
                        continue;
                    };
                    let Some(keys) = &self.keys else { return };
                    let key = keys.state(segment.0, view.order.head.terms.segments());
                    let Some(state) = self.shown.states.get(&segment.0) else {
                        let what = What::Reread(segment.0);
                        let owner = self.me.account;
                        self.desk.ask(Tag { place, what }, now, || {
                            Some(Ask::Fetch { file, owner, key })
                        });
                        continue;
                    };
                    let what = What::Shown(*piece);
                    self.desk.ask(Tag { place, what }, now, || {
                        Some(Ask::Keep {
                            name: format!("{}/{}/again-{segment}", place.order, place.run),
                            file,
                            key,
                            bytes: Handle::in_memory(state.clone()),
                            again: true,
                        })
                    });
                }
            }
        }
    }

    fn show_input(&mut self, view: &View, (place, piece): (Place, Piece), input: u8) {
        let (order, now) = (&view.order, view.height);
        let Some(keys) = &self.keys else { return };
        let sets = [(0, keys.inputs())];
        self.inputs.fetch(order, place, &sets, &mut self.desk, now);
        let at = usize::from(input);
        let (Some(of), Some(key), Some(handle)) = (
            order.head.terms.inputs.get(at),
            keys.inputs().get(at),
            self.inputs.handle(at),
        ) else {
            return;
        };
        let what = What::Shown(piece);
        self.desk.ask(Tag { place, what }, now, || {
            Some(Ask::Keep {
                name: format!("{}/{}/input-{at}", place.order, place.run),
                file: of.file,
                key: key.clone(),
                bytes: handle.clone(),
                again: true,
            })
        });
    }
}
