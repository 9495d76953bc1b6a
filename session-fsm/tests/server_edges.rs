//! A Server at the end of its connections, and the properties of a refusal.

mod machines;

use mqtt5_session_fsm::codec::{
    Connect, Packet, Properties, Property, Qos, ReasonCode, Subscribe, Subscription, Subscriptions,
    Text,
};
use mqtt5_session_fsm::{Event, Instant, Limits, Output, SendError, Server, ServerConfig, Session};

const NOW: Instant = Instant::ORIGIN;

/// A Server to which a CONNECT with this Authentication Method has come.
fn asked(method: Option<&str>) -> Server {
    let method = method.map(|method| Property::AuthenticationMethod(Text::new(method).unwrap()));
    let list: Vec<_> = method
        .into_iter()
        .chain([Property::SessionExpiryInterval(100)])
        .collect();
    let connect = Connect {
        properties: Properties::new(&list).unwrap(),
        ..machines::named("c")
    };
    machines::asked(ServerConfig::default(), NOW, &connect)
}

fn connected() -> Server {
    let mut server = asked(None);
    server.accept(NOW, None, &[]).unwrap();
    assert_eq!(server.poll(NOW, &mut Vec::new()), None);
    server
}

/// MQTT-4.12.0-5, MQTT-4.12.0-6: a CONNACK has the Authentication Method of the CONNECT, or none.
#[test]
fn a_refusal_has_no_other_authentication_method() {
    for (asked_for, answered, is_right) in [
        (Some("m"), "m", true),
        (Some("m"), "other", false),
        (None, "m", false),
    ] {
        let property = [Property::AuthenticationMethod(Text::new(answered).unwrap())];
        let refused = asked(asked_for).refuse(NOW, ReasonCode::NotAuthorized, &property);
        assert_eq!(refused.is_ok(), is_right, "{refused:?}");
    }
}

/// What one side does not allow, both do not.
#[test]
fn the_lower_limits_are_those_that_both_allow() {
    for (one, other) in [(true, true), (true, false), (false, true), (false, false)] {
        let of = |problem_information| Limits {
            problem_information,
            ..Limits::NONE
        };
        let both = of(one).lowered_to(&of(other));
        assert_eq!(both.problem_information, one && other);
    }
}

/// A DISCONNECT that cannot be written is given up when the Client has taken nothing for too long.
#[test]
fn a_farewell_that_cannot_be_written_is_given_up() {
    let mut server = connected();
    server
        .disconnect(NOW, ReasonCode::ServerShuttingDown, &[])
        .unwrap();
    let mut none = [0_u8; 0];
    let outputs = || server.poll(NOW, &mut &mut none[..]);
    let output = core::iter::from_fn(outputs).find(|it| matches!(it, Output::NeedsRoom(_)));
    assert!(output.is_some());
    let due = server.next_timeout();
    server.handle_timeout(due);
    let mut wire = Vec::new();
    let last = core::iter::from_fn(|| server.poll(due, &mut wire)).last();
    assert!(matches!(last, Some(Output::Close(_))), "{last:?}");
    assert!(wire.is_empty());
}

/// Section 3.8.4: a SUBSCRIBE is answered on its own Network Connection or not at all.
#[test]
fn a_request_ends_with_its_connection() {
    let number = 7.try_into().unwrap();
    let subscription = [Subscription::new("a", Qos::AtMostOnce).unwrap()];
    let subscribe = || {
        let subscriptions = Subscriptions::new(&subscription).unwrap();
        Packet::Subscribe(Subscribe::new(number, subscriptions))
    };
    let ends: [fn(&mut Server); 2] = [
        |server| server.connection_lost(NOW),
        |server| server.disconnect(NOW, ReasonCode::ServerBusy, &[]).unwrap(),
    ];
    for end in ends {
        let mut server = connected();
        let event = server.handle(NOW, subscribe());
        assert!(matches!(event, Ok(Some(Event::Subscribe(_)))), "{event:?}");
        end(&mut server);
        let codes = [ReasonCode::granted(Qos::AtMostOnce)];
        let answered = server.acknowledge_subscribe(NOW, number, &codes, &[]);
        assert_eq!(answered, Err(SendError::NotExpected));
        // The identifier is free on the next one.
        while server.poll(NOW, &mut Vec::new()).is_some() {}
        let session: Option<Session> = server.take_session(NOW);
        let mut next = asked(None);
        next.accept(NOW, session, &[]).unwrap();
        assert_eq!(next.poll(NOW, &mut Vec::new()), None);
        let event = next.handle(NOW, subscribe());
        assert!(matches!(event, Ok(Some(Event::Subscribe(_)))), "{event:?}");
    }
}
