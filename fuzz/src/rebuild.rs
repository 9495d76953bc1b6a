//! The same packet from lists: as a caller builds it who sends it.

use mqtt5_codec::{
    Auth, ConnAck, Connect, Disconnect, Packet, Properties, Property, ProtocolVersion, PubAck,
    PubComp, PubRec, PubRel, Publish, ReasonCodes, SubAck, Subscribe, Subscriptions, TopicFilters,
    UnsubAck, UnsubAckReasonCodes, Unsubscribe, Will,
};

/// Collects everything that a packet holds as received bytes into lists, lets `arrange` see each
/// list of properties, and hands the packet built from the lists to `then`.
pub fn rebuilt<T>(
    packet: &Packet<'_>,
    arrange: impl Fn(&mut Vec<Property<'_>>),
    then: impl FnOnce(Packet<'_>) -> T,
) -> T {
    macro_rules! collected {
        ($list:ident, $properties:ident of $packet:ident) => {
            let mut $list: Vec<_> = $packet.properties.iter().collect();
            arrange(&mut $list);
            let $properties = Properties::new(&$list).expect("a decoded set can be sent");
        };
    }
    macro_rules! properties_only {
        ($name:ident, $packet:ident) => {{
            collected!(list, properties of $packet);
            then(Packet::$name($name { properties, ..*$packet }))
        }};
    }
    match packet {
        Packet::Connect(connect) => {
            collected!(list, properties of connect);
            let Some(will) = &connect.will else {
                return then(Packet::Connect(Connect {
                    properties,
                    ..*connect
                }));
            };
            collected!(will_list, will_properties of will);
            then(Packet::Connect(Connect {
                properties,
                will: Some(Will {
                    properties: will_properties,
                    ..*will
                }),
                ..*connect
            }))
        }
        Packet::ConnAck(packet) => properties_only!(ConnAck, packet),
        Packet::Publish(packet) => properties_only!(Publish, packet),
        Packet::PubAck(packet) => properties_only!(PubAck, packet),
        Packet::PubRec(packet) => properties_only!(PubRec, packet),
        Packet::PubRel(packet) => properties_only!(PubRel, packet),
        Packet::PubComp(packet) => properties_only!(PubComp, packet),
        Packet::Subscribe(packet) => {
            collected!(list, properties of packet);
            let subscriptions: Vec<_> = packet.subscriptions.iter().collect();
            then(Packet::Subscribe(Subscribe {
                properties,
                subscriptions: Subscriptions::new(&subscriptions).expect("decoded"),
                ..*packet
            }))
        }
        Packet::SubAck(packet) => {
            collected!(list, properties of packet);
            let codes: Vec<_> = packet.reason_codes.iter().collect();
            assert_eq!(codes.len(), packet.reason_codes.len());
            then(Packet::SubAck(SubAck {
                properties,
                reason_codes: ReasonCodes::new(&codes).expect("decoded"),
                ..*packet
            }))
        }
        Packet::Unsubscribe(packet) => {
            collected!(list, properties of packet);
            let filters: Vec<_> = packet.filters.iter().collect();
            then(Packet::Unsubscribe(Unsubscribe {
                properties,
                filters: TopicFilters::new(&filters).expect("decoded"),
                ..*packet
            }))
        }
        Packet::UnsubAck(packet) => {
            collected!(list, properties of packet);
            let codes: Vec<_> = packet.reason_codes.iter().collect();
            assert_eq!(codes.len(), packet.reason_codes.len());
            let reason_codes = match codes[..] {
                // MQTT 3.1.1 has none.
                [] => UnsubAckReasonCodes::NONE,
                _ => ReasonCodes::new(&codes).expect("decoded"),
            };
            then(Packet::UnsubAck(UnsubAck {
                properties,
                reason_codes,
                ..*packet
            }))
        }
        Packet::PingReq => then(Packet::PingReq),
        Packet::PingResp => then(Packet::PingResp),
        Packet::Disconnect(packet) => properties_only!(Disconnect, packet),
        Packet::Auth(packet) => properties_only!(Auth, packet),
    }
}

/// The bytes of a packet in this version.
///
/// # Panics
///
/// If the packet cannot be encoded, or its length is not what it says.
#[must_use]
pub fn encoded(version: ProtocolVersion, packet: &Packet<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    packet
        .encode(version, &mut bytes)
        .expect("the packet can be sent");
    assert_eq!(packet.encoded_len(version), Ok(bytes.len()));
    bytes
}
