//! Sessions and their connections.

use super::super::config::{Config, WILL_TOPIC, Wanted, is_shared};
use super::super::packet::WILL;
use super::{Copy, Message, Model, NEVER, Publisher, State, after};

/// The Session of a client.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::broker_world) struct Session {
    pub(in crate::broker_world) is_connected: bool,
    /// Session Present of the CONNACK that is to come.
    pub(in crate::broker_world) accept_present: Option<bool>,
    /// Session Expiry Interval.
    pub(in crate::broker_world) expiry: u32,
    /// When it ends, while there is no connection.
    pub(in crate::broker_world) ends: u64,
    pub(in crate::broker_world) has_will: bool,
    /// When the Will is published, while there is no connection.
    pub(in crate::broker_world) will_due: u64,
    /// In the order of their filters.
    pub(in crate::broker_world) subscriptions: Vec<Wanted>,
    /// In the order in which they came.
    pub(in crate::broker_world) copies: Vec<Copy>,
    /// Packet Identifiers of messages with QoS 2 from the client.
    pub(in crate::broker_world) received: Vec<u16>,
    /// Drops that the broker has counted.
    pub(in crate::broker_world) losses: u16,
}

impl Model {
    /// A client is accepted. Returns the Wills that are published.
    pub(in crate::broker_world) fn connected(
        &mut self,
        client: u8,
        clean: bool,
        now: u64,
        config: &Config,
    ) -> u64 {
        // What is due is due, whether the broker has looked or not.
        let mut wills = 0;
        if let Some(session) = self.session(client) {
            if !session.is_connected && session.ends <= now {
                wills += self.end_with_will(client, config);
            }
        }
        if self.session(client).is_some_and(|it| it.is_connected) {
            wills += self.disconnected(client, now, config);
        }
        if clean {
            wills += self.end_with_will(client, config);
        }
        if let Some(session) = self.session(client) {
            if session.has_will && session.will_due <= now {
                wills += 1;
                self.publish_will(client, config);
            }
        }
        let present = self.session(client).is_some();
        let session = self.sessions[client as usize].get_or_insert_with(|| Session {
            is_connected: true,
            accept_present: None,
            expiry: 0,
            ends: NEVER,
            has_will: false,
            will_due: NEVER,
            subscriptions: Vec::new(),
            copies: Vec::new(),
            received: Vec::new(),
            losses: 0,
        });
        session.is_connected = true;
        session.accept_present = Some(present);
        session.expiry = config.expiry_of(client, clean);
        session.ends = NEVER;
        session.has_will = config.has_will(client);
        session.will_due = NEVER;
        wills
    }

    /// The connection of a client is over, but not by its DISCONNECT. Returns the Wills that are published.
    pub(in crate::broker_world) fn disconnected(
        &mut self,
        client: u8,
        now: u64,
        config: &Config,
    ) -> u64 {
        let Some(session) = self.session(client) else {
            return 0;
        };
        session.is_connected = false;
        session.accept_present = None;
        session.ends = after(now, session.expiry.into());
        session.drop_qos_0();
        session.copies.iter_mut().for_each(|it| it.is_sent = false);
        let mut wills = 0;
        if session.has_will {
            session.will_due = after(now, config.will_delay_of(client).into());
            if session.will_due <= now || session.ends <= now {
                wills += 1;
                self.publish_will(client, config);
            }
        }
        if self.session(client).is_some_and(|it| it.ends <= now) {
            self.end_session(client);
        }
        wills
    }

    /// A DISCONNECT of a client (section 3.14.4). Returns the Wills that are published.
    pub(in crate::broker_world) fn said_goodbye(
        &mut self,
        client: u8,
        with_will: bool,
        config: &Config,
    ) -> u64 {
        let Some(session) = self.session(client) else {
            return 0;
        };
        if !with_will {
            session.has_will = false;
        }
        let is_due = session.has_will && (config.will_delay_of(client) == 0 || session.expiry == 0);
        if is_due {
            self.publish_will(client, config);
        }
        u64::from(is_due)
    }

    /// The Session ends, and its Will is published (section 3.1.3.2.2).
    fn end_with_will(&mut self, client: u8, config: &Config) -> u64 {
        let has_will = self.session(client).is_some_and(|it| it.has_will);
        if has_will {
            self.publish_will(client, config);
        }
        self.end_session(client);
        u64::from(has_will)
    }

    pub(super) fn end_session(&mut self, client: u8) {
        if let Some(session) = self.sessions[client as usize].take() {
            self.give_back(&session.copies);
            self.end_doubtful(&session);
            let filters = session.subscriptions.iter().map(|it| it.filter);
            self.leaving.extend(filters.filter(|it| is_shared(*it)));
        }
    }

    pub(super) fn publish_will(&mut self, client: u8, config: &Config) {
        let Some(session) = self.session(client) else {
            return;
        };
        session.has_will = false;
        session.will_due = NEVER;
        let message = Message {
            number: WILL + u16::from(client),
            from: Publisher::Will(client),
            topic: WILL_TOPIC,
            qos: 1,
            retain: config.will_retain > 0,
            expires: NEVER,
        };
        self.route(message, config);
    }

    /// A PUBACK, PUBREC or PUBCOMP of a client.
    pub(in crate::broker_world) fn acknowledged(
        &mut self,
        client: u8,
        qos: u8,
        identifier: u16,
        is_last: bool,
    ) {
        let Some(session) = self.session(client) else {
            return;
        };
        let mut copies = session.copies.iter_mut();
        let found = copies.find(|it| it.identifier() == Some(identifier));
        let Some(copy) = found.filter(|it| it.qos == qos) else {
            return;
        };
        match (qos, copy.state, is_last) {
            (2, State::Sent(_), false) => {
                copy.state = State::Released(identifier);
                copy.is_sent = false;
            }
            (1, State::Sent(_), true) | (2, State::Released(_), true) => {
                session
                    .copies
                    .retain(|it| it.identifier() != Some(identifier));
            }
            _ => {}
        }
    }
}
