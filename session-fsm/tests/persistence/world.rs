//! A Client and a Server with a disk each, and a network that may be cut.

use mqtt5_session_fsm::codec::{
    Binary, Connect, Message, Properties, Property, Publish, Qos, ReasonCode, Text, TopicName, Will,
};
use mqtt5_session_fsm::{
    Acknowledgement, Change, Client, ClientConfig, Event, Instant, Output, Publication,
    QueuedMessage, Receipt, RestoreError, Server, ServerConfig, Session, SessionConfig,
    StoredLimits, Token, WaitingLimits, WhenFull,
};
use proptest::prelude::*;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Side {
    Client,
    Server,
}

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Publish {
        side: Side,
        qos: Qos,
        expiry: Option<u32>,
    },
    /// Bytes come to this side.
    Deliver {
        side: Side,
        bytes: usize,
    },
    /// The application decides about a message.
    Decide {
        side: Side,
        which: usize,
        accept: bool,
    },
    Connect {
        clean_start: bool,
        expiry_interval: u32,
        will_delay: Option<u32>,
    },
    Disconnect {
        side: Side,
        /// The Client's.
        with_will: bool,
    },
    Cut,
    Pass {
        seconds: u64,
    },
    /// This side crashes at one of its next changes.
    Crash {
        side: Side,
        changes: usize,
        /// While it stores this change, not after.
        torn: bool,
        /// The other side gets what was written before.
        flushed: bool,
    },
    /// This side writes its whole Session and begins a new log.
    Compact {
        side: Side,
    },
}

pub(crate) fn side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Client), Just(Side::Server)]
}

fn qos() -> impl Strategy<Value = Qos> {
    prop_oneof![
        1 => Just(Qos::AtMostOnce),
        2 => Just(Qos::AtLeastOnce),
        3 => Just(Qos::ExactlyOnce),
    ]
}

/// Steps; those after which a message may rightly be lost only if `lossy`.
pub(crate) fn step(lossy: bool) -> impl Strategy<Value = Step> {
    let expiry = if lossy {
        prop_oneof![2 => Just(None), 1 => (0_u32..20).prop_map(Some)].boxed()
    } else {
        Just(None).boxed()
    };
    let connect = if lossy {
        (
            any::<bool>(),
            prop_oneof![Just(0), Just(10), Just(u32::MAX)],
            0_u32..4,
        )
            .prop_map(|(clean_start, expiry_interval, will)| Step::Connect {
                clean_start: clean_start && will == 0,
                expiry_interval,
                will_delay: [None, None, Some(0), Some(5)][will as usize],
            })
            .boxed()
    } else {
        Just(Step::Connect {
            clean_start: false,
            expiry_interval: u32::MAX,
            will_delay: None,
        })
        .boxed()
    };
    prop_oneof![
        6 => (side(), qos(), expiry)
            .prop_map(|(side, qos, expiry)| Step::Publish { side, qos, expiry }),
        8 => (side(), prop_oneof![3 => Just(usize::MAX), 1 => 1_usize..40])
            .prop_map(|(side, bytes)| Step::Deliver { side, bytes }),
        3 => (side(), any::<usize>(), any::<bool>())
            .prop_map(move |(side, which, accept)| Step::Decide {
                side,
                which,
                accept: accept || !lossy,
            }),
        4 => connect,
        1 => (side(), any::<bool>())
            .prop_map(|(side, with_will)| Step::Disconnect { side, with_will }),
        1 => Just(Step::Cut),
        2 => (0_u64..12).prop_map(|seconds| Step::Pass { seconds }),
        2 => (side(), 1_usize..4, any::<bool>(), any::<bool>())
            .prop_map(|(side, changes, torn, flushed)| Step::Crash { side, changes, torn, flushed }),
        1 => side().prop_map(|side| Step::Compact { side }),
    ]
}

/// What one side has, beside its machine.
struct Host {
    config: SessionConfig,
    snapshot: Vec<u8>,
    log: Vec<u8>,
    changes: Vec<Change>,
    /// At which of the next changes to crash, and how: [`Step::Crash`].
    crash: Option<(usize, bool, bool)>,
    undecided: Vec<(Receipt, Qos, u16)>,
    /// Messages with QoS 2 that came and were not stored: that is done together with the change.
    volatile: Vec<u16>,
    /// Messages that came and were stored.
    delivered: Vec<u16>,
    /// Messages with QoS 1 and 2 that were accepted, and this was stored.
    accepted: Vec<(u16, Qos)>,
}

pub(crate) struct World {
    now: Instant,
    client: Client,
    server: Option<Server>,
    /// The Server's Session while it is in no [`Server`].
    parked: Option<Session>,
    /// To the Server, and to the Client.
    pipes: [Vec<u8>; 2],
    hosts: [Host; 2],
    next_payload: u16,
}

