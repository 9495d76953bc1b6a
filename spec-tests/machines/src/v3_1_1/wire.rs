//! Bytes as the standard prints them, and what a machine does with them.

use mqtt5_session_fsm::codec::PacketType;

use crate::check::{Check, Judged, Kind};
use crate::session::driver::{Driver, Lines};
use crate::session::machine::Machine;
use crate::version::speaking_3_1_1;

/// A check that speaks MQTT 3.1.1.
pub(super) fn check<J: Judged + 'static>(kind: Kind, name: &str, run: fn() -> J) -> Check {
    Check::new(kind, format!("v3_1_1::{name}"), move || {
        speaking_3_1_1(|| run().outcome())
    })
}

/// The bytes of a line such as `20 02 00 00`.
pub(super) fn bytes(line: &str) -> Vec<u8> {
    let digits: Vec<u8> = line.bytes().filter(|it| *it != b' ').collect();
    let byte = |pair: &[u8]| {
        let text = std::str::from_utf8(pair).expect("digits");
        u8::from_str_radix(text, 16).expect("hexadecimal digits")
    };
    digits.chunks(2).map(byte).collect()
}

/// Such a line.
pub(super) fn hex(bytes: &[u8]) -> String {
    let digits: Vec<String> = bytes.iter().map(|it| format!("{it:02X}")).collect();
    digits.join(" ")
}

/// A CONNECT of ClientID `c` with Keep Alive 0, these Connect Flags, and these bytes behind the ClientID.
pub(super) fn connect(flags: u8, behind: &str) -> String {
    let behind = bytes(behind);
    let length = 13 + behind.len();
    format!(
        "10 {length:02X} 0004 4D515454 04 {flags:02X} 0000 0001 63 {}",
        hex(&behind)
    )
}

/// Does something with a machine: what it writes, and the lines of all else.
pub(super) fn watched<M: Machine>(
    driver: &mut Driver<M>,
    act: impl FnOnce(&mut Driver<M>) -> Lines,
) -> (String, Lines) {
    let before = driver.wire.len();
    let mut said = act(driver);
    said.retain(|line| !line.starts_with("> "));
    (hex(&driver.wire[before..]), said)
}

/// The peer sends these bytes.
pub(super) fn offer<M: Machine>(driver: &mut Driver<M>, line: &str) -> (String, Lines) {
    watched(driver, |driver| driver.feed(&bytes(line)))
}

/// What a machine writes upon these bytes; it reports nothing.
pub(super) fn answer<M: Machine>(driver: &mut Driver<M>, line: &str) -> String {
    let (written, said) = offer(driver, line);
    assert_eq!(said, Lines::new(), "{line}");
    written
}

/// Asserts that the Network Connection is closed and nothing was written.
pub(super) fn is_silent_end<M: Machine>(
    driver: &mut Driver<M>,
    (written, said): &(String, Lines),
    what: &str,
) {
    assert_eq!(written, "", "{what}");
    let last = said.last().map_or("", String::as_str);
    assert!(last.starts_with("close "), "{what}: {said:?}");
    driver.assert_dead();
}

/// Whether a packet of this type begins with this byte, as far as types go.
pub(super) fn is_of(first_byte: u8, packet_type: PacketType) -> bool {
    PacketType::from_number(first_byte >> 4) == Some(packet_type)
}
