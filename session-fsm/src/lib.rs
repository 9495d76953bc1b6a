//! Pure sans-IO MQTT 5.0 session and Quality of Service state machines, for both sides.
//!
//! # Contract
//!
//! * **Machines are values.** A [`Client`], a [`Server`] and a [`Session`] are `Clone + Eq + Hash + Debug + Send + Sync`.
//!   They own no socket, clock, thread or source of randomness: the same calls return the same results.
//! * **You bring time and bytes.** `now` is an [`Instant`] of your clock, such as `Instant::ORIGIN + start.elapsed()`. If
//!   the clock goes back, no deadline moves further away than its interval. Received bytes go into `receive`. `poll`
//!   appends packets to a buffer of yours.
//! * **The drain rule.** After other calls, however many, call `poll` until it returns `None`. Do what each [`Output`]
//!   says before the next call. Then write the buffer to the network, and arm one timer for `next_timeout`, at which
//!   you call `handle_timeout`.
//! * **Receive until `None`.** Each [`Event`] borrows from the input and from the machine; nothing is copied. What
//!   happened before a packet is returned before the packet is read. Offer what is left again, with what comes after
//!   it; if it lacks nothing, `next_timeout` is due at once.
//! * **Everything accepted has exactly one outcome.** `publish`, `subscribe` and `unsubscribe` return a [`Token`]. An
//!   [`Event::Outcome`] says what became of it, or that nobody knows.
//! * **Nobody is taken for dead by mistake.** Bytes count when `receive` is offered them, whole packets or not. A question
//!   counts when `poll` has written it. No deadline of the peer passes while `poll` is put off or has no room. If
//!   `handle_timeout` is late, the peer gets up to a second more. If you leave bytes unread for reasons of your own,
//!   call `bytes_waiting`.
//! * **An error of the peer ends the Network Connection, not the machine.** The answer that the standard allows is
//!   written, and [`Output::Close`] names the rule that was broken. A [`Client`] reads again after `connect`; a [`Server`]
//!   does not. No input causes a panic.
//! * **How a connection ends.** If the machine ends it, [`Output::Close`] is the last output, and no other call is
//!   needed. If the network or you end it, call `connection_lost`, then `poll`. Discard what is left in both buffers: no
//!   byte of one connection may reach the next.
//! * **A Session survives a crash** if it is [`persistent`](SessionConfig::persistent): [`Output::Persist`] brings each
//!   [`Change`] before the packets that depend on it. Store it before you call `poll` again; or collect changes, and
//!   store them all, in order, before anything that was written since the first of them goes to the network. **Store
//!   what an event makes you do and the change after it in one transaction**: then a crash loses nothing and repeats
//!   nothing. Stored apart, a crash between the two repeats the event. A [`Journal`](journal::Journal) stores both in one batch, as the
//!   example `crash_safe` does on a disk.
//! * **Nothing grows without limit.** [`memory`] lists every container, its bound, and what happens there. The output buffer is yours: while it is full, do not poll. `publish` then returns
//!   [`PublishError::Busy`] at its limits, and `receive` stops at its own. A Client may go on reading, and should if it
//!   publishes much: if neither side reads, neither can write.
//! * **No allocation per message** in the steady state, and constant time per packet, however many are in flight.
//! * No `unsafe` code, and `no_std` with `alloc`.
//!
//! # Features
//!
//! `persistence`, on by default: [`Session::export`], [`Session::restore`], and the stored form of a [`Change`]. `std`, on by
//! default: passed on to the codec; nothing here needs it. `inspect`: for the checks of this crate, which ask what rows of
//! the state [`table`]s the machines have run; nothing else should use it.
//!
//! # Guides
//!
//! [`guide::qos`] helps to choose a QoS, and says what each level costs and promises. [`guide::persistence`] says what to
//! store and when. [`guide::performance`] says what a message costs, and which command measures it. [`table`] draws the
//! state machines.
//!
//! # Helpers
//!
//! They are pure, bounded and without a clock, as the machines are, and work beside them.
//!
//! | to | use |
//! | --- | --- |
//! | connect again, to one of several servers | [`reconnect`] |
//! | leave a server alone that does not answer | [`circuit_breaker`], [`publish_breaker`] |
//! | ask and answer | [`request_response`], [`services`] |
//! | recognize messages that come again | [`deduplicate`] |
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
#[macro_use]
mod machine;

pub mod bandwidth;
mod client;
mod connection;
mod error;
mod event;
mod exchange;
pub mod guide;
mod helpers;
mod limits;
pub mod memory;
mod server;
mod session;
mod time;
mod token;
mod violation;

pub use client::{Client, ClientConfig};
pub use connection::{PacketTimeouts, TopicAliases};
pub use error::{NotTaken, PublishError, RestoreError, SendError};
pub use event::{Awaited, Cause, Delivered, Event, Output, PayloadPart, WillMessage};
pub use exchange::{Receipt, table};
#[cfg(feature = "persistence")]
pub use helpers::journal;
pub use helpers::{
    circuit_breaker, deduplicate, ordered_publisher, ordering, processing, publish_breaker,
    reconnect, request_response, routing, services,
};
pub use limits::Limits;
pub use server::{Lent, Server, ServerConfig, ServerConnection};
pub use session::{
    Acknowledgement, Change, Deadline, MessageState, Publication, QueuedMessage,
    RefusedPublication, Session, SessionConfig, StoredLimits, SubscriptionIdentifiers, Unsettled,
    UnsettledKind, WaitingLimits, WhenFull, WithdrawError,
};
pub use time::Instant;
pub use token::{LimitExceeded, Outcome, Token};
pub use violation::{PeerError, SessionViolation};

pub use mqtt5_codec as codec;
