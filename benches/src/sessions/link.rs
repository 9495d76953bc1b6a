//! A client and a server, and the bytes between them.

use crate::framing::fixed_header;
use crate::packets;
use crate::sessions::{Client, Qos, Seen, Server, Session, Setup};

/// How many bytes arrive at a time: what an application reads from a socket with
/// one call.
const READ: usize = 16 << 10;

/// The length of every payload.
pub const PAYLOAD: usize = 64;

/// A connected client and server.
#[derive(Debug)]
pub struct Link<C, S> {
    client: C,
    server: S,
    upstream: Vec<u8>,
    downstream: Vec<u8>,
    /// How much of that the client has read.
    carried: usize,
    published: usize,
    payload: [u8; PAYLOAD],
    /// What the applications have seen.
    pub seen: Seen,
}

impl<C: Client, S: Server> Link<C, S> {
    /// Connects a new client and a new server.
    ///
    /// # Panics
    ///
    /// Panics if they do not agree on a new session.
    pub fn new(setup: Setup) -> Self {
        let payload = packets::payload(PAYLOAD);
        let mut link = Self {
            client: C::new(setup),
            server: S::new(setup),
            upstream: Vec::new(),
            downstream: Vec::new(),
            carried: 0,
            published: 0,
            payload: payload.try_into().expect("a payload of that length"),
            seen: Seen::default(),
        };
        link.connect(false);
        link
    }

    fn connect(&mut self, session_present: bool) {
        self.client.connect(&mut self.upstream);
        self.carry();
        let last = self.seen.session_present.last();
        assert_eq!(last, Some(&session_present), "CONNACK is as expected");
    }

    /// Publishes one message and carries bytes until there are no more.
    #[inline]
    pub fn exchange(&mut self, qos: Qos) {
        self.publish(qos);
        self.carry();
    }

    /// Publishes this many messages, each as soon as fewer than `window` are in flight.
    /// Every packet is read alone, so that windows differ in nothing else.
    #[inline]
    pub fn window(&mut self, qos: Qos, window: usize, messages: usize) {
        for _ in 0..messages {
            while self.published - self.seen.completed >= window {
                self.carry_answer();
            }
            self.publish(qos);
            self.carry_upstream();
        }
        while !self.downstream.is_empty() {
            self.carry_answer();
        }
    }

    /// Publishes messages, none of which arrives, and loses the connection.
    pub fn publish_and_lose(&mut self, qos: Qos, messages: usize) {
        for _ in 0..messages {
            self.publish(qos);
        }
        self.upstream.clear();
        self.client.connection_lost();
        self.server.connection_lost();
    }

    /// Connects again, and carries bytes until there are no more.
    pub fn resume(&mut self) {
        self.connect(true);
    }

    /// Checks that every message was delivered once and is completed.
    ///
    /// # Panics
    ///
    /// Panics if that is not so.
    pub fn check(&self) {
        assert_eq!(self.seen.delivered, self.published, "messages delivered");
        assert_eq!(self.seen.completed, self.published, "messages completed");
    }

    /// The client alone.
    pub fn into_client(self) -> C {
        self.client
    }

    /// The server alone.
    pub fn into_server(self) -> S {
        self.server
    }

    #[inline]
    fn publish(&mut self, qos: Qos) {
        // No two messages are equal.
        self.payload[..8].copy_from_slice(&numbered(self.published));
        self.published += 1;
        self.client.publish(
            qos,
            packets::TOPIC,
            &self.payload,
            &mut self.upstream,
            &mut self.seen,
        );
    }

    #[inline]
    fn carry(&mut self) {
        while !(self.upstream.is_empty() && self.downstream.is_empty()) {
            self.carry_upstream();
            for bytes in self.downstream.chunks(READ) {
                self.client
                    .receive(bytes, &mut self.upstream, &mut self.seen);
            }
            self.downstream.clear();
        }
    }

    /// Carries the first packet that is on its way to the client, and what the
    /// client then sends.
    #[inline]
    fn carry_answer(&mut self) {
        let bytes = &self.downstream[self.carried..];
        let header = fixed_header(bytes).expect("an answer");
        let len = header.len + header.remaining_len;
        self.client
            .receive(&bytes[..len], &mut self.upstream, &mut self.seen);
        self.carried += len;
        if self.carried == self.downstream.len() {
            self.downstream.clear();
            self.carried = 0;
        } else if self.carried >= READ {
            self.downstream.drain(..self.carried);
            self.carried = 0;
        }
        self.carry_upstream();
    }

    #[inline]
    fn carry_upstream(&mut self) {
        for bytes in self.upstream.chunks(READ) {
            self.server
                .receive(bytes, &mut self.downstream, &mut self.seen);
        }
        self.upstream.clear();
    }
}

/// The bytes at the front of the payload of message `number`, counted from 0.
pub fn numbered(number: usize) -> [u8; 8] {
    (number as u64).to_be_bytes()
}

impl Setup {
    /// A session that ends with its connection.
    pub fn transient(window: u16) -> Self {
        let session = Session::Transient;
        Self { session, window }
    }

    /// A session that is kept.
    pub fn kept(window: u16) -> Self {
        let session = Session::Kept;
        Self { session, window }
    }
}
