//! `subscribe`.

use mqtt5_tokio::Qos;
use mqtt5_tokio::codec::RetainHandling;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

use super::house::{House, PUBLISH, SUBSCRIBE, soon};

#[tokio::test(flavor = "multi_thread")]
async fn several_filters_in_each_version() {
    let house = House::open().await;
    for version in ["5", "3.1.1"] {
        for qos in ["0", "1", "2"] {
            let options = ["a/+", "b", "-q", qos, "--count", "2", "--version", version];
            let running = house
                .start(SUBSCRIBE, &options, "Subscribed to \"b\"")
                .await;
            for topic in ["c", "a/1", "b"] {
                house.run(PUBLISH, &[topic, topic, "-q", "2"]).await.fine();
            }
            let ran = running.end().await.ended(0, "Connected");
            assert_eq!(ran.text(), "a/1\nb\n");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_subscribe_says_what_the_options_say() {
    let house = House::open().await;
    house.run(PUBLISH, &["a", "x", "--retain"]).await.fine();
    let options = [
        "a",
        "--no-local",
        "--retain-as-published",
        "--retain-handling",
        "1",
        "-q",
        "2",
        "--count",
        "1",
        "--subscription-identifier",
        "77",
        "--format",
        "json",
    ];
    let ran = house.run(SUBSCRIBE, &options).await.fine();
    let (filter, said) = house
        .seen
        .lock()
        .unwrap()
        .subscriptions
        .last()
        .cloned()
        .unwrap();
    assert_eq!((filter.as_str(), said.maximum_qos), ("a", Qos::ExactlyOnce));
    assert!(said.no_local && said.retain_as_published);
    assert_eq!(said.retain_handling, RetainHandling::SendIfNew);
    let object: Value = serde_json::from_str(ran.text()).unwrap();
    assert_eq!(
        object["properties"]["subscription_identifiers"],
        json!([77])
    );
    assert_eq!(object["retain"], json!(true));

    // The retained message does not come with 2.
    let options = ["a", "--retain-handling", "2", "--count", "1"];
    let running = house.start(SUBSCRIBE, &options, "Subscribed").await;
    house.run(PUBLISH, &["a", "y"]).await.fine();
    assert_eq!(running.end().await.text(), "y\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_format() {
    let house = House::open().await;
    let options = ["a", "--text", "--property", "n=1", "--retain", "héllo"];
    house.run(PUBLISH, &options).await.fine();
    for (format, line) in [
        ("payload", "héllo\n"),
        ("topic payload", "a héllo\n"),
        ("%% %t|%p|%q|%r|%d|%x", "% a|héllo|1|1|0|68c3a96c6c6f\n"),
        (
            "%P",
            "{\"payload_format_indicator\":1,\"user_properties\":[[\"n\",\"1\"]]}\n",
        ),
    ] {
        let ran = house
            .run(SUBSCRIBE, &["a", "--count", "1", "--format", format])
            .await;
        assert_eq!(ran.fine().text(), line);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn json_says_everything() {
    let house = House::open().await;
    let options = [
        "a",
        "--expiry",
        "1000",
        "--content-type",
        "t",
        "--response-topic",
        "r",
        "--correlation-data",
        "c",
        "--text",
        "--property",
        "n=1",
        "--property",
        "n=2",
        "--retain",
        "x",
    ];
    house.run(PUBLISH, &options).await.fine();
    let options = ["a", "--count", "1", "--format", "json"];
    let ran = house.run(SUBSCRIBE, &options).await.fine();
    assert_eq!(ran.text().lines().count(), 1);
    let mut object: Value = serde_json::from_str(ran.text()).unwrap();
    let arrived = object["arrived"].take();
    assert_eq!(
        arrived.as_str().unwrap().len(),
        "2026-11-27T03:39:39.123Z".len()
    );
    let expiry = object["properties"]["message_expiry_interval"].take();
    assert!((1..=1_000).contains(&expiry.as_u64().unwrap()));
    let wanted = json!({
        "topic": "a", "payload": "x", "qos": 1, "retain": true, "duplicate": false, "arrived": null,
        "properties": {
            "message_expiry_interval": null, "content_type": "t", "response_topic": "r",
            "correlation_data": "c", "payload_format_indicator": 1,
            "user_properties": [["n", "1"], ["n", "2"]],
        },
    });
    assert_eq!(object, wanted);
    house
        .run_with(PUBLISH, &["a", "--retain"], b"\xFF\x01")
        .await
        .fine();
    let ran = house.run(SUBSCRIBE, &options).await.fine();
    let object: Value = serde_json::from_str(ran.text()).unwrap();
    assert_eq!(
        (&object["payload_hex"], object.get("payload")),
        (&json!("ff01"), None)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn many_messages_come_in_order() {
    let house = House::open().await;
    let lines: String = (0..10_000).map(|number| format!("{number}\n")).collect();
    for more in [&["-q", "1"][..], &["-q", "2", "--manual"]] {
        let options = [&["a", "--count", "10000"], more].concat();
        let running = house.start(SUBSCRIBE, &options, "Subscribed").await;
        let ended = tokio::spawn(running.end());
        let publish = ["a", "--lines", "-q", "2"];
        house
            .run_with(PUBLISH, &publish, lines.as_bytes())
            .await
            .fine();
        let ran = soon(ended).await.unwrap().ended(0, "");
        assert!(ran.text() == lines);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_payload_comes() {
    let house = House::open().await;
    let options = ["a", "--count", "1", "--manual"];
    let running = house.start(SUBSCRIBE, &options, "Subscribed").await;
    let ended = tokio::spawn(running.end());
    let payload = vec![b'x'; 15_000_000];
    house.run_with(PUBLISH, &["a"], &payload).await.fine();
    let ran = soon(ended).await.unwrap().ended(0, "");
    assert!(ran.out[..15_000_000] == payload && ran.out.len() == 15_000_001);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_that_closes_ends_it_quietly() {
    let house = House::open().await;
    for more in [&[][..], &["--manual"]] {
        let options = [&["a"], more].concat();
        let mut running = house.start(SUBSCRIBE, &options, "Subscribed").await;
        let mut out = running.child.stdout.take().unwrap();
        house.run(PUBLISH, &["a", "x"]).await.fine();
        let mut line = [0; 2];
        soon(out.read_exact(&mut line)).await.unwrap();
        drop(out);
        house.run(PUBLISH, &["a", "y"]).await.fine();
        let ran = running.end().await.ended(0, "");
        assert_eq!(
            ran.err.lines().count(),
            2,
            "connected and subscribed: {}",
            ran.err
        );
    }
}

/// What was not written is not acknowledged.
#[tokio::test(flavor = "multi_thread")]
async fn manual_acknowledgement_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("journal");
    let house = House::open().await;
    let options = [
        "a",
        "--id",
        "it",
        "--session-expiry",
        "600",
        "--journal",
        file.to_str().unwrap(),
        "--manual",
    ];
    let mut running = house.start(SUBSCRIBE, &options, "Subscribed").await;
    drop(running.child.stdout.take());
    house
        .run_with(PUBLISH, &["a", "--lines"], b"1\n2\n3\n")
        .await
        .fine();
    running.end().await.ended(0, "");
    let again = [&options[..], &["--count", "3"]].concat();
    let ran = house.run(SUBSCRIBE, &again).await.fine();
    assert_eq!(ran.text(), "1\n2\n3\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_refuses_a_subscription() {
    let house = House::open().await;
    let refused = "There is no subscription to \"forbidden\": The server refused it: 0x87";
    house
        .run(SUBSCRIBE, &["a", "forbidden"])
        .await
        .ended(3, refused);
    let ran = house
        .run(SUBSCRIBE, &["forbidden", "--version", "3.1.1"])
        .await;
    ran.ended(3, "0x80 Unspecified error");
    house
        .run(SUBSCRIBE, &["a/#/b"])
        .await
        .ended(1, "\"a/#/b\": ");

    let says = "The server grants QoS 0 for \"poor\", not 1.";
    let running = house
        .start(SUBSCRIBE, &["poor", "--count", "1"], says)
        .await;
    house.run(PUBLISH, &["poor", "x"]).await.fine();
    assert_eq!(running.end().await.text(), "x\n");
}
