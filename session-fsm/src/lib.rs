//! Pure sans-IO MQTT 5.0 session and Quality of Service state machines, for both sides.
//!
//! # Contract
//!
//! **After any number of other calls, call `poll` until it returns `None`, and do what each
//! [`Output`] says before the next call.**
//!
//! A [`Client`] or a [`Server`] needs six steps, of which 2 to 5 repeat:
//!
//! 1. **Begin** when the Network Connection exists: call [`Client::connect`], or make a [`Server`].
//! 2. **Receive.** Offer the bytes from the network to `receive` until it returns `None`. Keep the
//!    bytes that it left, and offer them again with the bytes that come after them.
//! 3. **Handle each [`Event`].** Publish, subscribe, acknowledge, accept: the machine queues what
//!    these calls send.
//! 4. **Poll until `None`.** Packets are appended to your buffer. Store each [`Output::Persist`].
//! 5. **Write** the buffer to the network. Then sleep until bytes arrive, until the application
//!    wants something, or until `next_timeout`, at which you call `handle_timeout`.
//! 6. **End.** [`Output::Close`] is the last output of a connection: write the buffer, then close
//!    the connection. If the network or you end it, call `connection_lost`, then `poll`. Discard
//!    what is left in both buffers: no byte of one connection may reach the next.
//!
//! The exceptions:
//!
//! * **A full buffer.** [`Output::NeedsRoom`] means that the next packet does not fit. Stop polling
//!   until the buffer has room. `receive` goes on to read until 1 MiB of answers waits.
//! * **Storing in batches.** You may collect several [`Output::Persist`], and store them in order,
//!   before anything that was written since the first of them goes to the network.
//! * **`publish_now`** writes to the buffer itself, and returns [`PublishError::Busy`] if `poll`
//!   must write first.
//! * **A Session in no machine** has a [`Session::poll`] of its own, which needs no buffer.
//!
//! # MQTT 3.1.1
//!
//! A [`Server`] takes Clients of MQTT 5 and of MQTT 3.1.1, as [`ServerConfig::versions`] says. A [`Client`]
//! speaks the version that its CONNECT names. The version belongs to the Network Connection: a Session may
//! come back with the other one. What MQTT 3.1.1 cannot say is translated or left out:
//!
//! | What the Server says | MQTT 3.1.1 |
//! | --- | --- |
//! | limits, an assigned ClientID, Reason Strings, User Properties | not said; limits are not held against the Client, but for the largest packet |
//! | a refusal of the CONNECT | the Connect Return code that fits, or the end without a CONNACK |
//! | Server Keep Alive | [`SendError::NotInVersion`] |
//! | Session Expiry Interval | holds if it is shorter, and is not said; Clean Session stands for 0 or for ever |
//! | an error in a PUBACK or PUBREC | [`SendError::NotInVersion`]: acknowledge, or disconnect |
//! | an error in a SUBACK | 0x80 |
//! | Reason Codes of an UNSUBACK | left out |
//! | properties of messages, Topic Aliases | left out; a message expires all the same |
//! | DISCONNECT | the connection is closed |
//! | AUTH | [`SendError::NotExpected`] |
//!
//! | What the Client says | MQTT 3.1.1 |
//! | --- | --- |
//! | properties of a CONNECT, SUBSCRIBE or UNSUBSCRIBE; No Local, Retain As Published, Retain Handling | [`SendError::Invalid`] |
//! | Session Expiry Interval | Clean Session stands for 0 or for ever, and is sent as given: [`Client::connect`] |
//! | properties of messages, Topic Aliases | left out |
//! | an error in a PUBACK or PUBREC | [`SendError::NotInVersion`]: acknowledge, or disconnect |
//! | DISCONNECT | said if its Reason Code is 0x00; with another one the connection is closed, and the Server publishes the Will Message |
//! | AUTH | [`SendError::NotExpected`] |
//!
//! What comes from a Server of MQTT 3.1.1 looks as in MQTT 5: [`Client::server_limits`] is
//! [`Limits::NONE`], so up to 65,535 messages may be in flight unless [`SessionConfig::in_flight`] says
//! less; a Connect Return code is a Reason Code; an UNSUBACK has Success for each Topic Filter. If the
//! Server has a Session and the Client has none, [`ClientConfig::unknown_session`] decides. For a Server
//! that does not speak the version, see
//! [`ReconnectSettings::fall_back`](reconnect::ReconnectSettings::fall_back).
//!
//! # When a call takes `now`
//!
//! **A call takes `now`, as its first argument, if it begins a time or compares one.** It does if
//! it reads or writes bytes, if it begins a Network Connection or may end it, if it accepts a
//! message, which may expire, and if it handles a timeout. A call that only queues a packet takes
//! none: the time for the answer begins when `poll` writes the packet. This holds for the helpers,
//! too.
//!
//! `now` is an [`Instant`] of your clock, such as `Instant::ORIGIN + start.elapsed()`. If the clock
//! goes back, no deadline moves further away than its interval.
//!
//! # Why there are two sources of events
//!
//! An event that a packet brings is returned by `receive`, because it borrows from the input, which
//! `poll` does not have. If `poll` returned all events, it would have to copy each message: in a
//! prototype, an exchange through both machines took 1,914 instead of 769 instructions at QoS 0,
//! 3,248 instead of 1,993 at QoS 1, and allocated.
//!
//! # Promises
//!
//! * **Machines are values.** A [`Client`], a [`Server`] and a [`Session`] are
//!   `Clone + Eq + Hash + Debug + Send + Sync`. They own no socket, clock, thread or source of
//!   randomness: the same calls return the same results.
//! * **Everything accepted has exactly one outcome.** `publish`, `subscribe` and `unsubscribe`
//!   return a [`Token`]. An [`Event::Outcome`] with the token says how it ended, or that
//!   this is unknown.
//! * **Events come in order.** What happened before a packet is returned before the packet is read,
//!   by `receive` or by `poll`, whichever is called first. If `receive` leaves whole packets
//!   unread, `next_timeout` is due at once.
//! * **A peer that is slow is not taken for dead.** Bytes count when `receive` is offered them,
//!   whole packets or not. The time for an answer begins when `poll` writes the question. No
//!   deadline of the peer passes while `poll` is put off or has no room. If `handle_timeout` is
//!   late, the peer gets up to a second more. If you leave bytes unread for reasons of your own,
//!   call `bytes_waiting`.
//! * **An error of the peer ends the Network Connection, not the machine.** The machine writes the
//!   answer that the standard allows, and [`Output::Close`] names the rule that was broken. A
//!   [`Client`] reads again after `connect`; a [`Server`] does not. No input causes a panic.
//! * **A Session survives a crash** if it is [`persistent`](SessionConfig::persistent):
//!   [`Output::Persist`] returns each [`Change`] before the packets that depend on it. **Store what
//!   an event makes you do and the change after it in one transaction**: then a crash loses nothing
//!   and repeats nothing. If they are stored apart, a crash between the two repeats the event. A
//!   [`Journal`](journal::Journal) stores both in one batch; the example `crash_safe` does so on a
//!   disk.
//! * **Nothing grows without limit.** [`memory`] lists every container, its bound, and what happens
//!   there. At its limits `publish` returns [`PublishError::Busy`], and `receive` stops reading. A
//!   Client whose buffer is full should go on reading: if neither side reads, neither side can
//!   write.
//! * **No allocation per message** in the steady state, and constant time per packet, however many
//!   are in flight.
//! * No `unsafe` code, and `no_std` with `alloc`.
//!
//! # Features
//!
//! | feature | default | what it adds |
//! | --- | --- | --- |
//! | `persistence` | on | [`Session::export`], [`Session::restore`], the stored form of a [`Change`], [`journal`], [`Broker`](broker::Broker) |
//! | `std` | on | passes `std` on to the codec; this crate does not use it |
//! | `tracing` | off | one line for each packet and each decision, as events of the crate `tracing`: see [`guide::tracing`] |
//! | `inspect` | off | for the checks of this crate: which rows of the state [`table`]s the machines have run |
//!
//! # Guides
//!
//! * [`guide::qos`]: which QoS to choose, what each level costs, and what it promises.
//! * [`guide::broker`]: how to build a broker, step by step.
//! * [`guide::persistence`]: what to store, and when.
//! * [`guide::performance`]: what a message costs, and which command measures it.
//! * [`guide::tracing`]: what the feature `tracing` writes.
//! * [`table`]: the state machines as drawings and as tables.
//!
//! # Brokers
//!
//! A [`Broker`](broker::Broker) is all that lies between the clients of a Server: subscriptions, Shared
//! Subscriptions, retained messages, Wills, limits, and the records of all that. [`guide::broker`] builds
//! a server on it. The parts are public modules of [`broker`], usable alone.
//!
//! # Helpers
//!
//! Helpers work beside the machines. Like the machines, they are pure and bounded, and have no
//! clock.
//!
//! | to | use |
//! | --- | --- |
//! | connect again, to one of several servers | [`reconnect`] |
//! | stop asking a server that does not answer | [`circuit_breaker`], [`publish_breaker`] |
//! | ask and answer | [`request_response`], [`services`] |
//! | recognize repeated messages | [`deduplicate`] |
//! | keep messages in order from end to end | [`ordering`], [`ordered_publisher`] |
//! | process messages, with retries | [`processing`] |
//! | route messages by topic and User Properties | [`routing`] |
//! | measure what Topic Aliases save | [`bandwidth`] |
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
//! use mqtt5_session_fsm::codec::{Connect, Qos, Text};
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
//! let token = client.publish(now, Publication::of("greenhouse/3", b"21.5", Qos::AtLeastOnce)?)?;
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
#[macro_use]
mod trace;

pub mod bandwidth;
pub mod broker;
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
mod versions;
mod violation;

pub use client::{Client, ClientConfig, UnknownSession};
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
pub use limits::{LimitExceeded, Limits};
pub use server::{Lent, Server, ServerConfig, ServerConnection};
pub use session::{
    Acknowledgement, Change, Deadline, MessageState, Publication, QueuedMessage,
    RefusedPublication, Session, SessionConfig, StoredLimits, SubscriptionIdentifiers, Unsettled,
    UnsettledKind, WaitingLimits, WhenFull, WithdrawError,
};
pub use time::Instant;
pub use token::{Outcome, Token};
pub use versions::ProtocolVersions;
pub use violation::{PeerError, SessionViolation};

pub use mqtt5_codec as codec;
