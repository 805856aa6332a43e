//! An order's record told in sentences, oldest first.

use assay_ledger::{
    Answered, Counts, Dispute, Height, Order, Ppm, Question, Role, Round, Rounds, Run, Trainer,
    Verdict,
};
use assay_proof::odds::Probability;
use serde::Serialize;

use crate::output::{left, short};

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Moment {
    /// When.
    pub(super) height: Height,
    /// What, in a sentence.
    pub(super) text: String,
}

/// How likely it is that cheating in a tenth of the run is noticed, if an auditor is honest.
pub(super) fn detection(order: &Order) -> Probability {
    Probability::ratio(1, 10).detection(order.head.terms.segments_drawn)
}

/// The whole story of an order, as far as its record goes at this block.
pub(super) fn story(
    order: &Order,
    (lists, trainers): (&[Answered], &[Trainer]),
    now: assay_ledger::Moment,
) -> Vec<Moment> {
    let terms = &order.head.terms;
    let mut told = Vec::new();
    let mut tell = |height: Height, text: String| told.push(Moment { height, text });
    tell(
        order.head.posted,
        format!(
            "posted by {}: {}, {} steps for {} tokens; {}",
            short(order.head.requester),
            terms.kind,
            terms.steps,
            terms.price,
            checked(order),
        ),
    );
    for list in lists {
        asked(list, &mut tell);
    }
    if let Some(open) = &order.head.asked {
        let count = open.ranked.len();
        let text = format!(
            "the beacon drew {count} accounts to be asked as {}",
            open.role
        );
        tell(order.head.since.height, text);
        for invited in &open.ranked {
            let said = said(invited.accepts).unwrap_or("has not answered yet");
            tell(
                order.head.since.height,
                format!("{} {said}", short(invited.account)),
            );
        }
    }
    if let Some(of) = &order.head.audit_of {
        let text = format!(
            "it is the audit of trainer {} in round {} of order {}: `assay why {}` tells of the rounds",
            of.trainer,
            of.round + 1,
            short(of.order),
            of.order
        );
        tell(order.head.posted, text);
    }
    if let Some(of) = &order.head.rounds {
        rounds(order, of, trainers, &mut tell);
    }
    for run in &order.runs {
        work(order, run, &mut tell);
    }
    // What happened in one block stays in the order in which it is told.
    told.sort_by_key(|moment| moment.height);
    let mut tell = |height: Height, text: String| told.push(Moment { height, text });
    match order.head.outcome {
        Some(outcome) => tell(order.head.updated, outcome.to_string()),
        None => tell(
            order.head.updated,
            format!(
                "it is {}, for {} of ledger time yet",
                order.head.phase,
                left(now.time, order.head.deadline.time)
            ),
        ),
    }
    told
}

/// How far the rounds have come, and what every trainer has done in them.
fn rounds(
    order: &Order,
    rounds: &Rounds,
    trainers: &[Trainer],
    tell: &mut impl FnMut(Height, String),
) {
    let (at, all) = (
        order.head.updated,
        order.head.terms.rounds.map_or(0, |of| of.rounds),
    );
    let (now, there) = (rounds.round + 1, rounds.present.count());
    tell(
        at,
        format!(
            "round {now} of {all}; {} trainers joined, {there} take part",
            rounds.numbered
        ),
    );
    for trainer in trainers {
        let mut text = format!(
            "trainer {} ({}): paid for {} rounds",
            trainer.number,
            short(trainer.account),
            trainer.stood
        );
        if let Some(audit) = trainer.sent.as_ref().and_then(|sent| sent.audit) {
            text += &format!("; its steps were audited last in order {audit}");
        }
        if trainer.missed > 0 {
            text += &format!("; it sent nothing in the last {} rounds", trainer.missed);
        }
        if !trainer.is_bound() && order.head.outcome.is_none() {
            text += "; it takes part no more";
        }
        tell(at, text);
    }
}

/// How the work is checked.
fn checked(order: &Order) -> String {
    let terms = &order.head.terms;
    if let Some(rounds) = &terms.rounds {
        return format!(
            "up to {} trainers do them in each of {} rounds, each for that price; the steps of {} of them are \
             audited in a round, and who leaves out a share of its steps loses its bond with at least that share \
             of {} in {}",
            rounds.most, rounds.rounds, rounds.audited, rounds.audited, rounds.most
        );
    }
    if terms.copies > 1 {
        return format!(
            "{} providers do it, each for that price, and every difference between them is judged",
            terms.copies
        );
    }
    format!(
        "{} of {} segments are drawn and replayed by {} auditors, which notices cheating in a tenth \
         of the run with {}",
        terms.segments_drawn,
        terms.segments(),
        terms.auditors,
        detection(order),
    )
}

/// What somebody who was asked said.
fn said(accepts: Option<bool>) -> Option<&'static str> {
    accepts.map(|accepts| match accepts {
        true => "accepted",
        false => "declined",
    })
}

