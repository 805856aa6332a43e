//! Who of a running network would take a job, and why the others would not.

use assay_crypto::Digest;
use assay_job::{Draft, Job, Sizes};
use assay_ledger::{AccountId, Parameters, Ppm, Role, Terms, Unmet, eligible_share};
use serde::Serialize;

use crate::{
    args::Global,
    commands::train::unfit,
    failure::{Failure, Kind},
    home::Home,
    output::short,
    session::Session,
};

/// Somebody who can be drawn for orders.
#[derive(Serialize)]
pub(super) struct Taker {
    account: AccountId,
    role: Role,
    /// Why it would not be drawn for the job now; nothing if it can be.
    refuses: Vec<String>,
}

/// Everybody who can be drawn, and whether enough of them would audit.
#[derive(Default)]
pub(super) struct Takers {
    pub(super) all: Vec<Taker>,
    /// The share of the auditors' bonds whose offers take the job; none for copies.
    pub(super) share: Option<Ppm>,
    /// The least share for which the network draws.
    least: Ppm,
}

/// Everybody who works in the network in `--dir`, by what they have registered; `None` where there is
/// no such network, or no node of it answers.
pub(super) fn takers(
    job: &Job,
    (model, sizes): (&[u8], &Sizes),
    parameters: &Parameters,
    global: &Global,
) -> Result<Option<Takers>, Failure> {
    if !Home::find(global).is_ok_and(|home| home.genesis().exists()) {
        return Ok(None);
    }
    // Offers look neither at the keys of terms nor at the places of their inputs.
    let about = (model, sizes);
    let draft = Draft::new(job, about, |_| Digest::ZERO, None);
    let terms = draft.map_err(unfit)?.place([]);
    match of_network(&terms, parameters, global) {
        Ok(takers) => Ok(Some(takers)),
        Err(failure) if failure.code() == Kind::Unreachable as u8 => Ok(None),
        Err(failure) => Err(failure),
    }
}

fn of_network(terms: &Terms, parameters: &Parameters, global: &Global) -> Result<Takers, Failure> {
    let session = Session::open(global)?;
    let mut takers = Takers::default();
    for role in [Role::Provider, Role::Auditor] {
        // Copies are compared, not audited.
        if role == Role::Auditor && terms.copies > 1 {
            continue;
        }
        let registered = session.registered(role)?;
        if role == Role::Auditor {
            let auditors = registered.iter().map(|(_, of)| of);
            takers.share = Some(eligible_share(terms, parameters, auditors));
            takers.least = parameters.min_share;
        }
        for (account, registration) in registered {
            let refuses = registration.refuses(role, terms);
            takers.all.push(Taker {
                account,
                role,
                refuses: refuses.iter().map(Unmet::to_string).collect(),
            });
        }
    }
    Ok(takers)
}

/// What a person is told of them: how many of each role, and why the others do not.
pub(super) fn told(takers: &Takers) -> String {
    let mut text = String::new();
    if let Some(share) = takers.share.filter(|share| *share < takers.least) {
        text += &format!(
            "offers that hold {}% of the auditors' bonds take it, and this network draws for {}% or more; \
             raise market.auditor_fee, lower market.auditor_bond or give auditors more time\n",
            share.0 / 10_000,
            takers.least.0 / 10_000
        );
    }
    for (role, most) in [(Role::Provider, "providers"), (Role::Auditor, "auditors")] {
        let all = || takers.all.iter().filter(|taker| taker.role == role);
        if all().next().is_none() {
            continue;
        }
        let would = all().filter(|taker| taker.refuses.is_empty()).count();
        text += &format!("{would} of {} {most} would take it now\n", all().count());
        for taker in all().filter(|taker| !taker.refuses.is_empty()) {
            let (account, reasons) = (short(taker.account), taker.refuses.join("; "));
            text += &format!("  {account} would not: {reasons}\n");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use assay_crypto::SecretKey;

    use super::*;

    #[test]
    fn everybody_who_refuses_is_shown_with_its_reasons() {
        let taker = |seed, role, refuses: &[&str]| Taker {
            account: SecretKey::from_seed([seed; 32]).public(),
            role,
            refuses: refuses.iter().map(|reason| (*reason).to_owned()).collect(),
        };
        let takers = Takers {
            all: vec![
                taker(1, Role::Provider, &[]),
                taker(2, Role::Provider, &["it is giving up the role"]),
                taker(3, Role::Auditor, &["one reason", "another"]),
            ],
            share: Some(Ppm(0)),
            least: Ppm(500_000),
        };
        let second = short(takers.all[1].account);
        let third = short(takers.all[2].account);
        assert_eq!(
            told(&takers),
            format!(
                "offers that hold 0% of the auditors' bonds take it, and this network draws for 50% or \
                 more; raise market.auditor_fee, lower market.auditor_bond or give auditors more time\n\
                 1 of 2 providers would take it now\n  \
                 {second} would not: it is giving up the role\n\
                 0 of 1 auditors would take it now\n  \
                 {third} would not: one reason; another\n"
            )
        );
    }
}
