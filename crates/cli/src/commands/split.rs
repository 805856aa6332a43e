//! `assay split`: training on two or three machines.

mod report;
mod serve;
mod train;

use std::net::{SocketAddr, ToSocketAddrs};

use assay_crypto::PublicKey;
use clap::Subcommand;

use crate::{args::Global, failure::Failure, output::Output};

/// What whoever uses the plain split must know.
const PLAIN_WARNING: &str = "locality, not secrecy: the provider is sent embedded tokens, and \
    whoever has the public base model reads the text out of them; it can work out M as well";
/// What whoever uses the masked split must know.
const MASKED_WARNING: &str = "the text stays secret only while the two providers do not pool what \
    they see; neither can be checked here for having multiplied right";

/// Train on two machines without either sending what only it may hold
///
/// PrivateLoRA puts a small trained matrix M between two frozen ones. The requester keeps tokens,
/// labels, embedding, output matrix, M and its optimiser; the provider computes the frozen layers.
/// The result has the bits of `assay train` on one machine.
///
/// The plain split is locality, not secrecy: a provider with the public base model reads the text
/// out of what it is sent. With --masked two providers that do not collude see uniformly random
/// numbers instead. docs/private-lora.md has the threat models.
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLE)]
pub(crate) enum Split {
    Serve(serve::Serve),
    Train(train::SplitTrain),
}

const EXAMPLE: &str = "Example, on two machines:\n  \
    provider$   assay keys new\n  \
    provider$   assay split serve --model examples/glassllm --listen 0.0.0.0:7400 --allow ACCOUNT\n  \
    requester$  assay keys new\n  \
    requester$  assay split train examples/private-lora.toml --provider ACCOUNT@provider:7400";

impl Split {
    pub(crate) fn run(self, global: &Global, output: &Output) -> Result<(), Failure> {
        match self {
            Self::Serve(serve) => serve.run(global, output),
            Self::Train(train) => train.run(global, output),
        }
    }
}

/// A provider's account and where it listens.
#[derive(Clone, Debug)]
struct ProviderAt {
    account: PublicKey,
    addresses: Vec<SocketAddr>,
}

impl std::str::FromStr for ProviderAt {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let usual = "write ACCOUNT@HOST:PORT, as `assay split serve` prints it";
        let (account, address) = text.split_once('@').ok_or(usual)?;
        let account = account
            .parse()
            .map_err(|error| format!("{account:?} is no account ({error}); {usual}"))?;
        let found = address.to_socket_addrs();
        let addresses: Vec<SocketAddr> = found
            .map_err(|error| format!("{address:?} is no address ({error}); {usual}"))?
            .collect();
        match addresses.is_empty() {
            true => Err(format!("{address:?} has no address")),
            false => Ok(Self { account, addresses }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_is_an_account_at_an_address() {
        let account = "ab".repeat(32);
        let good: ProviderAt = format!("{account}@127.0.0.1:7400").parse().unwrap();
        assert_eq!(good.account.to_string(), account);
        assert_eq!(good.addresses, ["127.0.0.1:7400".parse().unwrap()]);
        for bad in ["127.0.0.1:7400", "12@127.0.0.1:7400", "@", ""] {
            let error = bad.parse::<ProviderAt>().unwrap_err();
            assert!(error.contains("ACCOUNT@HOST:PORT"), "{error}");
        }
        let error = format!("{account}@127.0.0.1").parse::<ProviderAt>();
        assert!(error.unwrap_err().contains("is no address"));
    }
}
