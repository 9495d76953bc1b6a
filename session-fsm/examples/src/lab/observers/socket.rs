//! A socket, and the codec.

use mqtt5_tokio::codec::bytes::BytesMut;
use mqtt5_tokio::codec::framing::{Splitter, SplitterOutput};
use mqtt5_tokio::codec::{Packet, ProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::lab::Result;

/// A socket, and the codec: either side of a connection can be played with it.
#[derive(Debug)]
pub struct Socket {
    stream: TcpStream,
    version: ProtocolVersion,
    input: BytesMut,
}

impl Socket {
    /// Connects to a server. Packets are of this version.
    ///
    /// # Errors
    ///
    /// The server cannot be reached.
    pub async fn open(server: &str, version: ProtocolVersion) -> Result<Self> {
        Socket::new(TcpStream::connect(server).await?, version)
    }

    /// Speaks over a connection. Packets are of this version.
    ///
    /// # Errors
    ///
    /// The connection is gone.
    pub fn new(stream: TcpStream, version: ProtocolVersion) -> Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Socket {
            stream,
            version,
            input: BytesMut::new(),
        })
    }

    /// The stream alone, for what are not packets.
    #[must_use]
    pub fn into_stream(self) -> TcpStream {
        self.stream
    }

    /// Writes packets.
    ///
    /// # Errors
    ///
    /// A packet breaks a rule, or the connection is gone.
    pub async fn write(&mut self, packets: &[Packet<'_>]) -> Result<()> {
        let mut out = Vec::new();
        for packet in packets {
            packet.encode(self.version, &mut out)?;
        }
        Ok(self.stream.write_all(&out).await?)
    }

    /// Lends the next packet to `read`; `None` if the other side has closed the connection.
    ///
    /// # Errors
    ///
    /// What came is no packet, or the connection is gone.
    pub async fn next<R>(&mut self, read: impl FnOnce(&Packet<'_>) -> R) -> Result<Option<R>> {
        loop {
            match Splitter::new(1 << 24).next(&mut self.input)? {
                SplitterOutput::Ready(frame) => {
                    return Ok(Some(read(&frame.decode(self.version)?)));
                }
                _ => {
                    if self.stream.read_buf(&mut self.input).await? == 0 {
                        return Ok(None);
                    }
                }
            }
        }
    }
}
