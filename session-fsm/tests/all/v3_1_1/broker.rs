//! Clients of both versions at one broker.

use mqtt5_session_fsm::broker::{
    Admission, Broker, BrokerConfig, ConnectionKey, Grant, Next, Notice, Permission, Refusal, Step,
    Verdict,
};
use mqtt5_session_fsm::codec::{Packet, Qos, ReasonCode};

use super::wire::{NOW, bytes};

struct Place {
    broker: Broker,
    refuses: Option<ReasonCode>,
}

impl Place {
    fn new(config: BrokerConfig) -> Self {
        Place {
            broker: Broker::new(config),
            refuses: None,
        }
    }

    fn send(&mut self, key: ConnectionKey, line: &str) {
        let input = bytes(line);
        let mut input = &input[..];
        let refuses = self.refuses;
        loop {
            let step = self
                .broker
                .receive(NOW, key, &mut input, |_| match refuses {
                    Some(code) => Permission::Refuse(code),
                    None => Permission::Publish,
                });
            match step.expect("a connection") {
                Step::Ask(question) => match question.packet() {
                    Packet::Connect(_) => {
                        let admission = Verdict::Accept(Admission::of("all"));
                        let answered = self.broker.answer_connect(NOW, &question, &admission);
                        answered.unwrap();
                    }
                    _ => {
                        let grants = [Grant::UpTo(Qos::ExactlyOnce); 4];
                        let answered = self.broker.answer_subscribe(NOW, &question, &grants);
                        answered.unwrap();
                    }
                },
                _ if input.is_empty() => return,
                _ => {}
            }
        }
    }

    /// What a connection is to get, and whether it is over.
    fn written(&mut self, key: ConnectionKey) -> (String, bool) {
        while let Some(notice) = self.broker.poll() {
            let _: Notice = notice;
        }
        let mut out = Vec::new();
        let transmitted = self.broker.transmit(NOW, key, &mut out).unwrap();
        let digits: Vec<String> = out.iter().map(|it| format!("{it:02X}")).collect();
        (digits.join(" "), matches!(transmitted.next, Next::Close(_)))
    }

    fn older(&mut self, name: char) -> ConnectionKey {
        let key = self.broker.connected(NOW).unwrap();
        let connect = format!("10 0D 0004 4D515454 04 00 003C 0001 {:02X}", name as u8);
        self.send(key, &connect);
        assert_eq!(self.written(key), ("20 02 00 00".into(), false));
        key
    }

    fn newer(&mut self, name: char) -> ConnectionKey {
        let key = self.broker.connected(NOW).unwrap();
        let connect = format!("10 0E 0004 4D515454 05 02 003C 00 0001 {:02X}", name as u8);
        self.send(key, &connect);
        assert!(self.written(key).0.starts_with("20 "));
        key
    }
}

#[test]
fn both_versions_on_one_topic() {
    let mut place = Place::new(BrokerConfig::default());
    let (older, newer) = (place.older('o'), place.newer('n'));
    place.send(older, "82 06 0001 0001 61 01");
    assert_eq!(place.written(older).0, "90 03 00 01 01");
    place.send(newer, "82 07 0001 00 0001 61 01");
    assert_eq!(place.written(newer).0, "90 04 00 01 00 01");
    // From the newer one, with a property.
    place.send(newer, "32 0C 0001 61 0001 05 02 0000003C 68");
    assert_eq!(place.written(older).0, "32 06 00 01 61 00 01 68");
    let to_newer = place.written(newer).0;
    assert!(to_newer.contains("02 00 00 00 3C 68"), "{to_newer}");
    // From the older one: a payload that looks like properties.
    place.send(older, "30 05 0001 61 0068");
    assert_eq!(place.written(newer).0, "30 06 00 01 61 00 00 68");
    place.send(older, "A2 05 0002 0001 61");
    assert!(place.written(older).0.contains("B0 02 00 02"));
}

/// What the Client cannot be told is not held against it.
#[test]
fn limits_are_not_held_against_a_client() {
    let mut config = BrokerConfig::default();
    config.server.limits.maximum_qos = Qos::AtMostOnce;
    config.server.limits.retain_available = false;
    let mut place = Place::new(config);
    let older = place.older('o');
    place.send(older, "33 06 0001 61 0001 68");
    assert_eq!(place.written(older), ("40 02 00 01".into(), false));
}

