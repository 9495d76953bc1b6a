//! Answers of the host: late, twice, after the end; enhanced authentication; rights withdrawn; drain (sections 4.11, 4.12).

use mqtt5_session_fsm::broker::{Admission, AnswerError, Broker, Grant, Verdict};
use mqtt5_session_fsm::codec::{
    Auth, Binary, Packet, Properties, Property, Qos, ReasonCode, Text, TopicFilter,
};

use crate::broker::place::{Place, Who, encode, persistent, who};

crate::check::checks! {
    "answers":
    broker {
        Example enhanced_authentication,
        Example re_authentication,
        Example auth_without_a_method,
        Example late_and_double_answers,
        Example an_answer_after_a_takeover,
        Example other_answers_do_not_wait,
        Example grants,
        Example a_right_is_withdrawn,
        Example drain,
        Example kick,
    }
}

fn auth(code: ReasonCode, data: &str) -> Vec<u8> {
    let list = [
        Property::AuthenticationMethod(Text::new("method").unwrap()),
        Property::AuthenticationData(Binary::new(data.as_bytes()).unwrap()),
    ];
    encode(&Packet::Auth(Auth {
        reason_code: code,
        properties: Properties::new(&list).unwrap(),
    }))
}

fn data_of(place: &mut Place, wire: usize) -> Option<(ReasonCode, String)> {
    place.find(wire, |packet| {
        let (code, data) = match packet {
            Packet::Auth(it) => (it.reason_code, it.properties.authentication_data()),
            Packet::ConnAck(it) => (it.reason_code, it.properties.authentication_data()),
            _ => return None,
        };
        let data = data.map_or(String::new(), |it| {
            String::from_utf8_lossy(it.as_bytes()).into_owned()
        });
        Some((code, data))
    })
}

fn method(name: &'static str) -> Who {
    Who {
        method: Some("method"),
        ..who(name).lasting(100)
    }
}

/// Section 4.12: several steps before the CONNACK, which takes over only then.
fn enhanced_authentication() {
    let mut place = Place::new(persistent());
    let old = place.connect(&who("it").lasting(100));
    place.decides = false;
    let wire = place.open();
    place.send(wire, &method("it").resuming().bytes());
    let now = place.now;
    for step in ["1", "2", "3"] {
        let question = place.questions.pop().unwrap();
        let list = [Property::AuthenticationData(
            Binary::new(step.as_bytes()).unwrap(),
        )];
        place
            .broker
            .answer_connect(now, &question, &Verdict::Continue(&list))
            .unwrap();
        assert!(
            place
                .broker
                .answer_connect(now, &question, &Verdict::Continue(&list))
                .is_err(),
            "twice"
        );
        place.settle();
        assert_eq!(
            data_of(&mut place, wire),
            Some((ReasonCode::ContinueAuthentication, step.to_owned()))
        );
        assert!(place.is_open(old));
        place.send(wire, &auth(ReasonCode::ContinueAuthentication, step));
    }
    let question = place.questions.pop().unwrap();
    assert!(matches!(question.packet(), Packet::Auth(_)));
    let list = [Property::AuthenticationData(Binary::new(b"done").unwrap())];
    let admission = Admission {
        properties: &list,
        ..Admission::of("somebody")
    };
    place
        .broker
        .answer_connect(now, &question, &Verdict::Accept(admission))
        .unwrap();
    place.settle();
    assert_eq!(
        data_of(&mut place, wire),
        Some((ReasonCode::Success, "done".to_owned()))
    );
    assert_eq!(place.disconnect(old), Some(ReasonCode::SessionTakenOver));
}

