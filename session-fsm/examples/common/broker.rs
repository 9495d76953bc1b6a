//! The parts of a server beside the machines: the Clients, their subscriptions, and the delivery of
//! messages. Like the machines, it does no I/O.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use mqtt5_session_fsm::codec::{
    Connect, Message, Property, Qos, ReasonCode, SubscriptionOptions, Text, TopicFilter,
};
use mqtt5_session_fsm::{
    Acknowledgement, Event, Instant, Limits, Publication, Server, ServerConfig, SessionConfig,
    StoredLimits, WaitingLimits, WhenFull,
};

/// A machine, with what belongs to its Session.
pub(crate) struct Peer {
    pub(crate) server: RefCell<Server>,
    /// Notified after another task has published to the machine, which must then be polled.
    pub(crate) wake: tokio::sync::Notify,
    filters: RefCell<BTreeMap<String, SubscriptionOptions>>,
}

/// What the connections share.
pub(crate) struct Broker {
    config: ServerConfig,
    start: tokio::time::Instant,
    /// By ClientID: Clients that are connected, and those that are away and have a Session.
    pub(crate) peers: RefCell<HashMap<String, Rc<Peer>>>,
    /// How many Clients were accepted, how many messages came, and how many found no room in a
    /// subscriber's queue.
    pub(crate) connections: Cell<u64>,
    pub(crate) messages: Cell<u64>,
    pub(crate) refused: Cell<u64>,
}

impl Broker {
    pub(crate) fn new() -> Rc<Self> {
        let limits = Limits {
            // No Client makes the buffer for its packets larger than this.
            maximum_packet_size: 1 << 20,
            receive_maximum: 1000,
            // This server does not support them, and says so in the CONNACK.
            retain_available: false,
            shared_subscription_available: false,
            subscription_identifier_available: false,
            ..Limits::NONE
        };
        // For each Client that is away, or slow.
        let waiting = WaitingLimits {
            messages: 10_000,
            bytes: 1 << 24,
            when_full: WhenFull::DropOldestQos0,
        };
        let session = SessionConfig {
            stored: StoredLimits {
                messages: 20_000,
                bytes: 1 << 25,
            },
            waiting,
            // A message is acknowledged once it is in the queue of every subscriber.
            acknowledgement: Acknowledgement::Manual,
            ..SessionConfig::default()
        };
        Rc::new(Broker {
            config: ServerConfig {
                limits,
                session,
                ..ServerConfig::default()
            },
            start: tokio::time::Instant::now(),
            peers: RefCell::default(),
            connections: Cell::default(),
            messages: Cell::default(),
            refused: Cell::default(),
        })
    }

    /// A clock that does not go backwards, with any origin; all machines must share it. Tests can
    /// pause this one.
    pub(crate) fn now(&self) -> Instant {
        Instant::ORIGIN + self.start.elapsed()
    }

    pub(crate) fn new_peer(&self) -> Rc<Peer> {
        Rc::new(Peer {
            server: RefCell::new(Server::new(self.now(), self.config)),
            wake: tokio::sync::Notify::new(),
            filters: RefCell::default(),
        })
    }

