//! Packets that the standard calls malformed or a protocol error, to see which of
//! them a codec accepts: a check that is left out costs no time.

use std::panic::{self, AssertUnwindSafe};

use crate::contender::Contender;

/// A packet with one thing wrong.
pub struct Malformed {
    /// What is wrong.
    pub what: &'static str,
    /// The packet; its Remaining Length fits into one byte.
    packet: &'static [u8],
}

/// All of them.
pub const ALL: [Malformed; 24] = [
    wrong("topic is not UTF-8", b"\x30\x05\x00\x02a\xFF\x00"),
    wrong("U+0000 in a topic", b"\x30\x05\x00\x02a\x00\x00"),
    wrong("wildcard in a topic", b"\x30\x06\x00\x03a/+\x00"),
    wrong("no topic and no topic alias", b"\x30\x03\x00\x00\x00"),
    wrong(
        "other string is not UTF-8",
        b"\x30\x0B\x00\x01a\x07\x26\x00\x01k\x00\x01\xFF",
    ),
    wrong(
        "U+0000 in another string",
        b"\x30\x0B\x00\x01a\x07\x26\x00\x01k\x00\x01\x00",
    ),
    wrong("flag of 2 as a property", b"\x30\x06\x00\x01a\x02\x01\x02"),
    wrong(
        "property given twice",
        b"\x30\x0E\x00\x01a\x0A\x02\x00\x00\x00\x01\x02\x00\x00\x00\x02",
    ),
    wrong(
        "property of another packet",
        b"\x30\x07\x00\x01a\x03\x13\x00\x3C",
    ),
    wrong("topic alias of 0", b"\x30\x07\x00\x01a\x03\x23\x00\x00"),
    wrong(
        "property longer than all properties",
        b"\x30\x0B\x00\x01a\x03\x02\x00\x00\x00\x01xy",
    ),
    wrong(
        "packet identifier of 0, PUBLISH",
        b"\x32\x06\x00\x01a\x00\x00\x00",
    ),
    wrong("packet identifier of 0, PUBACK", b"\x40\x02\x00\x00"),
    wrong("QoS 3", b"\x36\x06\x00\x01a\x00\x01\x00"),
    wrong("DUP with QoS 0", b"\x38\x04\x00\x01a\x00"),
    wrong("reserved flag, PUBACK", b"\x41\x02\x00\x01"),
    wrong("unknown reason code", b"\x40\x03\x00\x01\x01"),
    wrong(
        "bytes after the end, PUBACK",
        b"\x40\x05\x00\x01\x00\x00\x00",
    ),
    wrong(
        "length in more bytes than needed",
        b"\x30\x06\x00\x01a\x80\x00x",
    ),
    wrong(
        "`#` inside a topic filter",
        b"\x82\x0B\x00\x01\x00\x00\x05a/#/b\x00",
    ),
    wrong(
        "reserved subscription option",
        b"\x82\x07\x00\x01\x00\x00\x01a\x40",
    ),
    wrong(
        "reserved flag of CONNECT",
        b"\x10\x0E\x00\x04MQTT\x05\x03\x00\x3C\x00\x00\x01c",
    ),
    wrong(
        "will QoS without a will",
        b"\x10\x0E\x00\x04MQTT\x05\x0A\x00\x3C\x00\x00\x01c",
    ),
    wrong(
        "bytes after the end, CONNECT",
        b"\x10\x0F\x00\x04MQTT\x05\x02\x00\x3C\x00\x00\x01c\x00",
    ),
];

const fn wrong(what: &'static str, packet: &'static [u8]) -> Malformed {
    assert!(packet[1] as usize == packet.len() - 2);
    Malformed { what, packet }
}

impl Malformed {
    /// Whether the contender decodes the packet all the same; `None` if it
    /// panics, or does not decode at all.
    pub fn accepted_by(&self, contender: &Contender) -> Option<bool> {
        let accepts = contender.accepts?;
        panic::catch_unwind(AssertUnwindSafe(|| accepts(self.packet))).ok()
    }
}