/// Section 4.12.1: re-authentication while messages flow; a failure ends the connection, not the Session.
fn re_authentication() {
    for accepts in [true, false] {
        let mut place = Place::new(persistent());
        let publisher = place.connect(&who("publisher"));
        let wire = place.connect(&method("it"));
        place.subscribe(wire, "a", Qos::AtLeastOnce);
        place.decides = false;
        place.send(wire, &auth(ReasonCode::ReAuthenticate, "again"));
        let now = place.now;
        let question = place.questions.pop().unwrap();
        place
            .broker
            .answer_connect(now, &question, &Verdict::Continue(&[]))
            .unwrap();
        place.settle();
        place.publish(publisher, "a", "hi", Qos::AtLeastOnce);
        assert_eq!(place.take(wire).len(), 1, "in the middle of it");
        assert!(data_of(&mut place, wire).is_some());
        place.send(wire, &auth(ReasonCode::ContinueAuthentication, "more"));
        let question = place.questions.pop().unwrap();
        let verdict = if accepts {
            Verdict::Accept(Admission::of("somebody"))
        } else {
            Verdict::Refuse(ReasonCode::NotAuthorized, &[])
        };
        place
            .broker
            .answer_connect(now, &question, &verdict)
            .unwrap();
        place.settle();
        if accepts {
            assert_eq!(data_of(&mut place, wire).unwrap().0, ReasonCode::Success);
            assert!(
                place
                    .broker
                    .answer_connect(now, &question, &verdict)
                    .is_err(),
                "twice"
            );
            assert!(place.is_open(wire));
        } else {
            assert_eq!(place.disconnect(wire), Some(ReasonCode::NotAuthorized));
            place.decides = true;
            place.resume(&method("it"));
        }
    }
}

/// [MQTT-4.12.0-6], [MQTT-4.12.1-1]: AUTH where none is allowed.
fn auth_without_a_method() {
    let mut place = Place::new(persistent());
    let wire = place.connect(&who("it"));
    place.send(wire, &auth(ReasonCode::ReAuthenticate, "again"));
    assert_eq!(place.disconnect(wire), Some(ReasonCode::ProtocolError));
    assert!(place.questions.is_empty());
}

/// An answer that comes twice, or after the connection is gone, changes nothing.
fn late_and_double_answers() {
    let mut place = Place::new(persistent());
    place.decides = false;
    let now = place.now;
    let wire = place.open();
    place.send(wire, &who("it").lasting(100).bytes());
    let connect = place.questions.pop().unwrap();
    let yes = Verdict::Accept(Admission::of("somebody"));
    let no = Verdict::Refuse(ReasonCode::Banned, &[]);
    place.broker.answer_connect(now, &connect, &yes).unwrap();
    for verdict in [&yes, &no, &Verdict::Continue(&[])] {
        let answered = place.broker.answer_connect(now, &connect, verdict);
        assert!(
            matches!(answered, Err(AnswerError::Send(_))),
            "{answered:?}"
        );
    }
    place.settle();
    assert_eq!(place.packets(wire).len(), 1, "one CONNACK");
    assert!(place.is_open(wire));
    place.send(wire, &[0x82, 7, 0, 9, 0, 0, 1, b'a', 1]);
    let subscribe = place.questions.pop().unwrap();
    assert!(
        place.broker.answer_connect(now, &subscribe, &yes).is_err(),
        "not this kind"
    );
    assert!(
        place.broker.answer_subscribe(now, &connect, &[]).is_err(),
        "not this kind"
    );
    let grants = [Grant::UpTo(Qos::AtLeastOnce)];
    place
        .broker
        .answer_subscribe(now, &subscribe, &grants)
        .unwrap();
    assert!(
        place
            .broker
            .answer_subscribe(now, &subscribe, &grants)
            .is_err()
    );
    place.settle();
    assert_eq!(place.packets(wire).len(), 1, "one SUBACK");
    place.send(wire, &[0x82, 7, 0, 10, 0, 0, 1, b'b', 1]);
    let subscribe = place.questions.pop().unwrap();
    place.cut(wire);
    let answered = place.broker.answer_subscribe(now, &subscribe, &grants);
    assert_eq!(answered, Err(AnswerError::Gone));
    place.decides = true;
    let wire = place.resume(&who("it").lasting(100));
    place.publish(wire, "b", "hi", Qos::AtLeastOnce);
    assert_eq!(place.take(wire), [], "no subscription came of it");
}

