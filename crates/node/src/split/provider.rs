//! The providing side: takes sessions within its limits and computes what they send.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use assay_crypto::{Digest, PublicKey};
use assay_kernel::Kernel;
use assay_model::{Adapter, Base};
use assay_split::masked::MaskedProvider;
use assay_split::{Holdings, Provider, SetupError, Side};
use tokio::sync::Semaphore;

use super::error::TermsError;
use super::serving::{Party, serve};
use super::terms::{Held, Mode, Terms, longest_masked, most_masked};
use crate::told;
use crate::transport::{
    Access, BoxFuture, Conversation, Host, Question, Refusal, Refused, Standing,
};

/// What one provider gives away.
#[derive(Clone, Copy, Debug)]
pub struct SplitLimits {
    /// Sessions at once; each holds the layers once more, in f32.
    pub sessions: usize,
    /// Longest message, in bytes.
    pub longest_message: u64,
    /// Most memory that the values of one step may take, in bytes.
    pub step_memory: u64,
    /// Silence after which a session is ended.
    pub idle_timeout: Duration,
}

impl Default for SplitLimits {
    fn default() -> Self {
        Self {
            sessions: 2,
            longest_message: 64 << 20,
            step_memory: 8 << 30,
            idle_timeout: Duration::from_secs(300),
        }
    }
}

/// Whose sessions are taken.
#[derive(Clone, Debug)]
pub enum Allowed {
    /// Whoever reaches this node.
    Anyone,
    /// These accounts.
    Accounts(BTreeSet<PublicKey>),
}

impl Allowed {
    fn has(&self, peer: &PublicKey) -> bool {
        match self {
            Self::Anyone => true,
            Self::Accounts(accounts) => accounts.contains(peer),
        }
    }
}

/// What a provider tells its operator.
#[derive(Clone, Debug)]
pub enum ProviderEvent {
    /// A session began.
    Opened {
        /// Whose.
        peer: PublicKey,
        /// What was agreed.
        terms: Terms,
    },
    /// A session was refused.
    Refused {
        /// Whose.
        peer: PublicKey,
        /// What it was told.
        reason: String,
    },
    /// A session ended.
    Ended {
        /// Whose.
        peer: PublicKey,
        /// Messages that were taken.
        messages: u64,
        /// How.
        reason: String,
    },
}

/// Called with every event.
pub type OnEvent = Arc<dyn Fn(ProviderEvent) + Send + Sync>;

/// Serves split sessions on one model.
#[derive(Clone)]
pub struct SplitProvider(Arc<Desk>);

struct Desk {
    kernel: Kernel,
    base: Arc<Base>,
    digest: Digest,
    held: Held,
    limits: SplitLimits,
    allowed: Allowed,
    slots: Arc<Semaphore>,
    on_event: OnEvent,
}

impl SplitProvider {
    /// A provider of a base, as it is held.
    ///
    /// # Errors
    /// When it is held in a form that has no split.
    pub fn new(
        kernel: Kernel,
        base: Arc<Base>,
        limits: SplitLimits,
        allowed: Allowed,
        on_event: OnEvent,
    ) -> Result<Self, SetupError> {
        Ok(Self(Arc::new(Desk {
            kernel,
            digest: base.digest(),
            held: base.precision().try_into()?,
            slots: Arc::new(Semaphore::new(limits.sessions)),
            limits,
            allowed,
            on_event,
            base,
        })))
    }

    /// Whether a session under these terms would be taken, accounts and free sessions apart.
    ///
    /// # Errors
    /// [`TermsError`] says what does not fit.
    pub fn would_take(&self, terms: &Terms) -> Result<(), TermsError> {
        self.0.party(terms).map(drop)
    }

    /// Digest of the model, which a requester's must equal.
    pub fn base_digest(&self) -> Digest {
        self.0.digest
    }
}

impl Access for SplitProvider {
    fn standing(&self, peer: &PublicKey) -> Standing {
        match self.0.allowed.has(peer) {
            true => Standing::Registered,
            false => Standing::Stranger,
        }
    }
}

impl Question for Terms {
    const PROTOCOL: &'static str = "split/1";
    /// Digest of the terms that were agreed to.
    type Answer = Digest;

    fn name(&self) -> &'static str {
        "split"
    }
}

