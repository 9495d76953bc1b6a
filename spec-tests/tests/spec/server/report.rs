//! What a machine said and wrote.

use mqtt5_codec::framing::{LARGEST_PACKET, Split, split};
use mqtt5_codec::{Packet, PacketType, ReasonCode, Role};
use mqtt5_session_fsm::{Cause, Change, Event, Outcome, Receipt, Token, WillMessage};

/// What came out of a machine beside bytes, without what it was borrowed from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Seen {
    /// QoS, Topic Name, payload, and what to acknowledge it with.
    Message(u8, String, Vec<u8>, Option<Receipt>),
    /// The Reason Code in it, if there is one, and how the outcome is called.
    Outcome(Token, &'static str, Option<ReasonCode>),
    Room,
    Unknown(PacketType, u16),
    /// Reason Code, Authentication Data.
    Authentication(ReasonCode, Vec<u8>),
    Disconnect(ReasonCode),
    Connect(String),
    Subscribe(u16, Vec<String>),
    Unsubscribe(u16, Vec<String>),
    Will(WillMessage),
    SessionEnded,
    Persist(Change),
    Close(Cause),
    /// So many bytes were written at this point.
    Wrote(usize),
}

impl Seen {
    pub(super) fn of(event: Event<'_>) -> Seen {
        match event {
            Event::Message(delivered) => Seen::Message(
                delivered.publish.delivery.qos() as u8,
                delivered
                    .publish
                    .topic
                    .expect("is always there")
                    .as_str()
                    .to_owned(),
                delivered.publish.payload.to_vec(),
                delivered.receipt,
            ),
            Event::Outcome(token, outcome) => match outcome {
                Outcome::PubAck(code, _) => Seen::Outcome(token, "PUBACK", Some(code)),
                Outcome::PubRec(code, _) => Seen::Outcome(token, "PUBREC", Some(code)),
                Outcome::PubComp(code, _) => Seen::Outcome(token, "PUBCOMP", Some(code)),
                Outcome::Sent => Seen::Outcome(token, "sent", None),
                Outcome::Expired => Seen::Outcome(token, "expired", None),
                Outcome::Dropped => Seen::Outcome(token, "dropped", None),
                Outcome::Forbidden(_) => Seen::Outcome(token, "forbidden", None),
                Outcome::NotSent => Seen::Outcome(token, "not sent", None),
                Outcome::Indeterminate => Seen::Outcome(token, "indeterminate", None),
                other => panic!("a Server has no {other:?}"),
            },
            Event::Room => Seen::Room,
            Event::UnknownIdentifier {
                packet_type,
                packet_identifier,
            } => Seen::Unknown(packet_type, packet_identifier.get()),
            Event::Authentication(auth) => Seen::Authentication(
                auth.reason_code,
                auth.properties
                    .authentication_data()
                    .map_or(Vec::new(), |data| data.as_bytes().to_vec()),
            ),
            Event::Disconnect(disconnect) => Seen::Disconnect(disconnect.reason_code),
            Event::Connect(connect) => Seen::Connect(connect.client_identifier.to_string()),
            Event::Subscribe(subscribe) => Seen::Subscribe(
                subscribe.packet_identifier.get(),
                subscribe
                    .subscriptions
                    .iter()
                    .map(|subscription| subscription.filter.as_str().to_owned())
                    .collect(),
            ),
            Event::Unsubscribe(unsubscribe) => Seen::Unsubscribe(
                unsubscribe.packet_identifier.get(),
                unsubscribe
                    .filters
                    .iter()
                    .map(|filter| filter.as_str().to_owned())
                    .collect(),
            ),
            Event::Will(will) => Seen::Will(will),
            Event::SessionEnded => Seen::SessionEnded,
            other => panic!("a Server has no {other:?}"),
        }
    }
}

/// What came out since the last report.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    pub(crate) wire: Vec<u8>,
    /// All of it, in its order.
    pub(crate) log: Vec<Seen>,
}

impl Report {
    /// What was written, decoded.
    pub(crate) fn packets(&self) -> Vec<Packet<'_>> {
        frames(&self.wire)
            .into_iter()
            .map(|bytes| Packet::decode_from(Role::Server, bytes).expect("a good packet"))
            .collect()
    }

    /// The only packet that was written.
    pub(crate) fn packet(&self) -> Packet<'_> {
        let packets = self.packets();
        assert_eq!(packets.len(), 1, "{packets:?}, {:?}", self.log);
        packets[0]
    }

    /// Everything but bytes and changes to be stored.
    pub(crate) fn events(&self) -> Vec<Seen> {
        let is_event = |seen: &&Seen| !matches!(seen, Seen::Wrote(_) | Seen::Persist(_));
        self.log.iter().filter(is_event).cloned().collect()
    }

    pub(crate) fn wills(&self) -> Vec<WillMessage> {
        let will = |seen: &Seen| match seen {
            Seen::Will(will) => Some(will.clone()),
            _ => None,
        };
        self.log.iter().filter_map(will).collect()
    }

    pub(crate) fn saw(&self, seen: &Seen) -> bool {
        self.log.contains(seen)
    }

    /// Why the Network Connection is to be closed.
    pub(crate) fn close(&self) -> Option<Cause> {
        self.log.iter().find_map(|seen| match seen {
            Seen::Close(cause) => Some(*cause),
            _ => None,
        })
    }

    /// What was delivered, by payload.
    pub(crate) fn payloads(&self) -> Vec<Vec<u8>> {
        let payload = |seen: &Seen| match seen {
            Seen::Message(_, _, payload, _) => Some(payload.clone()),
            _ => None,
        };
        self.log.iter().filter_map(payload).collect()
    }

    pub(crate) fn receipt(&self) -> Receipt {
        let receipt = |seen: &Seen| match seen {
            Seen::Message(.., receipt) => *receipt,
            _ => None,
        };
        self.log
            .iter()
            .find_map(receipt)
            .expect("a message to be acknowledged")
    }

    /// Nothing was written, nothing happened.
    pub(crate) fn is_empty(&self) -> bool {
        self.log.is_empty()
    }

    pub(crate) fn and(mut self, other: Report) -> Report {
        self.wire.extend(other.wire);
        self.log.extend(other.log);
        self
    }

    /// The Reason Code of the DISCONNECT or CONNACK that was written last, with which the connection ends.
    pub(crate) fn last_word(&self) -> Option<ReasonCode> {
        match self.packets().last() {
            Some(Packet::Disconnect(disconnect)) => Some(disconnect.reason_code),
            Some(Packet::ConnAck(connack)) => Some(connack.reason_code),
            _ => None,
        }
    }
}

/// The packets in a row of bytes.
pub(crate) fn frames(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        match split(bytes, LARGEST_PACKET) {
            Ok(Split::Packet { packet, rest }) => {
                frames.push(packet.as_bytes());
                bytes = rest;
            }
            other => panic!("not whole packets: {other:?}"),
        }
    }
    frames
}
