//! The connections of the gateway.

use std::fmt;
use std::io;
use std::sync::Arc;

use mqtt5_tokio::codec::bytes::BytesMut;
use mqtt5_tokio::codec::framing::{Frame, Splitter, SplitterOutput};
use mqtt5_tokio::codec::{DecodeError, ProtocolVersion, Segments};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, tcp};
use tokio::sync::watch;
use tracing::{info, warn};

use super::rewrite::{RewriteError, Rewriter};

/// A gateway: for each client that connects, it connects to the server.
#[derive(Debug)]
pub struct Gateway {
    /// The address of the server.
    pub server: String,
    /// What it changes.
    pub rewriter: Rewriter,
}

/// Why a connection ended.
#[derive(Debug)]
pub enum RelayError {
    /// The network.
    Network(io::Error),
    /// A packet that cannot go on.
    Rewrite(RewriteError),
}

impl From<io::Error> for RelayError {
    fn from(error: io::Error) -> Self {
        RelayError::Network(error)
    }
}

impl From<RewriteError> for RelayError {
    fn from(error: RewriteError) -> Self {
        RelayError::Rewrite(error)
    }
}

impl From<DecodeError> for RelayError {
    fn from(error: DecodeError) -> Self {
        RelayError::Rewrite(error.into())
    }
}

impl fmt::Display for RelayError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RelayError::Network(error) => error.fmt(formatter),
            RelayError::Rewrite(error) => error.fmt(formatter),
        }
    }
}

impl std::error::Error for RelayError {}

impl Gateway {
    /// A gateway to this server.
    #[must_use]
    pub const fn new(server: String, rewriter: Rewriter) -> Self {
        Gateway { server, rewriter }
    }

    /// Serves clients for ever.
    pub async fn serve(self: Arc<Self>, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((client, peer)) => {
                    let gateway = self.clone();
                    tokio::spawn(async move {
                        match gateway.relay(client).await {
                            Ok(()) => info!(%peer, "the connection is closed"),
                            Err(error) => warn!(%peer, %error, "the connection is closed"),
                        }
                    });
                }
                Err(error) => {
                    warn!(%error, "no connection can be accepted");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
            }
        }
    }

    /// Relays one connection until one of both ends closes it.
    ///
    /// # Errors
    ///
    /// [`RelayError`].
    pub async fn relay(&self, client: TcpStream) -> Result<(), RelayError> {
        let server = TcpStream::connect(&self.server).await?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        // The CONNECT says it, before the server says anything.
        let spoken = watch::Sender::new(None);
        let splitter = Splitter::new(self.rewriter.maximum_packet_size());
        let upwards = pump(splitter, from_client, to_server, |frame, out| {
            let mut version = *spoken.borrow();
            self.rewriter.to_server(&mut version, frame, out)?;
            spoken.send_replace(version);
            Ok(())
        });
        let downwards = pump(splitter, from_server, to_client, |frame, out| {
            let version: ProtocolVersion = (*spoken.borrow()).ok_or(RewriteError::Unexpected)?;
            self.rewriter.to_client(version, frame, out)
        });
        tokio::select! {
            ended = upwards => ended,
            ended = downwards => ended,
        }
    }
}

/// Reads packets, changes them, and writes them, until the stream ends.
async fn pump(
    splitter: Splitter,
    mut from: tcp::OwnedReadHalf,
    mut to: tcp::OwnedWriteHalf,
    mut change: impl FnMut(&Frame, &mut Segments) -> Result<(), RewriteError>,
) -> Result<(), RelayError> {
    let mut input = BytesMut::new();
    let mut out = Segments::new();
    while from.read_buf(&mut input).await? > 0 {
        let result: Result<(), RelayError> = loop {
            match splitter.next(&mut input) {
                Ok(SplitterOutput::Ready(frame)) => {
                    if let Err(error) = change(&frame, &mut out) {
                        break Err(error.into());
                    }
                }
                Ok(SplitterOutput::Incomplete { .. }) => break Ok(()),
                Err(error) => break Err(error.into()),
            }
        };
        // What was right goes on, whatever came behind it. Large payloads leave from where they came in.
        while !out.is_empty() {
            to.write_buf(&mut out).await?;
        }
        result?;
    }
    Ok(())
}
