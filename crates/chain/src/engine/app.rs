//! Proposing and verifying blocks when the engine asks.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use assay_crypto::{Digest, PublicKey};
use assay_ledger::Height;
use commonware_codec::Encode as _;
use commonware_consensus::Application;
use commonware_consensus::marshal::ancestry::Ancestry;
use commonware_consensus::simplex::types::Context as RoundContext;
use commonware_cryptography::{Digested, Digestible as _};
use commonware_macros::select;
use futures::{StreamExt as _, future::pending};

use super::payload::Payload;
use super::runtime::{Runtime, run_blocking};
use crate::core::{CLOCK_SKEW_MS, Core, Rejected};
use crate::header::{BeaconSignature, Header};
use crate::scheme::{Identity, PayloadDigest, Scheme, own_digest};
use crate::sources::with_sources;
use crate::speculate::View;

/// How long a leader waits for the parent's beacon. It comes one message after the parent is
/// final; but if some validators gave up on the parent's view it may become final only through a
/// child, which must then do without.
const PROPOSE_WITHOUT_BEACON_AFTER: Duration = Duration::from_millis(500);

/// How long a validator that was shown a block without beacon waits for the beacon to appear. If
/// it does, the leader left it out, and gets no vote.
const VOTE_WITHOUT_BEACON_AFTER: Duration = Duration::from_millis(250);

type Round = RoundContext<PayloadDigest, Identity>;

/// The application half of the engine.
#[derive(Clone)]
pub(crate) struct App {
    core: Arc<Core>,
}

impl App {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    /// The state after the first block of `ancestry`, executing what is missing below it.
    /// `None` when the chain has moved past that block.
    async fn parent(
        &self,
        runtime: &impl Runtime,
        mut ancestry: impl Ancestry<Payload>,
    ) -> Option<View> {
        let mut missing = Vec::new();
        let mut view = loop {
            let block = ancestry.next().await?;
            let digest = own_digest(block.digest());
            if let Some(view) = self.core.speculation.view(&digest) {
                break view;
            }
            if block.inner().0.header.height <= self.core.speculation.base().header().height {
                return None;
            }
            missing.push(block.inner_shared());
        };
        for payload in missing.into_iter().rev() {
            let digest = payload.0.header.digest();
            let core = self.core.clone();
            let parent = view;
            run_blocking(runtime, move || core.accept(&parent, &payload.0))
                .await?
                .inspect_err(|error| {
                    tracing::error!(reason = with_sources(error), %digest, "a certified block fails")
                })
                .ok()?;
            view = self.core.speculation.view(&digest)?;
        }
        Some(view)
    }

    /// Waits until a block on `parent` is due; gives its timestamp.
    async fn due(&self, runtime: &impl Runtime, parent: &View) -> u64 {
        let pace = &self.core.pace;
        let start = parent.header().timestamp_ms;
        let earliest = start + millis(pace.min_interval);
        let latest = start + millis(pace.block_interval);
        sleep_until(runtime, earliest).await;
        if self.core.has_draw(parent) {
            return now_ms(runtime).max(start + 1);
        }
        loop {
            let arrived = self.core.arrived.notified();
            futures::pin_mut!(arrived);
            arrived.as_mut().enable();
            if now_ms(runtime) >= latest || self.core.has_work(parent) {
                return now_ms(runtime).max(start + 1);
            }
            select! {
                _ = arrived => {},
                _ = sleep_until(runtime, latest) => {},
            }
        }
    }

    /// The beacon of `height`, if it becomes known here within `patience`. Genesis has none.
    async fn beacon_within(
        &self,
        runtime: &impl Runtime,
        height: u64,
        patience: Duration,
    ) -> Option<BeaconSignature> {
        if height == 0 {
            return None;
        }
        select! {
            beacon = self.core.beacons.wait(height) => Some(beacon),
            _ = runtime.sleep(patience) => self.core.beacons.get(height),
        }
    }

    async fn build(
        &self,
        runtime: &impl Runtime,
        view: u64,
        parent: View,
    ) -> Option<Digested<Payload>> {
        let height = parent.header().height.0;
        // At the same time, so that a leader is done well before it is given up.
        let (timestamp_ms, beacon) = futures::join!(
            self.due(runtime, &parent),
            self.beacon_within(runtime, height, PROPOSE_WITHOUT_BEACON_AFTER),
        );
        let header = Header {
            height: Height(height.checked_add(1)?),
            parent: parent.header().digest(),
            view,
            timestamp_ms,
            beacon,
            tx_root: Digest::ZERO,
            state_root: Digest::ZERO,
            receipts_root: Digest::ZERO,
        };
        let core = self.core.clone();
        let block = run_blocking(runtime, move || core.build(&parent, header)).await??;
        Some(Payload::digested(block))
    }
}

impl<E: Runtime> Application<E> for App {
    type SigningScheme = Scheme;
    type Context = Round;
    type Block = Payload;
    type Input = ();

    async fn propose(
        &mut self,
        (runtime, round): (E, Round),
        ancestry: impl Ancestry<Payload>,
        (): (),
    ) -> Option<Digested<Payload>> {
        let parent = self.parent(&runtime, ancestry).await?;
        self.build(&runtime, round.round.view().get(), parent).await
    }

    async fn verify(
        &mut self,
        (runtime, round): (E, Round),
        mut ancestry: impl Ancestry<Payload>,
    ) -> bool {
        let Some(block) = ancestry.next().await else {
            return pending().await;
        };
        let Some(parent) = self.parent(&runtime, ancestry).await else {
            // The chain moved on while we looked: the engine will drop the question.
            return pending().await;
        };
        let header = &block.inner().0.header;
        if header.view != round.round.view().get() {
            tracing::warn!(view = header.view, leader = %round.leader, "a block names a wrong view");
            return false;
        }
        if let Some(leader) = account(&round.leader) {
            let (now, stamp) = (now_ms(&runtime), header.timestamp_ms);
            self.core.clocks.note(leader, now, stamp);
        }
        sleep_until(&runtime, header.timestamp_ms.saturating_sub(CLOCK_SKEW_MS)).await;
        let height = parent.header().height.0;
        if header.beacon.is_none()
            && self
                .beacon_within(&runtime, height, VOTE_WITHOUT_BEACON_AFTER)
                .await
                .is_some()
        {
            // Not invalid, since others cannot tell: no vote, and the view will be skipped.
            tracing::warn!(leader = %round.leader, height, "a leader leaves out the beacon");
            return pending().await;
        }
        let core = self.core.clone();
        let payload = block.inner_shared();
        match run_blocking(&runtime, move || core.accept(&parent, &payload.0)).await {
            Some(Ok(())) => true,
            Some(Err(error @ Rejected::Here(_))) => {
                tracing::error!(reason = with_sources(&error), "cannot judge a block");
                pending().await
            }
            Some(Err(error)) => {
                tracing::warn!(%error, leader = %round.leader, "refusing a proposed block");
                false
            }
            None => pending().await,
        }
    }
}

/// The account of a validator.
fn account(identity: &Identity) -> Option<PublicKey> {
    let bytes = identity.encode();
    <[u8; 32]>::try_from(&bytes[..]).ok().map(PublicKey)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn now_ms(runtime: &impl Runtime) -> u64 {
    runtime
        .current()
        .duration_since(UNIX_EPOCH)
        .map_or(0, millis)
}

async fn sleep_until(runtime: &impl Runtime, timestamp_ms: u64) {
    let now = now_ms(runtime);
    if timestamp_ms > now {
        runtime
            .sleep(Duration::from_millis(timestamp_ms - now))
            .await;
    }
}
