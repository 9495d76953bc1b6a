//! Messages are sent again in the order of their first sending, and PUBRELs in that of the PUBRECs, whatever their Packet
//! Identifiers are and however the Session got into the next process (sections 4.4, 4.6: MQTT-4.6.0-1, MQTT-4.6.0-4).

use mqtt5_session_fsm::codec::framing::{Split, split};
use mqtt5_session_fsm::codec::{
    Connect, Packet, Properties, Property, ProtocolVersion, Publish, Qos, Text, TopicName,
};
use mqtt5_session_fsm::{
    Change, Client, ClientConfig, Event, Output, Publication, QueuedMessage, Session, Token,
};
use proptest::prelude::*;

use super::link::{By, EVERY_WAY, NOW, config, id};

/// A Client with these messages in flight, in this order, and the changes that led there.
struct Sender {
    client: Client,
    log: Vec<Change>,
}

fn message(number: u16) -> mqtt5_session_fsm::codec::Message {
    let publish = Publish::new(TopicName::new("a").unwrap(), b"");
    let payload = number.to_be_bytes();
    let publish = Publish {
        payload: &payload,
        ..publish
    };
    mqtt5_session_fsm::codec::Message::new(&publish).unwrap()
}

impl Sender {
    fn new(identifiers: &[u16]) -> Self {
        let mut log = vec![Change::Connected {
            client_identifier: "c".into(),
            expiry_interval: u32::MAX,
        }];
        for (number, identifier) in (1..).zip(identifiers) {
            let token = Token::from_number(number);
            log.push(Change::Accepted {
                message: QueuedMessage::new(
                    token,
                    Publication::new(Qos::ExactlyOnce, message(*identifier)),
                ),
                deadline: None,
            });
            log.push(Change::Sent {
                token,
                packet_identifier: id(*identifier),
            });
        }
        let mut session = Session::of_client(config());
        for change in &log {
            session.apply(NOW, change).unwrap();
        }
        let client = Client::new(ClientConfig::default(), session);
        Sender { client, log }
    }

    /// What is written until there is nothing to do.
    fn poll(&mut self) -> Vec<u8> {
        let mut wire = Vec::new();
        while let Some(output) = self.client.poll(NOW, &mut wire) {
            if let Output::Persist(change) = output {
                self.log.push(change);
            }
        }
        wire
    }

    /// Connects; PUBLISH and PUBREL, as they are written.
    fn connect(&mut self) -> (Vec<u16>, Vec<u16>) {
        let list = [Property::SessionExpiryInterval(u32::MAX)];
        let connect = Connect {
            client_identifier: Text::new("c").unwrap(),
            properties: Properties::new(&list).unwrap(),
            ..Connect::default()
        };
        self.client.connect(NOW, &connect).unwrap();
        self.poll();
        let event = self.client.receive(NOW, &mut &b"\x20\x03\x01\x00\x00"[..]);
        assert!(matches!(event, Some(Event::Connected(_))));
        sent(&self.poll())
    }

    fn pubrec(&mut self, identifier: u16) -> (Vec<u16>, Vec<u16>) {
        let [high, low] = identifier.to_be_bytes();
        let packet = [0x50, 2, high, low];
        assert_eq!(self.client.receive(NOW, &mut &packet[..]), None);
        sent(&self.poll())
    }

    fn restart(&mut self, by: By) {
        self.client.connection_lost(NOW);
        self.poll();
        let session = match by {
            By::Nothing => return,
            By::Export => {
                let export = self.client.session().export();
                Session::restore(NOW, &export, config()).unwrap()
            }
            By::Log => {
                let mut session = Session::of_client(config());
                for change in &self.log {
                    session.apply(NOW, change).unwrap();
                }
                session
            }
        };
        self.client = Client::new(ClientConfig::default(), session);
    }
}

/// The identifiers of PUBLISH and PUBREL packets.
fn sent(mut wire: &[u8]) -> (Vec<u16>, Vec<u16>) {
    let (mut publishes, mut releases) = (Vec::new(), Vec::new());
    while let Ok(Split::Packet { packet, rest }) = split(wire, 1 << 20) {
        match packet.decode(ProtocolVersion::V5_0).unwrap() {
            Packet::Publish(publish) => {
                let identifier = publish.delivery.packet_identifier().unwrap().get();
                assert_eq!(publish.payload, identifier.to_be_bytes());
                publishes.push(identifier);
            }
            Packet::PubRel(release) => releases.push(release.packet_identifier.get()),
            _ => {}
        }
        wire = rest;
    }
    (publishes, releases)
}

/// `released` are some of the identifiers, in the order in which their PUBRECs come.
fn check(identifiers: &[u16], released: &[u16], ways: &[By]) {
    let mut sender = Sender::new(identifiers);
    assert_eq!(sender.connect(), (identifiers.to_vec(), vec![]));
    for identifier in released {
        assert_eq!(sender.pubrec(*identifier), (vec![], vec![*identifier]));
    }
    let mut left = identifiers.to_vec();
    left.retain(|it| !released.contains(it));
    let expected = (left, released.to_vec());
    for by in ways {
        sender.restart(*by);
        assert_eq!(sender.connect(), expected, "{ways:?}");
    }
}

#[test]
fn identifiers_that_have_wrapped_keep_their_order() {
    let identifiers = [65_533, 65_534, 65_535, 1, 2, 3];
    for by in EVERY_WAY {
        check(&identifiers, &[], &[by, by]);
        check(&identifiers, &identifiers, &[by, by]);
        check(&identifiers, &[65_535, 1], &[by, by]);
        check(&identifiers, &[1, 65_535, 65_534], &[by, by]);
    }
}

/// All identifiers were used once; the machine itself begins anew, and reports so in its order.
#[test]
fn the_machine_wraps_around() {
    for by in EVERY_WAY {
        let mut sender = Sender::new(&[65_533, 65_534, 65_535]);
        sender.connect();
        for number in [1, 2, 3] {
            let publication = Publication::new(Qos::ExactlyOnce, message(number));
            sender.client.publish(NOW, publication).unwrap();
        }
        let (publishes, _) = sent(&sender.poll());
        assert_eq!(publishes, [1, 2, 3]);
        for identifier in [65_534, 65_535, 1, 3] {
            sender.pubrec(identifier);
        }
        sender.restart(by);
        let expected = (vec![65_533, 2], vec![65_534, 65_535, 1, 3]);
        assert_eq!(sender.connect(), expected, "{by:?}");
    }
}

proptest! {
    #[test]
    fn any_identifiers_keep_their_order(
        identifiers in proptest::collection::hash_set(prop_oneof![1..40_u16, 65_500..=u16::MAX], 1..8),
        seed: u64,
        ways in proptest::collection::vec(proptest::sample::select(&EVERY_WAY[..]), 1..4),
    ) {
        // An order of their own for the sendings and for the PUBRECs.
        let mut identifiers: Vec<u16> = identifiers.into_iter().collect();
        let key = |salt: u64| move |it: &u16| (u64::from(*it) ^ seed ^ salt).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        identifiers.sort_by_key(key(0));
        let mut released = identifiers.clone();
        released.sort_by_key(key(0x5555_5555));
        released.truncate(seed as usize % (identifiers.len() + 1));
        check(&identifiers, &released, &ways);
    }
}
