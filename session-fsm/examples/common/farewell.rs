//! The end of a connection that a machine has closed.

use std::time::Duration;

use mqtt5_session_fsm::codec::bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::time::timeout;

/// Writes the last packet, which may say why, and reads what still comes to its end: a socket that is closed with
/// unread bytes resets the connection, and the packet would be lost. Neither takes longer than five seconds.
pub(crate) async fn say(mut reader: ReadHalf<'_>, mut writer: WriteHalf<'_>, mut output: BytesMut) {
    let last = async {
        writer.write_all_buf(&mut output).await?;
        writer.shutdown().await?;
        while reader.read(&mut [0; 4096]).await? > 0 {}
        std::io::Result::Ok(())
    };
    let _ = timeout(Duration::from_secs(5), last).await;
}
