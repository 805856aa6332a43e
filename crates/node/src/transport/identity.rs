//! Who is at the other end of a connection.

use assay_crypto::PublicKey;

/// Name of the transport's protocol, offered and demanded in the handshake.
pub const ALPN: &[u8] = b"assay/1";

/// The account key behind a transport identity. Keys of small order, which the handshake lets
/// through, are no accounts.
pub(super) fn peer_key(id: iroh::PublicKey) -> Result<PublicKey, assay_crypto::BadPublicKey> {
    let key = PublicKey(*id.as_bytes());
    key.check().map(|()| key)
}
