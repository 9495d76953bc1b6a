//! The bytes of one Network Connection, in both directions.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use mqtt5_session_fsm::codec::bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::timeout;

/// How many bytes are read at once.
const READ_SIZE: usize = 1 << 14;
/// How many bytes may wait to be written. Messages wait in the Session meanwhile, which has limits of its own.
pub(crate) const OUTPUT_SIZE: usize = 1 << 16;
/// How long the last packets of a connection may take to leave, and the peer's to come.
const LAST_PACKETS: Duration = Duration::from_secs(5);
/// And how many bytes are read of it.
const LINGERING: usize = 1 << 18;

/// A stream with what was read and not taken, and what is to be written.
pub(crate) struct Wire<S> {
    stream: S,
    pub(crate) input: BytesMut,
    pub(crate) output: BytesMut,
    /// Bytes were given to the stream that it may still hold.
    is_unflushed: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub(crate) fn new(stream: S) -> Self {
        Wire {
            stream,
            input: BytesMut::new(),
            output: BytesMut::new(),
            is_unflushed: false,
        }
    }

    /// Completes when bytes were read, if `reads`, or some of the first `free` bytes of the output were written. Returns
    /// how many were written.
    ///
    /// # Errors
    ///
    /// Those of the stream; the end of the stream.
    pub(crate) fn poll_moved(
        &mut self,
        context: &mut Context<'_>,
        reads: bool,
        free: usize,
    ) -> Poll<io::Result<usize>> {
        let mut written = 0;
        if free > 0 {
            let stream = Pin::new(&mut self.stream);
            match stream.poll_write(context, &self.output[..free])? {
                Poll::Ready(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(bytes) => {
                    written = bytes;
                    self.output.advance(bytes);
                    self.is_unflushed = true;
                }
                Poll::Pending => {}
            }
        }
        if self.is_unflushed && written == free {
            self.is_unflushed = Pin::new(&mut self.stream).poll_flush(context)?.is_pending();
        }
        let has_read = reads && self.poll_read(context)?.is_ready();
        match written > 0 || has_read {
            true => Poll::Ready(Ok(written)),
            false => Poll::Pending,
        }
    }

    /// A connection that is silent holds no buffer: the bytes come by way of the stack.
    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut bytes = [MaybeUninit::uninit(); READ_SIZE];
        let mut bytes = ReadBuf::uninit(&mut bytes);
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut bytes))?;
        if bytes.filled().is_empty() {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        self.input.extend_from_slice(bytes.filled());
        Poll::Ready(Ok(()))
    }

    /// Bytes were taken off the front of the input.
    pub(crate) fn taken(&mut self, bytes: usize) {
        self.input.advance(bytes);
        if self.input.is_empty() {
            self.input = BytesMut::new();
        }
    }

    /// The output is written. A connection that is silent holds no buffer.
    pub(crate) fn release_output(&mut self) {
        if self.output.is_empty() && self.output.capacity() > 0 {
            self.output = BytesMut::new();
        }
    }

    /// Ends the connection after a last packet, which may say why.
    ///
    /// What still comes is read to its end: a socket that is closed with unread bytes resets the connection, and the last
    /// packet would be lost.
    pub(crate) async fn close(&mut self) {
        let last = async {
            self.stream.write_all_buf(&mut self.output).await?;
            self.stream.shutdown().await?;
            let mut left = LINGERING;
            while left > 0 {
                match self.stream.read(&mut [0; 1024]).await? {
                    0 => break,
                    bytes => left = left.saturating_sub(bytes),
                }
            }
            io::Result::Ok(())
        };
        let _ = timeout(LAST_PACKETS, last).await;
    }
}
