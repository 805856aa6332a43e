//! Length-prefixed frames: the only thing that ever crosses a stream.
//!
//! ```text
//! +----------------+------------------+
//! | length, u32 LE | body             |
//! +----------------+------------------+
//! ```
//!
//! The length is checked against a limit before a byte of the body is read, and the buffer
//! grows with the bytes that arrive, so a lying length costs its sender a stream and us
//! nothing. A self-delimiting stream (QUIC ends it for us) was rejected: with the length in
//! front an oversized message is refused at once and by name.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Largest body of any frame, in bytes: one 4 MiB slice with its tag, its Merkle path and the
/// rest of its message.
pub const MAX_FRAME: usize = (4 << 20) + (64 << 10);

/// Largest body that a node accepts from a peer it does not know, in bytes: a transaction of
/// the largest size with its envelope.
pub const MAX_STRANGER_FRAME: usize = 96 << 10;

/// Bytes reserved before the first byte of a body has arrived.
const FIRST_RESERVE: usize = 64 << 10;

/// Why a frame could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The announced length exceeds the limit; nothing of the body was read.
    #[error("the message has {length} bytes, but at most {limit} are accepted here")]
    TooLarge {
        /// Announced length of the body in bytes.
        length: usize,
        /// Accepted length in bytes.
        limit: usize,
    },
    /// The stream ended inside a frame.
    #[error("the message ended after {got} of {length} bytes")]
    Short {
        /// Bytes that arrived.
        got: usize,
        /// Announced length of the body in bytes.
        length: usize,
    },
    /// The stream itself failed.
    #[error("the stream failed")]
    Stream(#[source] io::Error),
}

/// Reads one frame of at most `limit` bytes.
///
/// # Errors
/// [`FrameError`] when the announced length is over the limit, or when the stream ends early
/// or fails.
pub async fn read<R: AsyncRead + Unpin>(
    stream: &mut R,
    limit: usize,
) -> Result<Vec<u8>, FrameError> {
    let length = read_length(stream, limit).await?;
    read_body(stream, length).await
}

/// Reads the length of a frame of at most `limit` bytes; [`read_body`] reads the rest.
///
/// # Errors
/// As [`read`].
pub async fn read_length<R: AsyncRead + Unpin>(
    stream: &mut R,
    limit: usize,
) -> Result<usize, FrameError> {
    let mut prefix = [0; 4];
    stream
        .read_exact(&mut prefix)
        .await
        .map_err(FrameError::Stream)?;
    let length = u32::from_le_bytes(prefix) as usize;
    if length > limit {
        return Err(FrameError::TooLarge { length, limit });
    }
    Ok(length)
}

/// Reads the body of a frame whose length is known.
///
/// # Errors
/// As [`read`].
pub async fn read_body<R: AsyncRead + Unpin>(
    stream: &mut R,
    length: usize,
) -> Result<Vec<u8>, FrameError> {
    let mut body = Vec::with_capacity(length.min(FIRST_RESERVE));
    stream
        .take(length as u64)
        .read_to_end(&mut body)
        .await
        .map_err(FrameError::Stream)?;
    if body.len() < length {
        return Err(FrameError::Short {
            got: body.len(),
            length,
        });
    }
    Ok(body)
}

/// Writes one frame of at most `limit` bytes.
///
/// # Errors
/// [`FrameError::TooLarge`] before anything is written when `body` exceeds `limit` or 4 GiB;
/// [`FrameError::Stream`] when the stream fails.
pub async fn write<W: AsyncWrite + Unpin>(
    stream: &mut W,
    body: &[u8],
    limit: usize,
) -> Result<(), FrameError> {
    let length = body.len();
    let Some(prefix) = u32::try_from(length).ok().filter(|_| length <= limit) else {
        return Err(FrameError::TooLarge { length, limit });
    };
    // In one piece: a prefix on its own would travel, and wake the reader, on its own.
    let frame = [&prefix.to_le_bytes(), body].concat();
    stream.write_all(&frame).await.map_err(FrameError::Stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_frame_comes_back_as_it_was_written() {
        let mut wire = Vec::new();
        write(&mut wire, b"hello", 5).await.unwrap();
        assert_eq!(wire, b"\x05\0\0\0hello");
        assert_eq!(read(&mut wire.as_slice(), 5).await.unwrap(), b"hello");
    }

    #[tokio::test]
    async fn a_length_over_the_limit_is_refused_before_its_body() {
        let mut wire: &[u8] = &[0xff, 0xff, 0xff, 0xff, 1, 2, 3];
        let error = read(&mut wire, MAX_FRAME).await.unwrap_err();
        assert!(matches!(
            error,
            FrameError::TooLarge {
                length: 0xffff_ffff,
                limit: MAX_FRAME
            }
        ));
        assert_eq!(wire, [1, 2, 3], "the body stays unread");
    }

    #[tokio::test]
    async fn a_short_body_is_refused() {
        let mut wire: &[u8] = &[10, 0, 0, 0, 1, 2, 3];
        let error = read(&mut wire, MAX_FRAME).await.unwrap_err();
        assert!(matches!(error, FrameError::Short { got: 3, length: 10 }));
    }

    #[tokio::test]
    async fn an_oversized_body_is_not_written() {
        let mut wire = Vec::new();
        let error = write(&mut wire, &[0; 6], 5).await.unwrap_err();
        assert!(matches!(error, FrameError::TooLarge { .. }));
        assert!(wire.is_empty());
    }
}