fn message(payload: u16, expiry: Option<u32>) -> Message {
    let list = expiry.map(Property::MessageExpiryInterval);
    Message::new(&Publish {
        properties: Properties::new(list.as_slice()).unwrap(),
        ..Publish::new(TopicName::new("t").unwrap(), &payload.to_be_bytes())
    })
    .unwrap()
}

/// A stored Session without what is rightly not stored at each change: the tokens of messages with
/// QoS 0.
fn comparable(now: Instant, mut session: Session) -> Vec<u8> {
    let token = Token::from_number((1 << 63) - 1);
    let change = Change::Accepted {
        message: QueuedMessage::new(token, Publication::new(Qos::AtLeastOnce, message(0, None))),
        deadline: None,
    };
    session.apply(now, &change).unwrap();
    session.apply(now, &Change::Dropped { token }).unwrap();
    session.export()
}

fn payload_of(publish: &Publish<'_>) -> u16 {
    u16::from_be_bytes(*publish.payload.first_chunk().unwrap())
}

impl Host {
    /// The application has a message.
    fn came(&mut self, qos: Qos, payload: u16) {
        match qos {
            Qos::ExactlyOnce => self.volatile.push(payload),
            _ => self.delivered.push(payload),
        }
    }
}

impl World {
    pub(crate) fn new(acknowledgement: Acknowledgement, lossy: bool) -> Self {
        let config = SessionConfig {
            in_flight: 3,
            stored: StoredLimits {
                messages: 6,
                ..StoredLimits::default()
            },
            waiting: WaitingLimits {
                messages: 4,
                when_full: if lossy {
                    WhenFull::DropOldest
                } else {
                    WhenFull::Refuse
                },
                ..WaitingLimits::default()
            },
            acknowledgement,
            persistent: true,
        };
        let host = |session: &Session| Host {
            config,
            snapshot: session.export(),
            log: Vec::new(),
            changes: Vec::new(),
            crash: None,
            undecided: Vec::new(),
            volatile: Vec::new(),
            delivered: Vec::new(),
            accepted: Vec::new(),
        };
        let of_client = Session::of_client(config);
        let of_server = Session::of_server("c", config);
        World {
            now: Instant::from_millis(1_000_000),
            hosts: [host(&of_client), host(&of_server)],
            client: Client::new(ClientConfig::default(), of_client),
            server: None,
            parked: Some(of_server),
            pipes: [Vec::new(), Vec::new()],
            next_payload: 1,
        }
    }

    fn session(&self, side: Side) -> &Session {
        match side {
            Side::Client => self.client.session(),
            Side::Server => self
                .server
                .as_ref()
                .and_then(Server::session)
                .or(self.parked.as_ref())
                .unwrap(),
        }
    }

    pub(crate) fn step(&mut self, step: &Step) {
        match *step {
            Step::Publish { side, qos, expiry } => self.publish(side, qos, expiry),
            Step::Deliver { side, bytes } => self.deliver(side, bytes),
            Step::Decide {
                side,
                which,
                accept,
            } => self.decide(side, which, accept),
            Step::Connect {
                clean_start,
                expiry_interval,
                will_delay,
            } => self.connect(clean_start, expiry_interval, will_delay),
            Step::Disconnect { side, with_will } => match (side, &mut self.server) {
                (Side::Client, _) => {
                    let reason_code = if with_will {
                        ReasonCode::DisconnectWithWillMessage
                    } else {
                        ReasonCode::NORMAL_DISCONNECTION
                    };
                    let _ = self.client.disconnect(self.now, reason_code, &[]);
                }
                (Side::Server, Some(server)) => {
                    let _ = server.disconnect(self.now, ReasonCode::ServerShuttingDown, &[]);
                }
                _ => {}
            },
            Step::Cut => self.cut(),
            Step::Pass { seconds } => {
                self.now += core::time::Duration::from_secs(seconds);
                self.client.handle_timeout(self.now);
                if let Some(server) = &mut self.server {
                    server.handle_timeout(self.now);
                }
                if let Some(parked) = &mut self.parked {
                    parked.handle_timeout(self.now);
                }
            }
            Step::Crash {
                side,
                changes,
                torn,
                flushed,
            } => self.hosts[side as usize].crash = Some((changes, torn, flushed)),
            Step::Compact { side } => {
                let snapshot = self.session(side).export();
                let host = &mut self.hosts[side as usize];
                host.snapshot = snapshot;
                host.log.clear();
                host.changes.clear();
            }
        }
        self.drain(Side::Client);
        self.drain(Side::Server);
    }

