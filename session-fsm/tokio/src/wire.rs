//! The bytes of one Network Connection, in both directions.

use std::io;
use std::mem::MaybeUninit;
use std::ops::Deref;
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

/// Bytes that wait. A connection that is silent has none, and they take the memory of a pointer.
#[derive(Default)]
pub(crate) struct Waiting(Option<Box<BytesMut>>);

impl Waiting {
    /// Calls a function that may append to them.
    pub(crate) fn append<R>(&mut self, append: impl FnOnce(&mut BytesMut) -> R) -> R {
        if let Some(bytes) = &mut self.0 {
            return append(bytes);
        }
        let mut bytes = BytesMut::new();
        let result = append(&mut bytes);
        if !bytes.is_empty() {
            self.0 = Some(Box::new(bytes));
        }
        result
    }

    /// The first ones do not wait any more.
    pub(crate) fn advance(&mut self, count: usize) {
        if let Some(bytes) = &mut self.0 {
            bytes.advance(count);
        }
        self.0.take_if(|bytes| bytes.is_empty());
    }
}

impl Deref for Waiting {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0.as_deref().map_or(&[], |bytes| bytes)
    }
}

/// A stream with what was read and not taken, and what is to be written.
pub(crate) struct Wire<S> {
    stream: S,
    pub(crate) input: Waiting,
    pub(crate) output: Waiting,
    /// Bytes were given to the stream that it may still hold.
    is_unflushed: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub(crate) fn new(stream: S) -> Self {
        Wire {
            stream,
            input: Waiting::default(),
            output: Waiting::default(),
            is_unflushed: false,
        }
    }

    /// Completes when some of the first `free` bytes of the output were written. Returns how many.
    ///
    /// # Errors
    ///
    /// Those of the stream.
    pub(crate) fn poll_write(
        &mut self,
        context: &mut Context<'_>,
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
        match written {
            0 => Poll::Pending,
            _ => Poll::Ready(Ok(written)),
        }
    }

    /// Completes when bytes were read: what waits in the input, and these. Gives them to `take`, which returns how many it
    /// took, and what this returns. The others wait.
    ///
    /// # Errors
    ///
    /// Those of the stream; the end of the stream.
    pub(crate) fn poll_read<R>(
        &mut self,
        context: &mut Context<'_>,
        take: impl FnOnce(&[u8]) -> (usize, R),
    ) -> Poll<io::Result<R>> {
        // On the stack: a connection that is silent holds no buffer.
        let mut bytes = [MaybeUninit::uninit(); READ_SIZE];
        let mut bytes = ReadBuf::uninit(&mut bytes);
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut bytes))?;
        let bytes = bytes.filled();
        if bytes.is_empty() {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        let result = if self.input.is_empty() {
            let (taken, result) = take(bytes);
            self.input
                .append(|input| input.extend_from_slice(&bytes[taken..]));
            result
        } else {
            self.input.append(|input| input.extend_from_slice(bytes));
            let (taken, result) = take(&self.input);
            self.input.advance(taken);
            result
        };
        Poll::Ready(Ok(result))
    }

    /// Ends the connection after a last packet, which may say why.
    ///
    /// What still comes is read to its end: a socket that is closed with unread bytes resets the connection, and the last
    /// packet would be lost.
    pub(crate) async fn close(&mut self) {
        let last = async {
            self.stream.write_all(&self.output).await?;
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
