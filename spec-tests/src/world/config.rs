//! What the world is made of, and how much may go wrong in it.

use super::announced::Variant;
use super::application::Side;
use crate::settings::settings;
use mqtt5_session_fsm::codec::ProtocolVersion;
use std::hash::{Hash, Hasher};

settings! {
    /// the versions of MQTT that a connection may have: one digit for each, as in 53 (3: 3.1.1, 5: 5.0)
    mqtt: u16 = 5,
    /// messages that the Client's application publishes
    up: u8 = 0,
    /// messages that the Server's application publishes
    down: u8 = 0,
    /// the QoS that they may have: one digit for each, as in 210
    qos: u16 = 2,
    /// Receive Maximum that the Server announces, for messages up
    window_up: u16 = 2,
    /// Receive Maximum that the Client announces, for messages down
    window_down: u16 = 2,
    /// most messages that either Session has in flight, whatever the peer's Receive Maximum
    in_flight: u16 = 100,
    /// most messages that wait in either Session before a publish returns Busy
    waiting: u32 = 100,
    /// most bytes of the messages that wait in either Session
    waiting_bytes: u32 = 1 << 20,
    /// most messages that either Session stores, in flight or waiting
    stored: u32 = 66_535,
    /// most bytes of the messages that either Session stores
    stored_bytes: u32 = 8 << 20,
    /// what becomes of a message without room: 0: it is refused, 1: the oldest with QoS 0 are dropped for it,
    /// 2: the oldest are
    when_full: u8 = 0,
    /// whether the applications acknowledge themselves, in any order: 0 or 1
    manual: u8 = 0,
    /// how many messages an application may refuse
    refusals: u8 = 0,
    /// subscriptions that the Client makes, with a Packet Identifier each
    subscribes: u8 = 0,
    /// unsubscriptions that the Client makes
    unsubscribes: u8 = 0,
    /// packets that the Client may send before the CONNACK of a new Session; it also subscribes before it
    early: u16 = 0,
    /// connections that either side ends with a DISCONNECT
    disconnects: u8 = 0,
    /// connections that the Server refuses
    rejections: u8 = 0,
    /// connections with Clean Start 1, beside those of a Client without a Session
    clean_starts: u8 = 0,
    /// connections that break; either side may notice first
    cuts: u8 = 0,
    /// connections that the Client makes while the one before still works
    takeovers: u8 = 0,
    /// times that the Client's host crashes and restarts from what it stored
    client_crashes: u8 = 0,
    /// times that the Server's host crashes and restarts from what it stored
    server_crashes: u8 = 0,
    /// times that the Client's host loses all that it stored
    losses: u8 = 0,
    /// times that the Client's Session expires while there is no connection
    client_expiries: u8 = 0,
    /// times that the Server's Session expires while there is no connection
    server_expiries: u8 = 0,
    /// hostile packets to either side
    hostile: u8 = 0,
    /// times that a packet arrives in two parts
    fragments: u8 = 0,
    /// whether several packets may arrive at once: 0 or 1
    batches: u8 = 0,
    /// jumps of the clock to the next deadline
    ticks: u8 = 0,
    /// times that a host sleeps, and misses its timers
    sleeps: u8 = 0,
    /// times that the network takes nothing from a host, which does not read while it has something to send
    blocks: u8 = 0,
    /// times that a host puts off `poll`, and reading with it
    put_offs: u8 = 0,
    /// times that a host puts off reading, and says so
    unread: u8 = 0,
    /// seconds that a packet may stop in the middle
    stall: u16 = 30,
    /// seconds that any packet may take
    grace: u16 = 120,
    /// bytes per second of a packet that takes longer
    rate: u32 = 1_000,
    /// Keep Alive in seconds
    keep_alive: u16 = 0,
    /// Session Expiry Interval in seconds
    expiry: u32 = 3600,
    /// Message Expiry Interval in seconds; 0 for none
    message_expiry: u32 = 0,
    /// Maximum Packet Size that both announce; 0 for none
    packet_size: u32 = 0,
    /// which limits a connection may come with: one digit for each, as in 013 (0: those of the other settings,
    /// 1: a Maximum Packet Size that no message fits, 2: Receive Maximum 1, 3: Maximum QoS 0, 4: Maximum
    /// QoS 1, 5: Retain Available 0, 6: Topic Alias Maximum 0)
    limits: u32 = 0,
    /// bytes that each message has beside its number
    padding: u8 = 0,
    /// bytes that a message may have beside its number instead; 0 if all messages are alike
    large: u8 = 0,
    /// whether messages have RETAIN 1: 0 or 1
    retain: u8 = 0,
    /// Topic Alias Maximum that both announce; both use one alias
    aliases: u16 = 0,
    /// whether both sides have a Session from the start, whose Packet Identifiers are free in no order: 0 or 1
    aged: u8 = 0,
    /// whether the hosts receive all that has come before they poll: 0 or 1
    lazy: u8 = 0,
    /// room that a buffer for `poll` has at first, in bytes; 0 for enough
    room: u8 = 0,
    /// whether changes are announced although nobody crashes: 0 or 1
    persistent: u8 = 0,
    /// whether no exception is made for a Client that goes on with another Session than the Server: 0 or 1
    ever: u8 = 0,
    /// whether the broker accepts a CONNECT that comes on an older connection than the one that it
    /// accepted last: 0 or 1
    stale: u8 = 0,
    /// most connections that the Server holds at the same time
    links: u8 = 2,
}

