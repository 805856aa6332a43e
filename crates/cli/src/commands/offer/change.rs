//! What `assay offer set` changes of an offer.

use assay_job::{Bytes, Length, machine_memory};
use assay_ledger::{Amount, BoundedString, BoundedVec, Offer, Role, rules};
use assay_node::config::{ByteSize, NodeConfig, offered_memory};
use clap::Args;

use crate::failure::{Failure, Kind};

/// The parts of an offer that are to be others.
#[derive(Debug, Default, Args)]
pub(crate) struct Change {
    /// Begin with what this machine offers by itself, or the file of --config says, not with the offer as it is
    #[arg(long)]
    usual: bool,
    /// Kinds of jobs, such as `finetune,evaluate`
    #[arg(long, value_name = "KINDS", value_delimiter = ',')]
    kinds: Option<Vec<String>>,
    /// Ways of training, such as `lora,full`
    #[arg(long, value_name = "METHODS", value_delimiter = ',')]
    methods: Option<Vec<String>>,
    /// Most memory for a run, such as `8 GiB`
    #[arg(long, value_name = "SIZE")]
    memory: Option<ByteSize>,
    /// Least pay for a step, in tokens
    #[arg(long, value_name = "TOKENS")]
    least_pay: Option<Amount>,
    /// Most that one order may lock of the bond, in tokens
    #[arg(long, value_name = "TOKENS")]
    most_bond: Option<Amount>,
    /// Shortest deadline of a phase, such as `run=20m`; of run, open, audit, reveal, dispute and attest
    #[arg(long, value_name = "PHASE=TIME", value_parser = time, value_delimiter = ',')]
    least_time: Vec<(Phase, u64)>,
    /// Orders at once
    #[arg(long, value_name = "N")]
    orders: Option<u16>,
}

/// A phase in which a provider or an auditor has to act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Run,
    Open,
    Audit,
    Reveal,
    Dispute,
    Attest,
}

impl Change {
    fn is_empty(&self) -> bool {
        let Self {
            usual,
            kinds,
            methods,
            memory,
            least_pay,
            most_bond,
            least_time,
            orders,
        } = self;
        !usual
            && kinds.is_none()
            && methods.is_none()
            && memory.is_none()
            && least_pay.is_none()
            && most_bond.is_none()
            && least_time.is_empty()
            && orders.is_none()
    }

    /// Refuses what no network knows, before one is asked.
    pub(super) fn check(&self) -> Result<(), Failure> {
        let known: Vec<String> = rules::kinds().map(str::to_owned).collect();
        names::<16>("kind of job", "--kinds", &self.kinds, &known)?;
        let known: Vec<String> = rules::methods().map(|name| name.to_string()).collect();
        names::<16>("method", "--methods", &self.methods, &known)?;
        Ok(())
    }

    /// The offer that is to stand in place of the one that does.
    pub(super) fn apply(
        &self,
        role: Role,
        now: &Offer,
        config: Option<&NodeConfig>,
    ) -> Result<Offer, Failure> {
        let usual = || match config.and_then(|config| config.offer(role)) {
            Some(offer) => offer,
            None => Offer {
                memory: offered_memory(),
                ..Offer::standard()
            },
        };
        let mut offer = match (self.is_empty(), config) {
            (true, None) => {
                let failure = Failure::say(Kind::Usage, "nothing is to be changed");
                return Err(failure.hint(
                    "name what is, such as `--orders 2`; or --config with a node.toml whose offer \
                     is to count, or --usual",
                ));
            }
            (true, Some(_)) => usual(),
            (false, _) if self.usual => usual(),
            (false, _) => now.clone(),
        };
        let kinds = names("kind of job", "--kinds", &self.kinds, &[])?;
        let methods = names("method", "--methods", &self.methods, &[])?;
        offer.kinds = kinds.unwrap_or(offer.kinds);
        offer.methods = methods.unwrap_or(offer.methods);
        offer.memory = self.memory.map_or(offer.memory, |size| size.0);
        offer.least_pay = self.least_pay.unwrap_or(offer.least_pay);
        offer.most_bond = self.most_bond.unwrap_or(offer.most_bond);
        offer.orders = self.orders.unwrap_or(offer.orders);
        for (phase, ms) in &self.least_time {
            let time = &mut offer.least_time;
            let place = match phase {
                Phase::Run => &mut time.run,
                Phase::Open => &mut time.open,
                Phase::Audit => &mut time.audit,
                Phase::Reveal => &mut time.reveal,
                Phase::Dispute => &mut time.dispute,
                Phase::Attest => &mut time.attest,
            };
            *place = *ms;
        }
        Ok(offer)
    }

    /// What should be known of the offer.
    pub(super) fn warnings(&self, offer: &Offer) -> Vec<String> {
        let mut warnings = Vec::new();
        let has = machine_memory().unwrap_or(u64::MAX);
        if self.memory.is_some() && offer.memory > has {
            warnings.push(format!(
                "this machine has {} of memory in all, and {} are offered: it will decline what does \
                 not fit, and be asked for nothing",
                Bytes(has),
                Bytes(offer.memory)
            ));
        }
        if offer.kinds.is_empty() || offer.orders == 0 {
            warnings.push("nothing new is drawn to this offer".to_owned());
        }
        warnings
    }
}

