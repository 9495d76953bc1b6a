//! An MQTT client and server for [tokio], of version 5.0 and 3.1.1.
//!
//! ```no_run
//! use mqtt5_tokio::{Client, Qos};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let (client, mut messages) = Client::connect("mqtt://localhost", "thermostat").await?;
//!     client.subscribe("greenhouse/+/temperature", Qos::AtLeastOnce).await?;
//!     client.publish("greenhouse/3/heating", "on", Qos::ExactlyOnce).await?;
//!     while let Some(message) = messages.next().await {
//!         println!("{}: {} bytes", message.topic(), message.payload().len());
//!     }
//!     Ok(())
//! }
//! ```
//!
//! The client connects again when it loses its connection, goes on with its Session, and makes its subscriptions again if
//! the server has lost the Session. [`Client::publish`] returns when the server has the message, or says what became of it.
//!
//! ```no_run
//! use mqtt5_tokio::{AllowAll, Server};
//! use tokio::net::TcpListener;
//!
//! #[tokio::main]
//! async fn main() -> std::io::Result<()> {
//!     let server = Server::start(AllowAll)?;
//!     server.listen(TcpListener::bind("127.0.0.1:1883").await?).await
//! }
//! ```
//!
//! # What is in it
//!
//! The protocol is in [`mqtt5_session_fsm`], which this crate re-exports as [`fsm`]: pure state machines that are checked
//! against every statement of the standards. This crate moves bytes, tells the time, and waits.
//!
//! | feature | default | what it adds |
//! | --- | --- | --- |
//! | `client` | on | [`Client`] |
//! | `server` | on | [`Server`] |
//! | `tcp` | on | `mqtt://` and listeners |
//! | `tls` | off | `mqtts://` by rustls, with the authorities that browsers trust, or your own configuration |
//! | `websocket` | off | `ws://`, and `wss://` with `tls`; `accept_websocket` for a server |
//! | `redb` | off | `RedbJournal` and `RedbStore`: what survives a crash, in a file |
//!
//! Any other stream of bytes will do, too: a client takes a [`Connector`], and [`Server::serve`] a stream.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod address;
#[cfg(feature = "client")]
mod client;
#[cfg(any(feature = "client", feature = "server"))]
mod clock;
#[cfg(all(feature = "redb", any(feature = "client", feature = "server")))]
mod database;
#[cfg(feature = "server")]
mod server;
mod transport;
#[cfg(any(feature = "client", feature = "server"))]
mod wire;

pub use mqtt5_session_fsm as fsm;
pub use mqtt5_session_fsm::broker::{BrokerConfig, Grant, Notice, Permission};
pub use mqtt5_session_fsm::codec;
pub use mqtt5_session_fsm::codec::{ProtocolVersion, Qos, ReasonCode, SubscriptionOptions};
pub use mqtt5_session_fsm::reconnect::{GiveUp, ReconnectSettings};
pub use mqtt5_session_fsm::{Publication, SessionConfig};

pub use self::address::{Address, AddressError, Scheme};
#[cfg(feature = "client")]
pub use self::client::{
    Authenticator, Client, ClientBuilder, ConnectError, ConnectionState, Journal, Message,
    Messages, PendingOutcome, PublishFailure, Published, RequestFailure, Will,
};
#[cfg(all(feature = "redb", feature = "client"))]
pub use self::database::RedbJournal;
#[cfg(all(feature = "redb", feature = "server"))]
pub use self::database::RedbStore;
#[cfg(feature = "server")]
pub use self::server::{
    Access, Admitted, AllowAll, Exchange, Identity, Login, LoginAnswer, Peer, Report, Server,
    ServerBuilder, Store,
};
#[cfg(all(feature = "websocket", feature = "server"))]
pub use self::transport::websocket::accept_websocket;
pub use self::transport::{BoxedFuture, BoxedStream, Connector, Network, Stream};

/// The program of the README.
#[cfg(all(doctest, feature = "client"))]
#[doc = include_str!("../README.md")]
struct Readme;
