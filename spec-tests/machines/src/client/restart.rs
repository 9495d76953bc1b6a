//! What a restart must not forget (sections 2.2.1, 4.1).

use core::time::Duration;

use mqtt5_session_fsm::codec::{Property, ReasonCode};
use mqtt5_session_fsm::journal::{Journal, JournalError, JournalReader, Record};
use mqtt5_session_fsm::{
    Change, Client, ClientConfig, Event, Instant, Outcome, Output, RestoreError, Session,
    SessionConfig,
};

use super::driver::{Driver, KEEPS, Lines, connect_with, publication};
use super::make;

crate::check::checks! { "restart":
    client {
        Example a_lost_identifier_is_not_used_after_a_restart,
        Example pubrels_keep_their_order,
        Example a_session_does_not_outlive_its_interval_by_another_clock,
        Example an_unfinished_write_is_told_from_damage,
        Example a_batch_is_read_as_a_whole_or_not_at_all,
        Example damage_before_a_good_batch_is_no_unfinished_write,
        Example a_deadline_survives_a_restart,
        Example a_persistent_session_that_ends_with_its_connection_is_reported,
    }
}

fn config() -> SessionConfig {
    SessionConfig {
        persistent: true,
        ..SessionConfig::default()
    }
}

/// A process, and what it has stored.
struct Process {
    client: Client,
    log: Vec<Change>,
    now: Instant,
}

impl Process {
    fn new() -> Self {
        let session = Session::of_client(config());
        Process {
            client: Client::new(ClientConfig::default(), session),
            log: Vec::new(),
            now: Instant::from_millis(1_000_000_000),
        }
    }

    fn settle(&mut self) -> Vec<u8> {
        let mut wire = Vec::new();
        while let Some(output) = self.client.poll(self.now, &mut wire) {
            if let Output::Persist(change) = output {
                self.log.push(change);
            }
        }
        wire
    }

    fn feed(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut input = bytes;
        while self.client.receive(self.now, &mut input).is_some() {}
        self.settle()
    }

    fn publish(&mut self, payload: &str) -> Vec<u8> {
        let publication = publication(2, "a", payload, &[]);
        self.client.publish(self.now, publication).expect("room");
        self.settle()
    }

