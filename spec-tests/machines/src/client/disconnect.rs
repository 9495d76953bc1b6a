//! DISCONNECT of a Client, and what only the Server says in one (section 3.14).

use mqtt5_session_fsm::SendError;
use mqtt5_session_fsm::codec::{
    MaximumQos, Property, PropertyIdentifier, ReasonCode, Text, UserProperty,
};

use super::driver::{Driver, Lines, connect_with};
use super::make;

crate::check::checks! { "disconnect":
    client {
        Example properties_are_sent,
        Example properties_of_the_server_only,
        Example the_expiry_cannot_be_raised_from_0,
        Domain the_expiry_of_the_connect_counts,
        Example server_reference_is_told,
    }
}

/// Section 3.14.2.2: what a Client may add.
fn properties_are_sent() {
    let mut driver = Driver::connected();
    let said = driver.disconnect(
        ReasonCode::DisconnectWithWillMessage,
        &[
            Property::SessionExpiryInterval(9),
            Property::ReasonString(Text::new("bye").unwrap()),
            Property::UserProperty(UserProperty::new("k", "v").unwrap()),
        ],
    );
    assert!(
        said[0].starts_with(
            "> DISCONNECT DisconnectWithWillMessage SessionExpiryInterval(9) ReasonString(\"bye\") \
             UserProperty"
        ),
        "{said:?}"
    );
}

/// Section 3.14.2.2.5: Server Reference is the Server's; other properties are none of DISCONNECT.
fn properties_of_the_server_only() {
    for property in [
        Property::ServerReference(Text::new("elsewhere").unwrap()),
        Property::MaximumQos(MaximumQos::AtMostOnce),
        Property::TopicAliasMaximum(1),
    ] {
        let mut driver = Driver::connected();
        let now = driver.now;
        let result = driver
            .machine
            .disconnect(now, ReasonCode::Success, &[property]);
        assert!(matches!(result, Err(SendError::Invalid(_))), "{result:?}");
        assert_eq!(driver.settle(), Lines::new());
        assert!(driver.machine.is_connected());
    }
}

/// Section 3.14.2.2.2: a Client must not set an interval that was 0.
fn the_expiry_cannot_be_raised_from_0() {
    for connect in [&[][..], &[Property::SessionExpiryInterval(0)]] {
        let mut driver = Driver::new().go(connect, false, &[]);
        let now = driver.now;
        for seconds in [1, u32::MAX] {
            let raised = [Property::SessionExpiryInterval(seconds)];
            assert_eq!(
                driver.machine.disconnect(now, ReasonCode::Success, &raised),
                Err(SendError::PropertyUnwanted(
                    PropertyIdentifier::SessionExpiryInterval
                ))
            );
            assert_eq!(driver.settle(), Lines::new());
        }
        let said = driver.disconnect(ReasonCode::Success, &[Property::SessionExpiryInterval(0)]);
        assert!(
            said.contains(&"> DISCONNECT Success SessionExpiryInterval(0)".into()),
            "{said:?}"
        );
    }
}

/// Section 3.14.2.2.2: the value of the CONNECT packet decides whether there may be one, not that of the CONNACK;
/// also where an earlier connection of the Session had another, and before the CONNACK.
fn the_expiry_of_the_connect_counts() -> u64 {
    let mut judged = 0;
    for earlier in [None, Some(60)] {
        for asked in [None, Some(0), Some(300), Some(u32::MAX)] {
            for granted in [None, Some(0), Some(60)] {
                for connected in [true, false] {
                    for seconds in [0, 10, u32::MAX] {
                        let list = |value: Option<u32>| -> Vec<Property<'static>> {
                            value
                                .map(Property::SessionExpiryInterval)
                                .into_iter()
                                .collect()
                        };
                        let mut driver = Driver::new();
                        if earlier.is_some() {
                            driver = driver.go(&list(earlier), false, &[]);
                            let _ = driver.lose();
                        }
                        let _ = driver.connect(&connect_with(&list(asked)));
                        if connected {
                            let connack = make::connack(false, ReasonCode::Success, &list(granted));
                            let _ = driver.feed(&connack);
                        }
                        let now = driver.now;
                        let property = [Property::SessionExpiryInterval(seconds)];
                        let result = driver
                            .machine
                            .disconnect(now, ReasonCode::Success, &property);
                        if asked.unwrap_or(0) == 0 && seconds > 0 {
                            let unwanted = PropertyIdentifier::SessionExpiryInterval;
                            assert_eq!(result, Err(SendError::PropertyUnwanted(unwanted)));
                            assert!(driver.settle().is_empty());
                        } else {
                            assert_eq!(result, Ok(()));
                            let said = driver.settle();
                            let packet =
                                format!("> DISCONNECT Success SessionExpiryInterval({seconds})");
                            assert!(said.contains(&packet), "{said:?}");
                        }
                        judged += 1;
                    }
                }
            }
        }
    }
    judged
}

/// Section 4.11: where the Server wants the Client to go.
fn server_reference_is_told() {
    for code in [ReasonCode::UseAnotherServer, ReasonCode::ServerMoved] {
        let mut driver = Driver::connected();
        let reference = [Property::ServerReference(Text::new("b:1883").unwrap())];
        let said = driver.feed(&make::disconnect(code, &reference));
        assert_eq!(
            said[0],
            format!("disconnect {code:?} ServerReference(\"b:1883\")")
        );
    }
}