impl Config {
    /// Whether the Sessions announce what has to be stored.
    #[must_use]
    pub fn is_persistent(&self) -> bool {
        self.persistent > 0 || self.client_crashes > 0 || self.server_crashes > 0
    }

    /// Whether the host of a side crashes.
    pub(super) fn may_crash(&self, side: Side) -> bool {
        [self.client_crashes, self.server_crashes][side] > 0
    }

    /// Whether a host may be away.
    pub(super) fn is_absent(&self) -> bool {
        self.sleeps + self.blocks + self.put_offs + self.unread > 0
    }

    /// Whether an application can publish more than may be stored.
    pub(super) fn is_tight(&self) -> bool {
        let messages = u32::from(self.up.max(self.down));
        let bytes = messages * (1 + u32::from(self.padding.max(self.large)));
        self.waiting.min(self.stored) < messages
            || self.waiting_bytes.min(self.stored_bytes) < bytes
    }

    /// The versions of MQTT to choose from.
    #[must_use]
    pub fn versions(&self) -> Vec<ProtocolVersion> {
        let digits = self.mqtt.to_string();
        let all = [('5', ProtocolVersion::V5_0), ('3', ProtocolVersion::V3_1_1)];
        let chosen = all.into_iter().filter(|(digit, _)| digits.contains(*digit));
        chosen.map(|(_, version)| version).collect()
    }

    /// Whether a connection may have MQTT 3.1.1.
    #[must_use]
    pub fn has_older_version(&self) -> bool {
        self.versions().contains(&ProtocolVersion::V3_1_1)
    }

    /// The QoS levels to choose from, ascending.
    #[must_use]
    pub fn qualities(&self) -> Vec<u8> {
        let digits = self.qos.to_string();
        (0..=2)
            .filter(|qos| digits.contains(char::from(b'0' + qos)))
            .collect()
    }

    /// The limits that a connection may come with, ascending. A leading 0 is lost in a number, so the
    /// ordinary limits are always among them.
    pub(super) fn choices_of_limits(&self) -> Vec<Variant> {
        let digits = self.limits.to_string();
        let is_chosen = |variant: &Variant| {
            *variant == Variant::Ordinary || digits.contains(char::from(b'0' + *variant as u8))
        };
        Variant::ALL.into_iter().filter(is_chosen).collect()
    }

    /// Whether limits differ from connection to connection.
    #[must_use]
    pub fn limits_change(&self) -> bool {
        self.limits > 0
    }
}

impl Default for Config {
    fn default() -> Self {
        Config::DEFAULT
    }
}

macro_rules! budget {
    ({$($by_side:ident: $client:ident $server:ident,)*} $($name:ident)*) => {
        /// How often each thing may still happen.
        #[derive(Clone, Copy, Debug, Default)]
        pub(super) struct Budget {
            $(pub(super) $by_side: [u8; 2],)*
            $(pub(super) $name: u8,)*
        }

        impl Budget {
            pub(super) fn new(config: &Config) -> Self {
                Budget {
                    $($by_side: [config.$client, config.$server],)*
                    $($name: config.$name,)*
                }
            }
        }

        impl Hash for Budget {
            fn hash<H: Hasher>(&self, state: &mut H) {
                // In one go, as it is hashed in each step.
                state.write(&[$(self.$by_side[0], self.$by_side[1],)* $(self.$name),*]);
            }
        }
    };
}

budget! {
    {
        messages: up down,
        crashes: client_crashes server_crashes,
        expiries: client_expiries server_expiries,
    }
    refusals subscribes unsubscribes disconnects rejections clean_starts cuts takeovers hostile fragments ticks sleeps
    blocks put_offs unread losses
}

impl Budget {
    /// What is left if nothing goes wrong any more.
    pub(super) fn without_faults(self) -> Self {
        Budget {
            messages: self.messages,
            refusals: self.refusals,
            subscribes: self.subscribes,
            unsubscribes: self.unsubscribes,
            disconnects: self.disconnects,
            rejections: self.rejections,
            clean_starts: self.clean_starts,
            ticks: self.ticks,
            ..Budget::default()
        }
    }
}
