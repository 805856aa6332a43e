//! What a scenario may not say.

use std::collections::BTreeSet;

use assay_chain::MAX_VALIDATORS;

use super::{
    Fault, LinkSettings, MAX_DURATION_MS, MAX_FAULTS, MAX_FILE_BYTES, MAX_ORDERS, PaceSettings,
    Scenario,
};

/// Longest time that a message, or a step of the protocol, may take.
const MAX_LATENCY_MS: u64 = 10_000;

/// Why a scenario cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// Too many bytes.
    #[error("a scenario file has at most {MAX_FILE_BYTES} bytes, this one {0}")]
    File(usize),
    /// No TOML, or fields that no scenario has.
    #[error("the scenario file cannot be read")]
    Toml(#[source] toml::de::Error),
    /// Too few or too many.
    #[error("`validators` is {0}; between 1 and {MAX_VALIDATORS} can be simulated")]
    Validators(usize),
    /// No TOML number.
    #[error("`seed` is {0}; it must be below 2^63")]
    Seed(u64),
    /// Nothing, or for ever.
    #[error("`duration_ms` is {0}; between 1 and {MAX_DURATION_MS} (four hours) can be simulated")]
    Duration(u64),
    /// No link is like that.
    #[error("`latency_ms` is {0}; it must not be above {MAX_LATENCY_MS}")]
    Latency(u64),
    /// Messages would arrive before they are sent.
    #[error("`jitter_ms` is {jitter}, more than `latency_ms`, which is {latency}")]
    Jitter {
        /// As given.
        jitter: u64,
        /// As given.
        latency: u64,
    },
    /// No time at all, or too much.
    #[error("`{field}` is {value}; it must be between 1 and {MAX_LATENCY_MS}")]
    Pace {
        /// Which.
        field: &'static str,
        /// As given.
        value: u64,
    },
    /// Nothing would arrive.
    #[error("`lost_per_mille` is {0}; it must be below 1000")]
    Loss(u32),
    /// A number that no validator has.
    #[error("{place} names validator {validator}, but they are numbered from 0 to {last}")]
    Unknown {
        /// Where.
        place: String,
        /// The number.
        validator: usize,
        /// The largest.
        last: usize,
    },
    /// A validator twice where once is all that makes sense.
    #[error("{place} names validator {validator} twice")]
    Twice {
        /// Where.
        place: String,
        /// The number.
        validator: usize,
    },
    /// A list of nobody.
    #[error("{place} names no validator")]
    Nobody {
        /// Where.
        place: String,
    },
    /// Only liars.
    #[error("all {0} validators are liars; at least one must be honest")]
    NobodyHonest(usize),
    /// It would never happen.
    #[error("{place} happens at {at_ms} ms, after the end at {duration_ms} ms")]
    Late {
        /// Which one.
        place: String,
        /// When.
        at_ms: u64,
        /// The end.
        duration_ms: u64,
    },
    /// Too many.
    #[error("{0} faults; at most {MAX_FAULTS} can be simulated")]
    Faults(usize),
    /// A number outside its range.
    #[error("{place}: `{field}` is {value}; it must be {range}")]
    Range {
        /// Which fault.
        place: String,
        /// Which number.
        field: &'static str,
        /// Its value.
        value: u64,
        /// What it may be.
        range: &'static str,
    },
    /// A number of an order outside its bounds.
    #[error("{place}: `{field}` is {value}; between {least} and {most} can be simulated")]
    Bounds {
        /// Which order.
        place: String,
        /// Which number.
        field: &'static str,
        /// Its value.
        value: u64,
        /// The least.
        least: u64,
        /// The most.
        most: u64,
    },
    /// Only redundant orders are done more than once.
    #[error("{0}: `copies` is for `redundant` orders; leave it away")]
    Copies(String),
    /// Only orders with rounds have them.
    #[error("{0}: `rounds` is for orders whose procedure is `rounds`; leave it away")]
    Rounds(String),
    /// Nothing says how many.
    #[error("{0}: say in `[orders.rounds]` how many rounds there are")]
    NoRounds(String),
    /// Liars of a role that has several, and none is named.
    #[error("{place} names nobody in `who`")]
    NoParty {
        /// Where.
        place: String,
    },
    /// A number that no party of that role has.
    #[error("{place} names number {who}, and there are {count} of that role, numbered from 0")]
    UnknownParty {
        /// Where.
        place: String,
        /// The number.
        who: usize,
        /// How many there are.
        count: usize,
    },
    /// A party that lies in two ways.
    #[error("{place} names number {who}, which is named already")]
    PartyTwice {
        /// Where.
        place: String,
        /// The number.
        who: usize,
    },
    /// Too many.
    #[error("{0} orders; at most {MAX_ORDERS} can be simulated")]
    Orders(usize),
    /// Nothing would happen.
    #[error("without `[[orders]]` there is nothing to simulate when `engine` is false")]
    NoOrders,
    /// One chain carries one order.
    #[error("{0} orders with an engine; one can be simulated, or more with `engine = false`")]
    OrdersOnEngine(usize),
    /// It would change nothing.
    #[error("`{0}` is for validators that run an engine: leave it away, or `engine = false`")]
    NeedsEngine(&'static str),
}

impl Scenario {
    /// Refuses what cannot be simulated.
    pub fn check(&self) -> Result<(), ScenarioError> {
        if !(1..=MAX_VALIDATORS as usize).contains(&self.validators) {
            return Err(ScenarioError::Validators(self.validators));
        }
        if i64::try_from(self.seed).is_err() {
            return Err(ScenarioError::Seed(self.seed));
        }
        if !(1..=MAX_DURATION_MS).contains(&self.duration_ms) {
            return Err(ScenarioError::Duration(self.duration_ms));
        }
        self.links.check()?;
        self.pace.check()?;
        let mut liars = Vec::new();
        for group in &self.liars {
            liars.extend(&group.validators);
            self.known(&format!("liars `{}`", group.kind), &group.validators)?;
        }
        if !liars.is_empty() {
            self.known("the list of liars", &liars)?;
        }
        if liars.len() == self.validators {
            return Err(ScenarioError::NobodyHonest(self.validators));
        }
        if self.faults.len() > MAX_FAULTS {
            return Err(ScenarioError::Faults(self.faults.len()));
        }
        for (index, fault) in self.faults.iter().enumerate() {
            self.check_fault(&format!("fault {}", index + 1), fault)?;
        }
        self.check_orders()
    }

    fn check_orders(&self) -> Result<(), ScenarioError> {
        if self.orders.len() > MAX_ORDERS {
            return Err(ScenarioError::Orders(self.orders.len()));
        }
        match (self.engine, self.orders.len()) {
            (false, 0) => return Err(ScenarioError::NoOrders),
            (true, 2..) => return Err(ScenarioError::OrdersOnEngine(self.orders.len())),
            _ => {}
        }
        let needed = [
            ("faults", !self.faults.is_empty()),
            ("liars", !self.liars.is_empty()),
            ("links", self.links != LinkSettings::default()),
            ("pace", self.pace != PaceSettings::default()),
        ];
        if let Some((field, _)) = needed.iter().find(|(_, is)| *is && !self.engine) {
            return Err(ScenarioError::NeedsEngine(field));
        }
        for (index, order) in self.orders.iter().enumerate() {
            order.check(&format!("order {}", index + 1), self.validators)?;
        }
        Ok(())
    }

    /// Refuses lists that are empty, name somebody unknown or somebody twice.
    fn known(&self, place: &str, validators: &[usize]) -> Result<(), ScenarioError> {
        let place = || place.to_owned();
        let mut seen = BTreeSet::new();
        if validators.is_empty() {
            return Err(ScenarioError::Nobody { place: place() });
        }
        for &validator in validators {
            if validator >= self.validators {
                return Err(ScenarioError::Unknown {
                    place: place(),
                    validator,
                    last: self.validators - 1,
                });
            }
            if !seen.insert(validator) {
                return Err(ScenarioError::Twice {
                    place: place(),
                    validator,
                });
            }
        }
        Ok(())
    }

    fn check_fault(&self, place: &str, fault: &Fault) -> Result<(), ScenarioError> {
        let (at_ms, duration_ms) = (fault.at_ms(), self.duration_ms);
        let range = |field, value, range| ScenarioError::Range {
            place: place.to_owned(),
            field,
            value,
            range,
        };
        if at_ms >= duration_ms {
            return Err(ScenarioError::Late {
                place: place.to_owned(),
                at_ms,
                duration_ms,
            });
        }
        match fault {
            Fault::Kill { validators, .. } | Fault::Restart { validators, .. } => {
                self.known(place, validators)
            }
            Fault::PowerCut {
                validators, sync, ..
            } => match sync {
                1..=1_000 => self.known(place, validators),
                other => Err(range("sync", *other, "between 1 and 1000")),
            },
            Fault::Partition { parts, .. } => {
                for part in parts {
                    self.known(place, part)?;
                }
                self.known(place, &parts.concat())
            }
            Fault::Heal { .. } => Ok(()),
            Fault::Links { links, .. } => links.check(),
            Fault::KillLeader { others, .. } => match *others < self.validators {
                true => Ok(()),
                false => {
                    let others = *others as u64;
                    Err(range("others", others, "below the number of validators"))
                }
            },
            Fault::Churn {
                until_ms,
                killed_per_mille,
                away_ms,
                ..
            } => {
                if !(at_ms..=duration_ms).contains(until_ms) {
                    let allowed = "between `at_ms` and `duration_ms`";
                    return Err(range("until_ms", *until_ms, allowed));
                }
                if !(1..=1_000).contains(killed_per_mille) {
                    let killed = u64::from(*killed_per_mille);
                    return Err(range("killed_per_mille", killed, "between 1 and 1000"));
                }
                match away_ms {
                    1..=MAX_DURATION_MS => Ok(()),
                    other => Err(range("away_ms", *other, "between 1 and 14400000")),
                }
            }
        }
    }
}

impl PaceSettings {
    fn check(&self) -> Result<(), ScenarioError> {
        let fields = [
            ("min_interval_ms", self.min_interval_ms, 0),
            ("block_interval_ms", self.block_interval_ms, 1),
            ("leader_timeout_ms", self.leader_timeout_ms, 1),
        ];
        for (field, value, least) in fields {
            if !(least..=MAX_LATENCY_MS).contains(&value) {
                return Err(ScenarioError::Pace { field, value });
            }
        }
        Ok(())
    }
}

impl LinkSettings {
    fn check(&self) -> Result<(), ScenarioError> {
        let Self {
            latency_ms: latency,
            jitter_ms: jitter,
            lost_per_mille,
        } = *self;
        if latency > MAX_LATENCY_MS {
            return Err(ScenarioError::Latency(latency));
        }
        if jitter > latency {
            return Err(ScenarioError::Jitter { jitter, latency });
        }
        if lost_per_mille >= 1_000 {
            return Err(ScenarioError::Loss(lost_per_mille));
        }
        Ok(())
    }
}
