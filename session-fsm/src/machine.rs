//! The methods that a [`Client`](crate::Client) and a [`Server`](crate::Server) have alike.

/// Each machine has `connection`, `parts` for the connection and the Session that it may have, and `side` for what
/// packets come to.
macro_rules! machine_methods {
    ($machine:ty) => {
        impl $machine {
            /// Whether the CONNECT was accepted and the connection is not being closed.
            #[must_use]
            pub fn is_connected(&self) -> bool {
                self.connection().is_open()
            }

            /// What Topic Aliases have saved on the present Network Connection. The count begins anew with each one.
            #[must_use]
            pub fn alias_savings(&self) -> AliasSavings {
                self.connection().alias_savings.0
            }

            /// Accepts a message, connected or not. [`poll`](Self::poll) writes it as soon as the peer can take it; an
            /// [`Event::Outcome`] with the token says what became of it. If a Client's Session ends while the message
            /// waits, it waits for the next one.
            ///
            /// Allocates nothing once as many messages were in flight, or waiting, before; but a message that has to
            /// wait and has a Message Expiry Interval takes a place in a tree, of which a node is allocated now and
            /// then.
            ///
            /// # Errors
            ///
            /// [`RefusedPublication`] gives the publication back, with a [`PublishError`]; nothing was accepted. A
            /// message that is too large for a Client counts as sent \[MQTT-3.1.2-25\]: a Server forgets it.
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

            /// Takes back a message that was not sent. It ends as [`Outcome::Withdrawn`](crate::Outcome::Withdrawn).
            /// [`Session::unsettled`] lists what there is.
            ///
            /// # Errors
            ///
            /// [`WithdrawError`]; see [`Session::withdraw`].
            pub fn withdraw(&mut self, token: Token) -> Result<(), WithdrawError> {
                let (_, session) = self.parts();
                session.ok_or(WithdrawError::Unknown)?.withdraw(token)
            }

            /// Asks whether `publish` has room for a message with this QoS, so that no message is built in vain. `size`
            /// is that of the message, [`Message::size`](mqtt5_codec::Message::size): before it is built, the
            /// [`encoded_len`](mqtt5_codec::Publish::encoded_len) of its PUBLISH with QoS 0. Nothing is dropped, and the
            /// room is not reserved; if nothing else is published meanwhile, it is there. Other reasons to refuse the
            /// message, such as the peer's limits, are not looked at. Allocates nothing.
            ///
            /// # Errors
            ///
            /// [`PublishError::Busy`]; an [`Event::Room`] follows, as after `publish`. [`PublishError::TooLarge`];
            /// [`PublishError::NoSession`].
            ///
            /// ```
            /// use mqtt5_session_fsm::codec::{MessagePool, Publish, Qos, TopicName};
            /// use mqtt5_session_fsm::{Client, ClientConfig, Instant, Publication, Session, SessionConfig};
            ///
            /// let session = Session::of_client(SessionConfig::default());
            /// let mut client = Client::new(ClientConfig::default(), session);
            /// let mut pool = MessagePool::new(32, 128);
            ///
            /// let publish = Publish::new(TopicName::new("pump/7")?, b"on");
            /// if client.check_room(Qos::AtLeastOnce, publish.encoded_len()?).is_ok() && pool.has_room() {
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

            /// Writes a message with QoS 0 to `wire` at once: it is not stored, not copied beforehand, and has no
            /// token and no outcome. Allocates nothing.
            ///
            /// # Errors
            ///
            /// [`PublishError::NoSession`]; [`PublishError::NotConnected`]; [`PublishError::Busy`] if something else
            /// waits to be written first: call `poll`, and try again; [`PublishError::Forbidden`];
            /// [`PublishError::Invalid`], also for another QoS, for a Topic Alias, and if `wire` has no room. Nothing
            /// was written then.
            #[inline]
            pub fn publish_now<B: BufMut + ?Sized>(
                &mut self,
                now: Instant,
                publish: &Publish<'_>,
                wire: &mut B,
            ) -> Result<(), PublishError> {
                let (connection, session) = self.parts();
                let session = session.ok_or(PublishError::NoSession)?;
                connection.publish_now(session, now, publish, wire)
            }

            /// Acknowledges a message, with Success.
            ///
            /// # Errors
            ///
            /// [`SendError::Stale`].
            pub fn acknowledge(&mut self, receipt: Receipt) -> Result<(), SendError> {
                self.acknowledge_with(receipt, ReasonCode::Success, &[])
            }

            /// Acknowledges or refuses a message, with any Reason Code that a PUBACK or PUBREC of this side may have.
            /// Properties are left out if the peer does not want or cannot take them.
            ///
            /// # Errors
            ///
            /// [`SendError::Stale`], [`SendError::Invalid`].
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

            /// Takes whole packets off the front of `input`, as the network brought them, until one of them yields an
            /// event; `None` if there is no whole packet left, or if a CONNECT waits for the caller's decision. What
            /// is left has to be offered again, with what comes after it. If whole packets were left,
            /// [`next_timeout`](Self::next_timeout) lies in the past as soon as they can be taken.
            ///
            /// What happened before a packet is returned before the packet is taken: outcomes, a Will, and the
            /// [`Event::SessionEnded`] of an earlier Session.
            ///
            /// Packets that were handled without an event may have left something for `poll` to do.
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
                    // Two constants, so that a caller who looks at little of them need not copy them.
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
            /// [`Frame::decode_from`](mqtt5_codec::framing::Frame::decode_from) for example, with the Maximum Packet
            /// Size that this side announced. For what does not decode there is [`reject`](Self::reject).
            ///
            /// # Errors
            ///
            /// [`NotTaken`] while a CONNECT waits for the caller's decision, or events of an earlier Session for
            /// `poll`: the packet is to be given again.
            pub fn handle<'a>(
                &'a mut self,
                now: Instant,
                packet: Packet<'a>,
            ) -> Result<Option<Event<'a>>, NotTaken> {
                self.side().take_packet(now, &packet)
            }

            /// Handles a piece of what the peer sends, as
            /// [`StreamSplitter`](mqtt5_codec::framing::StreamSplitter) finds it: so messages of any size can be
            /// received with little memory. Give it every piece, in order, and use only what the events say: the
            /// payload of a message that was handed out before yields no event.
            ///
            /// A large message yields [`Event::LargeMessage`], then an [`Event::Payload`] for each part of its
            /// payload. It is acknowledged when the last part has been handled, and not before. What the splitter
            /// cannot take is for [`reject`](Self::reject).
            ///
            /// # Errors
            ///
            /// As [`handle`](Self::handle): the same piece is to be given again.
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
            ///     let piece = match splitter.next(&mut input) {
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

            /// What came from the peer is not a good packet: the connection ends.
            pub fn reject(&mut self, now: Instant, error: DecodeError) {
                self.side().malformed(now, error);
            }

            /// Says what is to be done, and appends to `wire` the packets that are to be sent: call it until it returns
            /// `None`, after every other call. Packets that are in `wire` may be sent at any time.
            ///
            /// Allocates nothing once as many messages were in flight before; but an automatic Topic Alias takes
            /// the memory of its Topic Name.
            #[inline]
            pub fn poll<B: BufMut + ?Sized>(
                &mut self,
                now: Instant,
                wire: &mut B,
            ) -> Option<Output> {
                let (connection, session) = self.parts();
                connection.poll(session, now, wire)
            }
        }
    };
}