/// An answer to a SUBSCRIBE of a connection that was taken over in between.
fn an_answer_after_a_takeover() {
    let mut place = Place::new(persistent());
    let it = who("it").lasting(100);
    let wire = place.connect(&it);
    place.decides = false;
    place.send(wire, &[0x82, 7, 0, 9, 0, 0, 1, b'a', 1]);
    let subscribe = place.questions.pop().unwrap();
    place.decides = true;
    let new = place.resume(&it);
    let now = place.now;
    let answered = place
        .broker
        .answer_subscribe(now, &subscribe, &[Grant::UpTo(Qos::AtLeastOnce)]);
    assert!(answered.is_err());
    place.publish(new, "a", "hi", Qos::AtLeastOnce);
    assert_eq!(place.take(new), []);
}

/// The acknowledgement of a message, and the answer to a PINGREQ, do not wait for the answer to a SUBSCRIBE that came with them.
fn other_answers_do_not_wait() {
    let mut place = Place::new(persistent());
    let wire = place.connect(&who("it"));
    place.decides = false;
    let bytes = [
        &[0x32, 6, 0, 1, b'a', 0, 5, 0][..],
        &[0xC0, 0],
        &[0x82, 7, 0, 9, 0, 0, 1, b'b', 1],
    ];
    place.send(wire, &bytes.concat());
    assert_eq!(place.questions.len(), 1);
    let packets = place.packets(wire);
    assert_eq!(packets.len(), 2, "{packets:?}");
}

/// Each filter has its own answer; missing ones are refused with 0x87, and a grant lowers the QoS.
fn grants() {
    let mut place = Place::new(persistent());
    let wire = place.connect(&who("it"));
    place.decides = false;
    let bytes = [
        0x82, 19, 0, 9, 0, 0, 1, b'a', 2, 0, 1, b'b', 2, 0, 1, b'c', 0, 0, 1, b'd', 2,
    ];
    place.send(wire, &bytes);
    let question = place.questions.pop().unwrap();
    let grants = [
        Grant::UpTo(Qos::AtLeastOnce),
        Grant::Refuse(ReasonCode::NotAuthorized),
        Grant::UpTo(Qos::ExactlyOnce),
    ];
    let now = place.now;
    place
        .broker
        .answer_subscribe(now, &question, &grants)
        .unwrap();
    place.settle();
    let codes = place.find(wire, |packet| match packet {
        Packet::SubAck(it) => Some(it.reason_codes.iter().collect::<Vec<_>>()),
        _ => None,
    });
    let no = ReasonCode::NotAuthorized;
    assert_eq!(
        codes.unwrap(),
        [ReasonCode::GrantedQos1, no, ReasonCode::Success, no]
    );
    for (topic, qos) in [("a", Some(1)), ("b", None), ("c", Some(0)), ("d", None)] {
        place.publish(wire, topic, "hi", Qos::ExactlyOnce);
        let got = place.take(wire).first().map(|it| it.qos as u8);
        assert_eq!(got, qos, "{topic}");
    }
}

