//! The bytes that the Topic Names of Topic Aliases may take, in both directions and on both sides: they may be used up, and
//! not exceeded; a Topic Name that is replaced gives its bytes back.

use core::num::NonZeroU16;

use mqtt5_session_fsm::codec::framing::RawPacket;
use mqtt5_session_fsm::codec::{
    Connect, Packet, Properties, Property, ProtocolVersion, Publish, Qos, TopicName,
};
use mqtt5_session_fsm::{
    Client, ClientConfig, Instant, Limits, Output, Publication, Server, ServerConfig, TopicAliases,
};

use crate::machines::{self, connack, connected_server, named};

const NOW: Instant = Instant::ORIGIN;
const LIMIT: usize = 20;

fn alias(number: u16) -> NonZeroU16 {
    NonZeroU16::new(number).unwrap()
}

/// CONNECT or CONNACK with Topic Alias Maximum 5.
fn pair(aliases: TopicAliases) -> (Client, Server) {
    let of_client = ClientConfig {
        topic_alias_bytes: LIMIT,
        topic_aliases: aliases,
        ..ClientConfig::default()
    };
    let of_server = ServerConfig {
        topic_alias_bytes: LIMIT,
        topic_aliases: aliases,
        limits: Limits {
            topic_alias_maximum: 5,
            ..Limits::NONE
        },
        ..ServerConfig::default()
    };
    let maximum = [Property::TopicAliasMaximum(5)];
    let connect = Connect {
        properties: Properties::new(&maximum).unwrap(),
        ..named("c")
    };
    let mut client = machines::client(of_client);
    machines::connect(&mut client, NOW, &connect);
    machines::accept(&mut client, NOW, &connack(&[0x22, 0, 5]));
    (client, connected_server(of_server, NOW, &connect))
}

/// A PUBLISH that sets an alias for a Topic Name of this length.
fn setting(number: u16, length: usize) -> Vec<u8> {
    let (topic, list) = ("t".repeat(length), [Property::TopicAlias(alias(number))]);
    let mut wire = Vec::new();
    Publish {
        properties: Properties::new(&list).unwrap(),
        ..Publish::new(TopicName::new(&topic).unwrap(), b"")
    }
    .encode(ProtocolVersion::V5_0, &mut wire)
    .unwrap();
    wire
}

/// Whether each setting is taken: alias, length of the Topic Name. The last one decides.
fn is_taken(settings: &[(u16, usize)]) -> bool {
    let (mut client, mut server) = pair(TopicAliases::Off);
    let stream: Vec<u8> = settings
        .iter()
        .flat_map(|&(it, length)| setting(it, length))
        .collect();
    let mut wires = [Vec::new(), Vec::new()];
    let (mut up, mut down) = (&stream[..], &stream[..]);
    while client.receive(NOW, &mut down).is_some() {}
    while server.receive(NOW, &mut up).is_some() {}
    let mut closed = [false; 2];
    while let Some(output) = client.poll(NOW, &mut wires[0]) {
        closed[0] |= matches!(output, Output::Close(_));
    }
    while let Some(output) = server.poll(NOW, &mut wires[1]) {
        closed[1] |= matches!(output, Output::Close(_));
    }
    assert_eq!(closed[0], closed[1]);
    if closed[0] {
        for wire in wires {
            let packet = RawPacket::whole(&wire).unwrap();
            let packet = packet.decode(ProtocolVersion::V5_0).unwrap();
            let Packet::Disconnect(disconnect) = packet else {
                panic!("{packet:?}")
            };
            // Quota exceeded.
            assert_eq!(disconnect.reason_code as u8, 0x97);
        }
    }
    !closed[0]
}

#[test]
fn a_peer_may_use_up_the_bytes() {
    assert!(is_taken(&[(1, 10), (2, 10)]));
    assert!(!is_taken(&[(1, 10), (2, 11)]));
    assert!(!is_taken(&[(1, 10), (2, 10), (3, 1)]));
}

#[test]
fn a_topic_name_of_a_peer_that_is_replaced_gives_its_bytes_back() {
    assert!(is_taken(&[(1, 10), (2, 10), (1, 10)]));
    assert!(is_taken(&[(1, 10), (2, 10), (1, 5), (3, 5)]));
    assert!(!is_taken(&[(1, 10), (2, 10), (1, 5), (3, 6)]));
    assert!(!is_taken(&[(1, 5), (2, 10), (1, 11)]));
}

