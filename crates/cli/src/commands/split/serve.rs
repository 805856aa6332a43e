//! `assay split serve`: the providing side.

use std::{collections::BTreeSet, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use assay_crypto::{Digest, PublicKey};
use assay_kernel::Kernel;
use assay_model::{Base, ModelSource, Precision};
use assay_node::{
    split::{Allowed, Mode, ProviderEvent, SplitLimits, SplitProvider, Terms},
    transport::{Limits, Protocols, Transport},
};
use clap::Args;
use serde::Serialize;

use crate::{
    args::Global,
    commands::try_job::block_on,
    failure::{Failure, Kind},
    home::Home,
    output::{Output, facts, short},
    signals::Stop,
    trial::failed,
};

/// Compute the frozen layers of other people's split training until stopped
///
/// Holds a model folder or .gguf file and serves sessions over QUIC under the key of your account.
/// Keeps nothing between sessions, and may be killed at any moment. You are sent embedded tokens of
/// the people you serve (see `assay split --help`).
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    assay split serve --model examples/glassllm --listen 127.0.0.1:7400\n  \
    assay split serve --model llama --precision nf4 --listen 0.0.0.0:7400 --allow ACCOUNT")]
pub(crate) struct Serve {
    /// The base model, the same as the requesters'
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// UDP address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDR")]
    listen: SocketAddr,
    /// Serve this account; may be given again. Without it, whoever reaches a loopback address is
    /// served
    #[arg(long, value_name = "ACCOUNT")]
    allow: Vec<PublicKey>,
    /// Serve whoever reaches the address, also from other machines
    #[arg(long, conflicts_with = "allow")]
    anybody: bool,
    /// How the projections are held: float32, bfloat16, int8 or nf4, as in the requesters' jobs
    #[arg(long, default_value = "float32")]
    precision: Precision,
    /// Sessions at once; each holds the layers once more, in float32
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..))]
    sessions: u16,
    /// Longest message, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..4096))]
    longest_message: u64,
    /// Most memory that the values of one step may take, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 8192)]
    step_memory: u64,
    /// Silence after which a session is ended, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    idle_timeout: u64,
}

#[derive(Serialize)]
struct Serving {
    account: PublicKey,
    listen: SocketAddr,
    model: PathBuf,
    base_digest: Digest,
    precision: String,
    /// Empty when everybody is served.
    allowed: Vec<PublicKey>,
    sessions: u16,
}

impl Serve {
    pub(super) fn run(self, global: &Global, output: &Output) -> Result<(), Failure> {
        // Every session costs memory and time, so strangers are served only if somebody said so.
        if self.allow.is_empty() && !self.anybody && !self.listen.ip().is_loopback() {
            let text = format!("{} can be reached by strangers", self.listen);
            return Err(Failure::say(Kind::Usage, text).hint(
                "name the accounts to serve with --allow ACCOUNT, or serve everybody with --anybody",
            ));
        }
        let key = assay_node::keys::load(&Home::find(global)?.key())?;
        let model = ModelSource::open(&self.model).map_err(failed)?;
        let base = Arc::new(Base::load(model, self.precision).map_err(failed)?);
        let kernel = Kernel::detect().map_err(failed)?;
        let limits = SplitLimits {
            sessions: self.sessions.into(),
            longest_message: self.longest_message << 20,
            step_memory: self.step_memory.saturating_mul(1 << 20),
            idle_timeout: Duration::from_secs(self.idle_timeout),
        };
        let allowed = match self.allow.is_empty() {
            true => Allowed::Anyone,
            false => Allowed::Accounts(BTreeSet::from_iter(self.allow.iter().copied())),
        };
        let silent = output.is_json();
        let on_event = Arc::new(move |event: ProviderEvent| tell(&event, silent));
        let provider =
            SplitProvider::new(kernel, base, limits, allowed, on_event).map_err(failed)?;
        block_on(async {
            let mut stop = Stop::listen()?;
            let host = Arc::new(provider.clone());
            let protocols = Protocols::default().hosting::<Terms>(host.clone());
            let bounds = Limits::default();
            let transport = Transport::bind(&key, self.listen, bounds, host, protocols).await?;
            let serving = Serving {
                account: key.public(),
                listen: transport.address(),
                model: self.model,
                base_digest: provider.base_digest(),
                precision: self.precision.to_string(),
                allowed: self.allow,
                sessions: self.sessions,
            };
            output.result(&serving, |serving| show(serving, output))?;
            stop.wait().await;
            stop.at_once();
            transport.close().await;
            Ok(())
        })?
    }
}

fn show(serving: &Serving, output: &Output) -> String {
    let allowed = match serving.allowed.as_slice() {
        [] => "whoever reaches this address; name accounts with --allow".to_owned(),
        accounts => {
            let accounts = accounts.iter().map(short);
            accounts.collect::<Vec<_>>().join(", ")
        }
    };
    let at = format!("{}@{}", serving.account, serving.listen);
    facts([
        ("provider", output.strong(at)),
        (
            "model",
            format!("{} in {}", serving.model.display(), serving.precision),
        ),
        ("base digest", serving.base_digest.to_string()),
        ("serves", allowed),
        ("sessions", format!("{} at once", serving.sessions)),
        (
            "stop",
            "SIGINT (Ctrl-C) or SIGTERM; nothing is lost".to_owned(),
        ),
    ])
}

/// A line for the operator.
fn tell(event: &ProviderEvent, silent: bool) {
    if silent {
        return;
    }
    let line = match event {
        ProviderEvent::Opened { peer, terms } => {
            let mode = match terms.mode {
                Mode::Plain { r, .. } => format!("plain, rank {r}"),
                Mode::Masked { provider } => format!("masked, provider {provider}"),
            };
            let (rows, seq) = (
                u64::from(terms.batch) * u64::from(terms.micro_batches),
                terms.seq,
            );
            let steps = terms.steps;
            format!(
                "{}: session for {steps} steps of {rows} x {seq} tokens, {mode}",
                short(peer)
            )
        }
        ProviderEvent::Refused { peer, reason } => format!("{}: refused: {reason}", short(peer)),
        ProviderEvent::Ended {
            peer,
            messages,
            reason,
        } => format!(
            "{}: session over after {messages} messages: {reason}",
            short(peer)
        ),
    };
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{line}");
}
