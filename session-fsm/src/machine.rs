//! The methods that [`Client`](crate::Client), [`Server`](crate::Server) and [`Lent`](crate::Lent)
//! share.

/// Each machine has three methods of its own: `connection`; `parts`, which returns the connection
/// and the Session, if there is one; and `side`, which takes packets.
macro_rules! machine_methods {
    ($machine:ty) => {
        impl $machine {
            /// Returns whether the CONNECT was accepted and the connection is not closing.
            #[must_use]
            pub fn is_connected(&self) -> bool {
                self.connection().is_open()
            }

            /// Returns what Topic Aliases have saved on the present Network Connection. Each
            /// connection starts a new count.
            #[must_use]
            pub fn alias_savings(&self) -> AliasSavings {
                self.connection().alias_savings()
            }

            /// Accepts a message, connected or not. [`poll`](Self::poll) writes it as soon as the
            /// peer can take it. An [`Event::Outcome`] with the token says what became of it. If a
            /// Client's Session ends while the message waits, the message waits for the next
            /// Session.
            ///
            /// Allocates nothing once as many messages were in flight, or waiting, before. The
            /// exception is a message that waits and has a Message Expiry Interval: it takes a
            /// place in a tree, which allocates a node now and then.
            ///
            /// # Errors
            ///
            /// [`RefusedPublication`] gives the publication back, with a [`PublishError`]; nothing
            /// was accepted. If the message is too large for the Client, a Server may drop it: the
            /// standard counts it as sent \[MQTT-3.1.2-25\].
            #[inline]
            pub fn publish(
                &mut self,
                now: Instant,
                publication: Publication,
            ) -> Result<Token, RefusedPublication> {
                match self.parts() {
                    (connection, Some(session)) => connection.publish(session, now, publication),
                    (_, None) => Err(publication.refused(PublishError::NoSession)),
                }
            }

            /// Takes back a message that was not sent. It ends as
            /// [`Outcome::Withdrawn`](crate::Outcome::Withdrawn). [`Session::unsettled`] lists the
            /// messages.
            ///
            /// # Errors
            ///
            /// [`WithdrawError`]; see [`Session::withdraw`].
            pub fn withdraw(&mut self, token: Token) -> Result<(), WithdrawError> {
                let (_, session) = self.parts();
                session.ok_or(WithdrawError::Unknown)?.withdraw(token)
            }

            /// Returns the number of a message that the Session does not hold any more; `None` if
            /// there is no other one. See [`Session::take_forgotten_body`].
            pub fn take_forgotten_body(&mut self) -> Option<NonZeroU64> {
                let (_, session) = self.parts();
                session?.take_forgotten_body()
            }

            /// Checks whether `publish` has room for a message with this QoS, before the message is
            /// built. `size` is [`Message::size`](mqtt5_codec::Message::size), which equals the
            /// [`encoded_len`](mqtt5_codec::Publish::encoded_len) of the PUBLISH with QoS 0.
            /// Nothing is dropped, and the room is not reserved: it stays until something else is
            /// published. Other reasons to refuse the message, such as the peer's limits, are not
            /// checked. Allocates nothing.
            ///
            /// # Errors
            ///
            /// [`PublishError::Busy`]; an [`Event::Room`] follows, as after `publish`.
            /// [`PublishError::TooLarge`]; [`PublishError::NoSession`].
            ///
            /// ```
            /// use mqtt5_session_fsm::codec::{MessagePool, ProtocolVersion, Publish, Qos, TopicName};
            /// use mqtt5_session_fsm::{Client, ClientConfig, Instant, Publication, Session, SessionConfig};
            ///
            /// let session = Session::of_client(SessionConfig::default());
            /// let mut client = Client::new(ClientConfig::default(), session);
            /// let mut pool = MessagePool::new(32, 128);
            ///
            /// let publish = Publish::new(TopicName::new("pump/7")?, b"on");
            /// if client.check_room(Qos::AtLeastOnce, publish.encoded_len(ProtocolVersion::V5_0)?).is_ok() && pool.has_room() {
            ///     let message = pool.message(&publish)?;
            ///     client.publish(Instant::ORIGIN, Publication::new(Qos::AtLeastOnce, message))?;
            /// }
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub fn check_room(&mut self, qos: Qos, size: usize) -> Result<(), PublishError> {
                let (connection, session) = self.parts();
                let session = session.ok_or(PublishError::NoSession)?;
                session.check_room_in(qos, size, connection.window())
            }

            /// Writes a message with QoS 0 to `wire` at once. The message is neither stored nor
            /// copied first, and has no token and no outcome. Allocates nothing.
            ///
            /// # Errors
            ///
            /// [`PublishError::NoSession`]; [`PublishError::NotConnected`]; [`PublishError::Busy`]
            /// if something else must be written first: call `poll`, and try again;
            /// [`PublishError::Forbidden`]; [`PublishError::Invalid`], also for another QoS, for a
            /// Topic Alias, and if `wire` has no room. After an error, nothing was written.
            #[inline]
            pub fn publish_now<B: Wire + ?Sized>(
                &mut self,
                now: Instant,
                publish: &Publish<'_>,
                wire: &mut B,
            ) -> Result<(), PublishError> {
                let (connection, session) = self.parts();
                let session = session.ok_or(PublishError::NoSession)?;
                connection.publish_now(session, now, publish, wire)
            }

            /// Returns the version of the Network Connection, which the CONNECT names;
            /// [`ProtocolVersion::V5_0`](mqtt5_codec::ProtocolVersion::V5_0) without one. It belongs to the
            /// connection, not to the Session.
            #[must_use]
            pub const fn version(&self) -> mqtt5_codec::ProtocolVersion {
                self.connection().version
            }

            /// Acknowledges a message, with Success.
            ///
            /// # Errors
            ///
            /// [`SendError::Stale`].
            pub fn acknowledge(&mut self, receipt: Receipt) -> Result<(), SendError> {
                self.acknowledge_with(receipt, ReasonCode::Success, &[])
            }

            /// Acknowledges or refuses a message, with any Reason Code that a PUBACK or PUBREC of
            /// this side may have. Properties are left out if the peer does not want or cannot take
            /// them.
            ///
            /// In MQTT 3.1.1 a message cannot be refused (section 3.3.5 there). Acknowledge it, which its
            /// sender takes for success, or disconnect.
            ///
            /// # Errors
            ///
            /// [`SendError::Stale`], [`SendError::Invalid`]; [`SendError::NotInVersion`] for an error, if the
            /// peer speaks MQTT 3.1.1.
            pub fn acknowledge_with(
                &mut self,
                receipt: Receipt,
                reason_code: ReasonCode,
                properties: &[Property<'_>],
            ) -> Result<(), SendError> {
                let (connection, session) = self.parts();
                let session = session.ok_or(SendError::Stale)?;
                connection.decide(session, receipt, reason_code, properties)
            }

            /// Takes whole packets off the front of `input`, and returns the event of the first
            /// packet that yields one. Returns `None` if no whole packet is left, or if a CONNECT
            /// waits for the caller's decision. Offer the bytes that are left again, with the bytes
            /// that come after them. If whole packets were left,
            /// [`next_timeout`](Self::next_timeout) lies in the past as soon as they can be taken.
            ///
            /// Events from before a packet are returned before the packet is taken: outcomes, a
            /// Will, and the [`Event::SessionEnded`] of an earlier Session.
            ///
            /// A packet without an event may still give `poll` something to do.
            ///
            /// Bytes of a Network Connection that is closing are discarded.
            #[inline]
            pub fn receive<'a, 'input: 'a>(
                &'a mut self,
                now: Instant,
                input: &mut &'input [u8],
            ) -> Option<Event<'a>> {
                let offered = input.len();
                let (connection, session) = self.parts();
                connection.observe(session, now);
                // The last call for each piece of input.
                if offered == 0 {
                    connection.liveness.read(now, 0, 0);
                    return None;
                }
                let over = self.side().take_acknowledgements(now, offered, input);
                if let Some((token, packet_type)) = over {
                    // Two constants, so that a caller who looks at little of them need not copy
                    // them.
                    if packet_type == mqtt5_codec::PacketType::PubAck {
                        return Some(Event::Outcome(token, $crate::Outcome::ACKNOWLEDGED));
                    }
                    return Some(Event::Outcome(token, $crate::Outcome::COMPLETED));
                }
                if input.is_empty() {
                    return None;
                }
                self.receive_other(now, offered, input)
            }

            #[inline(never)]
            fn receive_other<'a, 'input: 'a>(
                &'a mut self,
                now: Instant,
                offered: usize,
                input: &mut &'input [u8],
            ) -> Option<Event<'a>> {
                self.side().take(now, offered, input)
            }

            /// Handles a packet of the peer that was split and decoded elsewhere, by
            /// [`Frame::decode_from`](mqtt5_codec::framing::Frame::decode_from) for example, with
            /// the Maximum Packet Size that this side announced. If a packet does not decode, call
            /// [`reject`](Self::reject).
            ///
            /// # Errors
            ///
            /// [`NotTaken`] while a CONNECT waits for the caller's decision, or while events of an
            /// earlier Session wait for `poll`. Give the packet again afterwards.
            pub fn handle<'a>(
                &'a mut self,
                now: Instant,
                packet: Packet<'a>,
            ) -> Result<Option<Event<'a>>, NotTaken> {
                self.side().take_packet(now, &packet)
            }

            /// Handles a piece of the peer's bytes, as
            /// [`StreamSplitter`](mqtt5_codec::framing::StreamSplitter) returns it, so that
            /// messages of any size can be received with little memory. Give every piece, in order.
            /// Use only the payload that events return: a message that was delivered before yields
            /// no event.
            ///
            /// A large message yields [`Event::LargeMessage`], then an [`Event::Payload`] for each
            /// part of its payload. It is acknowledged when the last part has been handled. If the
            /// splitter returns an error, call [`reject`](Self::reject).
            ///
            /// # Errors
            ///
            /// As [`handle`](Self::handle). Give the same piece again afterwards.
            ///
            /// ```
            /// use mqtt5_session_fsm::codec::bytes::BytesMut;
            /// use mqtt5_session_fsm::codec::framing::{LARGEST_PACKET, SplitterOutput, StreamSplitter};
            /// use mqtt5_session_fsm::Event;
            /// # use mqtt5_session_fsm::{Instant, NotTaken, Server, ServerConfig};
            ///
            /// # let now = Instant::ORIGIN;
            /// # let mut machine = Server::new(now, ServerConfig::default());
            /// # let mut input = BytesMut::new();
            /// // One for each Network Connection.
            /// let mut splitter = StreamSplitter::new(LARGEST_PACKET, 64 * 1024);
            /// loop {
            ///     let piece = match splitter.next(machine.version(), &mut input) {
            ///         Ok(SplitterOutput::Ready(piece)) => piece,
            ///         Ok(SplitterOutput::Incomplete { .. }) => break, // until more has been read
            ///         Err(error) => {
            ///             machine.reject(now, error);
            ///             break;
            ///         }
            ///     };
            ///     match machine.handle_piece(now, &piece)? {
            ///         Some(Event::LargeMessage(large)) => println!("{} bytes begin", large.payload_length),
            ///         Some(Event::Payload(part)) => {
            ///             println!("write {} bytes to a file", part.bytes.len());
            ///             if part.remaining == 0 {
            ///                 println!("store the message before the next poll");
            ///             }
            ///         }
            ///         other => println!("{other:?}"),
            ///     }
            /// }
            /// # Ok::<(), NotTaken>(())
            /// ```
            pub fn handle_piece<'a>(
                &'a mut self,
                now: Instant,
                piece: &'a Piece,
            ) -> Result<Option<Event<'a>>, NotTaken> {
                self.side().take_piece(now, piece)
            }

            /// Reports that the peer's bytes are not a good packet. The connection ends.
            pub fn reject(&mut self, now: Instant, error: DecodeError) {
                self.side().malformed(now, error);
            }

            /// Appends the packets to be sent to `wire`, and returns what else there is to do. Call
            /// it after every other call until it returns `None`. Packets in `wire` may be sent at
            /// any time. It is any [`BufMut`](mqtt5_codec::bytes::BufMut), or
            /// [`Segments`](mqtt5_codec::Segments), which copies no large payload.
            ///
            /// Allocates nothing once as many messages were in flight before, except that an
            /// automatic Topic Alias takes the memory of its Topic Name.
            #[inline]
            pub fn poll<B: Wire + ?Sized>(&mut self, now: Instant, wire: &mut B) -> Option<Output> {
                let (connection, session) = self.parts();
                connection.poll(session, now, wire)
            }
        }
    };
}
