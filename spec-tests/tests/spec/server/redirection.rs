//! Server redirection (section 4.11; table T17.3).

use mqtt5_codec::{Packet, Property, ReasonCode};
use mqtt5_session_fsm::{Cause, Instant};

use super::driver::Driver;
use super::make::{Hello, config, text};
use crate::check::Outcome;

super::listed! { "redirection":
    Domain by_a_connack,
    Domain by_a_disconnect,
}

const REFERENCES: [Option<&str>; 4] = [
    None,
    Some("myserver.xyz.org"),
    Some("myserver.xyz.org:8883"),
    Some("10.10.151.22:8883 [fe80::9610:3eff:fe1c]:1883"),
];

const CODES: [ReasonCode; 2] = [ReasonCode::UseAnotherServer, ReasonCode::ServerMoved];

/// Sections 4.11, 3.2.2.3.16: 0x9C or 0x9D, with a Server Reference or without, and the end.
fn by_a_connack() -> Outcome {
    for code in CODES {
        for reference in REFERENCES {
            let mut driver = Driver::deciding(Instant::ORIGIN, config(), &Hello::new());
            let list: Vec<_> = reference
                .map(|name| Property::ServerReference(text(name)))
                .into_iter()
                .collect();
            let report = driver.refuse(code, &list).expect("a refusal");
            let Packet::ConnAck(connack) = report.packet() else {
                return Err("no CONNACK".to_owned());
            };
            assert_eq!(connack.reason_code, code);
            assert_eq!(connack.properties.server_reference(), reference.map(text));
            assert_eq!(report.close(), Some(Cause::Refused(code)));
        }
    }
    Ok(8)
}

/// Sections 4.11, 3.14.2.2.5.
fn by_a_disconnect() -> Outcome {
    for code in CODES {
        for reference in REFERENCES {
            let mut driver = Driver::connected(config(), &Hello::new());
            let list: Vec<_> = reference
                .map(|name| Property::ServerReference(text(name)))
                .into_iter()
                .collect();
            let report = driver.disconnect(code, &list).expect("connected");
            let Packet::Disconnect(disconnect) = report.packet() else {
                return Err("no DISCONNECT".to_owned());
            };
            assert_eq!(disconnect.reason_code, code);
            assert_eq!(
                disconnect.properties.server_reference(),
                reference.map(text)
            );
            assert_eq!(report.close(), Some(Cause::Disconnected(code)));
        }
    }
    Ok(8)
}
