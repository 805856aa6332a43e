//! Settings become one update.

use assay_crypto::Digest;
use assay_kernel::Kernel;

use crate::centre::{self, NEAREST, Reach};
use crate::columns::{Column, Columns};
use crate::distances::Distances;
use crate::error::AggregateError;
use crate::krum::{self, Neighbours};
use crate::mixed::Mixed;
use crate::norm::{Bounded, ONE};
use crate::outcome::{Fate, Measured, Note, Outcome};
use crate::pass::pass;
use crate::settings::{Radius, Rule, Settings, Start};
use crate::updates::Updates;

/// Makes one update of many. `seed` is drawn after the updates are fixed; only sketches of distances ask
/// for it. The same arguments give the same bits on every machine and number of threads.
///
/// # Errors
/// When the settings do not fit the number of updates, or an update cannot be read or has values outside of
/// its bits.
pub fn aggregate(
    kernel: &Kernel,
    updates: &dyn Updates,
    settings: &Settings,
    seed: &Digest,
) -> Result<Outcome, AggregateError> {
    settings.check(updates.shape().updates())?;
    let mut round = Round {
        kernel,
        settings,
        seed,
        distances: Measured::NoDistances,
        notes: Vec::new(),
    };
    let update = round.bound(updates)?;
    Ok(Outcome {
        update,
        distances: round.distances,
        notes: round.notes,
    })
}

struct Round<'a> {
    kernel: &'a Kernel,
    settings: &'a Settings,
    seed: &'a Digest,
    distances: Measured,
    notes: Vec<Note>,
}