/// A list of those who were asked, and what came of it.
fn asked(list: &Answered, tell: &mut impl FnMut(Height, String)) {
    let names: Vec<String> = list.answers.iter().map(|(who, _)| short(who)).collect();
    let share = list.share.map_or_else(String::new, share);
    tell(
        list.drawn,
        format!(
            "the beacon drew {} to be asked as {} in this order, for {} to serve{share}",
            names.join(", "),
            list.role,
            list.wanted,
        ),
    );
    let mut waited = 0;
    for (who, accepts) in &list.answers {
        match said(*accepts) {
            Some(said) => tell(list.closed, format!("{} {said}", short(who))),
            None => waited += 1,
        }
    }
    let accepted = list.answers.iter().filter(|(_, said)| *said == Some(true));
    let rest = match (waited, accepted.count() >= usize::from(list.wanted)) {
        (0, _) => return,
        (_, true) => "were not waited for any more",
        (_, false) => "did not answer while their window was open",
    };
    tell(list.closed, format!("{waited} of those asked {rest}"));
}

fn work(order: &Order, run: &Run, tell: &mut impl FnMut(Height, String)) {
    let provider = short(run.provider);
    tell(
        run.at,
        format!(
            "{provider} was asked and took it as provider, with a bond of {} tokens at stake",
            run.bond
        ),
    );
    if let Some(trace) = &run.trace {
        let root = short(trace.root);
        let counts = counted(&trace.counts);
        tell(
            trace.at,
            format!("{provider} committed to a run with root {root}{counts}"),
        );
    }
    run.rounds.iter().for_each(|round| audit(round, tell));
    for dispute in order.disputes_of(run.index) {
        tell(dispute.opened, quarrel(dispute));
    }
    if let Some(at) = run.released_at {
        let text = format!("{provider} released the key of its result to the requester");
        tell(at, text);
    }
    let Some(failure) = &run.failed else { return };
    let cost = if failure.slashed.0 == 0 {
        "lost nothing".to_owned()
    } else {
        format!("lost {} tokens of its bond", failure.slashed)
    };
    let text = format!(
        "{provider} failed because {}, {cost}, and is not drawn again",
        failure.reason
    );
    tell(failure.at, text);
}

/// What is to be said of a run's steps where not all of them count.
fn counted(counts: &Counts) -> String {
    if counts.valid == counts.all() {
        return String::new();
    }
    format!(
        ": of {} steps {} came to nothing and {} were not computed, since the run was over",
        counts.all(),
        counts.invalid,
        counts.idle
    )
}

/// Out of how much of the network its auditors were drawn.
fn share(share: Ppm) -> String {
    let percent = share.0 / 10_000;
    format!(", out of offers that hold {percent}% of the auditors' bonds that count")
}

fn audit(round: &Round, tell: &mut impl FnMut(Height, String)) {
    let segments: Vec<String> = round.segments.iter().map(|s| s.0.to_string()).collect();
    let auditors: Vec<String> = round.seats.iter().map(|seat| short(seat.auditor)).collect();
    let text = format!(
        "segments {} were drawn for replay by {}{}",
        segments.join(", "),
        auditors.join(" and "),
        round.share.map_or_else(String::new, share)
    );
    tell(round.at, text);
    for seat in &round.seats {
        let did = match (&seat.commitment, &seat.results, seat.slashed) {
            (_, Some(_), true) => "revealed a result that did not stand",
            (_, Some(_), false) => "revealed its results",
            (Some(_), None, true) => "did not reveal in time",
            (None, None, true) => "did not commit in time",
            (Some(_), None, false) => "has committed to its results",
            (None, None, false) => continue,
        };
        let lost = match (seat.slashed, seat.role) {
            (false, _) if seat.dismissed => ", was not judged in time and is not paid",
            (false, _) => "",
            (true, Role::Auditor) => " and was slashed",
            (true, _) => " and is not paid",
        };
        let (role, who) = (seat.role, short(seat.auditor));
        tell(round.at, format!("{role} {who} {did}{lost}"));
    }
}

fn quarrel(dispute: &Dispute) -> String {
    let subject = match dispute.question {
        Question::Initial => "the state before the first step".to_owned(),
        Question::Start => format!("the state at step {}", dispute.from.step),
        Question::Step => format!(
            "step {}, after both agreed up to step {}",
            dispute.disputed.step, dispute.agreed.step
        ),
        Question::Result => "the delivered result".to_owned(),
        Question::Beginning => "whether the provider could have begun".to_owned(),
    };
    let votes = |leaf| {
        dispute
            .attestations
            .iter()
            .filter(|a| a.found.leaf() == leaf)
            .count()
    };
    let (provider, challenger) = match dispute.question {
        // Whoever could begin found the requester right, whatever it computed.
        Question::Beginning => (votes(None), dispute.attestations.len() - votes(None)),
        _ => (
            votes(Some(dispute.disputed.leaf)),
            dispute.claimed.map_or(0, |leaf| votes(Some(leaf))),
        ),
    };
    let verdict = match dispute.verdict {
        None => "no verdict yet".to_owned(),
        Some(Verdict::Provider) => "the provider was right".to_owned(),
        Some(Verdict::Challenger) => "the challenger was right".to_owned(),
        Some(Verdict::Neither) => "neither was right".to_owned(),
        Some(Verdict::None) => "the validators came to no quorum".to_owned(),
    };
    let again = match dispute.named.len() {
        0 => String::new(),
        missed => format!("{missed} could not get something, which was shown again; "),
    };
    format!(
        "{} disputed {subject}; {again}{} validators attested ({provider} for the provider, \
         {challenger} for the challenger): {verdict}",
        short(dispute.challenger),
        dispute.attestations.len(),
    )
}
