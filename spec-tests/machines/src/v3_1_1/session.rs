//! What MQTT 3.1.1 asks of Client and Server alike, byte by byte: the exchanges of sections 4.3 to 4.6, as they look on the
//! wire.

use mqtt5_session_fsm::{Client, Server};

use super::wire::{answer, check, is_silent_end, offer, watched};
use crate::check::{Check, Kind};
use crate::session::driver::{Driver, Lines};
use crate::session::machine::Machine;

/// The checks of both sides.
macro_rules! both {
    ($($name:literal $run:ident,)*) => {
        vec![$(
            check(Kind::Example, concat!("client::", $name), $run::<Client>),
            check(Kind::Example, concat!("server::", $name), $run::<Server>),
        )*]
    };
}

pub(super) fn checks() -> Vec<Check> {
    let mut checks = both! {
        "qos_0_byte_by_byte" qos_0,
        "qos_1_sender_byte_by_byte" qos_1_sender,
        "qos_2_sender_byte_by_byte" qos_2_sender,
        "qos_1_receiver_byte_by_byte" qos_1_receiver,
        "qos_2_receiver_byte_by_byte" qos_2_receiver,
        "order_of_what_is_sent_again" order_of_repetitions,
        "identifiers_are_reused_after_their_exchange" identifiers,
        "a_violation_ends_the_connection" violations,
    };
    // Towards its subscribers a Server is a sender (section 4.6).
    let order = order_of_answers::<Client>;
    checks.push(check(Kind::Example, "client::order_of_answers", order));
    checks
}

/// Publishes; what is written.
fn publish<M: Machine>(driver: &mut Driver<M>, qos: u8, payload: &str) -> String {
    watched(driver, |driver| driver.publish(qos, "a", payload)).0
}

/// The Network Connection breaks, and the Session goes on with a new one; what is written but CONNECT or CONNACK.
fn again<M: Machine>(driver: &mut Driver<M>) -> String {
    let before = driver.wire.len();
    let _ = driver.resume();
    let written = &driver.wire[before..];
    // Both have a Remaining Length of one byte.
    let handshake = 2 + usize::from(written[1]);
    super::wire::hex(&written[handshake..])
}

/// [MQTT3-4.3.1-1], [MQTT3-3.3.1-2], [MQTT3-2.3.1-5], [MQTT3-4.4.0-1]: once, without identifier and DUP.
fn qos_0<M: Machine>() {
    let mut driver = Driver::<M>::connected();
    assert_eq!(publish(&mut driver, 0, "x"), "30 04 00 01 61 78");
    assert_eq!(again(&mut driver), "");
    let (written, said) = offer(&mut driver, "30 04 0001 61 79");
    assert_eq!(written, "");
    assert_eq!(said, ["message q0 a \"y\""]);
}

/// [MQTT3-4.3.2-1], [MQTT3-2.3.1-2], [MQTT3-2.3.1-3], [MQTT3-2.3.1-4], [MQTT3-3.3.1-1], [MQTT3-4.4.0-1].
fn qos_1_sender<M: Machine>() {
    let mut driver = Driver::<M>::connected();
    assert_eq!(publish(&mut driver, 1, "x"), "32 06 00 01 61 00 01 78");
    for _ in 0..3 {
        assert_eq!(again(&mut driver), "3A 06 00 01 61 00 01 78");
    }
    let (written, said) = offer(&mut driver, "40 02 0001");
    assert_eq!((&*written, &said[..]), ("", &["t1 puback".to_owned()][..]));
    assert_eq!(again(&mut driver), "");
}

/// [MQTT3-4.3.3-1], [MQTT3-2.3.1-6], [MQTT3-4.4.0-1]: after the PUBREL the PUBLISH is never sent again.
fn qos_2_sender<M: Machine>() {
    let mut driver = Driver::<M>::connected();
    assert_eq!(publish(&mut driver, 2, "x"), "34 06 00 01 61 00 01 78");
    for _ in 0..3 {
        assert_eq!(again(&mut driver), "3C 06 00 01 61 00 01 78");
    }
    assert_eq!(offer(&mut driver, "50 02 0001").0, "62 02 00 01");
    for _ in 0..3 {
        assert_eq!(again(&mut driver), "62 02 00 01");
        assert_eq!(answer(&mut driver, "50 02 0001"), "62 02 00 01");
    }
    let (written, said) = offer(&mut driver, "70 02 0001");
    assert_eq!((&*written, &said[..]), ("", &["t1 pubcomp".to_owned()][..]));
    assert_eq!(again(&mut driver), "");
}

/// [MQTT3-4.3.2-2], [MQTT3-3.3.4-1]: each PUBLISH is answered, and each is a new message, whatever DUP says.
fn qos_1_receiver<M: Machine>() {
    let mut driver = Driver::<M>::connected();
    for first in ["32", "3A", "32"] {
        let (written, said) = offer(&mut driver, &format!("{first} 06 0001 61 0102 78"));
        assert_eq!(written, "40 02 01 02");
        assert_eq!(said, ["message q1 a \"x\""]);
    }
    assert_eq!(again(&mut driver), "");
}

