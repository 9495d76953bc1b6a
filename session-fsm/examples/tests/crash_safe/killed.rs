//! Real processes, on a real disk, that are killed at random.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::files::{Directory, Files};
use super::network;
use super::publisher::Publisher;
use super::receiver::Receiver;
use super::world::Random;
use mqtt5_session_fsm::Instant;

const TASKS: u64 = 400;
const KILLS: usize = 40;
/// Says which part a process has.
const PART: &str = "CRASH_SAFE_PART";

/// Not a test of its own: this is what the processes run that the other test starts, and kills.
#[test]
fn process() {
    let Ok(part) = std::env::var(PART) else {
        return;
    };
    let words: Vec<&str> = part.split('\n').collect();
    match words[..] {
        ["publisher", directory, address] => network::publish(directory, address, TASKS).unwrap(),
        ["receiver", directory, address] => {
            // The address may still be in use by the process before.
            let listener = loop {
                match TcpListener::bind(address) {
                    Ok(listener) => break listener,
                    Err(_) => std::thread::sleep(Duration::from_millis(5)),
                }
            };
            network::receive(directory, &listener).unwrap();
        }
        _ => panic!("{part}"),
    }
}

/// Ends with the test, however that ends.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(part: &str, directory: &str, address: &str) -> Process {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "killed::process", "--nocapture"])
        .env(PART, [part, directory, address].join("\n"))
        .stdout(Stdio::null())
        .spawn();
    Process(child.unwrap())
}

#[test]
fn processes_that_are_killed_at_random() {
    let root = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("crash_safe");
    let _ = std::fs::remove_dir_all(&root);
    let directories = ["publisher", "receiver"].map(|part| root.join(part));
    let [publisher, receiver] = directories.each_ref().map(|it| it.to_str().unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);

    let mut random = Random::new(7);
    let mut running = [
        start("publisher", publisher, &address),
        start("receiver", receiver, &address),
    ];
    let parts = [("publisher", publisher), ("receiver", receiver)];
    let mut kills = 0;
    loop {
        // How long a life is does not matter to what is checked.
        std::thread::sleep(Duration::from_millis(5 + random.below(60) as u64));
        if let Some(status) = running[0].0.try_wait().unwrap() {
            assert!(status.success(), "the publisher ended with {status}");
            break;
        }
        // A process that ends by itself has found something wrong.
        assert_eq!(running[1].0.try_wait().unwrap(), None);
        if kills < KILLS {
            kills += 1;
            let which = random.below(2);
            running[which].0.kill().unwrap();
            running[which].0.wait().unwrap();
            let (part, directory) = parts[which];
            running[which] = start(part, directory, &address);
        }
    }
    drop(running);

    // What the next processes would find.
    let now = Instant::from_millis(u64::MAX / 2);
    let expected: Vec<u64> = (0..TASKS).collect();
    let directory = Directory::new(receiver).unwrap();
    assert!(!directory.list().unwrap().is_empty());
    let receiver = Receiver::open(directory, now, u64::MAX).unwrap();
    assert_eq!(receiver.ledger().tasks, expected, "after {kills} kills");
    let directory = Directory::new(publisher).unwrap();
    let publisher = Publisher::open(directory, now, u64::MAX, TASKS).unwrap();
    assert!(publisher.is_done());
    assert!(publisher.tasks().done.values().all(|times| *times == 1));
}
