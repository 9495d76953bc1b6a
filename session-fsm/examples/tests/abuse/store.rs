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

/// A byte that is wrong anywhere in the file that a crash left: the broker starts, or says that it cannot; it does not panic.
#[test]
fn a_store_that_is_damaged_after_a_crash() {
    damage("after a crash", Process::kill);
}

/// The same with a file that was closed.
#[test]
fn a_store_that_is_damaged_after_a_clean_end() {
    damage("after a clean end", Process::stop);
}

fn damage(when: &str, end: fn(Process) -> tempfile::TempDir) {
    let first = directory();
    let store = first.path().join("store");
    let broker = Process::run(first, "-n 1000", arguments(&store)).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let (client, _messages) = soon(broker.client("publisher").connect()).await.unwrap();
        for number in 0..MESSAGES {
            let topic = format!("kept/{number}");
            soon(client.publish_retained(&topic, PAYLOAD, Qos::AtLeastOnce))
                .await
                .unwrap();
        }
    });
    let mut kept = end(broker);
    let whole = std::fs::read(&store).unwrap();
    // Half a file, an empty one, one of zeros, and a wrong byte in many places: all over the file, and in each message.
    let mut damages = vec![
        whole[..whole.len() / 2].to_vec(),
        Vec::new(),
        vec![0; whole.len()],
    ];
    let everywhere = (1..24).map(|part| part * whole.len() / 24);
    let places = whole.windows(PAYLOAD.len()).enumerate();
    let messages = places.filter(|(_, it)| *it == PAYLOAD).map(|(at, _)| at);
    for at in everywhere.chain(messages) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0xFF;
        damages.push(damaged);
    }
    let (mut started, mut refused, mut changed, mut older) = (0, 0, 0, 0);
    for (number, damaged) in damages.iter().enumerate() {
        std::fs::write(&store, damaged).unwrap();
        match Process::run(kept, "-n 1000", arguments(&store)) {
            Ok(broker) => {
                started += 1;
                let (whole, strange) = runtime.block_on(retained(&broker));
                changed += strange;
                older += usize::from(whole == MESSAGES - 1);
                kept = broker.kill();
            }
            Err(log) => {
                assert!(!log.contains("panicked"), "{number}: {log}");
                assert!(log.contains("cannot be used"), "{number}: {log}");
                refused += 1;
                kept = directory();
                std::fs::create_dir_all(store.parent().unwrap()).unwrap();
            }
        }
    }
    println!(
        "{} stores damaged {when}: {started} were of use, {refused} were refused with a sentence; {older} had \
         lost their last batch, no message was another one",
        damages.len()
    );
    assert_eq!(changed, 0);
    assert!(refused > 0);
}

const MESSAGES: usize = 20;
const PAYLOAD: &[u8] = b"a message that is kept";

/// How many retained messages are as they were published, and how many are not.
async fn retained(broker: &Process) -> (usize, usize) {
    let (client, mut messages) = soon(broker.client("late").connect()).await.unwrap();
    soon(client.subscribe("kept/+", Qos::AtMostOnce))
        .await
        .unwrap();
    soon(client.subscribe("end", Qos::AtLeastOnce))
        .await
        .unwrap();
    soon(client.publish("end", "", Qos::AtLeastOnce))
        .await
        .unwrap();
    let (mut strange, mut whole) = (0, 0);
    loop {
        let message = soon(messages.next()).await.unwrap();
        if message.topic() == "end" {
            return (whole, strange);
        }
        match message.payload() == PAYLOAD {
            true => whole += 1,
            false => strange += 1,
        }
    }
}
