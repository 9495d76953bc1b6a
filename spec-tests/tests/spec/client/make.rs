//! The packets of the Server, as bytes.

use mqtt5_session_fsm::codec::{
    Auth, ConnAck, Delivery, Disconnect, Packet, PacketIdentifier, PacketType, Properties,
    Property, Publish, Qos, ReasonCode, SubAck, SubAckReasonCodes, TopicName, UnsubAck,
    UnsubAckReasonCodes,
};

pub(crate) const PINGRESP: &[u8] = &[0xD0, 0];

pub(crate) fn bytes<'a>(packet: impl Into<Packet<'a>>) -> Vec<u8> {
    let mut bytes = Vec::new();
    packet.into().encode(&mut bytes).unwrap();
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

pub(crate) fn unsuback(identifier: u16, codes: &[ReasonCode]) -> Vec<u8> {
    bytes(UnsubAck::new(
        id(identifier),
        UnsubAckReasonCodes::new(codes).unwrap(),
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

/// One good packet of each type that a Server may send.
pub(crate) const ONE_OF_EACH: [fn() -> Vec<u8>; 11] = [
    || connack(false, ReasonCode::Success, &[]),
    || publish(0, 0, "t", "q0"),
    || publish(2, 77, "t", "q2"),
    || puback(78),
    || pubrec(79),
    || pubrel(80),
    || pubcomp(81),
    || suback(82, &[ReasonCode::Success]),
    || unsuback(83, &[ReasonCode::Success]),
    || PINGRESP.to_vec(),
    || disconnect(ReasonCode::ServerBusy, &[]),
];
