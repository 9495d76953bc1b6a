//! Pure sans-IO MQTT 5.0 session and Quality of Service state machines, for both sides.
//!
//! # Contract
//!
//! * **Values.** A [`Client`], a [`Server`] and a [`Session`] are `Clone + Eq + Hash + Debug`, and `Send + Sync`.
//!   They own no socket, no clock, no thread and no source of randomness, and nothing in them depends on addresses
//!   or on the order of a hash map: the same calls give the same answers.
//! * **You bring time, and bytes.** `now` is an [`Instant`] of your clock, such as `Instant::ORIGIN + start.elapsed()`.
//!   If the clock goes backwards, no deadline is further away than its interval. Received bytes go in by `receive`; packets come out by `poll`, appended to a
//!   buffer of yours. Messages that are too large to be held whole go in piece by piece, by `handle_piece`.
//! * **The drain rule.** After calls that are not `poll`: call `poll` until it says nothing, doing what each
//!   [`Output`] says before anything else; then write the buffer to the network, and arm one timer for
//!   `next_timeout`, at which to call `handle_timeout`. It holds without a connection, too: then nothing is written.
//!   Several messages may be published before, or the packets of one read received. `poll` may also be put off, while the network is slow or because another task does it; `receive` must then be put off,
//!   too, as each packet may want an answer.
//! * **What a packet brings is the answer of `receive`**, an [`Event`] that borrows from the input and from the
//!   machine: take out of it what you need before you call the machine again. Nothing is copied. What happens
//!   without a packet comes out of `poll`, or out of `receive`, which reads no packet before it has returned everything
//!   that happened earlier: [`Event::SessionEnded`], for example, comes before the events of the next Session.
//! * **Call `receive` until it returns `None`**, and offer what is left again with what comes after it. Bytes that were
//!   left because something had to be reported or decided first are not forgotten: `next_timeout` lies in the past
//!   until they were offered again, or `handle_timeout` has been called twice.
//! * **Whatever was accepted has exactly one outcome.** `publish`, `subscribe` and `unsubscribe` give a
//!   [`Token`]; an [`Event::Outcome`] with it says what became of it, be it that nobody knows.
//! * **Nobody is taken for dead by mistake.** Bytes count as soon as `receive` is offered them, whole packets or not; a
//!   question counts once `poll` has written it. No deadline of the peer passes while `poll` has no room or was put off,
//!   and if `handle_timeout` is called late, the peer gets up to a second more. A host that leaves bytes unread for reasons
//!   of its own says so by `bytes_waiting`.
//! * **An error of the peer ends the Network Connection, not the machine.** The right answer is written, if one
//!   is allowed, and [`Output::Close`] tells the rule that was broken. Until `connect` is called
//!   again, a [`Client`] reads nothing more; a [`Server`] never does. No input makes anything panic.
//! * **How a connection ends.** If the machine ends it, [`Output::Close`] is the last that `poll` says; no other call
//!   is needed. If the network does, or you, call `connection_lost`, then `poll`. Then throw away what is left in
//!   both buffers: no byte of one connection may reach the next.
//! * **The Session outlives the connection.** With [`SessionConfig::persistent`], each change that has to survive
//!   a crash comes as [`Output::Persist`] *before* the packets that depend on it are written: store it, and only then
//!   call `poll` again. To store many at once, poll on, keep the changes in their order, and store them all before
//!   anything that was written since the first of them goes to the network.
//!   **Store what an event makes you do and the change that comes after it in one transaction:** then a crash loses
//!   nothing and does nothing twice. Stored apart, a crash between the two makes the event come again, and what it does
//!   is done again. [`Journal`] stores both in one batch; the example `crash_safe` does so on a disk.
//! * **Nothing grows without limit**, whoever chooses the sizes: [`memory`] lists every container of a machine, what
//!   bounds it, and what happens at the bound. Messages in flight and messages that wait have a limit together,
//!   [`SessionConfig::stored`]. What `poll` writes is in a buffer of yours: while much of it is still to be sent, do
//!   not poll; `publish` then returns [`PublishError::Busy`] at its limits, and `receive` reads no further at its own.
//!   A Server should not read meanwhile, either. A Client may, and should if it publishes much: if neither side
//!   reads, none can write.
//! * **No allocation per message** in the steady state, and constant time per packet, however many are in flight.
//! * No `unsafe` code, and `no_std` with `alloc`.
//!
//! # Features
//!
//! Both are on by default. `persistence`: [`Session::export`], [`Session::restore`], and the stored form of a
//! [`Change`]. `std`: passed on to the codec; nothing here needs it.
//!
//! # Helpers
//!
//! They are pure, bounded and without a clock, as the machines are, and work beside them.
//!
//! | to | use |
//! | --- | --- |
//! | connect again, to one of several servers | [`ReconnectPolicy`], [`Backoff`] |
//! | leave a server alone that does not answer | [`CircuitBreaker`], [`publish_breaker`] |
//! | ask and answer | [`Requests`], [`Reply`], [`services`] |
//! | recognize messages that come again | [`Deduplicator`] |
//! | keep messages in order from end to end | [`ordering`], [`ordered_publisher`] |
//! | process messages, with retries | [`processing`] |
//! | route messages by what they say about themselves | [`routing`] |
//! | know what Topic Aliases save | [`bandwidth`] |
//!
//! # A buffer with a limit
//!
//! A `Vec` or `BytesMut` grows: with it, [`Output::NeedsRoom`] never comes.
//!
//! ```
//! # use mqtt5_session_fsm::{Client, ClientConfig, Instant, Output, Session, SessionConfig};
//! use mqtt5_session_fsm::codec::bytes::{BufMut, BytesMut};
//!
//! # let now = Instant::ORIGIN;
//! # let mut client = Client::new(ClientConfig::default(), Session::of_client(SessionConfig::default()));
//! # let mut buffer = BytesMut::new();
//! let mut limit: usize = 64 * 1024;
//! loop {
//!     // What the network has not taken yet may be more than that.
//!     let room = limit.saturating_sub(buffer.len());
//!     match client.poll(now, &mut (&mut buffer).limit(room)) {
//!         None => break,
//!         // A packet that is larger may go, but alone.
//!         Some(Output::NeedsRoom(bytes)) if buffer.is_empty() => limit = bytes,
//!         Some(Output::NeedsRoom(_)) => break, // until the network has taken what is there
//!         Some(other) => println!("{other:?}"),
//!     }
//! }
//! ```
//!
//! # A connection
//!
//! ```
//! use mqtt5_session_fsm::codec::{Connect, Message, Publish, Qos, Text, TopicName};
//! use mqtt5_session_fsm::{
//!     Client, ClientConfig, Event, Instant, Outcome, Publication, Server, ServerConfig, Session,
//!     SessionConfig,
//! };
//!
//! let now = Instant::ORIGIN; // of your clock
//! let (mut up, mut down) = (Vec::new(), Vec::new()); // what a network would carry
//!
//! let mut client = Client::new(
//!     ClientConfig::default(),
//!     Session::of_client(SessionConfig::default()),
//! );
//! client.connect(now, &Connect {
//!     client_identifier: Text::new("sensor-7")?,
//!     ..Connect::default()
//! })?;
//! assert_eq!(client.poll(now, &mut up), None);
//!
//! let mut server = Server::new(now, ServerConfig::default());
//! let mut input = &up[..];
//! assert!(matches!(server.receive(now, &mut input), Some(Event::Connect(_))));
//! server.accept(now, None, &[])?;
//! assert_eq!(server.poll(now, &mut down), None);
//!
//! let mut input = &down[..];
//! assert!(matches!(client.receive(now, &mut input), Some(Event::Connected(_))));
//!
//! let message = Message::new(&Publish::new(TopicName::new("greenhouse/3")?, b"21.5"))?;
//! let token = client.publish(now, Publication::new(Qos::AtLeastOnce, message))?;
//! up.clear();
//! assert_eq!(client.poll(now, &mut up), None);
//!
//! let mut input = &up[..];
//! let Some(Event::Message(delivered)) = server.receive(now, &mut input) else { panic!() };
//! assert_eq!(delivered.publish.payload, b"21.5");
//! down.clear();
//! assert_eq!(server.poll(now, &mut down), None); // PUBACK
//!
//! let mut input = &down[..];
//! let Some(Event::Outcome(of, outcome)) = client.receive(now, &mut input) else { panic!() };
//! assert!(of == token && outcome.is_success());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]