/// [MQTT3-4.3.3-2], [MQTT3-3.3.4-1], [MQTT3-2.3.1-6]: delivered once, over connections, too, until the PUBREL; then the
/// identifier stands for another message.
fn qos_2_receiver<M: Machine>() {
    let mut driver = Driver::<M>::connected();
    for payload in ["78", "79"] {
        let (written, said) = offer(&mut driver, &format!("34 06 0001 61 0102 {payload}"));
        assert_eq!(written, "50 02 01 02");
        assert_eq!(said.len(), 1, "{said:?}");
        let repeated = format!("3C 06 0001 61 0102 {payload}");
        assert_eq!(answer(&mut driver, &repeated), "50 02 01 02");
        let _ = again(&mut driver);
        assert_eq!(answer(&mut driver, &repeated), "50 02 01 02");
        assert_eq!(answer(&mut driver, "62 02 0102"), "70 02 01 02");
    }
}

/// [MQTT3-4.6.0-1], [MQTT3-4.6.0-4], [MQTT3-4.6.0-6]: as they were sent first.
fn order_of_repetitions<M: Machine>() {
    let mut driver = Driver::<M>::connected();
    // The identifier of the first is free, so that the order is not that of the identifiers.
    assert_eq!(publish(&mut driver, 1, "0"), "32 06 00 01 61 00 01 30");
    for (qos, payload) in [(1, "1"), (2, "2"), (2, "3")] {
        let _ = publish(&mut driver, qos, payload);
    }
    let _ = offer(&mut driver, "40 02 0001");
    assert_eq!(
        again(&mut driver),
        "3A 06 00 01 61 00 02 31 3C 06 00 01 61 00 03 32 3C 06 00 01 61 00 04 33"
    );
    // PUBRECs in the other order.
    assert_eq!(offer(&mut driver, "50 02 0004").0, "62 02 00 04");
    assert_eq!(offer(&mut driver, "50 02 0003").0, "62 02 00 03");
    let written = again(&mut driver);
    let released: Vec<&str> = written.split("62 02 ").skip(1).collect();
    assert_eq!(released.len(), 2, "{written}");
    assert!(released[0].starts_with("00 04"), "{written}");
    assert!(released[1].starts_with("00 03"), "{written}");
    assert!(written.contains("3A 06 00 01 61 00 02 31"), "{written}");
}

/// [MQTT3-4.6.0-2], [MQTT3-4.6.0-3]: as the messages came, however late the application acknowledges, and whatever comes first.
fn order_of_answers<M: Machine>() {
    let mut driver = Driver::<M>::manual().open(&[], &[]);
    for number in 1..=3 {
        let _ = offer(&mut driver, &format!("32 06 0001 61 000{number} 78"));
        let _ = offer(&mut driver, &format!("34 06 0001 61 001{number} 78"));
    }
    let mut written = Vec::new();
    for receipt in [2, 4, 0, 5, 3, 1] {
        let (bytes, _) = watched(&mut driver, |driver| driver.acknowledge(receipt));
        written.push(bytes);
    }
    let all = written.join(" ");
    for answers in [
        ["40 02 00 01", "40 02 00 02", "40 02 00 03"],
        ["50 02 00 11", "50 02 00 12", "50 02 00 13"],
    ] {
        let places = answers.map(|answer| all.find(answer).expect(answer));
        assert!(places.is_sorted(), "{all}");
    }
}

/// [MQTT3-2.3.1-2], [MQTT3-2.3.1-3], [MQTT3-2.3.1-4]: an identifier is in use up to PUBACK or PUBCOMP, and no longer.
fn identifiers<M: Machine>() {
    let mut driver = Driver::<M>::connected();
    driver.fill(0xFFFF - 1);
    assert_eq!(publish(&mut driver, 2, "x"), "34 06 00 01 61 FF FF 78");
    assert_eq!(publish(&mut driver, 1, "y"), "", "all are in use");
    assert_eq!(offer(&mut driver, "50 02 FFFF").0, "62 02 FF FF");
    let freed = offer(&mut driver, "70 02 FFFF").0;
    assert_eq!(freed, "32 06 00 01 61 FF FF 79");
    assert_eq!(publish(&mut driver, 1, "z"), "");
    let freed = offer(&mut driver, "40 02 1234").0;
    assert_eq!(freed, "32 06 00 01 61 12 34 7A");
}

/// [MQTT3-4.8.0-1]: violations that only a connection shows.
fn violations<M: Machine>() {
    for packet in [
        // Identifiers of exchanges of another kind.
        "40 02 0002",
        "50 02 0001",
        "70 02 0001",
        // Packets of 5.0.
        "F0 00",
        "40 03 0001 00",
    ] {
        let mut driver = Driver::<M>::connected();
        let _ = publish(&mut driver, 1, "x");
        let _ = publish(&mut driver, 2, "x");
        let end = offer(&mut driver, packet);
        is_silent_end(&mut driver, &end, packet);
        assert_eq!(driver.settle(), Lines::new());
    }
}
