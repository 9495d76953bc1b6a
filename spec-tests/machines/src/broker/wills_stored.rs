//! Will Messages and the end of the process: what is stored, and when it is due after a restart (sections 3.1.2.5, 3.1.3.2.2).

use core::time::Duration;

use mqtt5_session_fsm::broker::BrokerConfig;
use mqtt5_session_fsm::codec::ReasonCode;

use super::wills::{delayed, later, place};
use crate::broker::place::{Place, WILL, persistent, who};

crate::check::checks! {
    "wills_stored":
    broker {
        Example restart_while_connected,
        Example within_the_grace,
        Example what_is_over_is_not_stored,
    }
}

/// A restart while connected: the connection is lost, so the Will is due after its delay, counted from the restart, but not
/// before the grace.
fn restart_while_connected() {
    for (grace, delay, expiry, due) in [
        (0, 0, 0, 0),
        (0, 0, 100, 0),
        (0, 10, 100, 10),
        (30, 10, 100, 30),
        (30, 0, 0, 30),
        (30, 50, 100, 50),
    ] {
        let config = BrokerConfig {
            restart_grace: Duration::from_secs(grace),
            ..persistent()
        };
        let (mut place, _) = place(config);
        place.connect(&who("it").lasting(expiry).with_will(delayed(delay)));
        later(&mut place, 500_000);
        place.restart();
        place.pass(0);
        let watcher = place.resume(&who("watcher").lasting(10_000));
        let what = format!("{grace} {delay} {expiry}");
        if due > 0 {
            place.pass(due * 1000 - 1);
            assert_eq!(place.take(watcher), [], "{what}");
            place.pass(1);
        }
        assert_eq!(place.take(watcher).len(), 1, "{what}");
        place.restart();
        place.pass(200_000);
        let watcher = place.resume(&who("watcher").lasting(10_000));
        assert_eq!(place.take(watcher), [], "{what}");
    }
}

/// A client that comes again within the grace has no Will, whether its Session goes on or has ended with the connection, which
/// Session Present says [MQTT-3.2.2-3].
fn within_the_grace() {
    for (expiry, lives) in [(100, true), (5, false), (0, false)] {
        let config = BrokerConfig {
            restart_grace: Duration::from_secs(30),
            ..persistent()
        };
        let (mut place, _) = place(config);
        let it = who("it").lasting(expiry).with_will(WILL);
        place.connect(&it);
        place.restart();
        let watcher = place.resume(&who("watcher").lasting(10_000));
        place.pass(10_000);
        let wire = place.open();
        place.send(wire, &it.clone().resuming().bytes());
        assert_eq!(
            place.connack(wire),
            Some((ReasonCode::Success, lives)),
            "{expiry}"
        );
        place.pass(100_000);
        assert_eq!(place.take(watcher), [], "{expiry}");
        place.cut(wire);
        assert_eq!(place.take(watcher).len(), 1, "{expiry}");
    }
}

/// [MQTT-3.1.2-10]: a Will Message that was published, or deleted by a DISCONNECT with 0x00, is no more in the stored Session State,
/// although the Session lives; one that is to come is.
fn what_is_over_is_not_stored() {
    type End = (fn(&mut Place, usize), usize, usize);
    let ends: [End; 3] = [
        (|place, it| place.cut(it), 1, 0),
        (|place, it| place.send(it, &[0xE0, 0]), 0, 0),
        (|place, _| place.restart(), 0, 1),
    ];
    for (end, before, after) in ends {
        let (mut place, watcher) = place(persistent());
        let wire = place.connect(&who("it").lasting(1_000).with_will(WILL));
        end(&mut place, wire);
        assert_eq!(place.take(watcher).len(), before);
        place.restart();
        place.pass(0);
        let watcher = place.resume(&who("watcher").lasting(10_000));
        assert_eq!(place.take(watcher).len(), after);
        place.restart();
        place.pass(0);
        let watcher = place.resume(&who("watcher").lasting(10_000));
        assert_eq!(place.take(watcher), []);
        place.resume(&who("it").lasting(1_000));
    }
}
