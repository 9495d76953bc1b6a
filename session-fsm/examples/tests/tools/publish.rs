//! `publish`.

use mqtt5_tokio::fsm::Limits;
use mqtt5_tokio::{Message, Qos};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::house::{House, PUBLISH, Running, config, run, soon};

const VERSIONS: [&str; 2] = ["5", "3.1.1"];

#[tokio::test(flavor = "multi_thread")]
async fn the_payload_comes_from_anywhere() {
    let house = House::open().await;
    let (_witness, mut messages) = house.witness().await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("payload");
    std::fs::write(&file, b"\xFF\0file\n").unwrap();
    for version in VERSIONS {
        for (number, qos) in ["0", "1", "2"].into_iter().zip(QOS) {
            let more = ["a", "--version", version, "--qos", number];
            let with = |arguments: &[&'static str]| [&more[..], arguments].concat();
            house.run(PUBLISH, &with(&["argument"])).await.fine();
            let from_file = [&more[..], &["--file", file.to_str().unwrap()]].concat();
            house.run(PUBLISH, &from_file).await.fine();
            house.run_with(PUBLISH, &more, b"in\nput\n").await.fine();
            house.run(PUBLISH, &with(&[""])).await.fine();
            for payload in [&b"argument"[..], b"\xFF\0file\n", b"in\nput\n", b""] {
                let message = soon(messages.next()).await.unwrap();
                assert_eq!((message.payload(), message.qos()), (payload, qos));
            }
        }
    }
}

const QOS: [Qos; 3] = [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce];

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_lines_arrive_in_order() {
    let house = House::open().await;
    let (_witness, mut messages) = house.witness().await;
    let lines: String = (0..10_000)
        .map(|number| format!("line {number}\n"))
        .collect();
    for version in VERSIONS {
        for qos in ["0", "1", "2"] {
            let options = ["a", "--lines", "--version", version, "--qos", qos];
            let ran = house.run_with(PUBLISH, &options, lines.as_bytes()).await;
            ran.fine();
            for number in 0..10_000 {
                let message = soon(messages.next()).await.unwrap();
                assert_eq!(message.text(), Some(&*format!("line {number}")));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_line_leaves_at_once() {
    let house = House::open().await;
    let (_witness, mut messages) = house.witness().await;
    let options = ["a", "--lines", "--server", &house.address];
    let mut running = Running::start(PUBLISH, &options);
    let mut input = running.child.stdin.take().unwrap();
    for line in ["1", "", "3"] {
        input
            .write_all(format!("{line}\n").as_bytes())
            .await
            .unwrap();
        assert_eq!(soon(messages.next()).await.unwrap().text(), Some(line));
    }
    // The last line needs no line break.
    input.write_all(b"4").await.unwrap();
    drop(input);
    assert_eq!(soon(messages.next()).await.unwrap().text(), Some("4"));
    running.end().await.fine();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_repeated_and_retained() {
    let house = House::open().await;
    let (_witness, mut messages) = house.witness().await;
    let options = ["a", "x", "--repeat", "3", "--interval", "0.01", "--retain"];
    house.run(PUBLISH, &options).await.fine();
    for _ in 0..3 {
        assert_eq!(soon(messages.next()).await.unwrap().text(), Some("x"));
    }
    assert_eq!(house.server.look(|broker| broker.statistics().retained), 1);
    house.run(PUBLISH, &["a", "", "--retain"]).await.fine();
    assert_eq!(house.server.look(|broker| broker.statistics().retained), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_property_arrives() {
    let house = House::open().await;
    let (_witness, mut messages) = house.witness().await;
    let options = [
        "a",
        "x",
        "--expiry",
        "100",
        "--content-type",
        "text/plain",
        "--response-topic",
        "r",
        "--correlation-data",
        "c",
        "--text",
        "--property",
        "n=1",
        "--property",
        "n=2",
        "--topic-alias",
        "7",
        "--repeat",
        "2",
    ];
    house.run(PUBLISH, &options).await.fine();
    for _ in 0..2 {
        let message = soon(messages.next()).await.unwrap();
        check_properties(&message);
    }
    let ran = house.run_with(PUBLISH, &["a", "--text"], b"\xFF").await;
    ran.ended(1, "The payload is not text in UTF-8");
    let ran = house
        .run(PUBLISH, &["a", "x", "--response-topic", "#"])
        .await;
    ran.ended(1, "wildcard");
    // The server takes 100.
    let ran = house
        .run(PUBLISH, &["a", "x", "--topic-alias", "101"])
        .await;
    ran.ended(3, "The message was not published");
}

fn check_properties(message: &Message) {
    assert_eq!((message.topic(), message.text()), ("a", Some("x")));
    let properties = message.properties();
    assert!(
        properties
            .message_expiry_interval()
            .is_some_and(|it| it <= 100)
    );
    assert_eq!(properties.content_type().unwrap().as_str(), "text/plain");
    assert_eq!(properties.response_topic().unwrap().as_str(), "r");
    assert_eq!(properties.correlation_data().unwrap().as_bytes(), b"c");
    assert_eq!(
        properties.payload_format_indicator().map(|it| it as u8),
        Some(1)
    );
    let pairs = properties.user_properties();
    let pairs: Vec<_> = pairs
        .map(|it| (it.name.as_str(), it.value.as_str()))
        .collect();
    assert_eq!(pairs, [("n", "1"), ("n", "2")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn large_payloads_arrive() {
    let house = House::open().await;
    let (_witness, mut messages) = house.witness().await;
    let payload: Vec<u8> = (0..15_000_000).map(|at| (at % 251) as u8).collect();
    for version in VERSIONS {
        let options = ["a", "--version", version];
        house.run_with(PUBLISH, &options, &payload).await.fine();
        assert!(soon(messages.next()).await.unwrap().payload() == payload);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_refuses_is_a_failure() {
    let house = House::open().await;
    let refused = "The message was not published: The server refused the message: 0x87";
    house
        .run(PUBLISH, &["forbidden", "x"])
        .await
        .ended(3, refused);
    house
        .run(PUBLISH, &["forbidden", "x", "-q", "2"])
        .await
        .ended(3, refused);
    let options = ["forbidden", "--lines", "--verbose"];
    let ran = house.run_with(PUBLISH, &options, b"1\n2\n3\n").await;
    let ran = ran.ended(
        3,
        "Message 2 was not published: The server refused the message: 0x87",
    );
    ran.ended(
        3,
        "3 of 3 messages were not published, the first of them being number 1: ",
    );

    let mut small = config();
    small.server.limits = Limits {
        maximum_packet_size: 1_000,
        retain_available: false,
        ..small.server.limits
    };
    let house = House::with(small).await;
    let large = "x".repeat(2_000);
    house
        .run(PUBLISH, &["a", &large])
        .await
        .ended(3, "The message was not published");
    house
        .run(PUBLISH, &["a", "x", "--retain"])
        .await
        .ended(3, "The message was not published");
}

/// A server that accepts everybody, and then says nothing.
async fn silence() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        // The CONNECT is shorter, and comes at once.
        let read = stream.read(&mut [0; 1_000]).await.unwrap();
        assert!(read > 2);
        stream.write_all(&[0x20, 3, 0, 0, 0]).await.unwrap();
        let _ = stream.read_to_end(&mut Vec::new()).await;
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_that_does_not_come_is_a_failure() {
    let server = silence().await;
    let options = ["a", "x", "--server", &server, "--within", "0.2"];
    run(PUBLISH, &options, b"")
        .await
        .ended(4, "The message was not published: ");
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_for_outcomes_or_input_is_interrupted() {
    let server = silence().await;
    let options = ["a", "x", "--server", &server, "--verbose"];
    let mut running = Running::start(PUBLISH, &options);
    running.says("Connected").await;
    running.signal("INT").await;
    running.end().await.ended(5, "Interrupted.");

    let house = House::open().await;
    let options = ["a", "--lines", "--server", &house.address, "--verbose"];
    let mut running = Running::start(PUBLISH, &options);
    let input = running.child.stdin.take();
    running.says("Connected").await;
    running.signal("INT").await;
    running.end().await.ended(5, "Interrupted.");
    drop(input);
}
