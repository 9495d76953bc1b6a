//! `request` and `respond`.

use mqtt5_tokio::Qos;
use serde_json::{Value, json};

use super::house::{House, PUBLISH, REQUEST, RESPOND, soon};

#[tokio::test(flavor = "multi_thread")]
async fn a_command_answers() {
    let house = House::open().await;
    let options = [
        "ask/+",
        "--count",
        "2",
        "--",
        "sh",
        "-c",
        "tr a-z A-Z; printf ' %s' \"$MQTT_TOPIC\"",
    ];
    let running = house.start(RESPOND, &options, "Subscribed").await;
    let ran = house.run(REQUEST, &["ask/1", "hello"]).await.fine();
    assert_eq!(ran.text(), "HELLO ask/1\n");
    let options = [
        "ask/2",
        "",
        "--response-topic",
        "r/x",
        "--format",
        "%t|%p|%q",
    ];
    let ran = house.run(REQUEST, &options).await.fine();
    assert_eq!(ran.text(), "r/x| ask/2|1\n");
    running.end().await.ended(0, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_in_the_response() {
    let house = House::open().await;
    for (command, error) in [
        (&["sh", "-c", "echo no; exit 3"][..], "exit status: 3"),
        (
            &["/nowhere/at/all"],
            "it cannot be run: No such file or directory (os error 2)",
        ),
    ] {
        let options = [&["ask", "--count", "1", "--"], command].concat();
        let running = house.start(RESPOND, &options, "Subscribed").await;
        let ran = house
            .run(REQUEST, &["ask", "x", "--format", "json"])
            .await
            .fine();
        let object: Value = serde_json::from_str(ran.text()).unwrap();
        assert_eq!(
            object["properties"]["user_properties"],
            json!([["error", error]])
        );
        running
            .end()
            .await
            .ended(0, &format!("A command has failed: {error}."));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_payload_goes_through_a_command() {
    let house = House::open().await;
    let options = ["ask", "--count", "1", "--", "cat"];
    let running = house.start(RESPOND, &options, "Subscribed").await;
    let payload = "x".repeat(100_000);
    let ran = house.run(REQUEST, &["ask", &payload]).await.fine();
    assert!(ran.text().trim_end() == payload);
    running.end().await.ended(0, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_need_not_read_its_input() {
    let house = House::open().await;
    let options = ["ask", "--count", "1", "--", "echo", "-n", "done"];
    let running = house.start(RESPOND, &options, "Subscribed").await;
    let payload = "x".repeat(100_000);
    let ran = house.run(REQUEST, &["ask", &payload]).await.fine();
    assert_eq!(ran.text(), "done\n");
    running.end().await.ended(0, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_so_many_commands_run_at_once() {
    let house = House::open().await;
    let directory = tempfile::tempdir().unwrap();
    let lock = directory.path().join("lock");
    // Fails if another one runs.
    let script = "mkdir \"$0\" || exit 1; cat; rmdir \"$0\"";
    let options = [
        "ask",
        "--count",
        "10",
        "--at-once",
        "1",
        "--",
        "sh",
        "-c",
        script,
        lock.to_str().unwrap(),
    ];
    let running = house.start(RESPOND, &options, "Subscribed").await;
    let (_witness, mut messages) = house.witness().await;
    let options = [
        "ask",
        "--lines",
        "--response-topic",
        "answers",
        "--correlation-data",
        "c",
    ];
    let lines = "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n";
    house
        .run_with(PUBLISH, &options, lines.as_bytes())
        .await
        .fine();
    running.end().await.ended(0, "");
    let mut answers = Vec::new();
    while answers.len() < 10 {
        let message = soon(messages.next()).await.unwrap();
        if message.topic() == "answers" {
            let data = message.properties().correlation_data().unwrap();
            assert_eq!(
                (data.as_bytes(), message.qos()),
                (&b"c"[..], Qos::AtLeastOnce)
            );
            assert_eq!(message.properties().user_properties().count(), 0);
            answers.push(message.text().unwrap().to_owned());
        }
    }
    assert_eq!(answers.join("\n") + "\n", lines);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_commands_run_at_once() {
    let house = House::open().await;
    let directory = tempfile::tempdir().unwrap();
    let pipe = directory.path().join("pipe");
    let pipe = pipe.to_str().unwrap();
    let made = std::process::Command::new("mkfifo").arg(pipe).status();
    assert!(made.unwrap().success());
    // Each command waits for the other one.
    let script = "read word; case $word in a) echo in > \"$0\";; b) cat \"$0\";; esac";
    let options = [
        "ask",
        "--count",
        "2",
        "--at-once",
        "2",
        "--",
        "sh",
        "-c",
        script,
        pipe,
    ];
    let running = house.start(RESPOND, &options, "Subscribed").await;
    let (first, second) = tokio::join!(
        house.run(REQUEST, &["ask", "a\n"]),
        house.run(REQUEST, &["ask", "b\n"]),
    );
    assert_eq!(
        (first.fine().text(), second.fine().text()),
        ("\n", "in\n\n")
    );
    running.end().await.ended(0, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_echo_answers() {
    let house = House::open().await;
    let options = ["$share/g/ask", "--echo", "--count", "2"];
    let mut running = house.start(RESPOND, &options, "Subscribed").await;
    house.run(PUBLISH, &["ask", "x"]).await.fine();
    running
        .says("The message to \"ask\" has no Response Topic.")
        .await;
    let ran = house
        .run(REQUEST, &["ask", "hello", "--format", "%p"])
        .await;
    assert_eq!(ran.fine().text(), "hello\n");
    running.end().await.ended(0, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_answers() {
    let house = House::open().await;
    let options = ["ask", "x", "--within", "0.2"];
    house
        .run(REQUEST, &options)
        .await
        .ended(4, "No answer came in time.");
    house
        .run(REQUEST, &["forbidden", "x"])
        .await
        .ended(3, "0x87 Not authorized");
    let options = ["ask", "x", "--response-topic", "forbidden"];
    house
        .run(REQUEST, &options)
        .await
        .ended(3, "0x87 Not authorized");
    house
        .run(RESPOND, &["forbidden", "--echo"])
        .await
        .ended(3, "0x87 Not authorized");
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_is_interrupted() {
    let house = House::open().await;
    let running = house.start(REQUEST, &["ask", "x"], "Connected").await;
    running.signal("INT").await;
    running.end().await.ended(5, "Interrupted.");
    let running = house.start(RESPOND, &["ask", "--echo"], "Subscribed").await;
    running.signal("INT").await;
    running.end().await.ended(5, "Interrupted.");
}
