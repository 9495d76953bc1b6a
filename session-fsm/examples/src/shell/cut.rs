//! A Network Connection that breaks after a number of bytes: in the middle of a packet, for example, or before the
//! answer to it is read.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How many bytes the connection still carries.
#[derive(Default)]
pub(crate) struct Fuse {
    pub(crate) left: Cell<usize>,
    /// Bytes count only while it burns.
    pub(crate) burns: Cell<bool>,
}

impl Fuse {
    /// Returns how many of these bytes may pass.
    fn admit(&self, bytes: usize) -> io::Result<usize> {
        match self.left.get() {
            0 => Err(io::ErrorKind::ConnectionReset.into()),
            left => Ok(left.min(bytes)),
        }
    }

    fn passed(&self, bytes: usize) {
        if self.burns.get() {
            self.left.update(|left| left - bytes);
        }
    }
}

pub(crate) struct Cut<S> {
    pub(crate) stream: S,
    pub(crate) fuse: Rc<Fuse>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Cut<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut bytes = [0; 4096];
        let length = self.fuse.admit(buffer.remaining().min(bytes.len()))?;
        let mut part = ReadBuf::new(&mut bytes[..length]);
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut part))?;
        buffer.put_slice(part.filled());
        self.fuse.passed(part.filled().len());
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Cut<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let length = self.fuse.admit(bytes.len())?;
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, &bytes[..length]))?;
        self.fuse.passed(written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
