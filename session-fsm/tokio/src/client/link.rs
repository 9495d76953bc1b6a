//! The Network Connection of a client, or the way to one.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use mqtt5_session_fsm::Instant;
use mqtt5_session_fsm::codec::ProtocolVersion;
use tokio::time::timeout;

use crate::clock::Clock;
use crate::transport::{BoxedFuture, BoxedStream, Connector};
use crate::wire::Wire;

pub(super) enum Link {
    /// Until then.
    Waiting(Instant),
    Opening {
        server: String,
        /// To be offered.
        version: ProtocolVersion,
        stream: BoxedFuture<'static, io::Result<BoxedStream>>,
    },
    Open {
        wire: Wire<BoxedStream>,
    },
}

/// What happened.
pub(super) enum Moved {
    /// It is time to connect.
    Due,
    Opened(io::Result<BoxedStream>),
    /// Bytes were read or written.
    Bytes(io::Result<()>),
}

impl Link {
    pub(super) fn opening(
        connector: Arc<dyn Connector>,
        server: String,
        version: ProtocolVersion,
        within: Duration,
    ) -> Self {
        let name = server.clone();
        let stream = Box::pin(async move {
            match timeout(within, connector.open(&name)).await {
                Ok(stream) => stream,
                Err(_) => Err(io::ErrorKind::TimedOut.into()),
            }
        });
        Link::Opening {
            server,
            version,
            stream,
        }
    }

    /// Waits until something happens. Nothing is lost if the future is dropped.
    pub(super) async fn moved(&mut self, clock: Clock, reads: bool) -> Moved {
        match self {
            Link::Waiting(until) => {
                clock.sleep_until(*until).await;
                Moved::Due
            }
            Link::Opening { stream, .. } => Moved::Opened(stream.await),
            Link::Open { wire } => {
                Moved::Bytes(poll_fn(|context| poll_moved(wire, context, reads)).await)
            }
        }
    }
}

/// Completes when bytes were read, if `reads`, or some of the output were written.
fn poll_moved(
    wire: &mut Wire<BoxedStream>,
    context: &mut Context<'_>,
    reads: bool,
) -> Poll<io::Result<()>> {
    let has_written = wire.poll_write(context, wire.output.len())?.is_ready();
    let has_read = reads && wire.poll_read(context, |_| (0, ()))?.is_ready();
    match has_written || has_read {
        true => Poll::Ready(Ok(())),
        false => Poll::Pending,
    }
}
