//! `dissect --jsonl`, and with it the JSON shape of every packet (feature `serde`).

#[path = "../dissect/hex.rs"]
mod hex;
#[path = "../dissect/jsonl.rs"]
mod jsonl;

use std::io::{self, Read};

use serde_json::Value;

fn answers(questions: &str) -> Vec<String> {
    let mut answers = Vec::new();
    jsonl::answer_lines(questions.as_bytes(), &mut answers).unwrap();
    let answers = String::from_utf8(answers).unwrap();
    assert!(answers.is_empty() || answers.ends_with('\n'));
    answers.lines().map(str::to_owned).collect()
}

fn answer(question: &str) -> String {
    let answers = answers(question);
    assert_eq!(answers.len(), 1, "{question}");
    answers.into_iter().next().unwrap()
}

/// Questions about one packet, what the packet is as JSON, and what it is encoded as, if not the
/// bytes of the question.
const PACKETS: &[(&str, &str, Option<&str>)] = &[
    (
        "10 10  0004 4d515454 05 02 003c  00  0003 646173",
        r#"{"type":"CONNECT","protocol_name":"MQTT","protocol_version":5,"clean_start":true,"keep_alive":60,"properties":[],"client_id":"das"}"#,
        None,
    ),
    (
        "10 41  0004 4d515454 05 f4 0000  0c 11 00000078 17 01 19 00 22 0000 0000\
         19 18 00000005 01 01 02 0000003c 09 0002 00ff 08 0002 612f 03 0000 0001 77 0001 00\
         0002 c2b0 0002 00ab",
        r#"{"type":"CONNECT","protocol_name":"MQTT","protocol_version":5,"clean_start":false,"keep_alive":0,"properties":[[17,120],[23,1],[25,0],[34,0]],"client_id":"","will":{"qos":2,"retain":true,"properties":[[24,5],[1,1],[2,60],[9,"00ff"],[8,"a/"],[3,""]],"topic":"w","payload":"00"},"username":"°","password":"00ab"}"#,
        None,
    ),
    (
        "20 18  01 00  15 21 0014 24 01 25 00 27 00010000 28 01 29 00 2a 01 13 001e",
        r#"{"type":"CONNACK","session_present":true,"reason_code":0,"properties":[[33,20],[36,1],[37,0],[39,65536],[40,1],[41,0],[42,1],[19,30]]}"#,
        None,
    ),
    (
        "20 20  00 9c  1d 12 0001 63 1a 0001 72 1c 0001 73 1f 0001 77 15 0001 6d 16 0001 64 11 ffffffff",
        r#"{"type":"CONNACK","session_present":false,"reason_code":156,"properties":[[18,"c"],[26,"r"],[28,"s"],[31,"w"],[21,"m"],[22,"64"],[17,4294967295]]}"#,
        None,
    ),
    (
        "30 08  0003 612f62  00  6869",
        r#"{"type":"PUBLISH","dup":false,"qos":0,"retain":false,"topic":"a/b","properties":[],"payload":"6869"}"#,
        None,
    ),
    (
        "3d 0c  0000 0001  07 23 0005 0b ffff 7f",
        r#"{"type":"PUBLISH","dup":true,"qos":2,"retain":true,"topic":"","packet_id":1,"properties":[[35,5],[11,2097151]],"payload":""}"#,
        None,
    ),
    (
        "40 02  000a",
        r#"{"type":"PUBACK","packet_id":10,"reason_code":0,"properties":[]}"#,
        None,
    ),
    (
        "40 04  000a 00 00",
        r#"{"type":"PUBACK","packet_id":10,"reason_code":0,"properties":[]}"#,
        Some("4002000a"),
    ),
    (
        "50 03  ffff 87",
        r#"{"type":"PUBREC","packet_id":65535,"reason_code":135,"properties":[]}"#,
        None,
    ),
    (
        "62 0b  0001 92 07 26 0001 6b 0001 76",
        r#"{"type":"PUBREL","packet_id":1,"reason_code":146,"properties":[[38,["k","v"]]]}"#,
        None,
    ),
    (
        "70 02  0001",
        r#"{"type":"PUBCOMP","packet_id":1,"reason_code":0,"properties":[]}"#,
        None,
    ),
    (
        "82 0d  0002  02 0b 07  0001 61 2e  0001 23 00",
        r##"{"type":"SUBSCRIBE","packet_id":2,"properties":[[11,7]],"filters":[{"filter":"a","qos":2,"no_local":true,"retain_as_published":true,"retain_handling":2},{"filter":"#","qos":0,"no_local":false,"retain_as_published":false,"retain_handling":0}]}"##,
        None,
    ),
    (
        "90 06  0002  00  00 02 a2",
        r#"{"type":"SUBACK","packet_id":2,"properties":[],"reason_codes":[0,2,162]}"#,
        None,
    ),
    (
        "a2 0a  0003  00  0001 61  0002 2b2f",
        r#"{"type":"UNSUBSCRIBE","packet_id":3,"properties":[],"filters":["a","+/"]}"#,
        None,
    ),
    (
        "b0 05  0003  00  00 11",
        r#"{"type":"UNSUBACK","packet_id":3,"properties":[],"reason_codes":[0,17]}"#,
        None,
    ),
    ("c0 00", r#"{"type":"PINGREQ"}"#, None),
    ("d0 00", r#"{"type":"PINGRESP"}"#, None),
    (
        "e0 00",
        r#"{"type":"DISCONNECT","reason_code":0,"properties":[]}"#,
        None,
    ),
    (
        "e0 02  00 00",
        r#"{"type":"DISCONNECT","reason_code":0,"properties":[]}"#,
        Some("e000"),
    ),
    (
        "f0 06  18 04 15 0001 6d",
        r#"{"type":"AUTH","reason_code":24,"properties":[[21,"m"]]}"#,
        None,
    ),
];

#[test]
fn packets_have_this_shape() {
    for (question, packet, reencoded) in PACKETS {
        let digits = question.replace(' ', "");
        let reencoded = reencoded.unwrap_or(&digits);
        assert_eq!(
            answer(question),
            format!(r#"{{"verdict":"accept","packets":[{packet}],"reencoded":"{reencoded}"}}"#),
        );
    }
}

#[test]
fn several_packets_are_accepted_together() {
    let together: String = PACKETS.iter().map(|(question, ..)| *question).collect();
    let answer: Value = serde_json::from_str(&answer(&together)).unwrap();
    assert_eq!(answer["verdict"], "accept");
    let expected: Vec<Value> = PACKETS
        .iter()
        .map(|(_, packet, _)| serde_json::from_str(packet).unwrap())
        .collect();
    assert_eq!(answer["packets"], Value::Array(expected));
}

#[test]
fn other_verdicts() {
    const INCOMPLETE: &[(&str, usize)] = &[
        ("\n", 2),
        (" \t", 2),
        ("server", 2),
        ("c0", 1),
        ("3080", 1),
        ("3004 0001", 2),
        ("c000 c0", 1),
        ("c000 40020001 32", 1),
        ("30ffffff7f", 268_435_455),
    ];
    for (question, need) in INCOMPLETE {
        assert_eq!(
            answer(question),
            format!(r#"{{"verdict":"incomplete","need":{need}}}"#),
            "{question}"
        );
    }

    const REJECT: &[(&str, &str)] = &[
        // A fixed header is judged before the rest is there.
        (
            "00",
            r#""class":"malformed","reason_code":129,"offset":0,"statement":null"#,
        ),
        (
            "80",
            r#""class":"malformed","reason_code":129,"offset":0,"statement":"MQTT-3.8.1-1""#,
        ),
        (
            "3080 8080 80",
            r#""class":"malformed","reason_code":129,"offset":1,"statement":null"#,
        ),
        // Offsets count from the start of the line, and the first packet with a fault counts.
        (
            "c000 30 06 0003 612f23 00",
            r#""class":"malformed","reason_code":129,"offset":8,"statement":"MQTT-3.3.2-2""#,
        ),
        (
            "40020000 00",
            r#""class":"protocol","reason_code":130,"offset":2,"statement":"MQTT-2.2.1-5""#,
        ),
        (
            "10 0d 0004 4d515454 06 02 003c 00 0000",
            r#""class":"protocol","reason_code":132,"offset":8,"statement":"MQTT-3.1.2-2""#,
        ),
        // What only one side may send.
        (
            "d000 client",
            r#""class":"protocol","reason_code":130,"offset":0,"statement":null"#,
        ),
        (
            "c000 30 07 0001 61 02 0b 01 78 client",
            r#""class":"protocol","reason_code":130,"offset":8,"statement":"MQTT-3.3.4-6""#,
        ),
    ];
    for (question, expected) in REJECT {
        let answer = answer(question);
        let start = format!(r#"{{"verdict":"reject",{expected},"message":""#);
        assert!(answer.starts_with(&start), "{question}: {answer}");
        assert!(serde_json::from_str::<Value>(&answer).is_ok(), "{answer}");
    }
    for question in ["d000", "d000 server", "30 07 0001 61 02 0b 01 78\tserver\r"] {
        assert!(
            answer(question).starts_with(r#"{"verdict":"accept""#),
            "{question}"
        );
    }
}

/// What follows a CONNECT of MQTT 3.1.1 has no properties: the first byte of this payload is no Property Length.
#[test]
fn a_connect_names_the_version_of_what_follows_it() {
    let connect = "10 0d 0004 4d515454 04 02 003c 0001 63";
    let publish = "30 05 0001 61 0068";
    for (question, payload) in [
        (format!("{connect} {publish}"), "0068"),
        (publish.to_owned(), "68"),
    ] {
        let answer: Value = serde_json::from_str(&answer(&question)).unwrap();
        let last = answer["packets"].as_array().unwrap().last().unwrap();
        assert_eq!(last["payload"], payload, "{question}");
        assert_eq!(answer["reencoded"], question.replace(' ', ""));
        let version = &answer["packets"][0]["protocol_version"];
        assert!(*version == 4 || !question.starts_with(connect), "{version}");
    }
}

#[test]
fn lines_that_are_no_questions_are_answered_too() {
    let lines = "c000\nxyz\nc00\nc000 broker\nclient c000\n\"\\\n\u{FFFD}\nc000";
    let answers = answers(lines);
    let verdicts: Vec<Value> = answers
        .iter()
        .map(|answer| serde_json::from_str::<Value>(answer).unwrap()["verdict"].take())
        .collect();
    assert_eq!(
        verdicts,
        [
            "accept", "error", "error", "error", "error", "error", "error", "accept"
        ]
    );
}

/// Somebody who asks the next question only after the answer to the last one.
struct Asker<'a> {
    questions: &'a [&'a str],
    answered: &'a std::cell::Cell<usize>,
    asked: usize,
}

impl Read for Asker<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // Each part that ends with a line end completes a question.
        let complete = self.questions[..self.asked].concat().matches('\n').count();
        assert_eq!(self.answered.get(), complete);
        let Some(question) = self.questions.get(self.asked) else {
            return Ok(0);
        };
        self.asked += 1;
        buffer[..question.len()].copy_from_slice(question.as_bytes());
        Ok(question.len())
    }
}

struct Counter<'a>(&'a std::cell::Cell<usize>);

impl io::Write for Counter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let lines = bytes.iter().filter(|&&byte| byte == b'\n').count();
        self.0.set(self.0.get() + lines);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn answers_do_not_wait_for_the_next_question() {
    let answered = std::cell::Cell::new(0);
    let asker = Asker {
        questions: &["c000\n", "d000\nc000\nd0", "00\n"],
        answered: &answered,
        asked: 0,
    };
    jsonl::answer_lines(asker, Counter(&answered)).unwrap();
    assert_eq!(answered.get(), 4);
}