    fn publish(&mut self, side: Side, qos: Qos, expiry: Option<u32>) {
        let payload = self.next_payload;
        self.next_payload += 1;
        let publication = Publication::new(qos, message(payload, expiry));
        // It may be refused; what is accepted is known by what is stored.
        let _ = match (side, &mut self.server, &mut self.parked) {
            (Side::Client, ..) => self.client.publish(self.now, publication),
            (Side::Server, _, Some(parked)) => parked.publish(self.now, publication),
            (Side::Server, Some(server), None) => server.publish(self.now, publication),
            _ => unreachable!(),
        };
    }

    fn deliver(&mut self, side: Side, bytes: usize) {
        let pipe = &self.pipes[1 - side as usize];
        let bytes = pipe[..bytes.min(pipe.len())].to_vec();
        let mut input = &bytes[..];
        loop {
            let event = match (side, &mut self.server) {
                (Side::Client, _) => self.client.receive(self.now, &mut input),
                (Side::Server, Some(server)) => server.receive(self.now, &mut input),
                _ => None,
            };
            let host = &mut self.hosts[side as usize];
            match event {
                None => break,
                Some(Event::Message(delivered)) => {
                    let payload = payload_of(&delivered.publish);
                    let qos = delivered.publish.delivery.qos();
                    match delivered.receipt {
                        Some(receipt) => host.undecided.push((receipt, qos, payload)),
                        None => host.came(qos, payload),
                    }
                }
                Some(Event::Connect(_)) => {
                    let (server, parked) = (self.server.as_mut().unwrap(), self.parked.take());
                    server.accept(self.now, parked, &[]).unwrap();
                }
                Some(_) => {}
            }
            self.drain(side);
            if self.pipes[1 - side as usize].is_empty() {
                // It was cut.
                return;
            }
        }
        let taken = bytes.len() - input.len();
        let pipe = &mut self.pipes[1 - side as usize];
        pipe.drain(..taken.min(pipe.len()));
        self.drain(side);
    }

    fn decide(&mut self, side: Side, which: usize, accept: bool) {
        // A Session that is in no Server takes no decisions.
        let parked = side == Side::Server && self.parked.is_some();
        let host = &mut self.hosts[side as usize];
        if host.undecided.is_empty() || parked {
            return;
        }
        let (receipt, qos, payload) = host.undecided.remove(which % host.undecided.len());
        let reason_code = if accept {
            ReasonCode::Success
        } else {
            ReasonCode::NotAuthorized
        };
        let result = match (side, &mut self.server) {
            (Side::Client, _) => self.client.acknowledge_with(receipt, reason_code, &[]),
            (Side::Server, Some(server)) => server.acknowledge_with(receipt, reason_code, &[]),
            _ => unreachable!(),
        };
        if result.is_ok() && accept {
            host.came(qos, payload);
        }
    }

    fn connect(&mut self, clean_start: bool, expiry_interval: u32, will_delay: Option<u32>) {
        self.cut();
        let list = [Property::SessionExpiryInterval(expiry_interval)];
        let delay = will_delay.map(Property::WillDelayInterval);
        let connect = Connect {
            clean_start,
            properties: Properties::new(&list).unwrap(),
            client_identifier: Text::new("c").unwrap(),
            will: will_delay.map(|_| Will {
                qos: Qos::AtLeastOnce,
                retain: false,
                properties: Properties::new(delay.as_slice()).unwrap(),
                topic: TopicName::new("gone").unwrap(),
                payload: Binary::new(b"c").unwrap(),
            }),
            ..Connect::default()
        };
        self.server = Some(Server::new(self.now, ServerConfig::default()));
        self.client.connect(self.now, &connect).unwrap();
    }

    pub(crate) fn cut(&mut self) {
        self.client.connection_lost(self.now);
        self.close_server();
        self.pipes = [Vec::new(), Vec::new()];
        self.drain(Side::Client);
        self.drain(Side::Server);
    }

    fn close_server(&mut self) {
        if let Some(mut server) = self.server.take() {
            self.parked = server.take_session(self.now).or(self.parked.take());
        }
    }

