//! The server: a broker behind any number of listeners.

mod access;
mod bell;
mod builder;
mod connection;
mod host;
mod store;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use mqtt5_session_fsm::Instant;
use mqtt5_session_fsm::broker::{Broker, Fanout};
use mqtt5_session_fsm::codec::{Message, Qos, ReasonCode};
use tokio::time::timeout;

use self::host::Host;
use crate::transport::Stream;

pub use self::access::{Access, Admitted, AllowAll, Exchange, Identity, Login, LoginAnswer, Peer};
pub use self::builder::{Report, ServerBuilder};
pub use self::store::Store;

/// How long clients may take for what waits for them when the server shuts down.
const DELIVERY: Duration = Duration::from_secs(1);
/// How long the connections may take to end then.
const LAST_PACKETS: Duration = Duration::from_secs(3);

/// A server: a [`Broker`], which tasks of the runtime serve. Clones of the handle share it.
///
/// It lives until [`Server::shut_down`], or until the runtime ends.
#[derive(Clone, Debug)]
pub struct Server {
    host: Arc<Host>,
}

impl Server {
    /// Starts a server with the default options. Call it in a runtime.
    ///
    /// # Errors
    ///
    /// As [`ServerBuilder::start`].
    pub fn start(access: impl Access) -> io::Result<Self> {
        Server::builder(access).start()
    }

    /// Begins with the options of a server, and who may do what.
    pub fn builder(access: impl Access) -> ServerBuilder {
        ServerBuilder::new(Arc::new(access))
    }

    /// Accepts connections until the server shuts down.
    ///
    /// # Errors
    ///
    /// The store has failed: nothing that depends on it has left. That a connection cannot be accepted is not an error: too
    /// many files are open, perhaps, and it is tried again.
    #[cfg(feature = "tcp")]
    pub async fn listen(&self, listener: tokio::net::TcpListener) -> io::Result<()> {
        let upgrade = |stream, peer| std::future::ready(Ok((stream, peer)));
        self.listen_with(listener, upgrade).await
    }

    /// As [`Server::listen`], with an upgrade of each connection, such as TLS or
    /// WebSocket, which must end within ten seconds.
    ///
    /// # Errors
    ///
    /// As [`Server::listen`].
    #[cfg(feature = "tcp")]
    pub async fn listen_with<S, F, U>(
        &self,
        listener: tokio::net::TcpListener,
        upgrade: U,
    ) -> io::Result<()>
    where
        S: Stream + 'static,
        F: Future<Output = io::Result<(S, Peer)>> + Send + 'static,
        U: Fn(tokio::net::TcpStream, Peer) -> F,
    {
        /// How long an upgrade may take.
        const UPGRADE: Duration = Duration::from_secs(10);
        /// How long to wait when no connection can be accepted.
        const PAUSE: Duration = Duration::from_millis(100);
        // Closed before it is counted as closed.
        let (_listening, listener) = (Listening::new(&self.host), listener);
        let mut is_reported = false;
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = self.host.ended() => break,
            };
            let (stream, address) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    if !std::mem::replace(&mut is_reported, true) {
                        self.host.not_accepted(None, &error);
                    }
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            is_reported = false;
            // Packets are small, and answers are waited for.
            let _ = stream.set_nodelay(true);
            let peer = Peer::at(address);
            let upgrade = upgrade(stream, peer.clone());
            let server = self.clone();
            tokio::spawn(async move {
                let upgraded = timeout(UPGRADE, upgrade).await;
                match upgraded.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
                    // Not here: this task has room for the upgrade.
                    Ok((stream, peer)) => drop(tokio::spawn(server.serve(stream, peer))),
                    Err(error) => server.host.not_accepted(Some(&peer), &error),
                }
            });
        }
        self.host.failure()
    }

    /// Serves one Network Connection until it is over. The server counts it from this call on, until the future has completed
    /// or is dropped.
    pub fn serve<S: Stream>(
        &self,
        stream: S,
        peer: Peer,
    ) -> impl Future<Output = ()> + Send + use<S> {
        connection::serve(&self.host, stream, peer)
    }

    /// Publishes a message of the server's own.
    ///
    /// # Errors
    ///
    /// The Reason Code 0x97 if the broker has no room for it, and 0x8B if the server has ended.
    pub fn publish(&self, message: Message, qos: Qos) -> Result<Fanout, ReasonCode> {
        if self.host.end.borrow().is_some() {
            return Err(ReasonCode::ServerShuttingDown);
        }
        self.host
            .call(|broker, now| broker.publish(now, message, qos))
    }

    /// Looks at the broker, which serves nobody meanwhile.
    pub fn look<R>(&self, look: impl FnOnce(&Broker) -> R) -> R {
        self.host.look(look)
    }

    /// Calls the broker, such as [`Broker::kick`] or [`Broker::withdraw`]. It serves nobody meanwhile.
    pub fn call<R>(&self, call: impl FnOnce(&mut Broker, Instant) -> R) -> R {
        self.host.call(call)
    }

    /// Ends the server: delivers what waits for clients that are connected and take it, within a second; ends all
    /// connections with this Reason Code, such as 0x8B; waits until the last packets have left, everything is stored, and the
    /// listeners are closed. Sessions are kept in the store.
    ///
    /// # Errors
    ///
    /// The store has failed.
    pub async fn shut_down(&self, reason_code: ReasonCode) -> io::Result<()> {
        let delivered = async {
            while !self.host.is_delivered() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let _ = timeout(DELIVERY, delivered).await;
        self.host
            .call(|broker, now| broker.drain(now, reason_code, None));
        let mut connections = self.host.connections.subscribe();
        let _ = timeout(LAST_PACKETS, connections.wait_for(|count| *count == 0)).await;
        let last = self.host.look(Broker::last_record);
        self.host.is_stored(last).await;
        self.host.stop(None);
        let mut listeners = self.host.listeners.subscribe();
        let _ = timeout(LAST_PACKETS, listeners.wait_for(|count| *count == 0)).await;
        self.host.failure()
    }

    /// Waits until the server has ended.
    ///
    /// # Errors
    ///
    /// The store has failed.
    pub async fn ended(&self) -> io::Result<()> {
        self.host.ended().await;
        self.host.failure()
    }
}

/// Counts a listener.
#[cfg(feature = "tcp")]
struct Listening<'a>(&'a Host);

#[cfg(feature = "tcp")]
impl<'a> Listening<'a> {
    fn new(host: &'a Host) -> Self {
        host.listeners.send_modify(|count| *count += 1);
        Listening(host)
    }
}

#[cfg(feature = "tcp")]
impl Drop for Listening<'_> {
    fn drop(&mut self) {
        self.0.listeners.send_modify(|count| *count -= 1);
    }
}
