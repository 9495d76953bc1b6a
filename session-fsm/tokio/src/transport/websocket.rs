//! MQTT over WebSocket (section 6): packets in binary frames, which need not begin or end where packets do.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::{Sink, Stream as _};
use mqtt5_session_fsm::codec::bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::{Address, BoxedStream};

/// The name of the subprotocol [MQTT-6.0.0-3] [MQTT-6.0.0-4].
const SUBPROTOCOL: &str = "mqtt";
const HEADER: &str = "sec-websocket-protocol";
/// How many bytes go into one frame.
const FRAME: usize = 1 << 16;

fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        // What is written is written at once: who writes has a buffer.
        .write_buffer_size(0)
        .max_write_buffer_size(4 * FRAME)
        // A frame is kept whole. It need not hold whole packets, so no sender needs a larger one.
        .max_message_size(Some(1 << 20))
        .max_frame_size(Some(1 << 20))
}

pub(super) async fn connect(address: &Address, stream: BoxedStream) -> io::Result<BoxedStream> {
    let host = match address.host().contains(':') {
        true => format!("[{}]", address.host()),
        false => address.host().to_owned(),
    };
    let (port, path) = (address.port(), address.path());
    let mut request = format!("ws://{host}:{port}{path}")
        .into_client_request()
        .map_err(broken)?;
    let name = HeaderValue::from_static(SUBPROTOCOL);
    request.headers_mut().insert(HEADER, name);
    let (stream, _) = client_async_with_config(request, stream, Some(config()))
        .await
        .map_err(broken)?;
    Ok(Box::new(WebSocket::new(stream)))
}

/// Takes a client that connects by WebSocket, on any path.
///
/// # Errors
///
/// The handshake fails, or the client does not offer the subprotocol `mqtt`.
#[cfg(feature = "server")]
pub async fn accept_websocket<S: crate::Stream + 'static>(
    stream: S,
) -> io::Result<impl crate::Stream> {
    use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
    use tokio_tungstenite::tungstenite::http::StatusCode;

    #[allow(clippy::result_large_err)]
    let check = |request: &Request, mut response: Response| {
        let offered = request.headers().get_all(HEADER).iter();
        let mut names = offered
            .filter_map(|it| it.to_str().ok())
            .flat_map(|it| it.split(','));
        if !names.any(|it| it.trim().eq_ignore_ascii_case(SUBPROTOCOL)) {
            let mut refusal = ErrorResponse::new(Some("only the subprotocol mqtt".into()));
            *refusal.status_mut() = StatusCode::BAD_REQUEST;
            return Err(refusal);
        }
        let name = HeaderValue::from_static(SUBPROTOCOL);
        response.headers_mut().insert(HEADER, name);
        Ok(response)
    };
    let stream = tokio_tungstenite::accept_hdr_async_with_config(stream, check, Some(config()))
        .await
        .map_err(broken)?;
    Ok(WebSocket::new(stream))
}

/// The bytes in the frames of a WebSocket.
struct WebSocket<S> {
    frames: WebSocketStream<S>,
    /// What is left of the last frame.
    left: Bytes,
}

impl<S> WebSocket<S> {
    fn new(frames: WebSocketStream<S>) -> Self {
        WebSocket {
            frames,
            left: Bytes::new(),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for WebSocket<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.left.is_empty() {
            match ready!(Pin::new(&mut self.frames).poll_next(context)) {
                Some(Ok(Message::Binary(bytes))) => self.left = bytes,
                // [MQTT-6.0.0-1]
                Some(Ok(Message::Text(_))) => {
                    let error = "a text frame, where MQTT has binary frames";
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, error)));
                }
                Some(Ok(Message::Close(_))) | None => return Poll::Ready(Ok(())),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Poll::Ready(Err(broken(error))),
            }
        }
        let bytes = self.left.len().min(into.remaining());
        into.put_slice(&self.left[..bytes]);
        self.left.advance(bytes);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for WebSocket<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut frames = Pin::new(&mut self.frames);
        ready!(frames.as_mut().poll_ready(context)).map_err(broken)?;
        let bytes = &bytes[..bytes.len().min(FRAME)];
        let frame = Message::Binary(Bytes::copy_from_slice(bytes));
        frames.start_send(frame).map_err(broken)?;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.frames)
            .poll_flush(context)
            .map_err(broken)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.frames)
            .poll_close(context)
            .map_err(broken)
    }
}

fn broken(error: Error) -> io::Error {
    match error {
        Error::Io(error) => error,
        Error::ConnectionClosed | Error::AlreadyClosed => io::ErrorKind::NotConnected.into(),
        other => io::Error::other(other),
    }
}
