//! Our block in the engine's clothes.

use bytes::{Buf as _, BufMut};
use commonware_codec::{Buf, EncodeSize, Error, Read, Write};
use commonware_consensus::types::Height;
use commonware_consensus::{Block as EngineBlock, BoundedBlock, Heightable};
use commonware_cryptography::{Digested, Digestible};

use crate::block::{Block, MAX_BLOCK_BYTES};
use crate::scheme::{PayloadDigest, engine_digest};

/// A block as the engine moves and stores it: a 32-bit length, then the block's own bytes.
#[derive(Clone, Debug)]
pub struct Payload(pub Block);

const PREFIX: usize = 4;

impl Payload {
    /// Pairs a block with its digest, as the engine keeps it.
    pub fn digested(block: Block) -> Digested<Self> {
        let payload = Self(block);
        let digest = payload.digest();
        Digested::precomputed(payload, digest)
    }
}

impl Digestible for Payload {
    type Digest = PayloadDigest;

    fn digest(&self) -> PayloadDigest {
        engine_digest(self.0.header.digest())
    }
}

impl Heightable for Payload {
    fn height(&self) -> Height {
        Height::new(self.0.header.height.0)
    }
}

impl EngineBlock for Payload {
    fn parent(&self) -> PayloadDigest {
        engine_digest(self.0.header.parent)
    }
}

impl BoundedBlock for Payload {
    fn max_encode_size(_: &()) -> usize {
        PREFIX + MAX_BLOCK_BYTES
    }
}

impl EncodeSize for Payload {
    fn encode_size(&self) -> usize {
        PREFIX + self.0.encoded_len()
    }
}

impl Write for Payload {
    fn write(&self, out: &mut impl BufMut) {
        let bytes = self.0.to_bytes();
        // Saturation cannot be reached: proposals are built below `MAX_BLOCK_BYTES`.
        out.put_u32_le(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        out.put_slice(&bytes);
    }
}

impl Read for Payload {
    type Cfg = ();

    fn read_cfg(input: &mut impl Buf, _: &()) -> Result<Self, Error> {
        if input.remaining() < PREFIX {
            return Err(Error::EndOfBuffer);
        }
        let length = input.get_u32_le() as usize;
        if length > MAX_BLOCK_BYTES {
            return Err(Error::InvalidLength(length));
        }
        if input.remaining() < length {
            return Err(Error::EndOfBuffer);
        }
        let bytes = input.copy_to_bytes(length);
        Block::decode(&bytes)
            .map(Self)
            .map_err(|_| Error::Invalid("assay block", "malformed"))
    }
}
