//! A disk that is full, and a store that is damaged or of another version.

use std::path::Path;

use mqtt5_tokio::Qos;

use super::process::{Process, soon};

fn arguments(store: &Path) -> Vec<String> {
    [
        "--listen",
        "mqtt://127.0.0.1:0",
        "--store",
        store.to_str().unwrap(),
    ]
    .map(str::to_owned)
    .to_vec()
}

fn directory() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// The disk is full at some moment: the broker says so and ends, and what it has acknowledged is there when there is room
/// again.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk() {
    let directory = directory();
    let store = directory.path().join("store");
    // In blocks of 512 bytes: 3 MB.
    let mut broker = Process::run(directory, "-f 6000", arguments(&store)).unwrap();
    let (client, _messages) = soon(broker.client("publisher").connect()).await.unwrap();
    let (count, confirmed) = tokio::sync::watch::channel(0);
    let publishing = tokio::spawn(async move {
        let payload = vec![b'x'; 50_000];
        for number in 0.. {
            let topic = format!("kept/{number}");
            client
                .publish_retained(&topic, &payload, Qos::AtLeastOnce)
                .await
                .unwrap();
            count.send_replace(number + 1);
        }
    });
    // The client waits for ever: nobody answers.
    let (mut broker, status) = soon(tokio::task::spawn_blocking(move || {
        let status = broker.wait();
        (broker, status)
    }))
    .await
    .unwrap();
    publishing.abort();
    let confirmed = *confirmed.borrow();
    assert_eq!(status, Some(1));
    let log = broker.log();
    assert!(
        log.contains("The broker cannot go on: the store: "),
        "{log}"
    );
    assert!(confirmed > 0);
    let directory = broker.take_directory();
    let broker = Process::run(directory, "-n 1000", arguments(&store)).unwrap();
    let (client, mut messages) = soon(broker.client("late").connect()).await.unwrap();
    soon(client.subscribe("kept/+", Qos::AtMostOnce))
        .await
        .unwrap();
    for _ in 0..confirmed {
        assert_eq!(soon(messages.next()).await.unwrap().payload().len(), 50_000);
    }
    println!("a full disk: {confirmed} messages were acknowledged, and all are there");
}

/// A byte that is wrong anywhere in the file: the broker starts, or says that it cannot; it does not panic.
#[test]
fn a_damaged_store() {
    let first = directory();
    let store = first.path().join("store");
    let broker = Process::run(first, "-n 1000", arguments(&store)).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let (client, _messages) = soon(broker.client("publisher").connect()).await.unwrap();
        for number in 0..20 {
            let topic = format!("kept/{number}");
            soon(client.publish_retained(&topic, "message", Qos::AtLeastOnce))
                .await
                .unwrap();
        }
    });
    let mut kept = broker.kill();
    let whole = std::fs::read(&store).unwrap();
    let (mut started, mut refused) = (0, 0);
    for part in 0..24 {
        let mut damaged = whole.clone();
        let at = match part {
            // Half a file, and an empty one.
            0 => {
                damaged.truncate(whole.len() / 2);
                0
            }
            1 => {
                damaged.clear();
                0
            }
            _ => part * whole.len() / 24,
        };
        if let Some(byte) = damaged.get_mut(at)
            && part > 1
        {
            *byte ^= 0xFF;
        }
        std::fs::write(&store, damaged).unwrap();
        match Process::run(kept, "-n 1000", arguments(&store)) {
            Ok(broker) => {
                started += 1;
                kept = broker.kill();
            }
            Err(log) => {
                assert!(!log.contains("panicked"), "part {part}: {log}");
                assert!(log.contains("cannot be used"), "part {part}: {log}");
                refused += 1;
                kept = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
                let _ = std::fs::create_dir_all(store.parent().unwrap());
            }
        }
    }
    println!("24 damaged stores: {started} were of use, {refused} were refused with a sentence");
}
