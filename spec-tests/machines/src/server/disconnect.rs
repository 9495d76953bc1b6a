//! DISCONNECT of a Server (section 3.14).

use mqtt5_session_fsm::codec::{Property, ReasonCode};

use super::driver::Driver;
use super::make::{Hello, config, text};
use crate::session::driver::Lines;
use crate::session::make;

crate::check::checks! { "disconnect":
    server {
        Example a_suback_does_not_follow_it,
        Example what_a_server_reference_is_not_for,
        Example the_session_can_be_taken_at_once,
    }
}

fn nothing() -> Lines {
    Lines::new()
}

/// Section 3.14.2.2: properties that a Server's DISCONNECT does not have.
fn what_a_server_reference_is_not_for() -> u64 {
    for property in [
        Property::SessionExpiryInterval(1),
        Property::AssignedClientIdentifier(text("x")),
        Property::ServerKeepAlive(1),
        Property::AuthenticationMethod(text("m")),
    ] {
        let mut driver = Driver::lasting();
        let code = ReasonCode::ServerBusy;
        assert!(driver.try_disconnect(code, &[property]).is_err());
        assert_eq!(driver.settle(), nothing());
        assert!(driver.machine.is_connected());
    }
    4
}

/// [MQTT-3.1.2-23]: the Session of a connection that was disconnected goes on.
fn the_session_can_be_taken_at_once() {
    let mut driver = Driver::with(config(), &Hello::lasting());
    let _ = driver.publish(1, "a", "x");
    let _ = driver.disconnect(ReasonCode::ServerBusy, &[]);
    let session = driver.machine.take_session(driver.now);
    driver.keep(session.expect("a Session"));
    let said = driver.again(&Hello::new());
    assert_eq!(said, ["> CONNACK present", "> PUBLISH q1 #1 dup a \"x\""]);
}

/// [MQTT-3.14.4-1]: nor do answers to requests.
fn a_suback_does_not_follow_it() {
    let mut driver = Driver::lasting();
    let _ = driver.feed(&make::subscribe(3, &["a"]));
    let _ = driver.disconnect(ReasonCode::ServerShuttingDown, &[]);
    let _ = driver.acknowledge_subscribe(3, &[ReasonCode::Success], &[]);
    assert_eq!(driver.settle(), nothing());
}
