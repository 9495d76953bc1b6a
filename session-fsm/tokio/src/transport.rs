//! Network Connections: any ordered, lossless stream of bytes (section 4.2).

#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "websocket")]
pub(crate) mod websocket;

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::{Address, Scheme};

/// A stream that MQTT can go over. Whatever reads and writes bytes is one.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + ?Sized> Stream for T {}

/// A stream of any kind.
pub type BoxedStream = Box<dyn Stream>;

/// A future of any kind.
pub type BoxedFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Opens the Network Connections of a client.
///
/// [`Network`] does so by TCP, TLS and WebSocket. Implement it for anything else: a proxy, a Unix socket, memory in a test.
pub trait Connector: Send + Sync + 'static {
    /// Opens a connection to a server, which is named as in the list of servers, or in a Server Reference.
    ///
    /// # Errors
    ///
    /// There is no connection. The client tries again later.
    fn open<'a>(&'a self, server: &'a str) -> BoxedFuture<'a, io::Result<BoxedStream>>;
}

/// The [`Connector`] of an ordinary client: TCP, and with the features `tls` and `websocket` all [`Scheme`]s.
#[derive(Clone)]
pub struct Network {
    /// Of servers that are named without one.
    scheme: Scheme,
    #[cfg(feature = "tls")]
    tls: Option<std::sync::Arc<rustls::ClientConfig>>,
}

impl Network {
    /// A connector for addresses, which may lack their scheme.
    #[must_use]
    pub const fn new(scheme: Scheme) -> Self {
        Network {
            scheme,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// Uses this configuration for TLS: client certificates, other authorities. Without one, the authorities are those that
    /// browsers trust.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self, config: std::sync::Arc<rustls::ClientConfig>) -> Self {
        self.tls = Some(config);
        self
    }

    /// Whether this crate was built for it.
    #[cfg(feature = "client")]
    pub(crate) fn check(scheme: Scheme) -> io::Result<()> {
        if scheme.is_secure() && !cfg!(feature = "tls") {
            return unsupported("the feature `tls` of mqtt5-tokio is off");
        }
        if scheme.is_websocket() && !cfg!(feature = "websocket") {
            return unsupported("the feature `websocket` of mqtt5-tokio is off");
        }
        match cfg!(feature = "tcp") {
            true => Ok(()),
            false => unsupported("the feature `tcp` of mqtt5-tokio is off"),
        }
    }

    async fn connect(&self, server: &str) -> io::Result<BoxedStream> {
        let address = Address::parse(server, self.scheme)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let stream = tcp(&address).await?;
        #[cfg(feature = "tls")]
        let stream = match address.scheme().is_secure() {
            true => tls::connect(self.tls.clone(), address.host(), stream).await?,
            false => stream,
        };
        #[cfg(feature = "websocket")]
        let stream = match address.scheme().is_websocket() {
            true => websocket::connect(&address, stream).await?,
            false => stream,
        };
        Ok(stream)
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Network")
            .field("scheme", &self.scheme)
            .finish_non_exhaustive()
    }
}

impl Connector for Network {
    fn open<'a>(&'a self, server: &'a str) -> BoxedFuture<'a, io::Result<BoxedStream>> {
        Box::pin(self.connect(server))
    }
}

#[cfg(feature = "tcp")]
async fn tcp(address: &Address) -> io::Result<BoxedStream> {
    let scheme = address.scheme();
    if scheme.is_secure() && !cfg!(feature = "tls")
        || scheme.is_websocket() && !cfg!(feature = "websocket")
    {
        return unsupported("a feature of mqtt5-tokio is off");
    }
    let stream = tokio::net::TcpStream::connect((address.host(), address.port())).await?;
    // Packets are small, and answers are waited for.
    stream.set_nodelay(true)?;
    Ok(Box::new(stream))
}

#[cfg(not(feature = "tcp"))]
async fn tcp(_: &Address) -> io::Result<BoxedStream> {
    unsupported("the feature `tcp` of mqtt5-tokio is off")
}

fn unsupported<T>(why: &str) -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::Unsupported, why))
}
