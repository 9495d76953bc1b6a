//! The packets of the other side, as bytes.

use mqtt5_session_fsm::codec::{
    Auth, ConnAck, Delivery, Disconnect, Packet, PacketIdentifier, PacketType, Properties,
    Property, Publish, Qos, ReasonCode, Role, SubAck, SubAckReasonCodes, Subscribe, Subscription,
    SubscriptionOptions, Subscriptions, TopicFilter, TopicFilters, TopicName, UnsubAck,
    UnsubAckReasonCodes, Unsubscribe,
};

use super::driver::connect_with;
use crate::version::{is_3_1_1, version};

pub(crate) const PINGREQ: &[u8] = &[0xC0, 0];
pub(crate) const PINGRESP: &[u8] = &[0xD0, 0];

pub(crate) fn bytes<'a>(packet: impl Into<Packet<'a>>) -> Vec<u8> {
    let mut packet = packet.into();
    if let Packet::Connect(connect) = &mut packet {
        connect.version = version();
    }
    let mut bytes = Vec::new();
    packet.encode(version(), &mut bytes).unwrap();
    bytes
}

pub(crate) fn id(identifier: u16) -> PacketIdentifier {
    PacketIdentifier::new(identifier).unwrap()
}

pub(crate) fn connack(
    session_present: bool,
    reason_code: ReasonCode,
    properties: &[Property<'_>],
) -> Vec<u8> {
    bytes(ConnAck {
        session_present,
        reason_code,
        properties: Properties::new(properties).unwrap(),
    })
}

pub(crate) fn publish(qos: u8, identifier: u16, topic: &str, payload: &str) -> Vec<u8> {
    publish_with(qos, identifier, false, topic, payload, &[])
}

/// With an empty topic it has none.
pub(crate) fn publish_with(
    qos: u8,
    identifier: u16,
    duplicate: bool,
    topic: &str,
    payload: &str,
    properties: &[Property<'_>],
) -> Vec<u8> {
    let qos = Qos::from_bits(qos).unwrap();
    bytes(Publish {
        delivery: Delivery::new(qos, id(identifier.max(1)), duplicate),
        retain: false,
        topic: (!topic.is_empty()).then(|| TopicName::new(topic).unwrap()),
        properties: Properties::new(properties).unwrap(),
        payload: payload.as_bytes(),
    })
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP.
pub(crate) fn ack(packet_type: PacketType, identifier: u16, code: ReasonCode) -> Vec<u8> {
    let [high, low] = identifier.to_be_bytes();
    if is_3_1_1() {
        assert_eq!(code, ReasonCode::Success, "not in MQTT 3.1.1");
        return vec![packet_type.first_byte(), 2, high, low];
    }
    vec![packet_type.first_byte(), 3, high, low, code.to_byte()]
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP with a Reason String.
pub(crate) fn ack_with_reason(packet_type: PacketType, identifier: u16, reason: &str) -> Vec<u8> {
    let [high, low] = identifier.to_be_bytes();
    let length = u8::try_from(reason.len()).unwrap();
    let mut bytes = vec![packet_type.first_byte(), length + 7, high, low, 0];
    bytes.extend([length + 3, 0x1F, 0, length]);
    bytes.extend(reason.bytes());
    bytes
}

pub(crate) fn puback(identifier: u16) -> Vec<u8> {
    ack(PacketType::PubAck, identifier, ReasonCode::Success)
}

pub(crate) fn pubrec(identifier: u16) -> Vec<u8> {
    ack(PacketType::PubRec, identifier, ReasonCode::Success)
}

pub(crate) fn pubrel(identifier: u16) -> Vec<u8> {
    ack(PacketType::PubRel, identifier, ReasonCode::Success)
}

pub(crate) fn pubcomp(identifier: u16) -> Vec<u8> {
    ack(PacketType::PubComp, identifier, ReasonCode::Success)
}

pub(crate) fn suback(identifier: u16, codes: &[ReasonCode]) -> Vec<u8> {
    bytes(SubAck::new(
        id(identifier),
        SubAckReasonCodes::new(codes).unwrap(),
    ))
}

/// Without the Reason Codes in MQTT 3.1.1.
pub(crate) fn unsuback(identifier: u16, codes: &[ReasonCode]) -> Vec<u8> {
    let codes = match is_3_1_1() {
        true => UnsubAckReasonCodes::NONE,
        false => UnsubAckReasonCodes::new(codes).unwrap(),
    };
    bytes(UnsubAck::new(id(identifier), codes))
}

pub(crate) fn subscribe(identifier: u16, filters: &[&str]) -> Vec<u8> {
    let list: Vec<_> = filters
        .iter()
        .map(|filter| Subscription {
            filter: TopicFilter::new(filter).unwrap(),
            options: SubscriptionOptions::default(),
        })
        .collect();
    bytes(Subscribe::new(
        id(identifier),
        Subscriptions::new(&list).unwrap(),
    ))
}

pub(crate) fn unsubscribe(identifier: u16, filters: &[&str]) -> Vec<u8> {
    let list: Vec<_> = filters
        .iter()
        .map(|filter| TopicFilter::new(filter).unwrap())
        .collect();
    bytes(Unsubscribe::new(
        id(identifier),
        TopicFilters::new(&list).unwrap(),
    ))
}

pub(crate) fn disconnect(reason_code: ReasonCode, properties: &[Property<'_>]) -> Vec<u8> {
    bytes(Disconnect {
        reason_code,
        properties: Properties::new(properties).unwrap(),
    })
}

pub(crate) fn auth(reason_code: ReasonCode, properties: &[Property<'_>]) -> Vec<u8> {
    bytes(Auth {
        reason_code,
        properties: Properties::new(properties).unwrap(),
    })
}

/// One good packet of each type that this side may send, but AUTH.
pub(crate) fn one_of_each(role: Role) -> Vec<Vec<u8>> {
    let mut all = vec![
        publish(0, 0, "t", "q0"),
        publish(2, 77, "t", "q2"),
        puback(78),
        pubrec(79),
        pubrel(80),
        pubcomp(81),
    ];
    match role {
        Role::Client => {
            all.insert(0, bytes(connect_with(&[])));
            all.extend([
                subscribe(82, &["a"]),
                unsubscribe(83, &["a"]),
                PINGREQ.to_vec(),
                disconnect(ReasonCode::Success, &[]),
            ]);
        }
        Role::Server => {
            all.insert(0, connack(false, ReasonCode::Success, &[]));
            all.extend([
                suback(82, &[ReasonCode::Success]),
                unsuback(83, &[ReasonCode::Success]),
                PINGRESP.to_vec(),
            ]);
            // A Server of MQTT 3.1.1 has no DISCONNECT.
            if !is_3_1_1() {
                all.push(disconnect(ReasonCode::ServerBusy, &[]));
            }
        }
    }
    all
}