/// Section 3.8.3: a Server that has no wildcards refuses filters with them, which a Client cannot know.
#[test]
fn filters_with_wildcards() {
    let mut config = BrokerConfig::default();
    config.server.limits.wildcard_subscription_available = false;
    let mut place = Place::new(config);
    let older = place.older('o');
    place.send(older, "82 0E 0001 0001 2B 01 0001 61 01 0001 23 01");
    assert_eq!(place.written(older), ("90 05 00 01 80 01 80".into(), false));
    place.send(older, "30 04 0001 61 68 30 04 0001 62 68");
    assert_eq!(place.written(older).0, "30 04 00 01 61 68");
}

#[test]
fn refused_messages() {
    for (refusal, code) in [
        (Refusal::Acknowledge, ReasonCode::NotAuthorized),
        (Refusal::Close, ReasonCode::NotAuthorized),
        // No DISCONNECT may have this one.
        (Refusal::Close, ReasonCode::PacketIdentifierInUse),
    ] {
        refused_message(refusal, code);
    }
}

fn refused_message(refusal: Refusal, code: ReasonCode) {
    let mut place = Place::new(BrokerConfig {
        refusal,
        ..BrokerConfig::default()
    });
    let older = place.older('o');
    place.refuses = Some(code);
    place.send(older, "32 06 0001 61 0001 68");
    let expected = match refusal {
        Refusal::Acknowledge => ("40 02 00 01".into(), false),
        Refusal::Close => (String::new(), true),
    };
    assert_eq!(place.written(older), expected, "{code}");
    assert_eq!(place.broker.statistics().refused, 1);
}

#[test]
fn shared_subscriptions() {
    let share = |filter: &str| {
        let digits: String = filter.bytes().map(|it| format!("{it:02X}")).collect();
        format!(
            "82 {:02X} 0001 {:04X} {digits} 01",
            filter.len() + 5,
            filter.len()
        )
    };
    let mut place = Place::new(BrokerConfig::default());
    let (first, second) = (place.older('a'), place.older('b'));
    for key in [first, second] {
        place.send(key, &share("$share/g/t"));
        assert_eq!(place.written(key).0, "90 03 00 01 01");
    }
    // A ShareName that is none.
    for filter in ["$share//t", "$share/+/t", "$share/g"] {
        place.send(first, &share(filter));
        assert_eq!(place.written(first).0, "90 03 00 01 80", "{filter}");
    }
    let publisher = place.newer('p');
    place.send(publisher, "30 05 0001 74 00 68");
    let got = [place.written(first).0, place.written(second).0];
    assert_eq!(got.concat(), "30 04 00 01 74 68");

    let mut place = Place::new(BrokerConfig {
        shared_subscriptions_in_3_1_1: false,
        ..BrokerConfig::default()
    });
    let key = place.older('a');
    place.send(key, &share("$share/g/t"));
    assert_eq!(place.written(key).0, "90 03 00 01 80");
}

/// The Session of a Client goes on when it comes back with the other version.
#[test]
fn a_session_changes_its_version() {
    let mut place = Place::new(BrokerConfig::default());
    let older = place.older('s');
    place.send(older, "82 06 0001 0001 61 01");
    assert_eq!(place.written(older).0, "90 03 00 01 01");
    place.broker.lost(NOW, older).unwrap();
    let publisher = place.newer('p');
    place.send(publisher, "32 0C 0001 61 0001 05 02 0000003C 68");
    let back = place.broker.connected(NOW).unwrap();
    place.send(
        back,
        "10 13 0004 4D515454 05 00 003C 05 11 00000064 0001 73",
    );
    let got = place.written(back).0;
    assert!(got.starts_with("20 03 01 00 00"), "{got}");
    assert!(
        got.contains("32 0C 00 01 61 00 01 05 02 00 00 00 3C 68"),
        "{got}"
    );
    // Taken over: nothing is said to the newer one's successor, and 0x8E to it.
    let again = place.broker.connected(NOW).unwrap();
    place.send(again, "10 0D 0004 4D515454 04 00 003C 0001 73");
    assert!(place.written(back).0.contains("E0 01 8E"));
    let got = place.written(again).0;
    assert_eq!(got, "20 02 01 00 3A 06 00 01 61 00 01 68");
}
