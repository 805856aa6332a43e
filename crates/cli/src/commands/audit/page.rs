//! The verdict of an audit as one page of plain text.

use std::time::{Duration, SystemTime};

use super::late::{OrderFound, Tally, Verdict, lasted};
use crate::output::{Output, facts, short, table};

/// Lines of a list that are shown; `--json` has all of them.
const LINES: usize = 15;
/// The last moment that can be written, in milliseconds since 1970: the end of the year 9999.
const LAST_MS: u64 = 253_402_300_799_000;

pub(super) fn of(verdict: &Verdict, output: &Output) -> String {
    let mut text = format!("{}\n\n", output.strong("Audit of a network's history"));
    text += &facts([
        (
            "network",
            format!("{} ({})", verdict.chain_name, verdict.network),
        ),
        ("blocks", blocks(verdict)),
        (
            "last block",
            format!("{} of {}", verdict.head, moment(verdict.time_ms)),
        ),
        (
            "money",
            match verdict.supply_conserved {
                true => "as much as in the beginning".to_owned(),
                false => "NOT as much as in the beginning".to_owned(),
            },
        ),
        ("archive", archive(verdict)),
        ("looked at", looked_at(verdict)),
    ]);
    if !verdict.orders.is_empty() {
        text.push('\n');
        let shown = verdict.orders.iter().take(LINES);
        text += &table(
            [
                "order",
                "kind",
                "how it stands",
                "models made again",
                "runs done again",
            ],
            shown.map(row),
        );
        text += &more(verdict.orders.len(), "orders");
    }
    text += &list("What differs", &verdict.differences, output);
    text += &list("What is damaged", &verdict.pieces.damaged, output);
    text += &list("What could not be done again", &verdict.unproven, output);
    if !verdict.keys_missing.is_empty() {
        let keys = verdict.keys_missing.iter();
        let keys: Vec<String> = keys
            .map(|(account, count)| format!("{count} with the key of {account}"))
            .collect();
        text += &list("What other keys would open (--key)", &keys, output);
    }
    text += &format!("\n{}\n", output.strong(ending(verdict)));
    text += "\nIt is true of this history, which ends with the block named above. That this is the history that others \
             know, compare the digest of that block with somebody else's. What was not done again rests on the audits \
             during the orders, and on bonds.\n";
    text + &format!("The audit took {}.\n", lasted(verdict.seconds))
}

fn blocks(verdict: &Verdict) -> String {
    let from = match verdict.from {
        0 => "the genesis".to_owned(),
        height => format!("the checkpoint at block {height}, and nothing before it"),
    };
    format!(
        "all {} executed again from {from}, with {} transactions; the validators signed the end of each stretch",
        verdict.height - verdict.from,
        verdict.transactions
    )
}

fn archive(verdict: &Verdict) -> String {
    let pieces = &verdict.pieces;
    match (pieces.read, pieces.damaged.len()) {
        (false, _) => "only what was needed was read".to_owned(),
        (true, 0) => format!(
            "{} sealed pieces, {} bytes, all whole",
            pieces.whole, pieces.bytes
        ),
        (true, damaged) => format!("{} sealed pieces whole, {damaged} DAMAGED", pieces.whole),
    }
}

fn looked_at(verdict: &Verdict) -> String {
    let Some(light) = &verdict.light else {
        return "everything that can be done again with the given keys".to_owned();
    };
    let chances = light
        .found_with
        .iter()
        .map(|(share, chance)| format!("{:.1}% if {:.0}% were", chance * 100.0, share * 100.0));
    format!(
        "{} drawn at random (--seed {}); if all of them could be done again, the chance to have seen something bad is {}",
        light.drawn,
        light.seed,
        chances.collect::<Vec<_>>().join(", ")
    )
}

fn row(order: &OrderFound) -> [String; 5] {
    let ended = order.outcome.as_ref();
    [
        short(order.order),
        order.kind.clone(),
        ended.unwrap_or(&order.phase).clone(),
        counts(&order.models),
        counts(&order.runs),
    ]
}

/// Such as `5 of 7; 1 differs`; nothing where there is nothing to do.
fn counts(tally: &Tally) -> String {
    let Tally {
        equal,
        different,
        unproven,
        closed,
        left,
    } = tally;
    let all = equal + different + unproven + closed + left;
    if all == 0 {
        return String::new();
    }
    let others = [
        (different, "DIFFER"),
        (unproven, "not to be had"),
        (closed, "closed"),
        (left, "not drawn"),
    ];
    let others = others.into_iter().filter(|(count, _)| **count > 0);
    let others = others.map(|(count, what)| format!("; {count} {what}"));
    others.fold(format!("{equal} of {all} equal"), |text, other| {
        text + &other
    })
}

fn list(heading: &str, lines: &[String], output: &Output) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let shown = lines.iter().take(LINES);
    let shown = shown.fold(String::new(), |text, line| text + "  " + line + "\n");
    format!(
        "\n{}\n{shown}{}",
        output.strong(heading),
        more(lines.len(), "lines")
    )
}

fn more(all: usize, what: &str) -> String {
    match all.saturating_sub(LINES) {
        0 => String::new(),
        left => format!("  and {left} more {what}; --json has all of them\n"),
    }
}

fn ending(verdict: &Verdict) -> &'static str {
    let all = &verdict.all;
    match (verdict.holds, all.unproven + all.closed + all.left) {
        (false, _) => {
            "Verdict: NOT true. Something differs from what the ledger says, or is damaged."
        }
        (true, 0) if verdict.from == 0 && all.equal > 0 => {
            "Verdict: true. Everything was done again and is what the ledger says."
        }
        (true, _) => {
            "Verdict: true as far as it was looked at. Nothing that was done again differs."
        }
    }
}

/// A moment in words, in the time zone of Greenwich.
fn moment(ms: u64) -> String {
    let at = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(ms));
    match at.filter(|_| ms < LAST_MS) {
        Some(at) => httpdate::fmt_http_date(at),
        None => format!("{ms} ms after the year 1970 began"),
    }
}