    /// Does what the contract says after each call, on one side.
    fn drain(&mut self, side: Side) {
        loop {
            let wire = &mut self.pipes[side as usize];
            let output = match (side, &mut self.server, &mut self.parked) {
                (Side::Client, ..) => self.client.poll(self.now, wire),
                (Side::Server, None, Some(parked)) => parked.poll(),
                (Side::Server, Some(server), parked) => {
                    let output = server.poll(self.now, wire);
                    match (output, parked) {
                        (None, Some(parked)) => parked.poll(),
                        (output, _) => output,
                    }
                }
                _ => unreachable!(),
            };
            match output {
                None => break,
                Some(Output::Persist(change)) => {
                    if self.store(side, change) {
                        return;
                    }
                }
                Some(Output::Close(_)) => match side {
                    Side::Client => {
                        // The Server still gets what was written.
                        self.deliver(Side::Server, usize::MAX);
                        self.cut();
                    }
                    Side::Server => {
                        self.deliver(Side::Client, usize::MAX);
                        self.cut();
                    }
                },
                Some(Output::Event(_)) => {}
                Some(Output::NeedsRoom(_)) => unreachable!(),
            }
        }
        self.check(side);
    }

    /// Stores a change, unless it crashes.
    fn store(&mut self, side: Side, change: Change) -> bool {
        let host = &mut self.hosts[side as usize];
        let record = change.to_bytes();
        assert_eq!(Change::from_bytes(&record), Ok(change.clone()));
        let mut crash = None;
        if let Some((changes, torn, flushed)) = &mut host.crash {
            *changes -= 1;
            if *changes == 0 {
                crash = Some((*torn, *flushed));
                host.crash = None;
            }
        }
        if let Some((true, flushed)) = crash {
            host.log.extend(&record[..record.len() / 2]);
            self.crash(side, flushed);
            return true;
        }
        host.log.extend(record);
        match &change {
            Change::Accepted { message, .. } => {
                let payload = payload_of(&message.message.publish());
                host.accepted.push((payload, message.qos));
            }
            Change::Received { .. } => host.delivered.append(&mut host.volatile),
            _ => {}
        }
        host.changes.push(change);
        self.check_stored(side);
        if let Some((_, flushed)) = crash {
            self.crash(side, flushed);
        }
        crash.is_some()
    }

    /// What a restart would find: the snapshot, and all changes since.
    fn restored(&self, side: Side) -> Session {
        let host = &self.hosts[side as usize];
        let mut session = Session::restore(self.now, &host.snapshot, host.config).unwrap();
        let mut log = &host.log[..];
        for change in &host.changes {
            assert_eq!(Change::take(&mut log), Ok(Some(change.clone())));
            session.apply(self.now, change).unwrap();
        }
        match Change::take(&mut log) {
            Ok(end) => assert_eq!(end, None),
            Err(error) => assert_eq!(error, RestoreError::Truncated),
        }
        session
    }

    /// What is stored can be used at any time.
    fn check_stored(&self, side: Side) {
        let session = self.restored(side);
        let export = session.export();
        let again = Session::restore(self.now, &export, self.hosts[side as usize].config).unwrap();
        assert_eq!(again.export(), export);
    }

    /// When all has been said, what is stored is what there is.
    fn check(&self, side: Side) {
        let live = self.session(side).export();
        let live = Session::restore(self.now, &live, self.hosts[side as usize].config).unwrap();
        assert_eq!(
            comparable(self.now, self.restored(side)),
            comparable(self.now, live),
            "{side:?}",
        );
    }

    /// One side is gone, and begins again with what it has stored; the other notices, after it got what
    /// was written, if `flushed`.
    fn crash(&mut self, side: Side, flushed: bool) {
        let session = self.restored(side);
        let host = &mut self.hosts[side as usize];
        host.volatile.clear();
        host.undecided.clear();
        host.snapshot = session.export();
        host.log.clear();
        host.changes.clear();
        let other = match side {
            Side::Client => {
                self.client = Client::new(ClientConfig::default(), session);
                Side::Server
            }
            Side::Server => {
                self.server = None;
                self.parked = Some(session);
                Side::Client
            }
        };
        if flushed {
            self.deliver(other, usize::MAX);
        }
        self.cut();
    }

    /// Without faults everything arrives.
    pub(crate) fn converge(&mut self) {
        self.hosts[0].crash = None;
        self.hosts[1].crash = None;
        self.step(&Step::Connect {
            clean_start: false,
            expiry_interval: u32::MAX,
            will_delay: None,
        });
        for _ in 0..200 {
            for side in [Side::Client, Side::Server] {
                self.deliver(side, usize::MAX);
                self.decide(side, 0, true);
                self.drain(side);
            }
        }
        for side in [Side::Client, Side::Server] {
            let session = self.session(side);
            assert_eq!((session.in_flight(), session.waiting()), (0, 0), "{side:?}");
        }
    }

    /// What one side published, as far as it was accepted, and what the other got.
    pub(crate) fn published(&self, side: Side) -> (&[(u16, Qos)], &[u16]) {
        let other = &self.hosts[1 - side as usize];
        (&self.hosts[side as usize].accepted, &other.delivered)
    }
}
