//! The numbers and names of the ledger, each with a type of its own.

use std::fmt;
use std::str::FromStr;

use assay_crypto::{Digest, PublicKey};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// An account is named by its holder's public key.
pub type AccountId = PublicKey;

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[derive(BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Digest);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl FromStr for $name {
            type Err = assay_crypto::ParseHexError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    };
}

name!(
    /// A network: the digest of its genesis.
    ChainId
);
name!(
    /// An order, see [`OrderId::new`].
    OrderId
);
name!(
    /// A file in the vault, as the vault computes it from the file's encrypted table of contents.
    FileId
);
name!(
    /// A signed transaction: digest of its bytes.
    TxId
);

impl OrderId {
    /// The order that `sender`'s transaction with this nonce posts. It is known before the
    /// transaction is sent, and no two transactions share it.
    pub fn new(chain: ChainId, sender: AccountId, nonce: u64) -> OrderId {
        let parts: [&[u8]; 3] = [&chain.0.0, &sender.0, &nonce.to_le_bytes()];
        OrderId(Digest::of("assay/order/v1", &parts))
    }
}

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[derive(BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);
    };
}

number!(
    /// Money, in micro-tokens (millionths). `Display` and `FromStr` speak tokens: `"1.5"`.
    Amount(u64)
);
number!(
    /// The height of a block; the genesis state has height 0.
    Height(u64)
);
number!(
    /// Milliseconds of ledger time since the network's first block: what deadlines are counted in.
    LedgerTime(u64)
);
number!(
    /// The index of a state in a run: 0 is the initial state, state `i` is the one after step `i`.
    StepIndex(u64)
);
number!(
    /// A stretch of steps between two checkpoints, counted from 0.
    SegmentIndex(u32)
);
number!(
    /// One account's work on an order, counted from 0 in the order in which they were begun.
    RunIndex(u32)
);
number!(
    /// A rate in parts per million.
    Ppm(u32)
);

macro_rules! plain_display {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

plain_display!(Height, StepIndex, SegmentIndex, RunIndex);

impl Height {
    /// The height `blocks` later.
    pub fn after(self, blocks: u32) -> Height {
        Height(self.0.saturating_add(u64::from(blocks)))
    }
}

impl Ppm {
    /// The whole: 1,000,000 parts per million.
    pub const ONE: Ppm = Ppm(1_000_000);

    /// This share of `amount`, rounded down; never more than `amount`.
    pub fn of(self, amount: Amount) -> Amount {
        let share = u128::from(amount.0) * u128::from(self.0.min(Self::ONE.0)) / 1_000_000;
        // A share of a u64 by a rate of at most one fits a u64.
        Amount(u64::try_from(share).unwrap_or(amount.0))
    }
}

const MICRO: u64 = 1_000_000;

impl Amount {
    /// Nothing.
    pub const ZERO: Amount = Amount(0);

    /// Whole tokens; saturates far above any supply.
    pub const fn tokens(tokens: u64) -> Amount {
        Amount(tokens.saturating_mul(MICRO))
    }

    /// The sum, or `None` on overflow.
    pub fn checked_add(self, other: Amount) -> Option<Amount> {
        self.0.checked_add(other.0).map(Amount)
    }

    /// The difference, or `None` when `other` is more.
    pub fn checked_sub(self, other: Amount) -> Option<Amount> {
        self.0.checked_sub(other.0).map(Amount)
    }

    /// `count` times this, or `None` on overflow.
    pub fn checked_mul(self, count: u64) -> Option<Amount> {
        self.0.checked_mul(count).map(Amount)
    }
}

impl fmt::Display for Amount {
    /// Tokens with as many decimals as needed, at least one: `12.0`, `0.000001`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = format!("{:06}", self.0 % MICRO);
        let decimals = decimals.trim_end_matches('0');
        let text = format!(
            "{}.{}",
            self.0 / MICRO,
            if decimals.is_empty() { "0" } else { decimals }
        );
        f.pad(&text)
    }
}

/// Text that is not an amount of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ParseAmountError {
    /// Not digits with at most one point.
    #[error("write an amount as digits with at most one point, like 12 or 0.5")]
    Format,
    /// More than six decimals.
    #[error("an amount has at most six decimals: the smallest is 0.000001")]
    TooFine,
    /// Above 2^64 micro-tokens.
    #[error("an amount is at most 18446744073709.551615")]
    TooLarge,
}

impl FromStr for Amount {
    type Err = ParseAmountError;

    fn from_str(text: &str) -> Result<Amount, ParseAmountError> {
        let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(decimals) {
            return Err(ParseAmountError::Format);
        }
        if decimals.len() > 6 {
            return Err(ParseAmountError::TooFine);
        }
        let whole: u64 = whole.parse().map_err(|_| ParseAmountError::TooLarge)?;
        let decimals: u64 = format!("{decimals:0<6}")
            .parse()
            .map_err(|_| ParseAmountError::Format)?;
        whole
            .checked_mul(MICRO)
            .and_then(|micro| micro.checked_add(decimals))
            .map(Amount)
            .ok_or(ParseAmountError::TooLarge)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_read_back() {
        for (text, micro) in [
            ("0.0", 0),
            ("1.0", 1_000_000),
            ("0.5", 500_000),
            ("0.000001", 1),
            ("18446744073709.551615", u64::MAX),
        ] {
            assert_eq!(text.parse(), Ok(Amount(micro)));
            assert_eq!(Amount(micro).to_string(), text);
        }
        assert_eq!("12".parse(), Ok(Amount::tokens(12)));
        assert_eq!(format!("{:>6}", Amount::tokens(1)), "   1.0");
    }

    #[test]
    fn odd_amounts_are_refused() {
        use ParseAmountError::{Format, TooFine, TooLarge};
        for (text, error) in [
            ("", Format),
            (".", Format),
            ("1.", Format),
            (".5", Format),
            ("-1", Format),
            ("+1", Format),
            ("1e3", Format),
            ("1.2.3", Format),
            ("0.0000001", TooFine),
            ("18446744073709.551616", TooLarge),
            ("99999999999999999999", TooLarge),
        ] {
            assert_eq!(text.parse::<Amount>(), Err(error), "{text:?}");
        }
    }

    #[test]
    fn shares_round_down_and_never_exceed() {
        assert_eq!(Ppm(500_000).of(Amount(3)), Amount(1));
        assert_eq!(Ppm::ONE.of(Amount(u64::MAX)), Amount(u64::MAX));
        assert_eq!(Ppm(u32::MAX).of(Amount(7)), Amount(7));
        assert_eq!(Ppm(0).of(Amount(7)), Amount(0));
    }
}
