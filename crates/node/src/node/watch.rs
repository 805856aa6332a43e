//! Looks after the node while it runs: blocks, clock, disk, open files.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use assay_api::ChainView;
use assay_chain::{Chain, light::CertifiedHeader};
use assay_crypto::PublicKey;
use assay_ledger::{Height, Lasting};

use crate::{
    client::protocol::{Request, Response},
    clock,
    health::{Health, Topic},
    metrics, needs,
    transport::Transport,
};

/// Pause between two looks.
const LOOK: Duration = Duration::from_secs(1);

/// Without a new block for so long something is wrong.
const QUIET: Duration = Duration::from_secs(30);

/// Difference between clocks that is worth a word, in milliseconds.
const CLOCK_OFF_MS: u64 = 5_000;

/// Room at which a running node stops: enough to finish what it is writing.
const STOP_ROOM: u64 = needs::LEAST_ROOM / 2;

/// Any key of the state; proving it shows that light clients can be served.
const SOME_KEY: &[u8] = b"c";

/// What is watched.
pub(super) struct Watch {
    pub(super) chain: Arc<dyn ChainView>,
    pub(super) validator: Option<Chain>,
    /// What a node that serves keeps its data in; a command need not watch it.
    pub(super) dir: Option<PathBuf>,
    pub(super) health: Health,
    /// Asked for the time by a validator whose engine reaches nobody: its handshakes fail when
    /// clocks are more than a few seconds apart.
    pub(super) transport: Transport,
}

/// Pause between two rounds of asking other nodes for the time.
const ASK: Duration = Duration::from_secs(5);

/// Other nodes asked in a round.
const ASKED: usize = 4;

impl Watch {
    pub(super) async fn run(self) {
        let chain = self.chain.clone();
        let caught_up = tokio::spawn(async move { chain.caught_up().await });
        let began = Instant::now();
        let mut newest = (Height(0), began);
        let mut asked = began;
        let mut heads = BTreeMap::new();
        loop {
            self.disk();
            self.files();
            let head = self.chain.head().height;
            if head > newest.0 {
                newest = (head, Instant::now());
            }
            self.blocks(newest);
            let mut own = self.chain.clock_offset_ms();
            if own.is_none() && self.validator.is_some() {
                if asked.elapsed() > ASK {
                    self.ask_for_the_time(&mut heads).await;
                    asked = Instant::now();
                }
                own = agreed(&heads);
            }
            self.clock(own);
            if let Some(reason) = self.validator.as_ref().and_then(Chain::failure) {
                self.health.fail(stopped(&reason, self.dir.as_deref()));
            }
            let provable = || self.chain.prove(SOME_KEY.to_vec());
            if !self.health.is_ready()
                && head.0 > 0
                && caught_up.is_finished()
                && self.health.is_offered()
                && provable().await.is_ok()
            {
                self.health.works();
            }
            metrics::healthy(self.health.problems().is_empty());
            let pause = if self.health.is_ready() {
                LOOK
            } else {
                LOOK / 5
            };
            tokio::time::sleep(pause).await;
        }
    }

    fn disk(&self) {
        let Some(dir) = &self.dir else { return };
        let Ok(free) = needs::room(dir) else { return };
        metrics::disk_free(free);
        let (dir, mib) = (dir.display(), free >> 20);
        if free < STOP_ROOM {
            self.health.fail(format!(
                "the disk is full: {dir} has {mib} MiB of room left; free some and start again"
            ));
        } else if free < needs::LITTLE_ROOM {
            self.health.raise(
                Topic::Disk,
                format!(
                    "{dir} has {mib} MiB of room left; the node stops at {} MiB",
                    STOP_ROOM >> 20
                ),
            );
        } else {
            self.health.clear(Topic::Disk);
        }
    }

    fn files(&self) {
        let Some((open, allowed)) = needs::open_files() else {
            return;
        };
        metrics::open_files(open, allowed);
        if open >= allowed - allowed / 5 {
            self.health.raise(
                Topic::Files,
                format!(
                    "{open} of {allowed} files that this process may have are open; raise the \
                     limit with `ulimit -n` and start again before it runs out"
                ),
            );
        } else {
            self.health.clear(Topic::Files);
        }
    }