    /// Takes packets until one of them yields an event, and handles it.
    ///
    /// An error below means that the Client is gone, so there is nothing to answer.
    pub(crate) fn receive(&self, peer: &Rc<Peer>, input: &mut &[u8]) {
        let now = self.now();
        let mut server = peer.server.borrow_mut();
        match server.receive(now, input) {
            Some(Event::Connect(connect)) => match self.name_for(&connect) {
                Ok(name) => {
                    self.connections.update(|n| n + 1);
                    let mut properties = Vec::new();
                    if connect.client_identifier.is_empty() {
                        properties.extend(Text::new(&name).map(Property::AssignedClientIdentifier));
                    }
                    // `accept` decides whether the Session goes on; the old connection ends.
                    let old = (self.peers.borrow_mut()).insert(name.clone(), peer.clone());
                    let session = old.and_then(|old| {
                        old.filters.swap(&peer.filters);
                        old.wake.notify_one();
                        old.server.borrow_mut().take_over(now)
                    });
                    let _ = server.accept(now, session, &properties);
                }
                Err(reason_code) => {
                    let _ = server.refuse(now, reason_code, &[]);
                }
            },
            // No Authentication Method was accepted, so there is nothing to go on with.
            Some(Event::Authentication(_)) => {
                let _ = server.disconnect(now, ReasonCode::BadAuthenticationMethod, &[]);
            }
            Some(Event::Message(delivered)) => {
                self.messages.update(|n| n + 1);
                let (qos, receipt) = (delivered.publish.delivery.qos(), delivered.receipt);
                let message = Message::new(&delivered.publish);
                drop(server); // which may be one of those that get the message
                let answer = match message {
                    Ok(message) => self.route(peer, &message, qos),
                    Err(_) => ReasonCode::ImplementationSpecificError,
                };
                if let Some(receipt) = receipt {
                    let mut server = peer.server.borrow_mut();
                    let _ = server.acknowledge_with(receipt, answer, &[]);
                }
            }
            Some(Event::Subscribe(subscribe)) => {
                let mut filters = peer.filters.borrow_mut();
                let grant = subscribe.subscriptions.iter().map(|it| {
                    filters.insert(it.filter.as_str().to_owned(), it.options);
                    ReasonCode::granted(it.options.maximum_qos)
                });
                let (codes, id) = (grant.collect::<Vec<_>>(), subscribe.packet_identifier);
                let _ = server.acknowledge_subscribe(now, id, &codes, &[]);
            }
            Some(Event::Unsubscribe(unsubscribe)) => {
                let mut filters = peer.filters.borrow_mut();
                let remove = unsubscribe.filters.iter().map(|filter| {
                    let removed = filters.remove(filter.as_str());
                    removed.map_or(ReasonCode::NoSubscriptionExisted, |_| ReasonCode::Success)
                });
                let (codes, id) = (remove.collect::<Vec<_>>(), unsubscribe.packet_identifier);
                let _ = server.acknowledge_unsubscribe(now, id, &codes, &[]);
            }
            Some(Event::Will(will)) => {
                drop(server);
                self.happened(peer, Event::Will(will));
            }
            Some(Event::SessionEnded) => self.happened(peer, Event::SessionEnded),
            // The outcome of a forwarded message does not matter here.
            _ => {}
        }
    }

    /// Handles an event without a packet.
    pub(crate) fn happened(&self, peer: &Peer, event: Event<'_>) {
        match event {
            Event::Will(will) => {
                // No answer is expected.
                let _ = self.route(peer, &will.message, will.qos);
            }
            // Subscriptions are part of the Session.
            Event::SessionEnded => peer.filters.borrow_mut().clear(),
            _ => {}
        }
    }

    /// Returns the ClientID of a Client, or the reason to refuse it. An assigned ClientID is unique
    /// and cannot be guessed.
    fn name_for(&self, connect: &Connect<'_>) -> Result<String, ReasonCode> {
        if connect.properties.authentication_method().is_some() {
            return Err(ReasonCode::BadAuthenticationMethod);
        }
        if !connect.client_identifier.is_empty() {
            return Ok(connect.client_identifier.as_str().to_owned());
        }
        loop {
            let mut random = [0; 16];
            getrandom::fill(&mut random).map_err(|_| ReasonCode::ServerUnavailable)?;
            let name = format!("auto-{:032x}", u128::from_ne_bytes(random));
            if !self.peers.borrow().contains_key(&name) {
                return Ok(name);
            }
        }
    }

    /// Gives a message to all its subscribers, connected or away. Returns the Reason Code for its
    /// publisher, which is an error if a subscriber's queue has no room.
    fn route(&self, from: &Peer, message: &Message, qos: Qos) -> ReasonCode {
        let topic = message.topic();
        let mut answer = ReasonCode::NoMatchingSubscribers;
        for peer in self.peers.borrow().values() {
            let own = std::ptr::eq(&**peer, from);
            let filters = peer.filters.borrow();
            let granted = filters.iter().filter_map(|(filter, options)| {
                let matches = TopicFilter::new(filter).is_ok_and(|filter| filter.matches(topic));
                (matches && !(own && options.no_local)).then_some(options.maximum_qos)
            });
            let Some(granted) = granted.max() else {
                continue;
            };
            let publication = Publication::new(qos.min(granted), message.clone());
            match peer.server.borrow_mut().publish(self.now(), publication) {
                Ok(_) if answer.is_error() => {}
                Ok(_) => answer = ReasonCode::Success,
                Err(_) => {
                    self.refused.update(|n| n + 1);
                    answer = ReasonCode::QuotaExceeded;
                }
            }
            peer.wake.notify_one();
        }
        answer
    }
}
