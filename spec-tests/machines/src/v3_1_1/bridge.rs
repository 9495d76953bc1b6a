//! A Server that is the Client of another Server, too: to each of its peers it is what it is to be [MQTT3-7.0.0-1].

use mqtt5_session_fsm::codec::{Qos, ReasonCode};
use mqtt5_session_fsm::{ClientConfig, Session, SessionConfig};

use super::wire::check;
use crate::broker::place::{Place, Who, persistent, who};
use crate::check::{Check, Kind};
use crate::client::driver::Driver;
use crate::session::driver::{connect_with, publication};

pub(super) fn checks() -> Vec<Check> {
    vec![check(
        Kind::Example,
        "bridge::a_server_that_is_a_client",
        a_server_that_is_a_client,
    )]
}

/// The near Server, with a Client that passes on to the far one what it is published.
struct Bridge {
    near: Place,
    /// How the Client gets the messages of its own Server.
    inside: usize,
    client: Driver,
    /// How many bytes of the Client have left.
    left: usize,
    far: Place,
    /// The connection between both, at the far end.
    link: usize,
}

impl Bridge {
    fn new() -> Self {
        let mut near = Place::new(persistent());
        let inside = near.connect(&who("inside"));
        near.subscribe(inside, "#", Qos::ExactlyOnce);
        let session = Session::of_client(SessionConfig::default());
        let mut bridge = Bridge {
            near,
            inside,
            client: Driver::with(ClientConfig::default(), session),
            left: 0,
            far: Place::new(persistent()),
            link: 0,
        };
        bridge.open();
        bridge
    }

    fn open(&mut self) {
        self.link = self.far.open();
        // The Client answers for itself.
        self.far.wire(self.link).answers = false;
        let _ = self.client.connect(&connect_with(&[]));
        self.carry();
        assert!(self.client.machine.is_connected());
    }

    /// The connection between both breaks; what was on its way is lost.
    fn cut(&mut self) {
        self.take_messages();
        self.left = self.client.wire.len();
        self.far.cut(self.link);
        let _ = self.client.lose();
    }

    fn take_messages(&mut self) {
        for message in self.near.take(self.inside) {
            let message = publication(message.qos as u8, &message.topic, &message.payload, &[]);
            self.client.accept(message).expect("there is room");
        }
        let _ = self.client.settle();
    }

    /// Carries messages and bytes until nothing moves.
    fn carry(&mut self) {
        loop {
            self.take_messages();
            let bytes = self.client.wire[self.left..].to_vec();
            self.left += bytes.len();
            self.far.send(self.link, &bytes);
            let answers = self.far.bytes(self.link);
            let _ = self.client.feed(&answers);
            if bytes.is_empty() && answers.is_empty() {
                return;
            }
        }
    }
}

/// Each message comes once, in its order, also where the connection of both breaks in the middle.
fn a_server_that_is_a_client() {
    let mut bridge = Bridge::new();
    assert_eq!(bridge.client.wire[0], 0x10, "a CONNECT comes first");
    let publisher = bridge.near.connect(&who("publisher"));
    let near = bridge.near.connect(&who("near"));
    bridge.near.subscribe(near, "a/+", Qos::ExactlyOnce);
    let kept = Who {
        keep_alive: 60,
        ..who("far").lasting(u32::MAX)
    };
    let far = bridge.far.connect(&kept);
    bridge.far.subscribe(far, "a/#", Qos::ExactlyOnce);
    let all = [Qos::AtLeastOnce, Qos::ExactlyOnce, Qos::AtLeastOnce];
    let mut expected = Vec::new();
    for breaks in [false, true, false, true, true] {
        for qos in all {
            let payload = expected.len().to_string();
            let code = bridge.near.publish(publisher, "a/b", &payload, qos);
            assert_eq!(code, Some(ReasonCode::Success));
            expected.push(payload);
        }
        if breaks {
            bridge.cut();
            bridge.open();
        }
        bridge.carry();
    }
    assert_eq!(bridge.near.payloads(near), expected);
    assert_eq!(bridge.far.payloads(far), expected);
    // As any Client, it leaves with a DISCONNECT, and sends no more.
    let _ = bridge.client.disconnect(ReasonCode::Success, &[]);
    bridge.carry();
    assert!(bridge.client.wire.ends_with(&[0xE0, 0]));
    assert!(!bridge.far.is_open(bridge.link));
}