/// A right that is withdrawn: the subscription ends with what waits for it, connected or not, but not what another
/// subscription matches, nor what is in flight [MQTT-3.10.4-3].
fn a_right_is_withdrawn() {
    for connected in [false, true] {
        let mut place = Place::new(persistent());
        let publisher = place.connect(&who("publisher"));
        let it = Who {
            receive_maximum: Some(1),
            ..who("it").lasting(100)
        };
        let mut wire = place.connect(&it);
        for filter in ["a/#", "a/b", "c"] {
            place.subscribe(wire, filter, Qos::AtLeastOnce);
        }
        place.wire(wire).answers = false;
        for topic in ["a/first", "a/x", "a/b", "c"] {
            place.publish(publisher, topic, "hi", Qos::AtLeastOnce);
        }
        let first: Vec<_> = place.take(wire).into_iter().map(|it| it.topic).collect();
        assert_eq!(first, ["a/first"]);
        if !connected {
            place.cut(wire);
        }
        let filter = TopicFilter::new("a/#").unwrap();
        assert!(place.broker.withdraw(place.now, "it", filter));
        assert!(!place.broker.withdraw(place.now, "it", filter));
        assert!(!place.broker.withdraw(place.now, "nobody", filter));
        place.settle();
        if connected {
            place.wire(wire).answers = true;
            place.send(wire, &[0x40, 2, 0, 1]);
        } else {
            place.restart();
            wire = place.resume(&it);
        }
        let got: Vec<_> = place.take(wire).into_iter().map(|it| it.topic).collect();
        let expected: &[&str] = if connected {
            &["a/b", "c"]
        } else {
            &["a/first", "a/b", "c"]
        };
        assert_eq!(got, expected, "{connected}");
        let publisher = place.connect(&who("publisher"));
        place.publish(publisher, "a/y", "hi", Qos::AtLeastOnce);
        assert_eq!(place.take(wire), []);
    }
}

/// `drain`: each connection gets a DISCONNECT with the Server Reference, one that waits for an answer a CONNACK; no further
/// one begins; Sessions stay.
fn drain() {
    for code in [
        ReasonCode::ServerShuttingDown,
        ReasonCode::UseAnotherServer,
        ReasonCode::ServerMoved,
    ] {
        let reference = (code != ReasonCode::ServerShuttingDown).then_some("other:1883");
        let mut place = Place::new(persistent());
        let wires: Vec<_> = ["a", "b", "c"]
            .iter()
            .map(|it| place.connect(&who(it).lasting(100)))
            .collect();
        place.subscribe(wires[0], "t", Qos::AtLeastOnce);
        let silent = place.open();
        place.decides = false;
        let asking = place.open();
        place.send(asking, &who("d").bytes());
        place.broker.drain(place.now, code, reference);
        place.settle();
        for wire in wires {
            let said = place.find(wire, |packet| match packet {
                Packet::Disconnect(it) => Some((
                    it.reason_code,
                    it.properties.server_reference().map(|it| it.to_string()),
                )),
                _ => None,
            });
            assert_eq!(said, Some((code, reference.map(str::to_owned))));
            assert!(!place.is_open(wire));
        }
        let expected = if reference.is_some() {
            code
        } else {
            ReasonCode::ServerUnavailable
        };
        assert_eq!(place.connack(asking).map(|it| it.0), Some(expected));
        assert_eq!(
            (place.is_open(asking), place.is_open(silent)),
            (false, false)
        );
        assert_eq!(
            place.broker.connected(place.now),
            Err(ReasonCode::ServerShuttingDown)
        );
        assert!(!place.broker.work(place.now, &mut 1));
        place.restart();
        place.decides = true;
        let wire = place.resume(&who("a").lasting(100));
        place.publish(wire, "t", "hi", Qos::AtLeastOnce);
        assert_eq!(place.take(wire).len(), 1);
    }
}

/// `kick` with a Server Reference; the Session and its Will go on as after any end by the Server.
fn kick() {
    let mut place = Place::new(persistent());
    let wire = place.connect(&who("it").lasting(100));
    let list = [Property::ServerReference(Text::new("other").unwrap())];
    let broker: &mut Broker = &mut place.broker;
    assert!(broker.kick(place.now, "it", ReasonCode::UseAnotherServer, &list));
    assert!(!broker.kick(place.now, "nobody", ReasonCode::UseAnotherServer, &list));
    place.settle();
    assert_eq!(place.disconnect(wire), Some(ReasonCode::UseAnotherServer));
    assert!(
        !place
            .broker
            .kick(place.now, "it", ReasonCode::UseAnotherServer, &[])
    );
    place.resume(&who("it").lasting(100));
}
