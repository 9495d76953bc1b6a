//! What version 1 stored. It had no interval beside the end of a Session, no lost Packet
//! Identifiers, no deadlines of publications, and of a message neither RETAIN beside its bytes, nor
//! Subscription Identifiers, nor the number of its body.

use alloc::vec::Vec;

use serde::Deserialize;

use super::StoredWill;
use crate::session::NEVER_EXPIRES;

#[derive(Deserialize)]
pub(crate) struct StoredSession<'a> {
    server: bool,
    client_identifier: &'a str,
    life: StoredLife,
    #[serde(borrow)]
    will: Option<StoredWill<'a>>,
    last_token: u64,
    in_flight: Vec<(u16, StoredMessage<'a>)>,
    released: Vec<(u16, u64)>,
    received: Vec<u16>,
    waiting: Vec<StoredMessage<'a>>,
}

/// A message with QoS 1 or 2, sent with the RETAIN that its bytes have.
#[derive(Deserialize)]
pub(crate) struct StoredMessage<'a> {
    token: u64,
    qos: u8,
    expires_at: Option<u64>,
    topic_alias: u16,
    #[serde(borrow)]
    message: &'a [u8],
}

impl<'a> From<StoredMessage<'a>> for super::StoredMessage<'a> {
    fn from(stored: StoredMessage<'a>) -> Self {
        super::StoredMessage {
            token: stored.token,
            qos: stored.qos,
            retain: stored.message.first().is_some_and(|first| first & 1 != 0),
            expires_at: stored.expires_at,
            topic_alias: stored.topic_alias,
            subscription_identifiers: Vec::new(),
            body: None,
            message: stored.message,
        }
    }
}

#[derive(Deserialize)]
enum StoredLife {
    None,
    Connected { expiry_interval: u32 },
    Away { ends_at: Option<u64> },
}

#[derive(Deserialize)]
pub(crate) enum StoredChange<'a> {
    Accepted(#[serde(borrow)] StoredMessage<'a>),
    Sent {
        token: u64,
        packet_identifier: u16,
    },
    Released {
        packet_identifier: u16,
    },
    Finished {
        packet_identifier: u16,
    },
    Dropped {
        token: u64,
    },
    Received {
        packet_identifier: u16,
    },
    Completed {
        packet_identifier: u16,
    },
    Connected {
        client_identifier: &'a str,
        expiry_interval: u32,
    },
    WillStored(StoredWill<'a>),
    WillRemoved,
    Disconnected {
        ends_at: Option<u64>,
        will_due_at: Option<u64>,
    },
    Ended,
}

impl<'a> From<StoredSession<'a>> for super::StoredSession<'a> {
    fn from(stored: StoredSession<'a>) -> Self {
        super::StoredSession {
            server: stored.server,
            client_identifier: stored.client_identifier,
            life: match stored.life {
                StoredLife::None => super::StoredLife::None,
                StoredLife::Connected { expiry_interval } => {
                    super::StoredLife::Connected { expiry_interval }
                }
                StoredLife::Away { ends_at } => super::StoredLife::Away {
                    ends_at,
                    expiry_interval: NEVER_EXPIRES,
                },
            },
            will: stored.will,
            last_token: stored.last_token,
            in_flight: stored
                .in_flight
                .into_iter()
                .map(|(packet_identifier, message)| (packet_identifier, message.into()))
                .collect(),
            released: stored.released,
            lost: Vec::new(),
            received: stored.received,
            waiting: stored.waiting.into_iter().map(Into::into).collect(),
            deadlines: Vec::new(),
        }
    }
}

impl<'a> From<StoredChange<'a>> for super::StoredChange<'a> {
    fn from(stored: StoredChange<'a>) -> Self {
        use super::StoredChange as Now;
        match stored {
            StoredChange::Accepted(message) => Now::Accepted(message.into(), None),
            StoredChange::Sent {
                token,
                packet_identifier,
            } => Now::Sent {
                token,
                packet_identifier,
            },
            StoredChange::Released { packet_identifier } => Now::Released { packet_identifier },
            StoredChange::Finished { packet_identifier } => Now::Finished { packet_identifier },
            StoredChange::Dropped { token } => Now::Dropped { token },
            StoredChange::Received { packet_identifier } => Now::Received { packet_identifier },
            StoredChange::Completed { packet_identifier } => Now::Completed { packet_identifier },
            StoredChange::Connected {
                client_identifier,
                expiry_interval,
            } => Now::Connected {
                client_identifier,
                expiry_interval,
            },
            StoredChange::WillStored(will) => Now::WillStored(will),
            StoredChange::WillRemoved => Now::WillRemoved,
            StoredChange::Disconnected {
                ends_at,
                will_due_at,
            } => Now::Disconnected {
                ends_at,
                expiry_interval: NEVER_EXPIRES,
                will_due_at,
            },
            StoredChange::Ended => Now::Ended,
        }
    }
}