/// Names from the command line as an offer has them; all of them must be among those `known`, if any are.
fn names<const N: usize>(
    what: &str,
    option: &str,
    named: &Option<Vec<String>>,
    known: &[String],
) -> Result<Option<BoundedVec<BoundedString<32>, N>>, Failure> {
    let Some(named) = named else {
        return Ok(None);
    };
    let wrong = |text: String| {
        let hint = format!(
            "write names with commas between them, as in {option} {}",
            known.join(",")
        );
        Err(Failure::say(Kind::Usage, text).hint(hint))
    };
    let mut names: Vec<BoundedString<32>> = Vec::with_capacity(named.len());
    for name in named.iter().map(|name| name.trim()) {
        if !known.is_empty() && !known.iter().any(|known| known == name) {
            return wrong(format!("no {what} is called {name:?}"));
        }
        match BoundedString::new(name) {
            Ok(name) if !names.contains(&name) => names.push(name),
            Ok(_) => return wrong(format!("{option} names {name:?} twice")),
            Err(_) => return wrong(format!("no {what} is called {name:?}")),
        }
    }
    match BoundedVec::new(names) {
        Ok(names) => Ok(Some(names)),
        Err(_) => wrong(format!("{option} names more than {N}")),
    }
}

/// A phase and the shortest time for it, as `run=20m`.
fn time(text: &str) -> Result<(Phase, u64), String> {
    const PHASES: [(&str, Phase); 6] = [
        ("run", Phase::Run),
        ("open", Phase::Open),
        ("audit", Phase::Audit),
        ("reveal", Phase::Reveal),
        ("dispute", Phase::Dispute),
        ("attest", Phase::Attest),
    ];
    let (name, time) = text
        .split_once('=')
        .ok_or_else(|| "write a phase and a time, as in run=20m".to_owned())?;
    let found = PHASES.iter().find(|(known, _)| *known == name.trim());
    let (_, phase) = found.ok_or_else(|| {
        let known = PHASES.map(|(known, _)| known).join(", ");
        format!("nobody has to act in a phase called {name:?}; those are {known}")
    })?;
    if time.trim() == "0" {
        return Ok((*phase, 0));
    }
    let length: Length = time.trim().parse().map_err(|error| format!("{error}"))?;
    Ok((*phase, length.ms()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_named_changes() {
        let now = Offer::standard();
        let change = Change {
            orders: Some(2),
            methods: Some(vec!["lora".to_owned(), " full".to_owned()]),
            least_time: vec![time("run=20m").unwrap(), time("open=0").unwrap()],
            ..Change::default()
        };
        change.check().unwrap();
        let changed = change.apply(Role::Provider, &now, None).unwrap();
        let mut expected = now.clone();
        expected.orders = 2;
        expected.methods =
            BoundedVec::new(["lora", "full"].map(|n| BoundedString::new(n).unwrap())).unwrap();
        expected.least_time.run = 1_200_000;
        expected.least_time.open = 0;
        assert_eq!(changed, expected);
    }

    #[test]
    fn the_usual_offer_is_what_this_machine_gives() {
        let closed = Offer {
            orders: 0,
            ..Offer::anything()
        };
        let change = Change {
            usual: true,
            ..Change::default()
        };
        let usual = change.apply(Role::Auditor, &closed, None).unwrap();
        let expected = Offer {
            memory: offered_memory(),
            ..Offer::standard()
        };
        assert_eq!(usual, expected);
        assert!(change.warnings(&usual).is_empty());
    }

    #[test]
    fn what_is_wrong_is_told_with_what_would_be_right() {
        let told = |change: &Change| {
            let failure = change.check().unwrap_err();
            format!("{failure}; {}", failure.advice().unwrap())
        };
        let methods = |names: &[&str]| Change {
            methods: Some(names.iter().map(|name| (*name).to_owned()).collect()),
            ..Change::default()
        };
        let unknown = told(&methods(&["lora", "qlora"]));
        assert!(
            unknown.contains("\"qlora\"") && unknown.contains("lora,ia3"),
            "{unknown}"
        );
        let twice = told(&methods(&["lora", "lora"]));
        assert!(twice.contains("twice"), "{twice}");
        for (text, wrong) in [
            ("run", "run=20m"),
            ("wait=2s", "dispute"),
            ("run=soon", "no length of time"),
        ] {
            let error = time(text).unwrap_err();
            assert!(error.contains(wrong), "{error}");
        }
        let nothing = Change::default().apply(Role::Provider, &Offer::standard(), None);
        assert!(nothing.unwrap_err().advice().unwrap().contains("--usual"));
    }

    #[test]
    fn more_than_the_machine_has_is_warned_of() {
        let change = Change {
            memory: Some(ByteSize(u64::MAX)),
            orders: Some(0),
            ..Change::default()
        };
        let offer = change
            .apply(Role::Provider, &Offer::standard(), None)
            .unwrap();
        let warnings = change.warnings(&offer);
        assert_eq!(
            warnings.len(),
            if machine_memory().is_some() { 2 } else { 1 }
        );
    }
}
