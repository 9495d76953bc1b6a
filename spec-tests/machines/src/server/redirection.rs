//! Server redirection (section 4.11).

use mqtt5_session_fsm::codec::{Property, ReasonCode};

use super::driver::Driver;
use super::make::{Hello, config, text};

crate::check::checks! { "redirection":
    server {
        Domain by_a_connack,
        Domain by_a_disconnect,
    }
}

const CODES: [ReasonCode; 2] = [ReasonCode::UseAnotherServer, ReasonCode::ServerMoved];

/// A Server Reference, or none, and how it is sent.
fn references() -> [(Vec<Property<'static>>, String); 4] {
    let reference = |name| {
        let property = Property::ServerReference(text(name));
        (vec![property], format!(" {property:?}"))
    };
    [
        (vec![], String::new()),
        reference("myserver.xyz.org"),
        reference("myserver.xyz.org:8883"),
        reference("10.10.151.22:8883 [fe80::9610:3eff:fe1c]:1883"),
    ]
}

/// Sections 4.11, 3.2.2.3.16: 0x9C or 0x9D, with a Server Reference or without, and the end.
fn by_a_connack() -> u64 {
    for code in CODES {
        for (list, told) in references() {
            let mut driver = Driver::deciding(config(), &Hello::new());
            let said = driver.refuse_client(code, &list).expect("a refusal");
            let connack = format!("> CONNACK {code:?}{told}");
            assert_eq!(said, [connack, format!("close Refused({code:?})")]);
        }
    }
    8
}

/// Sections 4.11, 3.14.2.2.5.
fn by_a_disconnect() -> u64 {
    for code in CODES {
        for (list, told) in references() {
            let said = Driver::lasting().disconnect(code, &list);
            let disconnect = format!("> DISCONNECT {code:?}{told}");
            assert_eq!(said, [disconnect, format!("close Disconnected({code:?})")]);
        }
    }
    8
}