impl Host<Terms> for SplitProvider {
    fn open(
        &self,
        peer: PublicKey,
        terms: Terms,
    ) -> BoxFuture<'_, Result<(Digest, Conversation), Refused>> {
        let desk = self.0.clone();
        Box::pin(async move {
            let taken = desk.clone().take(peer, terms).await;
            taken.map_err(|(refusal, reason)| {
                let refused = Refused::new(refusal, &reason);
                (desk.on_event)(ProviderEvent::Refused { peer, reason });
                refused
            })
        })
    }
}

impl Desk {
    /// Opens a session, or says why not.
    async fn take(
        self: Arc<Self>,
        peer: PublicKey,
        terms: Terms,
    ) -> Result<(Digest, Conversation), (Refusal, String)> {
        if !self.allowed.has(&peer) {
            let reason = format!(
                "account {peer} is not on this provider's list; its operator adds it with --allow"
            );
            return Err((Refusal::NotAllowed, reason));
        }
        let Ok(slot) = self.slots.clone().try_acquire_owned() else {
            let reason = format!("all {} sessions are taken; later", self.limits.sessions);
            return Err((Refusal::Busy, reason));
        };
        let (desk, wanted) = (self.clone(), terms.clone());
        let made = tokio::task::spawn_blocking(move || desk.party(&wanted)).await;
        let party = match made {
            Ok(Ok(party)) => party,
            Ok(Err(error)) => return Err((Refusal::Invalid, told(&error))),
            Err(_) => return Err((Refusal::Failed, "setting up failed".to_owned())),
        };
        let agreed = terms.digest();
        let conversation: Conversation = Box::new(move |channel| {
            Box::pin(async move {
                (self.on_event)(ProviderEvent::Opened {
                    peer,
                    terms: terms.clone(),
                });
                let ended = serve(channel, party, &terms, self.limits.idle_timeout).await;
                let (messages, reason) = ended;
                (self.on_event)(ProviderEvent::Ended {
                    peer,
                    messages,
                    reason,
                });
                drop(slot);
            })
        });
        Ok((agreed, conversation))
    }

    /// Checks terms and makes what computes under them.
    fn party(&self, terms: &Terms) -> Result<Party, TermsError> {
        terms.check(self.digest, self.held)?;
        let config = self.base.config();
        let too_much = |what, found, most| match found > most {
            true => Err(TermsError::TooMuch { what, found, most }),
            false => Ok(()),
        };
        let longest = |expected: usize| {
            let (found, expected) = (terms.longest_message, expected as u64);
            if found != expected {
                return Err(TermsError::Longest { found, expected });
            }
            too_much("sends messages of", found, self.limits.longest_message)
        };
        let Mode::Plain { seed, .. } = &terms.mode else {
            return self.masked(terms, longest);
        };
        let Some(split) = terms.split(config)? else {
            return Err(TermsError::Plan);
        };
        longest(split.longest_message())?;
        let memory = split.provider_bytes();
        too_much("takes", memory, self.limits.step_memory)?;
        let per_step = split.received_by(Side::Provider).len() as u64;
        let adapter = Adapter::init(&self.kernel, &self.base, split.method(), seed);
        let holdings = Holdings::of(&split, Side::Provider, &self.base, &adapter)?;
        let provider = Provider::new(&self.kernel, Arc::new(split), holdings)?;
        let most = per_step.saturating_mul(terms.steps);
        Ok(Party {
            answering: Box::new(provider),
            most,
        })
    }

    fn masked(
        &self,
        terms: &Terms,
        longest: impl Fn(usize) -> Result<(), TermsError>,
    ) -> Result<Party, TermsError> {
        let Mode::Masked { provider } = terms.mode else {
            return Err(TermsError::Plan);
        };
        if provider > 1 {
            let (what, found) = ("the provider's number", provider.into());
            let (low, high) = (0, 1);
            return Err(TermsError::Range {
                what,
                found,
                low,
                high,
            });
        }
        let (config, shape) = (self.base.config(), terms.shape());
        longest(longest_masked(config, shape))?;
        let party = MaskedProvider::new(provider, &self.base, shape.positions())?;
        let most = most_masked(config, terms.micro_batches).saturating_mul(terms.steps);
        Ok(Party {
            answering: Box::new(party),
            most,
        })
    }
}