    fn connect(&mut self, session_present: bool, limits: &[Property<'_>]) -> Vec<u8> {
        self.client.connection_lost(self.now);
        self.settle();
        self.client
            .connect(self.now, &connect_with(KEEPS))
            .expect("a good CONNECT");
        self.settle();
        self.feed(&make::connack(session_present, ReasonCode::Success, limits))
    }

    /// The next process, by the export or by the changes.
    fn restart(&mut self, by_export: bool) {
        let mut session = Session::of_client(config());
        if by_export {
            let export = self.client.session().export();
            session = Session::restore(self.now, &export, config()).expect("a good export");
        } else {
            for change in &self.log {
                session.apply(self.now, change).expect("it fits");
            }
        }
        self.client = Client::new(ClientConfig::default(), session);
    }
}

/// The server would take a message with this identifier for the one that was given up (MQTT-4.3.3-10).
fn a_lost_identifier_is_not_used_after_a_restart() {
    // The changes alone keep the count of the identifiers, which an export begins anew.
    for restarts in [&[false][..], &[true], &[false, true]] {
        let mut process = Process::new();
        process.connect(false, &[]);
        process.publish(&"x".repeat(100));
        let small = [Property::MaximumPacketSize(50.try_into().expect("not 0"))];
        assert!(process.connect(true, &small).is_empty());
        for by_export in restarts {
            process.restart(*by_export);
        }
        process.connect(true, &small);
        let wire = process.publish("y");
        let identifier = u16::from_be_bytes([wire[5], wire[6]]);
        assert_ne!(identifier, 1, "by export: {restarts:?}");
    }
}

/// Section 4.6: in the order of the PUBRECs, which is not that of the identifiers.
fn pubrels_keep_their_order() {
    for by_export in [false, true] {
        let mut process = Process::new();
        process.connect(false, &[]);
        for payload in ["1", "2", "3"] {
            process.publish(payload);
        }
        for identifier in [3, 1, 2] {
            process.feed(&make::pubrec(identifier));
        }
        process.restart(by_export);
        let wire = process.connect(true, &[]);
        let expected = [3, 1, 2]
            .map(|identifier| [0x62, 2, 0, identifier])
            .concat();
        assert_eq!(wire, expected, "by export: {by_export}");
    }
}

/// Section 3.1.2.11.2, for a clock that was set back.
fn a_session_does_not_outlive_its_interval_by_another_clock() {
    let mut driver =
        Driver::configured(config()).go(&[Property::SessionExpiryInterval(60)], false, &[]);
    let _: Lines = driver.lose();
    let export = driver.machine.session().export();
    for now in [0, 500_000, 1_000_000] {
        let now = Instant::from_millis(now);
        let session = Session::restore(now, &export, config()).expect("a good export");
        assert_eq!(session.next_timeout(), now + Duration::from_secs(60));
    }
}

fn an_unfinished_write_is_told_from_damage() {
    let record = |number| {
        Change::Received {
            packet_identifier: make::id(number),
        }
        .to_bytes()
    };
    let [first, second] = [record(1), record(2)];
    for position in 0..first.len() {
        let mut damaged = first.clone();
        damaged[position] ^= 0x10;
        let mut last = &damaged[..];
        assert_eq!(Change::take(&mut last), Err(RestoreError::Truncated));
        damaged.extend(&second);
        let mut log = &damaged[..];
        assert_eq!(Change::take(&mut log), Err(RestoreError::Damaged));
    }
    for filler in [0, 0xFF] {
        assert_eq!(
            Change::take(&mut &[filler; 512][..]),
            Err(RestoreError::Truncated)
        );
    }
}

/// Two batches, each with bytes of the application and the change that belongs to them; where the second begins.
fn journal() -> (Vec<u8>, usize) {
    let mut journal = Journal::new(7);
    let mut bytes = Vec::new();
    let mut batch = |number| {
        let start = bytes.len();
        journal.data(b"an event of the application");
        journal.change(&Change::Received {
            packet_identifier: make::id(number),
        });
        bytes.extend(journal.seal());
        start
    };
    batch(1);
    let second = batch(2);
    (bytes, second)
}

/// How many records each batch has, and what the journal ends with.
fn read(bytes: &[u8]) -> (Vec<usize>, Result<(), JournalError>) {
    let mut reader = JournalReader::new(7, bytes);
    let mut batches = Vec::new();
    loop {
        match reader.next_batch() {
            Ok(Some(records)) => {
                let records: Vec<Record<'_>> = records.map(|it| it.expect("a record")).collect();
                batches.push(records.len());
            }
            Ok(None) => return (batches, Ok(())),
            Err(error) => return (batches, Err(error)),
        }
    }
}

fn a_batch_is_read_as_a_whole_or_not_at_all() {
    let (bytes, second) = journal();
    assert_eq!(read(&bytes), (vec![2, 2], Ok(())));
    for cut in second + 1..bytes.len() {
        let unfinished = JournalError::Unfinished { at: second as u64 };
        assert_eq!(read(&bytes[..cut]), (vec![2], Err(unfinished)), "{cut}");
    }
}

fn damage_before_a_good_batch_is_no_unfinished_write() {
    let (bytes, second) = journal();
    for position in 0..second {
        let mut damaged = bytes.clone();
        damaged[position] ^= 0x10;
        let expected = JournalError::Damaged {
            at: 0,
            next: second as u64,
        };
        assert_eq!(read(&damaged), (Vec::new(), Err(expected)), "{position}");
    }
}

fn a_deadline_survives_a_restart() {
    for by_export in [false, true] {
        let mut process = Process::new();
        let mut late = publication(2, "a", "late", &[]);
        late.deadline = Some(Duration::from_secs(10));
        let due = process.now + Duration::from_secs(10);
        let token = process.client.publish(process.now, late).expect("room");
        process.settle();
        process.restart(by_export);
        let client = &mut process.client;
        assert_eq!(client.next_timeout(), due, "by export: {by_export}");
        client.handle_timeout(due);
        let mut outcomes = Vec::new();
        while let Some(output) = client.poll(due, &mut Vec::new()) {
            if let Output::Event(Event::Outcome(token, outcome)) = output {
                outcomes.push((token, outcome));
            }
        }
        assert_eq!(outcomes, [(token, Outcome::TimedOut)]);
    }
}

fn a_persistent_session_that_ends_with_its_connection_is_reported() {
    let told = "session ends with the connection".to_string();
    for (interval, given, expected) in [(0, None, true), (9, Some(0), true), (9, None, false)] {
        let mut driver = Driver::configured(config());
        let given = given.map(Property::SessionExpiryInterval);
        let said = driver.reconnect(
            &[Property::SessionExpiryInterval(interval)],
            false,
            given.as_slice(),
        );
        assert_eq!(said.contains(&told), expected, "{said:?}");
    }
}
