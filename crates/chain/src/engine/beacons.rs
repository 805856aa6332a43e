//! Collects the validators' beacon shares and combines them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use commonware_codec::{Copying, DecodeExt as _, Encode as _};
use commonware_cryptography::bls12381::primitives::group::Share;
use commonware_macros::select;
use commonware_p2p::{Receiver, Recipients, Sender};
use commonware_utils::ordered::Set;
use tokio::sync::{Notify, watch};

use super::runtime::Runtime;
use crate::beacon::{BeaconShare, BeaconVerifier};
use crate::header::BeaconSignature;
use crate::scheme::{Committee, Identity};

/// Heights around the head for which shares and beacons are kept. Only the beacon of the head is
/// ever needed; the rest is slack for validators that are a little apart.
const WINDOW: u64 = 64;

/// How often the share of the head is sent again, for validators that missed it or restarted.
const RESEND_EVERY: Duration = Duration::from_millis(500);

/// Beacons by height, filled by [`Collector`] and read by the block builder.
#[derive(Clone, Default)]
pub(crate) struct Beacons {
    known: Arc<Mutex<BTreeMap<u64, BeaconSignature>>>,
    changed: Arc<Notify>,
}

impl Beacons {
    /// The beacon of `height`, if known here.
    pub(crate) fn get(&self, height: u64) -> Option<BeaconSignature> {
        self.known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&height)
            .copied()
    }

    /// Waits for the beacon of `height`.
    pub(crate) async fn wait(&self, height: u64) -> BeaconSignature {
        loop {
            let changed = self.changed.notified();
            futures::pin_mut!(changed);
            changed.as_mut().enable();
            if let Some(beacon) = self.get(height) {
                return beacon;
            }
            changed.await;
        }
    }

    fn insert(&self, height: u64, beacon: BeaconSignature) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(height, beacon);
        while known.len() as u64 > 2 * WINDOW {
            known.pop_first();
        }
        drop(known);
        self.changed.notify_waiters();
    }
}

/// Signs the heights that become final here and gathers what the others sign.
pub(crate) struct Collector {
    pub(crate) verifier: BeaconVerifier,
    pub(crate) committee: Committee,
    pub(crate) participants: Set<Identity>,
    pub(crate) share: Share,
    pub(crate) beacons: Beacons,
    /// Height of the last finalized block.
    pub(crate) head: watch::Receiver<u64>,
}

impl Collector {
    pub(crate) async fn run(
        mut self,
        runtime: impl Runtime,
        (mut sender, mut receiver): (
            impl Sender<PublicKey = Identity>,
            impl Receiver<PublicKey = Identity>,
        ),
    ) {
        let mut pending: BTreeMap<u64, BTreeMap<u32, BeaconShare>> = BTreeMap::new();
        let mut own: Option<(u64, Vec<u8>)> = None;
        let mut resend_at = runtime.current();
        loop {
            let head = *self.head.borrow_and_update();
            if head > 0 && own.as_ref().is_none_or(|(height, _)| *height != head) {
                let share = self.verifier.sign(&self.share, head);
                let message = encode_share(head, &share);
                sender.send(Recipients::All, message.clone(), true);
                own = Some((head, message));
                resend_at = runtime.current() + RESEND_EVERY;
                pending = pending.split_off(&head.saturating_sub(WINDOW));
                self.add(&mut pending, head, share);
            }
            select! {
                changed = self.head.changed() => {
                    if changed.is_err() {
                        return;
                    }
                },
                received = receiver.recv() => {
                    let Ok((peer, message)) = received else { return };
                    match decode_share(message.as_ref()) {
                        Some((height, share)) if self.may_send(&peer, &share) => {
                            if height.abs_diff(head) <= WINDOW {
                                self.add(&mut pending, height, share);
                            }
                        }
                        _ => tracing::warn!(%peer, "malformed beacon share"),
                    }
                },
                _ = runtime.sleep_until(resend_at) => {
                    resend_at = runtime.current() + RESEND_EVERY;
                    if let Some((_, message)) = &own {
                        sender.send(Recipients::All, message.clone(), true);
                    }
                },
            }
        }
    }

    fn may_send(&self, peer: &Identity, share: &BeaconShare) -> bool {
        self.participants.get(usize::from(share.index)) == Some(peer)
    }

    fn add(
        &self,
        pending: &mut BTreeMap<u64, BTreeMap<u32, BeaconShare>>,
        height: u64,
        share: BeaconShare,
    ) {
        if self.beacons.get(height).is_some() {
            return;
        }
        let shares = pending.entry(height).or_default();
        shares.insert(share.index.get(), share);
        if shares.len() < self.committee.required() as usize {
            return;
        }
        let beacon = self
            .verifier
            .recover(&self.committee, height, shares.values())
            .or_else(|| {
                // Somebody lied: find out who, and go on with the others.
                shares.retain(|_, share| {
                    self.verifier.share_is_valid(&self.committee, height, share)
                });
                let enough = shares.len() >= self.committee.required() as usize;
                enough
                    .then(|| {
                        self.verifier
                            .recover(&self.committee, height, shares.values())
                    })
                    .flatten()
            });
        if let Some(beacon) = beacon {
            pending.remove(&height);
            self.beacons.insert(height, beacon);
        }
    }
}

/// A message: the height, then the share.
pub fn encode_share(height: u64, share: &BeaconShare) -> Vec<u8> {
    let mut out = height.to_le_bytes().to_vec();
    out.extend_from_slice(&share.encode());
    out
}

/// Reads [`encode_share`]; `None` when it is malformed.
pub fn decode_share(message: &[u8]) -> Option<(u64, BeaconShare)> {
    let (height, share) = message.split_first_chunk::<8>()?;
    let share = BeaconShare::decode(Copying(share)).ok()?;
    Some((u64::from_le_bytes(*height), share))
}
