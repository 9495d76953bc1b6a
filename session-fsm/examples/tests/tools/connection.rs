//! The options that all programs have, and the exit statuses.

use mqtt5_tokio::fsm::ProtocolVersions;
use mqtt5_tokio::{ProtocolVersion, Qos, ReasonCode};

use super::house::{House, PUBLISH, REQUEST, RESPOND, SUBSCRIBE, SaidWill, nobody, run, soon};

const CONNECT: [&str; 26] = [
    "a",
    "x",
    "--id",
    "me",
    "--user",
    "ann",
    "--password",
    "secret",
    "--keep-alive",
    "7",
    "--session-expiry",
    "9",
    "--clean",
    "--will-topic",
    "will",
    "--will-payload",
    "gone",
    "--will-qos",
    "2",
    "--will-retain",
    "--will-delay",
    "5",
    "--user-property",
    "n=1",
    "--user-property",
    "n=2",
];

#[tokio::test(flavor = "multi_thread")]
async fn the_connect_says_what_the_options_say() {
    let house = House::open().await;
    house.run(PUBLISH, &CONNECT).await.fine();
    let said = house.last_said();
    assert_eq!(said.version, ProtocolVersion::V5_0);
    assert_eq!(
        (said.id.as_str(), said.user.as_deref()),
        ("me", Some("ann"))
    );
    assert_eq!(said.password.as_deref(), Some(&b"secret"[..]));
    assert_eq!(
        (said.keep_alive, said.clean, said.expiry),
        (7, true, Some(9))
    );
    let pair = |value: &str| ("n".to_owned(), value.to_owned());
    assert_eq!(said.properties, [pair("1"), pair("2")]);
    let will = SaidWill {
        topic: "will".to_owned(),
        payload: b"gone".to_vec(),
        qos: Qos::ExactlyOnce,
        retain: true,
        delay: Some(5),
    };
    assert_eq!(said.will, Some(will));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_3_1_1_cannot_say_is_refused() {
    let house = House::open().await;
    let with = |more: &[&'static str]| [&["a", "x", "--version", "3.1.1"], more].concat();
    for more in [
        &["--user-property", "a=b"][..],
        &["--will-topic", "w", "--will-delay", "1"],
        &["--expiry", "1"],
        &["--topic-alias", "1"],
    ] {
        let ran = house.run(PUBLISH, &with(more)).await;
        ran.ended(1, "MQTT 3.1.1 has no");
    }
    for more in [&["--no-local"][..], &["--subscription-identifier", "1"]] {
        let ran = house.run(SUBSCRIBE, &with(more)).await;
        ran.ended(1, "MQTT 3.1.1 has no");
    }
    let ran = house.run(REQUEST, &with(&[])).await;
    ran.ended(1, "MQTT 3.1.1 has no requests");
    let respond = ["a", "--echo", "--version", "3.1.1"];
    house
        .run(RESPOND, &respond)
        .await
        .ended(1, "MQTT 3.1.1 has no requests");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_version_is_the_one_that_the_server_has() {
    let old = House::of(ProtocolVersions::only(ProtocolVersion::V3_1_1)).await;
    old.run(PUBLISH, &["a", "x"]).await.fine();
    assert_eq!(old.last_said().version, ProtocolVersion::V3_1_1);
    assert!(old.last_said().clean);
    old.run(PUBLISH, &["a", "x", "--version", "3.1.1"])
        .await
        .fine();
    let ran = old.run(PUBLISH, &["a", "x", "--version", "5"]).await;
    ran.ended(
        3,
        "The server refused the connection: 0x84 Unsupported Protocol Version.",
    );
    old.run(PUBLISH, &["a", "x", "--expiry", "9"])
        .await
        .ended(3, "0x84");
    let new = House::open().await;
    new.run(PUBLISH, &["a", "x", "--version", "3.1.1"])
        .await
        .fine();
    assert_eq!(new.last_said().version, ProtocolVersion::V3_1_1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_is_refused() {
    let house = House::open().await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("password");
    let file = file.to_str().unwrap();
    for version in ["5", "3.1.1"] {
        let with = |more: [&'static str; 2]| {
            [
                "a",
                "x",
                "--user",
                "ann",
                "--version",
                version,
                more[0],
                more[1],
            ]
        };
        let ran = house.run(PUBLISH, &with(["--password", "wrong"])).await;
        ran.ended(
            3,
            "The server refused the connection: 0x86 Bad User Name or Password.",
        );
        std::fs::write(file, "wrong\n").unwrap();
        let mut options = with(["--password-file", ""]);
        options[7] = file;
        house.run(PUBLISH, &options).await.ended(3, "0x86");
        std::fs::write(file, "right\r\n").unwrap();
        house.run(PUBLISH, &options).await.fine();
        assert_eq!(house.last_said().password.as_deref(), Some(&b"right"[..]));
    }
    std::fs::remove_file(file).unwrap();
    let options = ["a", "x", "--user", "ann", "--password-file", file];
    house
        .run(PUBLISH, &options)
        .await
        .ended(1, "cannot be read");
    house
        .run(PUBLISH, &["a", "x", "--user", "ann"])
        .await
        .fine();
    assert_eq!(house.last_said().password, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_no_server() {
    let nobody = nobody();
    for (program, arguments) in [
        (PUBLISH, ["a", "x"]),
        (SUBSCRIBE, ["a", "b"]),
        (REQUEST, ["a", "x"]),
        (RESPOND, ["a", "--echo"]),
    ] {
        let more = ["--server", &nobody, "--timeout", "0.2"];
        let ran = run(program, &[&arguments[..], &more].concat(), b"").await;
        let ran = ran.ended(
            2,
            &format!("There is no connection: mqtt://{nobody}: Connection refused"),
        );
        ran.ended(2, "There was no connection to mqtt://");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_are_tried_in_order() {
    let house = House::open().await;
    let (nobody, live) = (nobody(), format!("mqtt://{}", house.address));
    let arguments = ["a", "x", "--server", &nobody, "--server", &live];
    run(PUBLISH, &arguments, b"")
        .await
        .ended(0, "The program tries again for up to 30 s.");
    assert_eq!(house.seen.lock().unwrap().said.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_options_end_with_1() {
    for (program, arguments) in [
        (PUBLISH, &["a", "x", "--insecure"][..]),
        (PUBLISH, &[]),
        (PUBLISH, &["a/#", "x"]),
        (PUBLISH, &["a", "x", "--qos", "3"]),
        (PUBLISH, &["a", "x", "--lines"]),
        (PUBLISH, &["a", "x", "--server", "http://a"]),
        (PUBLISH, &["a", "x", "--password", "x"]),
        (PUBLISH, &["a", "x", "--journal", "x", "--id", "x"]),
        (PUBLISH, &["a", "x", "--will-topic", "#"]),
        (PUBLISH, &["a", "--file", "/nowhere/at/all"]),
        (PUBLISH, &["a", "x", "--ca", "/nowhere/at/all"]),
        (PUBLISH, &["a", "x", "--property", "x"]),
        (SUBSCRIBE, &["a", "--count", "0"]),
        (SUBSCRIBE, &["a", "--format", "word"]),
        (SUBSCRIBE, &["a", "--retain-handling", "3"]),
        (REQUEST, &["#", "x"]),
        (RESPOND, &["a"]),
        (RESPOND, &["a", "--echo", "--", "cat"]),
    ] {
        let ran = run(program, arguments, b"").await;
        assert_eq!(ran.status, Some(1), "{arguments:?}: {}", ran.err);
        assert!(!ran.err.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_help_is_no_error() {
    for program in [PUBLISH, SUBSCRIBE, REQUEST, RESPOND] {
        let ran = run(program, &["--help"], b"").await.fine();
        assert!(ran.text().contains("Exit status:") && ran.text().contains("--keep-alive"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_will_is_published_unless_the_program_disconnects() {
    let house = House::open().await;
    let (_witness, mut messages) = house.witness().await;
    for version in ["5", "3.1.1"] {
        for signal in ["INT", "TERM", "KILL"] {
            let payload = format!("{signal} {version}");
            let options = [
                "nothing",
                "--will-topic",
                "will",
                "--will-payload",
                &payload,
                "--will-qos",
                "1",
                "--version",
                version,
            ];
            let running = house.start(SUBSCRIBE, &options, "Subscribed").await;
            running.signal(signal).await;
            let ran = running.end().await;
            match signal {
                "KILL" => assert_eq!(ran.status, None),
                _ => drop(ran.ended(5, "Interrupted.")),
            }
        }
        // A Will of the first two would have come before.
        let will = soon(messages.next()).await.unwrap();
        assert_eq!(will.text(), Some(&*format!("KILL {version}")));
        assert_eq!((will.topic(), will.qos()), ("will", Qos::AtLeastOnce));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn interrupting_ends_the_wait_for_a_server() {
    let house = House::open().await;
    let options = ["a", "--id", "it", "--timeout", "0"];
    let mut running = house.start(SUBSCRIBE, &options, "Subscribed").await;
    house
        .server
        .shut_down(ReasonCode::ServerShuttingDown)
        .await
        .unwrap();
    running.says("There is no connection").await;
    running.signal("INT").await;
    running.end().await.ended(5, "Interrupted.");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_comes_back() {
    let house = House::open().await;
    house.run(PUBLISH, &["kept", "x", "--retain"]).await.fine();
    let options = ["kept", "--id", "it", "--count", "2"];
    let mut running = house.start(SUBSCRIBE, &options, "Subscribed").await;
    house
        .server
        .call(|broker, now| broker.kick(now, "it", ReasonCode::ServerBusy, &[]));
    running.says("There is no connection").await;
    running.says("Connected").await;
    // Subscribing again brings the retained message again.
    let ran = running.end().await.ended(0, "");
    assert_eq!(ran.text(), "x\nx\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_does_not_come_back() {
    let house = House::open().await;
    let options = ["a", "--reconnect-timeout", "0.2"];
    let running = house.start(SUBSCRIBE, &options, "Subscribed").await;
    house
        .server
        .shut_down(ReasonCode::ServerShuttingDown)
        .await
        .unwrap();
    running.end().await.ended(2, "There was no connection");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_client_with_the_id_ends_the_program() {
    let house = House::open().await;
    let running = house
        .start(SUBSCRIBE, &["a", "--id", "it"], "Subscribed")
        .await;
    house.run(PUBLISH, &["b", "x", "--id", "it"]).await.fine();
    running.end().await.ended(3, "0x8E Session taken over");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_goes_on_with_its_journal() {
    let directory = tempfile::tempdir().unwrap();
    let house = House::open().await;
    for version in ["5", "3.1.1"] {
        let file = directory.path().join(version);
        let options = [
            "a",
            "--id",
            version,
            "--version",
            version,
            "--session-expiry",
            "600",
            "--journal",
            file.to_str().unwrap(),
            "--count",
            "1",
            "--manual",
        ];
        let running = house.start(SUBSCRIBE, &options, "Subscribed").await;
        house.run(PUBLISH, &["a", "1"]).await.fine();
        assert_eq!(running.end().await.text(), "1\n");
        // Nobody is there.
        house.run(PUBLISH, &["a", "2"]).await.fine();
        let ran = house.run(SUBSCRIBE, &options).await.fine();
        assert_eq!(ran.text(), "2\n");
    }
}
