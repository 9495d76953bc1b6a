//! The example server with a store: what a Client was told survives, wherever the process is killed.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use mqtt5_session_fsm::broker::Broker;
use mqtt5_session_fsm::broker::journal::Batch;
use mqtt5_session_fsm::codec::{Packet, Property, Qos, ReasonCode};
use tokio::task::{JoinHandle, spawn_local};

use crate::broker::{Host, config};
use crate::store::Store;
use crate::wire::{PINGREQ, PINGRESP, Wire, connect, decode, publish, reason_code};
use crate::{server, simulate, sleep_ms};

const LASTING: [Property<'static>; 1] = [Property::SessionExpiryInterval(1_000_000_000)];

/// A file for one test.
fn file(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_file(&path);
    path
}

fn open(path: &Path, minimum: u64) -> std::io::Result<(Store, Broker)> {
    Store::open(path, config(true).expect("random numbers"), minimum)
}

/// A server that was started.
struct Started {
    host: Rc<Host>,
    path: PathBuf,
    tasks: [JoinHandle<std::io::Result<()>>; 2],
}

impl Started {
    fn new(path: &Path, minimum: u64) -> Self {
        let (store, broker) = open(path, minimum).expect("a good file");
        let host = Host::new(broker);
        let tasks = [
            spawn_local(server::keep_time(host.clone())),
            spawn_local(store.run(host.clone())),
        ];
        let path = path.to_owned();
        Started { host, path, tasks }
    }

    /// Nothing more is stored.
    async fn kill(self) {
        for task in self.tasks {
            task.abort();
            assert!(task.await.expect_err("it runs for ever").is_cancelled());
        }
        // A write may be under way.
        let file = File::open(&self.path).expect("a file");
        file.lock().expect("a lock");
    }
}

/// Publishes ten messages for a Client that is away.
async fn publish_ten(host: &Rc<Host>) {
    let mut publisher = Wire::connect(host, "publisher", 0).await;
    for number in 0..10_u8 {
        let answer = publisher.publish(Qos::AtLeastOnce, "t", &[number]).await;
        assert_eq!(answer, ReasonCode::Success);
    }
}

async fn subscribe(host: &Rc<Host>) {
    let mut away = Wire::open(host);
    away.send(&connect("away", 0, &LASTING)).await;
    assert_eq!(reason_code(&away.packet().await), ReasonCode::Success);
    away.subscribe("t", Qos::AtLeastOnce).await;
}

/// The messages that wait for the Client that was away.
async fn received(host: &Rc<Host>) -> Vec<u8> {
    let mut back = Wire::open(host);
    back.send(&connect("away", 0, &LASTING)).await;
    let connack = back.packet().await;
    assert_eq!(connack[2], 1, "Session Present");
    let mut came = Vec::new();
    back.send(&PINGREQ).await;
    loop {
        let packet = back.packet().await;
        if packet == PINGRESP {
            return came;
        }
        let Packet::Publish(message) = decode(&packet) else {
            panic!("{packet:?}");
        };
        came.push(message.payload[0]);
        let id = message.delivery.packet_identifier().expect("QoS 1");
        let [high, low] = id.get().to_be_bytes();
        back.send(&[0x40, 2, high, low, PINGREQ[0], PINGREQ[1]])
            .await;
    }
}

#[test]
fn what_was_acknowledged_survives() {
    simulate(async {
        let path = file("survives");
        let started = Started::new(&path, u64::MAX);
        subscribe(&started.host).await;
        publish_ten(&started.host).await;
        started.kill().await;
        let started = Started::new(&path, u64::MAX);
        assert_eq!(received(&started.host).await, Vec::from_iter(0..10));
        started.kill().await;
        let started = Started::new(&path, u64::MAX);
        assert!(received(&started.host).await.is_empty());
    });
}

/// Nothing leaves before what it depends on is stored: here nothing ever is.
#[test]
fn an_acknowledgement_waits_for_the_store() {
    simulate(async {
        let host = Host::new(Broker::new(config(true).expect("random numbers")));
        spawn_local(server::keep_time(host.clone()));
        let mut one = Wire::open(&host);
        one.send(&connect("one", 0, &LASTING)).await;
        sleep_ms(1_000).await;
        let last = host.look(|broker| broker.last_record());
        assert!(last > 0);
        assert!(one.is_silent());
        host.stored.send_replace(last);
        assert_eq!(reason_code(&one.packet().await), ReasonCode::Success);
        // What depends on nothing new does not wait.
        one.ping().await;
        one.send(&publish(Qos::ExactlyOnce, "t", b"")).await;
        one.send(&PINGREQ).await;
        sleep_ms(1_000).await;
        assert!(one.is_silent(), "in the order of the bytes");
        host.stored.send_replace(u64::MAX);
        let answer = reason_code(&one.packet().await);
        assert_eq!(answer, ReasonCode::NoMatchingSubscribers);
        assert_eq!(one.packet().await, PINGRESP);
    });
}

/// Wherever a write is cut, what was stored before is there, and the next write does no harm to it.
#[test]
fn an_unfinished_write_is_cut_off() {
    simulate(async {
        let path = file("unfinished");
        let started = Started::new(&path, u64::MAX);
        subscribe(&started.host).await;
        let before = fs::metadata(&path).expect("a file").len() as usize;
        publish_ten(&started.host).await;
        started.kill().await;
        let bytes = fs::read(&path).expect("a file");
        let mut counts = Vec::new();
        let mut log = &bytes[before..];
        while !log.is_empty() {
            let start = bytes.len() - log.len();
            Batch::take(&mut log).expect("a good batch");
            let end = bytes.len() - log.len();
            for cut in (start..end).step_by(29).chain([end]) {
                // The length of a file may survive without the bytes.
                for rest in [0, end - cut] {
                    let cut = [&bytes[..cut], &vec![0; rest]].concat();
                    fs::write(&path, cut).expect("a file");
                    let started = Started::new(&path, u64::MAX);
                    let came = received(&started.host).await;
                    assert_eq!(came, Vec::from_iter(0..came.len() as u8));
                    counts.push(came.len());
                    started.kill().await;
                    let started = Started::new(&path, u64::MAX);
                    assert!(received(&started.host).await.is_empty());
                    started.kill().await;
                }
            }
        }
        assert!(counts.is_sorted());
        assert_eq!((counts[0], counts[counts.len() - 1]), (0, 10));
    });
}

#[test]
fn a_file_that_is_damaged_in_the_middle_is_refused() {
    simulate(async {
        let path = file("damaged");
        let started = Started::new(&path, u64::MAX);
        subscribe(&started.host).await;
        publish_ten(&started.host).await;
        started.kill().await;
        let mut bytes = fs::read(&path).expect("a file");
        bytes[100] ^= 1;
        fs::write(&path, &bytes).expect("a file");
        let error = open(&path, 0).err().expect("an error").to_string();
        assert!(error.starts_with("at byte "), "{error}");
        assert_eq!(fs::read(&path).expect("a file"), bytes, "nothing is cut");
    });
}

#[test]
fn a_file_has_one_server() {
    let path = file("one");
    let _first = open(&path, 0).expect("a new file");
    let error = open(&path, 0).err().expect("an error");
    assert!(error.to_string().contains("another server"), "{error}");
}

/// A small file is written anew again and again, while messages come.
#[test]
fn a_file_does_not_grow_without_end() {
    simulate(async {
        let path = file("anew");
        let mut started = Started::new(&path, 1_000);
        subscribe(&started.host).await;
        let mut longest = 0;
        for round in 0..30 {
            publish_ten(&started.host).await;
            longest = longest.max(fs::metadata(&path).expect("a file").len());
            if round % 3 == 0 {
                started.kill().await;
                started = Started::new(&path, 1_000);
            }
            let mut expected = Vec::from_iter(0..10);
            if round % 2 == 0 {
                publish_ten(&started.host).await;
                expected.extend_from_within(..);
            }
            assert_eq!(received(&started.host).await, expected, "{round}");
        }
        assert!(longest < 20_000, "{longest} bytes");
    });
}
