//! The depots of the example `large_messages`: wherever connections are cut, and at whatever operation of its disk
//! the receiver dies, no message is lost or damaged, and none with QoS 2 is stored twice.

#[path = "../src/bin/large_messages/depot.rs"]
mod depot;

use std::collections::BTreeMap;
use std::io;

use mqtt5_session_fsm::Instant;
use mqtt5_session_fsm::codec::{Message, Publish, Qos, TopicName};
use proptest::prelude::*;

use self::depot::{Depot, Disk, Receiver, Sender};

/// A disk that dies at one of its operations.
#[derive(Clone, Debug, Default)]
struct Memory {
    state: Option<Vec<u8>>,
    files: BTreeMap<u64, Vec<u8>>,
    /// How much of each file is safe.
    safe: BTreeMap<u64, usize>,
    /// How many operations are left.
    left: Option<usize>,
}

impl Memory {
    fn operation(&mut self) -> io::Result<()> {
        match &mut self.left {
            Some(0) => Err(io::Error::other("crash")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// What is there after a crash: what was not safe is gone, or is something else.
    fn restart(&mut self, left: Option<usize>) {
        for (number, file) in &mut self.files {
            let safe = self.safe.get(number).copied().unwrap_or(0);
            for byte in file.iter_mut().skip(safe) {
                *byte = 0xEE;
            }
            file.truncate(safe.max(file.len() / 2));
        }
        self.left = left;
    }
}

impl Disk for Memory {
    fn state(&mut self) -> io::Result<Option<Vec<u8>>> {
        Ok(self.state.clone())
    }

    fn store(&mut self, state: &[u8]) -> io::Result<()> {
        self.operation()?;
        for (number, file) in &self.files {
            self.safe.insert(*number, file.len());
        }
        self.operation()?;
        self.state = Some(state.to_vec());
        self.operation()
    }

    fn create(&mut self, number: u64) -> io::Result<()> {
        self.operation()?;
        self.files.insert(number, Vec::new());
        self.safe.remove(&number);
        Ok(())
    }

    fn append(&mut self, number: u64, bytes: &[u8]) -> io::Result<()> {
        let file = self.files.get_mut(&number);
        let file = file.ok_or(io::ErrorKind::NotFound)?;
        // Half of it, if it dies here.
        let (half, rest) = bytes.split_at(bytes.len() / 2);
        file.extend_from_slice(half);
        self.operation()?;
        let file = self.files.entry(number).or_default();
        file.extend_from_slice(rest);
        Ok(())
    }

    fn read(&mut self, number: u64) -> io::Result<Vec<u8>> {
        let file = self.files.get(&number).cloned();
        file.ok_or(io::ErrorKind::NotFound.into())
    }

    fn remove(&mut self, number: u64) -> io::Result<()> {
        self.files.remove(&number);
        Ok(())
    }
}

/// After how many bytes connections are cut, in how large parts bytes move, and after how many operations the
/// disk of the receiver dies; each in its turn, then not any more.
#[derive(Clone, Debug)]
struct Faults {
    cuts: Vec<usize>,
    parts: Vec<usize>,
    crashes: Vec<usize>,
}

/// Packets of more bytes come in pieces.
const WHOLE: usize = 80;

/// Sends everything from one depot to another, whose disk is returned.
fn transfer(source: &mut Depot<Memory>, faults: &Faults) -> Memory {
    let mut disk = Memory::default();
    let mut sender = Sender::new("sender");
    let mut cuts = faults.cuts.iter().copied();
    let mut crashes = faults.crashes.iter().copied();
    let mut parts = faults.parts.iter().copied().cycle();
    let mut now = Instant::from_millis(1_000);
    let mut connections = 0;
    while source.first < source.next {
        connections += 1;
        assert!(connections < 100, "no progress");
        disk.restart(crashes.next());
        let mut depot = Depot::open(disk).unwrap();
        let mut receiver = Receiver::new(now, WHOLE);
        let (mut up, mut down) = (Vec::new(), Vec::new());
        sender.connect(now, &mut up).unwrap();
        let mut left = cuts.next().unwrap_or(usize::MAX);
        while left > 0 && (!up.is_empty() || !down.is_empty()) {
            now += core::time::Duration::from_millis(1);
            let moved = up.len().min(left).min(parts.next().unwrap());
            left -= moved;
            let bytes: Vec<u8> = up.drain(..moved).collect();
            if !matches!(
                receiver.received(now, &mut depot, &bytes, &mut down),
                Ok(true)
            ) {
                break;
            }
            let moved = down.len().min(left).min(parts.next().unwrap());
            left -= moved;
            let bytes: Vec<u8> = down.drain(..moved).collect();
            let is_open = sender.received(now, source, &bytes, &mut up).unwrap();
            assert!(is_open, "nobody breaks a rule");
        }
        sender.lost(now);
        disk = depot.disk;
    }
    disk.left = None;
    disk
}

fn put(messages: &[(Qos, Vec<u8>)]) -> Depot<Memory> {
    let mut depot = Depot::open(Memory::default()).unwrap();
    for (number, (qos, payload)) in messages.iter().enumerate() {
        let topic = format!("video/{number}");
        let publish = Publish::new(TopicName::new(&topic).unwrap(), payload);
        depot.put(*qos, &Message::new(&publish).unwrap()).unwrap();
    }
    depot
}

/// Each message of the source, by its topic, with its QoS, its payload and how often it is there.
fn stored(disk: Memory) -> BTreeMap<String, (Qos, Vec<u8>, usize)> {
    let mut depot = Depot::open(disk).unwrap();
    let mut all = BTreeMap::new();
    for number in depot.first..depot.next {
        let (qos, message) = depot.get(number).expect("a message that counts is whole");
        let payload = message.payload().to_vec();
        let topic = message.topic().as_str().to_owned();
        let (first_qos, first, times) = all.entry(topic).or_insert((qos, payload.clone(), 0));
        assert_eq!((*first_qos, &*first), (qos, &payload));
        *times += 1;
    }
    all
}

fn judge(messages: &[(Qos, Vec<u8>)], disk: Memory) {
    let stored = stored(disk);
    assert_eq!(stored.len(), messages.len());
    for (number, (qos, payload)) in messages.iter().enumerate() {
        let (stored_qos, stored_payload, times) = &stored[&format!("video/{number}")];
        assert_eq!(stored_payload, payload);
        assert_eq!(stored_qos, qos);
        assert!(*times == 1 || *qos == Qos::AtLeastOnce, "{times} times");
    }
}

/// Enumerated: a cut after each number of bytes, and a crash at each operation, of one message of each QoS.
#[test]
fn a_cut_at_any_byte_and_a_crash_at_any_operation_lose_nothing() {
    let messages = [
        (Qos::AtLeastOnce, vec![1; 150]),
        (Qos::ExactlyOnce, vec![2; 200]),
        (Qos::ExactlyOnce, vec![3; 5]),
    ];
    let run = |cut: Option<usize>, crash: Option<usize>| {
        let faults = Faults {
            cuts: cut.into_iter().collect(),
            parts: vec![30],
            crashes: crash.into_iter().collect(),
        };
        let disk = transfer(&mut put(&messages), &faults);
        judge(&messages, disk);
    };
    for cut in 0..600 {
        run(Some(cut), None);
    }
    for crash in 0..60 {
        run(None, Some(crash));
        // And a cut of the connection after that.
        run(Some(usize::MAX), Some(crash));
    }
}

proptest! {
    /// At random, over two hops.
    #[test]
    fn nothing_is_lost_over_a_relay(
        messages in proptest::collection::vec(
            (
                prop_oneof![Just(Qos::AtLeastOnce), Just(Qos::ExactlyOnce)],
                prop_oneof![0_usize..20, 60_usize..120, 1_000_usize..3_000],
            ),
            1..5,
        ),
        faults in (
            proptest::collection::vec(0_usize..6_000, 0..8),
            proptest::collection::vec(1_usize..700, 1..5),
            proptest::collection::vec(0_usize..40, 0..6),
        ),
    ) {
        let (cuts, parts, crashes) = faults;
        let faults = Faults { cuts, parts, crashes };
        let messages: Vec<_> = messages
            .into_iter()
            .enumerate()
            .map(|(number, (qos, length))| (qos, vec![number as u8; length]))
            .collect();
        let relay = transfer(&mut put(&messages), &faults);
        judge(&messages, relay.clone());
        let destination = transfer(&mut Depot::open(relay).unwrap(), &faults);
        judge(&messages, destination);
    }
}
