use std::path::Path;

use super::super::{VectorError, read};
use super::*;

const CASE: &str = "\
# A comment.

case: ping
statements: MQTT-2.1.3-1 MQTT-3.12.4-1
sender: client
bytes: C1  00*3
expect: reject malformed 0x81
offset: 0
statement: MQTT-2.1.3-1
why: a flag (2.1.3)
";

/// One of MQTT 3.1.1.
const CASE_3_1_1: &str = "\
case: v3-connect
sender: client
bytes: 10 00
expect: accept
reencodes: none
v5: none
why: no matter (3.1)

case: v3-level
sender: client
bytes: 10 00
expect: reject protocol
statement: MQTT3-3.1.2-2
answer: 20 02  00 01
why: no matter (3.1.2.2)
";

fn error_of(version: ProtocolVersion, text: &str) -> (usize, String) {
    let VectorError {
        file,
        line,
        message,
    } = read(version, Path::new("some.txt"), text).expect_err("the text is wrong");
    assert_eq!(file, Path::new("some.txt"));
    (line, message)
}

#[test]
fn reads_every_key() {
    let cases =
        read(ProtocolVersion::V5_0, Path::new("some.txt"), CASE).expect("the text is right");
    let expected = Case {
        name: "ping".to_owned(),
        version: ProtocolVersion::V5_0,
        line: 3,
        statements: vec!["MQTT-2.1.3-1".to_owned(), "MQTT-3.12.4-1".to_owned()],
        sender: Some(Role::Client),
        bytes: vec![0xC1, 0, 0, 0],
        expect: Expectation::Reject {
            class: ViolationClass::Malformed,
            reason_code: Some(0x81),
        },
        offset: Some(0),
        statement: Some("MQTT-2.1.3-1".to_owned()),
        reencodes: None,
        v5: None,
        answer: None,
        why: "a flag (2.1.3)".to_owned(),
    };
    assert_eq!(cases, [expected]);
}

#[test]
fn names_the_line_of_a_mistake() {
    for (right, wrong, line, message) in [
        ("sender: client", "sender: me", 5, "`me` is not a sender"),
        ("C1  00*3", "C1 +1", 6, "`+1` is not a byte or a run of one"),
        ("C1  00*3", "C1 00*x", 6, "`x` is not a number"),
        (
            "reject malformed 0x81",
            "perhaps",
            7,
            "`perhaps` is not a verdict",
        ),
        ("0x81", "81", 7, "`81` is not a Reason Code"),
        ("offset: 0", "offset: 5", 3, "offset 5 is behind the input"),
        (
            "offset: 0",
            "sender: either",
            8,
            "`sender` is repeated or out of order",
        ),
        ("offset: 0", "remark: none", 8, "there is no key `remark`"),
        ("offset: 0", "offset", 8, "`offset` is not `key: value`"),
        ("why: a flag (2.1.3)\n", "", 3, "the case has no `why`"),
        (" (2.1.3)", "", 10, "the reason names no section"),
        ("(2.1.3)", "(T19.4)", 10, "there is no section `T19.4`"),
        (
            "(2.1.3)",
            "(2.1.3, 2.1.9)",
            10,
            "there is no section `2.1.9`",
        ),
        (
            "MQTT-2.1.3-1 MQTT",
            "MAL-06 MQTT",
            4,
            "there is no statement `MAL-06`",
        ),
        (
            "statement: MQTT-2.1.3-1",
            "statement: MQTT-2.1.3-9",
            9,
            "there is no statement `MQTT-2.1.3-9`",
        ),
        (
            "statement: MQTT-2.1.3-1\n",
            "",
            3,
            "the case has no `statement`",
        ),
        (
            "reject malformed 0x81",
            "accept",
            8,
            "`offset` does not go with `expect: accept`",
        ),
    ] {
        let text = CASE.replace(right, wrong);
        assert_ne!(text, CASE);
        assert_eq!(
            error_of(ProtocolVersion::V5_0, &text),
            (line, message.to_owned())
        );
    }
}

#[test]
fn reads_the_keys_of_3_1_1() {
    let cases = read(ProtocolVersion::V3_1_1, Path::new("some.txt"), CASE_3_1_1);
    let cases = cases.expect("the text is right");
    let [connect, level] = &cases[..] else {
        panic!("{cases:?}");
    };
    assert_eq!(connect.reencodes, Some(Said::Nothing));
    assert_eq!(connect.v5, Some(Said::Nothing));
    assert_eq!(level.version, ProtocolVersion::V3_1_1);
    assert_eq!(level.answer, Some(Said::Bytes(vec![0x20, 2, 0, 1])));
    let expect = Expectation::Reject {
        class: ViolationClass::Protocol,
        reason_code: None,
    };
    assert_eq!(level.expect, expect);
}

#[test]
fn keeps_the_versions_apart() {
    for (right, wrong, line, message) in [
        (
            "case: v3-connect",
            "case: connect",
            1,
            "`connect` is a name of the other version",
        ),
        (
            "reencodes: none",
            "reencodes: 10",
            5,
            "`10` is no other encoding",
        ),
        ("v5: none\n", "", 1, "the case has no `v5`"),
        (
            "MQTT3-",
            "MQTT-",
            13,
            "there is no statement `MQTT-3.1.2-2`",
        ),
        (
            "(3.1)",
            "(3.1.2.11.1)",
            7,
            "there is no section `3.1.2.11.1`",
        ),
        (
            "reject protocol",
            "reject protocol 0x82",
            12,
            "`reject protocol 0x82` is not a verdict",
        ),
    ] {
        let text = CASE_3_1_1.replacen(right, wrong, 1);
        assert_ne!(text, CASE_3_1_1);
        let expected = (line, message.to_owned());
        assert_eq!(error_of(ProtocolVersion::V3_1_1, &text), expected);
    }
    let message = "there is no key `v5`".to_owned();
    assert_eq!(error_of(ProtocolVersion::V5_0, CASE_3_1_1), (6, message));
}
