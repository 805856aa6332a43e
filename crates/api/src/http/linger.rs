//! A connection that is closed only when its peer has had time to read the answer.
//!
//! An answer may be ready before all of a request is here: a body that is too long is refused by
//! its first line. To close then, with bytes unread, makes the system reset the connection, and a
//! peer that is still writing sees a broken pipe where our answer says what was wrong (RFC 9112,
//! section 9.6). So our direction ends first, and what still comes is read and thrown away, for a
//! bounded time and to a bounded length.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Sleep, sleep},
};

/// Longest time from the end of our direction to the close.
const LINGER: Duration = Duration::from_secs(5);

/// Bytes that are thrown away at most.
const MAX_DISCARDED: usize = 16 << 20;

/// A stream whose shutdown is over when the peer has closed, too, or has had its time.
#[derive(Debug)]
pub(super) struct Lingering {
    stream: TcpStream,
    /// Once our direction has ended: when to close, and how much may still come.
    closing: Option<(Pin<Box<Sleep>>, usize)>,
}

impl Lingering {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            closing: None,
        }
    }
}

impl AsyncRead for Lingering {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl AsyncWrite for Lingering {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.closing.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
        }
        let (over, left) = this
            .closing
            .get_or_insert_with(|| (Box::pin(sleep(LINGER)), MAX_DISCARDED));
        let mut scratch = [0; 16 << 10];
        while *left > 0 && over.as_mut().poll(cx).is_pending() {
            let mut discarded = ReadBuf::new(&mut scratch);
            // A connection that fails now has nothing to lose.
            if ready!(Pin::new(&mut this.stream).poll_read(cx, &mut discarded)).is_err() {
                break;
            }
            match discarded.filled().len() {
                0 => break,
                read => *left = left.saturating_sub(read),
            }
        }
        Poll::Ready(Ok(()))
    }
}
