//! Who of a running network would take a job, and why the others would not.

use assay_crypto::Digest;
use assay_job::{Draft, Job};
use assay_ledger::{AccountId, Role, Terms, Unmet};
use assay_model::ModelShape;
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

/// Everybody who works in the network in `--dir`, by what they have registered; `None` where there is
/// no such network, or no node of it answers.
pub(super) fn takers(
    job: &Job,
    model: &ModelShape,
    global: &Global,
) -> Result<Option<Vec<Taker>>, Failure> {
    if !Home::find(global).is_ok_and(|home| home.genesis().exists()) {
        return Ok(None);
    }
    // Offers look neither at the keys of terms nor at their inputs.
    let draft = Draft::new(job, &model.to_bytes(), |_| Digest::ZERO, None);
    let terms = draft.map_err(unfit)?.place([]);
    match of_network(&terms, global) {
        Ok(takers) => Ok(Some(takers)),
        Err(failure) if failure.code() == Kind::Unreachable as u8 => Ok(None),
        Err(failure) => Err(failure),
    }
}

fn of_network(terms: &Terms, global: &Global) -> Result<Vec<Taker>, Failure> {
    let session = Session::open(global)?;
    let mut takers = Vec::new();
    for role in [Role::Provider, Role::Auditor] {
        // Copies are compared, not audited.
        if role == Role::Auditor && terms.copies > 1 {
            continue;
        }
        for (account, registration) in session.registered(role)? {
            let refuses = registration.refuses(role, terms);
            takers.push(Taker {
                account,
                role,
                refuses: refuses.iter().map(Unmet::to_string).collect(),
            });
        }
    }
    Ok(takers)
}

/// What a person is told of them: how many of each role, and why the others do not.
pub(super) fn told(takers: &[Taker]) -> String {
    let mut text = String::new();
    for (role, most) in [(Role::Provider, "providers"), (Role::Auditor, "auditors")] {
        let all = || takers.iter().filter(|taker| taker.role == role);
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
        let takers = [
            taker(1, Role::Provider, &[]),
            taker(2, Role::Provider, &["it is giving up the role"]),
            taker(3, Role::Auditor, &["one reason", "another"]),
        ];
        let second = short(takers[1].account);
        let third = short(takers[2].account);
        assert_eq!(
            told(&takers),
            format!(
                "1 of 2 providers would take it now\n  \
                 {second} would not: it is giving up the role\n\
                 0 of 1 auditors would take it now\n  \
                 {third} would not: one reason; another\n"
            )
        );
    }
}