    fn blocks(&self, newest: (Height, Instant)) {
        let quiet = newest.1.elapsed();
        if quiet < QUIET {
            self.health.clear(Topic::Blocks);
            return;
        }
        let why = match (&self.validator, self.chain.trouble()) {
            (_, Some(trouble)) => trouble,
            (Some(_), None) => "more than two thirds of the validators have to run, to reach each \
                other on their consensus ports and to have clocks that agree"
                .to_owned(),
            (None, None) => "no node of the network has told of one".to_owned(),
        };
        self.health.raise(
            Topic::Blocks,
            format!(
                "no new block since height {} for {}: {why}",
                newest.0,
                Lasting::from(quiet)
            ),
        );
    }

    /// Asks other nodes for their newest blocks. What they say is only compared with the clock, so
    /// it is believed as it stands.
    async fn ask_for_the_time(&self, heads: &mut BTreeMap<PublicKey, Heard>) {
        for peer in self.transport.book().peers().into_iter().take(ASKED) {
            let answer = self.transport.request(peer, &Request::Head);
            let Ok(Ok(Response::Head {
                header: Some(bytes),
            })) = tokio::time::timeout(LOOK, answer).await
            else {
                continue;
            };
            if let Ok(head) = CertifiedHeader::decode(&bytes) {
                let (height, stamp) = (head.header.height, head.header.timestamp_ms);
                let ahead = i128::from(clock::now().0) - i128::from(stamp);
                let ahead = ahead.clamp(i64::MIN.into(), i64::MAX.into()) as i64;
                // Only a chain that goes on tells the time.
                let goes_on = heads.get(&peer).is_some_and(|(last, _)| *last < height);
                heads.insert(peer, (height, goes_on.then_some(ahead)));
            }
        }
    }

    fn clock(&self, own: Option<i64>) {
        if let Some(own) = own {
            metrics::clock_offset(own);
        }
        let problem = match own {
            Some(own) if own.unsigned_abs() > CLOCK_OFF_MS => Some(format!(
                "this machine's clock is {} the validators': set it by NTP",
                seconds(own)
            )),
            own => self.validator.as_ref().and_then(|validator| {
                let own = own.unwrap_or(0);
                let off = |ms: i64| own.saturating_sub(ms);
                let mut leaders = validator.clocks().leaders;
                leaders.sort_by_key(|(_, ms)| off(*ms).unsigned_abs());
                let (leader, ms) = leaders.last()?;
                (off(*ms).unsigned_abs() > CLOCK_OFF_MS).then(|| {
                    format!(
                        "the clock of validator {leader} is {} ours: its blocks are not voted for in \
                         time",
                        seconds(off(*ms))
                    )
                })
            }),
        };
        match problem {
            Some(problem) => self.health.raise(Topic::Clock, problem),
            None => self.health.clear(Topic::Clock),
        }
    }
}

/// Why the validator stopped, and what was short when it did.
pub(super) fn stopped(reason: &str, dir: Option<&Path>) -> String {
    match dir.and_then(needs::shortage) {
        Some(short) => format!("the validator stopped: {short} ({reason})"),
        None => format!("the validator stopped: {reason}"),
    }
}

/// The newest block of another node, and how far our clock is ahead of it if it is news.
type Heard = (Height, Option<i64>);

/// What the others agree on: the middle one of what they tell.
fn agreed(heads: &BTreeMap<PublicKey, Heard>) -> Option<i64> {
    let mut told: Vec<i64> = heads.values().filter_map(|(_, ahead)| *ahead).collect();
    told.sort_unstable();
    told.get(told.len() / 2).copied()
}

/// `12 s ahead of` or `12 s behind`.
fn seconds(ms: i64) -> String {
    let side = if ms > 0 { "ahead of" } else { "behind" };
    format!("{} {side}", Lasting(ms.unsigned_abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_what_most_nodes_tell_whose_chain_goes_on() {
        let heard = |told: &[Option<i64>]| -> BTreeMap<PublicKey, Heard> {
            let told = (1..).zip(told);
            told.map(|(n, ahead)| (PublicKey([n; 32]), (Height(7), *ahead)))
                .collect()
        };
        assert_eq!(agreed(&heard(&[])), None);
        assert_eq!(
            agreed(&heard(&[None, None])),
            None,
            "chains that stand still"
        );
        assert_eq!(agreed(&heard(&[Some(600_000), None])), Some(600_000));
        let one_liar = heard(&[Some(-40), Some(i64::MAX), Some(30)]);
        assert_eq!(agreed(&one_liar), Some(30));
        assert_eq!(seconds(600_100), "10 min ahead of");
        assert_eq!(seconds(-5_900), "5.9 s behind");
    }
}
