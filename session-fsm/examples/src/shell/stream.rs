//! Network Connections for the shells.

use std::io;
use std::time::Duration;

use mqtt5_session_fsm::codec::bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Any stream will do: TCP, TLS, or memory in tests.
pub(crate) trait Stream: AsyncRead + AsyncWrite {}

impl<T: AsyncRead + AsyncWrite> Stream for T {}

/// Connects to a server, within ten seconds.
pub(crate) async fn open(server: &str) -> io::Result<TcpStream> {
    let stream = timeout(Duration::from_secs(10), TcpStream::connect(server)).await??;
    // Packets are small, and answers are waited for.
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Ends a connection that a machine has closed.
///
/// Writes the last packet, which may say why, and reads what still comes to its end: a socket that
/// is closed with unread bytes resets the connection, and the packet would be lost. Neither takes
/// longer than five seconds.
pub(crate) async fn close(
    mut reader: impl AsyncRead + Unpin,
    mut writer: impl AsyncWrite + Unpin,
    mut output: BytesMut,
) {
    let last = async {
        writer.write_all_buf(&mut output).await?;
        writer.shutdown().await?;
        while reader.read(&mut [0; 4096]).await? > 0 {}
        io::Result::Ok(())
    };
    let _ = timeout(Duration::from_secs(5), last).await;
}
