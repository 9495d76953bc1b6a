//! The Network Connection of a client, or the way to one.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
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
                Moved::Bytes(poll_fn(|context| wire.poll_moved(context, reads)).await)
            }
        }
    }
}
