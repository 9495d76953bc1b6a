//! A depot of messages of any size, with a receiver that fills it and a sender that empties it into
//! the next one. Its only I/O is a disk, which is a trait: a test replaces it by one that fails.
//!
//! A cut loses nothing, because:
//!
//! * A message is received in pieces, each of which goes to the disk. It counts only when the last
//!   one is there, and only then does the machine acknowledge it.
//! * Before an acknowledgement leaves, the payload is safe on the disk, and the number of messages
//!   and the Session are replaced together, in one step. So after a restart the two agree: either
//!   the message is there and its Packet Identifier is known, or neither is, and the message comes
//!   again.

use std::io;

use mqtt5_session_fsm::codec::bytes::{Bytes, BytesMut};
use mqtt5_session_fsm::codec::framing::{
    LARGEST_PACKET, LargePublish, SplitterOutput, StreamSplitter,
};
use mqtt5_session_fsm::codec::{
    Connect, Delivery, Message, Properties, Property, PropertyIdentifier, ProtocolVersion, Qos,
    ReasonCode, Text,
};
use mqtt5_session_fsm::{
    Client, ClientConfig, Event, Instant, Output, Publication, Server, ServerConfig, Session,
    SessionConfig, StoredLimits, Token, WaitingLimits,
};

/// Files with numbers, and a state.
pub(crate) trait Disk {
    /// The state that was stored last.
    fn state(&mut self) -> io::Result<Option<Vec<u8>>>;
    /// Replaces the state in one step, after everything that was appended is safe.
    fn store(&mut self, state: &[u8]) -> io::Result<()>;
    /// An empty file. What it had in it before is gone.
    fn create(&mut self, number: u64) -> io::Result<()>;
    /// Appends to a file.
    fn append(&mut self, number: u64, bytes: &[u8]) -> io::Result<()>;
    /// All of a file.
    fn read(&mut self, number: u64) -> io::Result<Vec<u8>>;
    /// Removes a file.
    fn remove(&mut self, number: u64) -> io::Result<()>;
}

/// Messages in the order in which they came, each in a file: its QoS, then a PUBLISH with QoS 0.
pub(crate) struct Depot<D> {
    pub(crate) disk: D,
    /// The oldest message, and the one that is received next: all between them are there.
    pub(crate) first: u64,
    pub(crate) next: u64,
    /// The Session of the Client that sends.
    session: Vec<u8>,
}

impl<D: Disk> Depot<D> {
    /// As it was left.
    pub(crate) fn open(mut disk: D) -> io::Result<Self> {
        let state = disk.state()?.unwrap_or_else(|| vec![0; 16]);
        let damaged = || io::Error::from(io::ErrorKind::InvalidData);
        let (first, rest) = state.split_first_chunk().ok_or_else(damaged)?;
        let (next, session) = rest.split_first_chunk().ok_or_else(damaged)?;
        Ok(Depot {
            disk,
            first: u64::from_be_bytes(*first),
            next: u64::from_be_bytes(*next),
            session: session.to_vec(),
        })
    }

    /// Makes all that was received count.
    fn store(&mut self) -> io::Result<()> {
        let numbers = [self.first.to_be_bytes(), self.next.to_be_bytes()];
        let state = [numbers.as_flattened(), &self.session].concat();
        self.disk.store(&state)
    }

    /// Puts a message into the depot.
    pub(crate) fn put(&mut self, qos: Qos, message: &Message) -> io::Result<()> {
        self.begin(qos, message.as_bytes())?;
        self.next += 1;
        self.store()
    }

    /// A message in the depot.
    pub(crate) fn get(&mut self, number: u64) -> io::Result<(Qos, Message)> {
        let mut file = Bytes::from(self.disk.read(number)?);
        let damaged = || io::Error::from(io::ErrorKind::InvalidData);
        let qos = file.first().and_then(|&bits| Qos::from_bits(bits));
        let packet = file.split_off(file.len().min(1));
        let message = Message::from_bytes(packet).map_err(|_| damaged())?;
        Ok((qos.ok_or_else(damaged)?, message))
    }

    fn begin(&mut self, qos: Qos, start: &[u8]) -> io::Result<()> {
        // What an earlier try has left goes.
        self.disk.create(self.next)?;
        self.disk.append(self.next, &[qos as u8])?;
        self.disk.append(self.next, start)
    }
}

/// The receiving side of one Network Connection.
pub(crate) struct Receiver {
    server: Server,
    splitter: StreamSplitter,
    input: BytesMut,
}

impl Receiver {
    /// Packets of up to `whole` bytes are read whole. That is all the memory that receiving takes,
    /// beside what one read brings.
    pub(crate) fn new(now: Instant, whole: usize) -> Self {
        Receiver {
            server: Server::new(now, ServerConfig::default()),
            splitter: StreamSplitter::new(LARGEST_PACKET, whole),
            input: BytesMut::new(),
        }
    }

