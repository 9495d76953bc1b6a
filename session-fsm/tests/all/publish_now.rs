//! A message with QoS 0 that is written at once keeps the rules of any other, and leaves nothing behind.

use core::num::NonZeroU16;

use mqtt5_session_fsm::codec::framing::RawPacket;
use mqtt5_session_fsm::codec::{
    Delivery, Packet, PacketIdentifier, Properties, Property, ProtocolVersion, Publish, Qos,
    SubscriptionIdentifier, Text, TopicName, UserProperty,
};
use mqtt5_session_fsm::{
    Client, ClientConfig, Instant, LimitExceeded, Publication, PublishError, TopicAliases,
};

use crate::machines;

const NOW: Instant = Instant::ORIGIN;

/// A Client that the Server has accepted, with these properties in the CONNACK.
fn connected(topic_aliases: TopicAliases, properties: &[u8]) -> Client {
    let config = ClientConfig {
        topic_aliases,
        ..ClientConfig::default()
    };
    machines::connected(config, properties)
}

fn publish(payload: &[u8]) -> Publish<'_> {
    Publish::new(TopicName::new("a/b").unwrap(), payload)
}

fn with<'a>(list: &'a [Property<'a>]) -> Publish<'a> {
    Publish {
        properties: Properties::new(list).unwrap(),
        ..publish(b"on")
    }
}

fn written(client: &mut Client, publish: &Publish<'_>) -> Result<Vec<u8>, PublishError> {
    let mut wire = Vec::new();
    let result = client.publish_now(NOW, publish, &mut wire);
    assert!(result.is_ok() || wire.is_empty(), "{wire:?}");
    assert_eq!(client.poll(NOW, &mut Vec::new()), None);
    result.map(|()| wire)
}

/// It is the packet as it was given.
#[test]
fn it_is_written_as_it_is() {
    let mut client = connected(TopicAliases::Off, &[]);
    let user = Property::UserProperty(UserProperty {
        name: Text::new("n").unwrap(),
        value: Text::new("v").unwrap(),
    });
    let list = [user];
    for given in [publish(b""), publish(b"on"), with(&list)] {
        let wire = written(&mut client, &given).unwrap();
        let mut expected = Vec::new();
        given.encode(ProtocolVersion::V5_0, &mut expected).unwrap();
        assert_eq!(wire, expected);
    }
}

/// Nothing else has QoS 0 without DUP; a Client sends no Subscription Identifier [MQTT-3.3.4-6]; a Topic Alias would
/// belong to the machine.
#[test]
fn what_it_must_not_be_is_refused() {
    let mut client = connected(TopicAliases::Off, &[0x22, 0, 5]);
    let number = PacketIdentifier::try_from(1).unwrap();
    for qos in [Qos::AtLeastOnce, Qos::ExactlyOnce] {
        let given = Publish {
            delivery: Delivery::new(qos, number, false),
            ..publish(b"on")
        };
        let refused = written(&mut client, &given);
        assert!(
            matches!(refused, Err(PublishError::Invalid(_))),
            "{refused:?}"
        );
    }
    let identifier = SubscriptionIdentifier::new(1).unwrap();
    let properties = [
        Property::TopicAlias(NonZeroU16::MIN),
        Property::SubscriptionIdentifier(identifier),
    ];
    for property in properties {
        let list = [property];
        let refused = written(&mut client, &with(&list));
        assert!(
            matches!(refused, Err(PublishError::Invalid(_))),
            "{refused:?}"
        );
    }
    written(&mut client, &publish(b"on")).unwrap();
}

/// [MQTT-3.2.2-15]: the Server's Maximum Packet Size may be used up and not exceeded, with and without aliases.
#[test]
fn the_maximum_packet_size_is_kept() {
    let size = publish(b"on").encoded_len(ProtocolVersion::V5_0).unwrap();
    for aliases in [
        TopicAliases::Off,
        TopicAliases::Automatic(NonZeroU16::new(3).unwrap()),
    ] {
        for (limit, is_allowed) in [(size, true), (size - 1, false)] {
            let maximum = [0x27, 0, 0, 0, limit as u8];
            let mut client = connected(aliases, &maximum);
            match written(&mut client, &publish(b"on")) {
                Ok(wire) => assert!(is_allowed && wire.len() == size),
                Err(PublishError::Forbidden(limit)) => {
                    assert!(!is_allowed && limit == LimitExceeded::MaximumPacketSize);
                }
                Err(error) => panic!("{error:?}"),
            }
        }
    }
}

/// With the policy for Topic Aliases, the second message has no Topic Name; it has one without aliases of the Server.
#[test]
fn aliases_are_used_as_for_other_messages() {
    let automatic = TopicAliases::Automatic(NonZeroU16::new(3).unwrap());
    for (announced, expected) in [(&[0x22, 0, 5][..], None), (&[][..], Some("a/b"))] {
        let mut client = connected(automatic, announced);
        written(&mut client, &publish(b"on")).unwrap();
        let wire = written(&mut client, &publish(b"on")).unwrap();
        let packet = RawPacket::whole(&wire).unwrap();
        let Ok(Packet::Publish(second)) = packet.decode(ProtocolVersion::V5_0) else {
            panic!("{wire:?}")
        };
        assert_eq!(second.topic.as_deref(), expected);
    }
}

/// Nothing is overtaken: neither a packet nor a message that `poll` has not written.
#[test]
fn what_waits_for_poll_is_not_overtaken() {
    let ping: fn(&mut Client) = |client| client.ping().unwrap();
    let message: fn(&mut Client) = |client| {
        let first = Publication::of("a/b", b"first", Qos::AtMostOnce).unwrap();
        client.publish(NOW, first).unwrap();
    };
    for queue in [ping, message] {
        let mut client = connected(TopicAliases::Off, &[]);
        queue(&mut client);
        let mut wire = Vec::new();
        let refused = client.publish_now(NOW, &publish(b"on"), &mut wire);
        assert_eq!(refused, Err(PublishError::Busy));
        while client.poll(NOW, &mut wire).is_some() {}
        let before = wire.len();
        client.publish_now(NOW, &publish(b"on"), &mut wire).unwrap();
        assert!(wire.len() > before && before > 0);
    }
}

/// Without a Network Connection there is nothing to write to.
#[test]
fn without_a_connection_it_is_refused() {
    let mut client = machines::client(ClientConfig::default());
    assert_eq!(
        written(&mut client, &publish(b"on")),
        Err(PublishError::NotConnected)
    );
}

/// It counts as a packet that was sent: the next PINGREQ is due a Keep Alive after it [MQTT-3.1.2-20].
#[test]
fn it_puts_off_the_pingreq() {
    let mut client = connected(TopicAliases::Off, &[0x13, 0, 10]);
    let before = client.next_timeout();
    let later = Instant::from_millis(5_000);
    client
        .publish_now(later, &publish(b"on"), &mut Vec::new())
        .unwrap();
    assert!(before < Instant::from_millis(10_000));
    assert!(client.next_timeout() > before);
}