extern crate alloc;

#[macro_use]
mod fault;

pub mod bandwidth;
mod circuit_breaker;
mod client;
mod connection;
mod deduplicate;
mod error;
mod event;
mod growth;
mod large;
mod limits;
mod list;
pub mod memory;
pub mod ordered_publisher;
pub mod ordering;
pub mod processing;
pub mod publish_breaker;
mod qos;
mod reconnect;
mod requests;
pub mod routing;
mod server;
pub mod services;
mod session;
mod side;
mod time;
mod token;
mod violation;
mod waiting;

pub use circuit_breaker::{
    CircuitBreaker, CircuitBreakerSettings, CircuitOpen, CircuitState, Pass,
};
pub use client::{Client, ClientConfig};
pub use connection::{PacketTimeouts, TopicAliases};
pub use deduplicate::{Deduplicator, Sighting};
pub use error::{NotTaken, PublishError, RestoreError, SendError};
pub use event::{Awaited, Cause, Delivered, Event, Output, PayloadPart, WillMessage};
pub use limits::Limits;
pub use qos::{Receipt, table};
pub use reconnect::{
    Attempt, Backoff, ConnectionFailure, GiveUp, ReconnectError, ReconnectPolicy,
    ReconnectSettings, Reconnection, RetryAdvice, ServerName, ServerReference,
};
pub use requests::{
    CorrelationData, Expired, Reply, RequestError, Requests, Response, response_topic,
};
pub use server::{Server, ServerConfig};
pub use session::{
    Acknowledgement, Change, Deadline, MessageState, Publication, RefusedPublication, Session,
    SessionConfig, StoredLimits, Unsettled, UnsettledKind, WithdrawError,
};
#[cfg(feature = "persistence")]
pub use session::{Journal, JournalError, JournalReader, Record, Records};
pub use time::Instant;
pub use token::{LimitExceeded, Outcome, Token};
pub use violation::{PeerError, SessionViolation};
pub use waiting::{WaitingLimits, WhenFull};

pub use mqtt5_codec as codec;