    /// Takes bytes from the network, and appends packets to `output`. After an error, as after a
    /// crash, throw both away and open the depot again. Returns whether the connection goes on.
    pub(crate) fn received<D: Disk>(
        &mut self,
        now: Instant,
        depot: &mut Depot<D>,
        bytes: &[u8],
        output: &mut Vec<u8>,
    ) -> io::Result<bool> {
        self.input.extend_from_slice(bytes);
        let mut is_open = true;
        loop {
            let piece = match self.splitter.next(self.server.version(), &mut self.input) {
                Ok(SplitterOutput::Ready(piece)) => Some(piece),
                Ok(SplitterOutput::Incomplete { .. }) => None,
                Err(error) => {
                    self.server.reject(now, error);
                    None
                }
            };
            if let Some(piece) = &piece {
                // A CONNECT is accepted at once, and `poll` is called after each piece.
                let event = self.server.handle_piece(now, piece);
                match event.map_err(io::Error::other)? {
                    Some(Event::Connect(_)) => self.accept(now, depot)?,
                    Some(Event::Message(delivered)) => {
                        let publish = &delivered.publish;
                        let message = Message::new(publish).map_err(io::Error::other)?;
                        depot.begin(publish.delivery.qos(), message.as_bytes())?;
                        depot.next += 1;
                    }
                    Some(Event::LargeMessage(large)) => {
                        let mut head = Vec::new();
                        let kept = LargePublish {
                            delivery: Delivery::AtMostOnce,
                            properties: large.properties.without(&[PropertyIdentifier::TopicAlias]),
                            ..large
                        };
                        kept.encode_head(ProtocolVersion::V5_0, &mut head)
                            .map_err(io::Error::other)?;
                        depot.begin(large.delivery.qos(), &head)?;
                    }
                    Some(Event::Payload(part)) => {
                        depot.disk.append(depot.next, part.bytes)?;
                        if part.remaining == 0 {
                            depot.next += 1;
                        }
                    }
                    _ => {}
                }
            }
            while let Some(said) = self.server.poll(now, output) {
                is_open &= !matches!(said, Output::Close(_));
            }
            if piece.is_none() {
                break;
            }
        }
        // No acknowledgement leaves before its message is stored.
        if !output.is_empty() {
            if let Some(session) = self.server.session() {
                depot.session = session.export();
            }
            depot.store()?;
        }
        Ok(is_open)
    }

    fn accept<D: Disk>(&mut self, now: Instant, depot: &Depot<D>) -> io::Result<()> {
        let mut session = None;
        if !depot.session.is_empty() {
            let config = SessionConfig::default();
            let restored = Session::restore(now, &depot.session, config);
            session = Some(restored.map_err(io::Error::other)?);
        }
        if self.server.accept(now, session, &[]).is_err() {
            // The depot is another Client's.
            let refused = self.server.refuse(now, ReasonCode::NotAuthorized, &[]);
            refused.map_err(io::Error::other)?;
        }
        Ok(())
    }
}

/// Sends the messages of a depot, one after the other, over as many Network Connections as it
/// takes.
///
/// PendingOutcome takes as much memory as the message. One that is under way is sent again on the next
/// connection, with the same Packet Identifier, so that one with QoS 2 arrives once. After a
/// restart of the sender it is a new message, and may arrive twice: to prevent that, export its
/// Session, too.
pub(crate) struct Sender {
    client: Client,
    name: String,
    input: BytesMut,
    sent: Option<Token>,
}

impl Sender {
    pub(crate) fn new(name: &str) -> Self {
        // One message at a time, of any size.
        let config = SessionConfig {
            stored: StoredLimits {
                bytes: usize::MAX,
                ..StoredLimits::default()
            },
            waiting: WaitingLimits {
                bytes: usize::MAX,
                ..WaitingLimits::default()
            },
            ..SessionConfig::default()
        };
        Sender {
            client: Client::new(ClientConfig::default(), Session::of_client(config)),
            name: name.to_owned(),
            input: BytesMut::new(),
            sent: None,
        }
    }

    /// A Network Connection begins.
    pub(crate) fn connect(&mut self, now: Instant, output: &mut Vec<u8>) -> io::Result<()> {
        self.input.clear();
        let list = [Property::SessionExpiryInterval(86_400)];
        let connect = Connect {
            client_identifier: Text::new(&self.name).map_err(io::Error::other)?,
            properties: Properties::new(&list).map_err(io::Error::other)?,
            clean_start: false,
            ..Connect::default()
        };
        (self.client.connect(now, &connect)).map_err(io::Error::other)?;
        while self.client.poll(now, output).is_some() {}
        Ok(())
    }

    /// Takes bytes from the network, and appends packets to `output`. Returns whether the
    /// connection goes on.
    pub(crate) fn received<D: Disk>(
        &mut self,
        now: Instant,
        depot: &mut Depot<D>,
        bytes: &[u8],
        output: &mut Vec<u8>,
    ) -> io::Result<bool> {
        self.input.extend_from_slice(bytes);
        let mut is_open = true;
        let input = self.input.split();
        let mut rest = &input[..];
        loop {
            let event = self.client.receive(now, &mut rest);
            let is_last = event.is_none();
            if let Some(Event::Outcome(token, outcome)) = event
                && self.sent == Some(token)
            {
                self.sent = None;
                if outcome.is_success() {
                    let done = depot.first;
                    depot.first += 1;
                    depot.store()?;
                    depot.disk.remove(done)?;
                }
            }
            if self.client.is_connected() && self.sent.is_none() && depot.first < depot.next {
                let (qos, message) = depot.get(depot.first)?;
                let publication = Publication::new(qos.max(Qos::AtLeastOnce), message);
                let token = self.client.publish(now, publication);
                self.sent = Some(token.map_err(|error| io::Error::other(error.to_string()))?);
            }
            while let Some(said) = self.client.poll(now, output) {
                is_open &= !matches!(said, Output::Close(_));
            }
            if is_last {
                break;
            }
        }
        self.input.extend_from_slice(rest);
        Ok(is_open)
    }

    /// The Network Connection is gone.
    pub(crate) fn lost(&mut self, now: Instant) {
        self.client.connection_lost(now);
        while self.client.poll(now, &mut Vec::new()).is_some() {}
    }
}