/// What aliases the messages of these topics get from the Client: number, and whether the Topic Name is sent.
fn sent(policy: TopicAliases, messages: &[(&str, Option<NonZeroU16>)]) -> Vec<Option<(u16, bool)>> {
    let (mut client, _) = pair(policy);
    let mut all = Vec::new();
    for (topic, wanted) in messages {
        let publication = Publication {
            topic_alias: *wanted,
            ..Publication::of(topic, b"", Qos::AtMostOnce).unwrap()
        };
        client.publish(NOW, publication).unwrap();
        let wire = machines::settle(&mut client, NOW);
        let packet = RawPacket::whole(&wire).unwrap();
        let packet = packet.decode(ProtocolVersion::V5_0).unwrap();
        let Packet::Publish(publish) = packet else {
            panic!("{packet:?}")
        };
        let number = publish.properties.topic_alias();
        all.push(number.map(|number| (number.get(), publish.topic.is_some())));
    }
    all
}

const TEN: &str = "tttttttttt";
const OTHER: &str = "oooooooooo";

#[test]
fn this_side_uses_up_the_bytes_and_no_more() {
    let automatic = TopicAliases::Automatic(alias(5));
    // Both fit.
    assert_eq!(
        sent(
            automatic,
            &[(TEN, None), (OTHER, None), (TEN, None), (OTHER, None)]
        ),
        [
            Some((1, true)),
            Some((2, true)),
            Some((1, false)),
            Some((2, false))
        ]
    );
    // With another byte they do not: the least recently used alias is set anew.
    let eleven = "elevenbytes";
    assert_eq!(
        sent(
            automatic,
            &[(TEN, None), (eleven, None), (TEN, None), (TEN, None)]
        ),
        [
            Some((1, true)),
            Some((1, true)),
            Some((1, true)),
            Some((1, false))
        ]
    );
    // One that does not fit at all gets none, and takes none away.
    let longer = "t".repeat(LIMIT + 1);
    assert_eq!(
        sent(automatic, &[(TEN, None), (&longer, None), (TEN, None)]),
        [Some((1, true)), None, Some((1, false))]
    );
}

#[test]
fn a_topic_name_of_this_side_that_is_replaced_gives_its_bytes_back() {
    let [one, two, three] = [1, 2, 3].map(|number| Some(alias(number)));
    assert_eq!(
        sent(
            TopicAliases::Off,
            &[
                (TEN, one),
                (OTHER, two),
                ("five.", one),
                ("other", three),
                ("x", three),
                (TEN, one)
            ]
        ),
        [
            Some((1, true)),
            Some((2, true)),
            Some((1, true)),
            Some((3, true)),
            Some((3, true)),
            // 10 for the second, 1 for the third: 10 would be one too many.
            None
        ]
    );
    // The Topic Name of a replaced alias is found under the other one only.
    assert_eq!(
        sent(
            TopicAliases::Off,
            &[(TEN, one), ("x", one), (TEN, one), (TEN, one)]
        ),
        [
            Some((1, true)),
            Some((1, true)),
            Some((1, true)),
            Some((1, false))
        ]
    );
    assert_eq!(
        sent(
            TopicAliases::Automatic(alias(1)),
            &[
                ("a", None),
                ("b", None),
                ("a", None),
                ("a", None),
                ("b", None)
            ]
        ),
        [
            Some((1, true)),
            Some((1, true)),
            Some((1, true)),
            Some((1, false)),
            Some((1, true))
        ]
    );
}

/// An application that chooses aliases leaves gaps: the policy fills them, and takes no alias that is in use.
#[test]
fn the_policy_leaves_chosen_aliases_alone() {
    let automatic = TopicAliases::Automatic(alias(5));
    let messages = [
        ("x", Some(alias(3))),
        ("a", None),
        ("b", None),
        ("c", None),
        ("d", None),
        ("x", None),
    ];
    let sent = sent(automatic, &messages);
    let mut numbers: Vec<u16> = sent.iter().flatten().map(|it| it.0).collect();
    assert_eq!(numbers.pop(), Some(3));
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
    assert_eq!(sent.last(), Some(&Some((3, false))));
}