impl Round<'_> {
    fn bound(&mut self, updates: &dyn Updates) -> Result<Vec<i32>, AggregateError> {
        let Some(bound) = self.settings.norm_bound else {
            return self.mix(updates);
        };
        let bounded = Bounded::new(self.kernel, updates, bound)?;
        let factors = bounded.factors().iter();
        self.note(factors.map(|factor| (*factor < ONE).then_some(Fate::Shortened(*factor as u32))));
        self.mix(&bounded)
    }

    fn mix(&mut self, updates: &dyn Updates) -> Result<Vec<i32>, AggregateError> {
        let Some(liars) = self.settings.nearest_neighbours else {
            return self.rule(updates);
        };
        let count = updates.shape().updates();
        let distances = self.measure(updates)?;
        let mixed = Mixed::new(self.kernel, updates, &distances, liars.of(count));
        drop(distances);
        let left_out = (0..count).map(|update| mixed.left_out_by(update));
        self.note(left_out.map(|by| (by > 0).then_some(Fate::LeftOutOfMixtures(by))));
        self.rule(&mixed)
    }

    fn rule(&mut self, updates: &dyn Updates) -> Result<Vec<i32>, AggregateError> {
        let count = updates.shape().updates();
        match self.settings.rule {
            Rule::Mean => {
                // Weights fit in 31 bits: whoever gave them was checked.
                let weights: Vec<i32> = (0..count)
                    .map(|i| updates.weight(i).min(i32::MAX as u64) as i32)
                    .collect();
                centre::weighted_mean(self.kernel, updates, &weights)
            }
            Rule::Median => Ok(self.columns(updates, Column::Median)?.0),
            Rule::TrimmedMean { liars } => {
                Ok(self.columns(updates, Column::Trimmed(liars.of(count)))?.0)
            }
            Rule::Krum { liars } => {
                let chosen = self.choose(updates, liars.of(count), 1)?;
                only(self.kernel, updates, chosen.first().copied().unwrap_or(0))
            }
            Rule::MultiKrum { liars, keep } => {
                let chosen = self.choose(updates, liars.of(count), keep as usize)?;
                let weights: Vec<i32> =
                    (0..count).map(|i| i32::from(chosen.contains(&i))).collect();
                centre::weighted_mean(self.kernel, updates, &weights)
            }
            Rule::Bulyan { liars } => {
                let liars = liars.of(count);
                let distances = self.measure(updates)?;
                let neighbours = Neighbours::new(&distances);
                let chosen = krum::one_by_one(&distances, &neighbours, liars);
                let scores = krum::scores(&distances, &neighbours, &vec![true; count], liars);
                self.not_chosen(&scores, &chosen);
                let nearest = Column::Nearest(chosen.len() - 2 * liars);
                Ok(Columns::new(self.kernel, chosen, nearest).run(updates)?.0)
            }
            Rule::GeometricMedian { iterations } => {
                let median = centre::geometric_median(self.kernel, updates, iterations)?;
                let factors = median.factors.iter();
                self.note(factors.map(|factor| {
                    (*factor < NEAREST / 2).then_some(Fate::Weighed(*factor as u32))
                }));
                Ok(median.centre)
            }
            Rule::CentredClipping {
                start,
                radius,
                iterations,
            } => {
                let start = self.start(updates, start)?;
                let reach = match radius {
                    Radius::Steps(steps) => Reach::Steps(steps),
                    Radius::Median => Reach::Median,
                };
                let clipped = centre::clip(self.kernel, updates, start, reach, iterations)?;
                let factors = clipped.factors.iter();
                self.note(
                    factors.map(|factor| (*factor < ONE).then_some(Fate::Clipped(*factor as u32))),
                );
                Ok(clipped.centre)
            }
        }
    }

    /// A centre to start from, and how far all are from it.
    fn start(
        &mut self,
        updates: &dyn Updates,
        start: Start,
    ) -> Result<(Vec<i32>, Vec<i128>), AggregateError> {
        let shape = updates.shape();
        let column = match start {
            Start::Zero => None,
            Start::Median => Some(Column::Median),
            Start::TrimmedMean(liars) => Some(Column::Trimmed(liars.of(shape.updates()))),
        };
        let columns =
            column.map(|column| Columns::new(self.kernel, (0..shape.updates()).collect(), column));
        let mut centre = vec![0; shape.coordinates()];
        let squares = pass(
            self.kernel,
            updates,
            &mut centre,
            |block, centre, squares| {
                if let Some(columns) = &columns {
                    columns.apply(block, centre, None);
                }
                centre::measure(self.kernel, block, centre, squares);
            },
        )?;
        Ok((centre, squares))
    }

    fn columns(
        &mut self,
        updates: &dyn Updates,
        column: Column,
    ) -> Result<(Vec<i32>, Vec<i128>), AggregateError> {
        let all = (0..updates.shape().updates()).collect();
        let (out, counts) = Columns::new(self.kernel, all, column).run(updates)?;
        self.note(
            counts
                .iter()
                .map(|count| (*count > 0).then_some(Fate::Trimmed(*count as u64))),
        );
        Ok((out, counts))
    }

    fn choose(
        &mut self,
        updates: &dyn Updates,
        liars: usize,
        keep: usize,
    ) -> Result<Vec<usize>, AggregateError> {
        let distances = self.measure(updates)?;
        let neighbours = Neighbours::new(&distances);
        let scores = krum::scores(
            &distances,
            &neighbours,
            &vec![true; distances.count()],
            liars,
        );
        let chosen = krum::best(&scores, keep);
        self.not_chosen(&scores, &chosen);
        Ok(chosen)
    }

    fn not_chosen(&mut self, scores: &[Option<u128>], chosen: &[usize]) {
        let scores = scores.iter().enumerate();
        self.note(
            scores.map(|(i, score)| score.filter(|_| !chosen.contains(&i)).map(Fate::NotChosen)),
        );
    }

    fn measure(&mut self, updates: &dyn Updates) -> Result<Distances, AggregateError> {
        let shape = updates.shape();
        let settings = self.settings.distances;
        let work = (shape.updates() * shape.updates()) as u128 * shape.coordinates() as u128;
        if work <= u128::from(settings.exact_up_to) {
            self.distances = Measured::Exactly;
            return Distances::exact(self.kernel, updates);
        }
        self.distances = Measured::FromSketches;
        Distances::sketched(self.kernel, updates, settings.buckets, self.seed)
    }

    fn note(&mut self, fates: impl Iterator<Item = Option<Fate>>) {
        let notes = (0..).zip(fates).filter_map(|(update, fate)| {
            Some(Note {
                update,
                fate: fate?,
            })
        });
        self.notes.extend(notes);
    }
}

/// One update as it is.
fn only(kernel: &Kernel, updates: &dyn Updates, update: usize) -> Result<Vec<i32>, AggregateError> {
    const PART: usize = 1 << 16;
    let mut out = vec![0; updates.shape().coordinates()];
    let parts = out.chunks_mut(PART).enumerate().collect();
    crate::pass::each(kernel, parts, |(at, out)| {
        crate::pass::read(updates, update, at * PART, out)
    })?;
    Ok(out)
}
