//! The memory of sessions, stated and asserted: an idle one, and each message beside its own bytes.
//!
//! Counted is what was asked of the allocator, with the room that collections have to spare, and the
//! size of the machine itself. `cargo test -p mqtt5-spec-tests --test session_memory -- --nocapture`
//! prints the tables.

#[path = "session_memory/given_back.rs"]
mod given_back;
mod pair;

use std::hint::black_box;

use allocation_counter::{AllocationInfo, measure};
use mqtt5_codec::{Message, Property, Publish, Qos, ReasonCode, TopicName};
use mqtt5_session_fsm::ordering::{OrderedConsumer, OrderedConsumerSettings, Stamp, Start};
use mqtt5_session_fsm::{
    Acknowledgement, Client, Event, Instant, Publication, Server, Session, SessionConfig,
    WaitingLimits, WhenFull,
};

use pair::{NOW, Pair, Settings};

/// What an idle session may take in all.
const IDLE: usize = 896;
/// What a Session that is kept without a connection, and has no messages, may take in all, with its ClientID.
const ABSENT: usize = 220;
/// What the first message that waits takes, once.
const WAITING: usize = 112;
/// What the first message to be decided takes, once.
const MANUAL: usize = 176;
/// What a message may take beside its own bytes.
const PER_MESSAGE: usize = 96;
/// What the first one in flight may take more: an idle Session has no place for what is in flight.
const FIRST: usize = 128;
/// What a message that waits may take more if it expires: it has a place in a tree.
const EXPIRING: usize = 24;
/// What a session takes in addition as soon as the application has decided, or has to decide, about a message:
/// once, and not for each of them.
const DECIDING: usize = 168;

/// Everything that a crowd of sessions takes, for each of them.
fn each<T>(count: usize, make: impl Fn(usize) -> T) -> usize {
    let mut all = Vec::with_capacity(count);
    let counted = measure(|| all.extend((0..count).map(make)));
    black_box(&all);
    size_of::<T>() + bytes(&counted).div_ceil(count)
}

fn bytes(counted: &AllocationInfo) -> usize {
    usize::try_from(counted.bytes_current).expect("nothing was freed")
}

fn message(payload: &[u8]) -> Message {
    let topic = TopicName::new("greenhouse/3/temperature").expect("a name");
    Message::new(&Publish::new(topic, payload)).expect("a message")
}

fn messages(count: usize) -> Vec<Message> {
    (0..count).map(|_| message(&[7; 16])).collect()
}

#[test]
fn idle_sessions() {
    const COUNT: usize = 10_000;
    let settings = Settings::default();
    let exchanged = |number| {
        let mut pair = Pair::numbered(number, &settings);
        for qos in pair::EVERY_QOS {
            pair.up(qos, &message(b"up"), 1);
            pair.down(qos, &message(b"down"), 1);
        }
        // What is idle says so by PINGREQ, and gives memory back.
        pair.ping();
        pair
    };
    let offline = |mut pair: Pair| {
        pair.lose();
        pair.session.expect("the Server keeps it")
    };
    let rows = [
        (
            "Client, new",
            each(COUNT, |_| {
                Client::new(settings.client, Session::of_client(settings.session))
            }),
        ),
        (
            "Client, connected",
            each(COUNT, |number| Pair::numbered(number, &settings).client),
        ),
        (
            "Client, after exchanges of each kind and a PINGREQ",
            each(COUNT, |number| exchanged(number).client),
        ),
        (
            "Server, before CONNECT",
            each(COUNT, |_| Server::new(NOW, settings.server)),
        ),
        (
            "Server, connected",
            each(COUNT, |number| Pair::numbered(number, &settings).server),
        ),
        (
            "Server, after exchanges of each kind and a PINGREQ",
            each(COUNT, |number| exchanged(number).server),
        ),
        (
            "Server, with one message to be decided",
            each(COUNT, |number| {
                let settings = Settings {
                    session: unlimited(Acknowledgement::Manual),
                    ..settings
                };
                let mut server = Pair::numbered(number, &settings).server;
                let publish = [0x34, 6, 0, 1, b'a', 0, 1, 0];
                assert!(server.receive(NOW, &mut &publish[..]).is_some());
                server
            }),
        ),
        (
            "Session of a Client, new",
            each(COUNT, |_| Session::of_client(settings.session)),
        ),
        (
            "Session of a Client, kept",
            each(COUNT, |number| {
                Pair::numbered(number, &settings).client.into_session(NOW)
            }),
        ),
        (
            "Session of a Server, kept",
            each(COUNT, |number| offline(Pair::numbered(number, &settings))),
        ),
        (
            "Session of a Server, kept, after exchanges",
            each(COUNT, |number| offline(exchanged(number))),
        ),
    ];
    println!("{:<50}{:>12}", "Idle, each of 10,000", "bytes");
    println!("{:<50}{:>12}", "size_of Client", size_of::<Client>());
    println!("{:<50}{:>12}", "size_of Server", size_of::<Server>());
    println!("{:<50}{:>12}", "size_of Session", size_of::<Session>());
    for (name, bytes) in rows {
        println!("{name:<50}{bytes:>12}");
    }
    for (name, bytes) in rows {
        // A message that waits for the application is not idle.
        let message = if name.ends_with("one message to be decided") {
            MANUAL + PER_MESSAGE
        } else {
            0
        };
        assert!(bytes <= IDLE + message, "{name}: {bytes} bytes");
        assert!(
            bytes <= ABSENT || !name.starts_with("Session"),
            "{name}: {bytes} bytes"
        );
    }
}

/// What some messages take beside their own bytes: for each of so many, and the worst of all numbers
/// up to that.
#[derive(Clone, Copy)]
struct Row {
    name: &'static str,
    count: usize,
    each: f64,
    worst: f64,
    worst_at: usize,
    peak: f64,
}

fn row(name: &'static str, count: usize, one: impl FnMut(usize)) -> Row {
    row_from(1, name, count, one)
}

/// As `row`, with the worst of the numbers from one on.
fn row_from(from: usize, name: &'static str, count: usize, mut one: impl FnMut(usize)) -> Row {
    let (mut current, mut peak) = (0, 0);
    let (mut worst, mut worst_at) = (0.0, 0);
    for index in 0..count {
        let counted = measure(|| one(index));
        let before = current;
        current += counted.bytes_current;
        peak = peak.max(before + i64::try_from(counted.bytes_max).expect("not so much"));
        let each = current as f64 / (index + 1) as f64;
        if index + 1 >= from && each > worst {
            (worst, worst_at) = (each, index + 1);
        }
    }
    Row {
        name,
        count,
        each: current as f64 / count as f64,
        worst,
        worst_at,
        peak: peak as f64 / count as f64,
    }
}

fn print(rows: &[Row]) {
    println!(
        "{:<46}{:>8}{:>10}{:>10}{:>10}{:>10}",
        "Beside the message's own bytes", "count", "each", "worst", "at", "peak"
    );
    for row in rows {
        let Row {
            name,
            count,
            each,
            worst,
            worst_at,
            peak,
        } = row;
        println!("{name:<46}{count:>8}{each:>10.1}{worst:>10.1}{worst_at:>10}{peak:>10.1}");
    }
}

fn assert_small(rows: &[Row]) {
    for Row {
        name,
        count,
        worst,
        worst_at,
        ..
    } in rows
    {
        let first = if *worst_at == 1 { FIRST } else { 0 };
        let expiring = if name.ends_with("with expiry") {
            EXPIRING
        } else {
            0
        };
        assert!(
            *worst <= (PER_MESSAGE + first + expiring) as f64,
            "{name}: {worst:.1} bytes each at {worst_at} of {count}"
        );
    }
}

/// Messages in flight, at both sides. `released`: the PUBREC has come, the PUBCOMP has not.
fn in_flight(name: &'static str, qos: Qos, count: usize, released: bool) -> Row {
    let mut pair = Pair::new(&Settings::default());
    let mut own = messages(count).into_iter();
    let mut wire = Vec::with_capacity(1 << 16);
    row(name, count, |_| {
        let message = own.next().expect("enough");
        let publication = Publication::new(qos, message);
        pair.client.publish(NOW, publication).expect("room");
        assert_eq!(pair.client.poll(NOW, &mut wire), None);
        if released {
            // PUBREC with the identifier of the PUBLISH, which follows the Topic Name.
            let at = 2 + 2 + "greenhouse/3/temperature".len();
            let pubrec = [0x50, 2, wire[at], wire[at + 1]];
            assert_eq!(pair.client.receive(NOW, &mut &pubrec[..]), None);
            wire.clear();
            assert_eq!(pair.client.poll(NOW, &mut wire), None);
        }
        wire.clear();
    })
}

#[test]
fn messages_in_flight() {
    let mut rows = Vec::new();
    for count in [1, 16, 1_000, 65_535] {
        rows.push(in_flight("QoS 1 in flight", Qos::AtLeastOnce, count, false));
        rows.push(in_flight("QoS 2 in flight", Qos::ExactlyOnce, count, false));
    }
    rows.push(in_flight("QoS 2 released", Qos::ExactlyOnce, 65_535, true));
    print(&rows);
    assert_small(&rows);
}

/// Messages that are in flight one after the other use many identifiers, but no more memory than one.
#[test]
fn one_message_in_flight_at_a_time() {
    for qos in [Qos::AtLeastOnce, Qos::ExactlyOnce] {
        let mut pair = Pair::new(&Settings::default());
        let mut own = messages(101).into_iter();
        let mut wire = Vec::with_capacity(1 << 10);
        // Not counted is what a session takes that has nothing in flight.
        pair.client.handle_timeout(NOW);
        let mut send = |client: &mut Client, acknowledge: bool| {
            let publication = Publication::new(qos, own.next().expect("enough"));
            client.publish(NOW, publication).expect("room");
            assert_eq!(client.poll(NOW, &mut wire), None);
            let at = 2 + 2 + "greenhouse/3/temperature".len();
            let identifier = [wire[at], wire[at + 1]];
            let answers: &[u8] = match qos {
                Qos::ExactlyOnce => &[0x50, 0x70],
                _ => &[0x40],
            };
            for first in answers.iter().take(if acknowledge { 2 } else { 0 }) {
                let answer = [*first, 2, identifier[0], identifier[1]];
                let _ = client.receive(NOW, &mut &answer[..]);
                assert_eq!(client.poll(NOW, &mut wire), None);
            }
            wire.clear();
        };
        let mut taken = 0;
        let mut one = |acknowledge: bool| {
            taken += measure(|| send(&mut pair.client, acknowledge)).bytes_current;
        };
        for _ in 0..100 {
            one(true);
        }
        one(false);
        // What the messages had themselves was freed with them, but for the last one, which was allocated before.
        let freed: i64 = -100 * i64::try_from(message(&[7; 16]).size()).expect("small");
        println!("{qos:?}: {taken} bytes, {freed} of them of messages");
        let taken = taken - freed;
        assert!(
            taken <= (PER_MESSAGE + FIRST) as i64,
            "{qos:?}: {taken} bytes"
        );
    }
}

fn unlimited(acknowledgement: Acknowledgement) -> SessionConfig {
    SessionConfig {
        waiting: WaitingLimits {
            messages: u32::MAX,
            bytes: usize::MAX,
            when_full: WhenFull::Refuse,
        },
        acknowledgement,
        ..SessionConfig::default()
    }
}

fn waiting(name: &'static str, qos: Qos, count: usize, expire: bool) -> Row {
    let mut session = Session::of_client(unlimited(Acknowledgement::Automatic));
    let list = [Property::MessageExpiryInterval(60)];
    let mut own: Vec<Message> = messages(count);
    if expire {
        let mut publish = Publish::new(TopicName::new("a").expect("a name"), b"0123456789");
        publish.properties = mqtt5_codec::Properties::new(&list).expect("properties");
        own = (0..count)
            .map(|_| Message::new(&publish).expect("a message"))
            .collect();
    }
    let mut own = own.into_iter();
    // What is there once is taken off the first message.
    let mut once = Some(vec![0_u8; WAITING]);
    // A node of the tree of those that expire is for eleven of them.
    row_from(if expire { 64 } else { 1 }, name, count, |index| {
        drop(once.take());
        let publication = Publication::new(qos, own.next().expect("enough"));
        // Not all at one time, nor in order.
        let now = Instant::from_millis((index as u64).wrapping_mul(0x9E37_79B9) % 1000);
        session.publish(now, publication).expect("room");
    })
}

#[test]
fn waiting_messages() {
    let mut rows = Vec::new();
    for count in [1_000, 65_535] {
        rows.push(waiting("QoS 0 waiting", Qos::AtMostOnce, count, false));
        rows.push(waiting("QoS 1 waiting", Qos::AtLeastOnce, count, false));
        rows.push(waiting("QoS 2 waiting", Qos::ExactlyOnce, count, false));
        rows.push(waiting(
            "QoS 1 waiting, with expiry",
            Qos::AtLeastOnce,
            count,
            true,
        ));
    }
    print(&rows);
    assert_small(&rows);
}

/// Messages that wait for the application's decision.
fn undecided(name: &'static str, qos: Qos, count: usize) -> Row {
    let settings = Settings {
        session: unlimited(Acknowledgement::Manual),
        ..Settings::default()
    };
    let mut pair = Pair::new(&settings);
    let first = if qos == Qos::ExactlyOnce { 0x34 } else { 0x32 };
    let mut receive = |identifier: u16| {
        let [high, low] = identifier.to_be_bytes();
        let publish = [first, 6, 0, 1, b'a', high, low, 0];
        match pair.server.receive(NOW, &mut &publish[..]) {
            Some(Event::Message(delivered)) => delivered.receipt.expect("a receipt"),
            event => panic!("no message: {event:?}"),
        }
    };
    // What is there once is taken off the first message.
    let mut once = Some(vec![0_u8; DECIDING]);
    row(name, count, |index| {
        drop(once.take());
        let _ = receive(index as u16 + 1);
    })
}

#[test]
fn undecided_messages() {
    let mut rows = Vec::new();
    for count in [1, 1_000, 65_535] {
        rows.push(undecided("QoS 1 undecided", Qos::AtLeastOnce, count));
        rows.push(undecided("QoS 2 undecided", Qos::ExactlyOnce, count));
    }
    print(&rows);
    assert_small(&rows);
}

/// A Server that had as many messages to decide as there are identifiers, all of which are decided now.
fn decided(qos: Qos) -> Pair {
    let settings = Settings {
        session: unlimited(Acknowledgement::Manual),
        ..Settings::default()
    };
    let mut pair = Pair::new(&settings);
    let first = if qos == Qos::ExactlyOnce { 0x34 } else { 0x32 };
    let mut receipts = Vec::new();
    for identifier in 1..=u16::MAX {
        let [high, low] = identifier.to_be_bytes();
        let publish = [first, 6, 0, 1, b'a', high, low, 0];
        let event = pair.server.receive(NOW, &mut &publish[..]);
        let Some(Event::Message(delivered)) = event else {
            panic!("no message: {event:?}");
        };
        receipts.push(delivered.receipt.expect("a receipt"));
    }
    for receipt in receipts {
        // Refused, so that with QoS 2, too, nothing is left to do.
        pair.server
            .acknowledge_with(receipt, ReasonCode::QuotaExceeded, &[])
            .expect("in time");
    }
    assert_eq!(pair.server.poll(NOW, &mut Vec::new()), None);
    pair
}

/// Nobody has to call a Server again whose connection is over: it keeps nothing of it.
#[test]
fn a_closed_connection_leaves_nothing() {
    let closed = each(1, |_| {
        let mut server = Pair::new(&Settings::default()).server;
        let mut wire = Vec::new();
        for _ in 0..100_000 {
            assert!(server.receive(NOW, &mut &[0xC0, 0][..]).is_none());
        }
        assert_eq!(server.poll(NOW, &mut wire), None);
        let _ = server.receive(NOW, &mut &[0xE0, 0][..]);
        while server.poll(NOW, &mut wire).is_some() {}
        server
    });
    assert!(closed <= IDLE, "{closed} bytes");
}

/// Of messages that the application has decided nothing remains once nothing is going on.
#[test]
fn decided_messages_leave_nothing() {
    for qos in [Qos::AtLeastOnce, Qos::ExactlyOnce] {
        let kept = each(1, |_| {
            let mut pair = decided(qos);
            pair.lose();
            pair.session.expect("the Server keeps it")
        });
        let connected = each(1, |_| {
            let mut pair = decided(qos);
            pair.ping();
            pair.server
        });
        println!("65,535 decided, {qos:?}: {kept} bytes kept, {connected} connected");
        assert!(kept <= IDLE && connected <= IDLE, "{kept}, {connected}");
    }
}

/// What waited for a missing message is handed over at once; to poll it allocates nothing for each message.
#[test]
fn messages_that_were_put_in_order_leave_little() {
    // Deliberate faults in the code note where they are reached for the first time.
    let _ = put_in_order();
    let (all, polled) = put_in_order();
    assert!(
        all.bytes_current <= (IDLE + 16 * PER_MESSAGE) as i64,
        "{all:?}"
    );
    assert!(polled.count_total <= 1, "{polled:?}");
}

/// What it takes to put messages in order, and to poll them.
fn put_in_order() -> (AllocationInfo, AllocationInfo) {
    let topic = TopicName::new("greenhouse/3/temperature").expect("a name");
    let mut consumer = OrderedConsumer::<u64>::new(OrderedConsumerSettings {
        start: Start::AtZero,
        ..OrderedConsumerSettings::default()
    });
    let show = |consumer: &mut OrderedConsumer<u64>, number| {
        let stamp = Stamp {
            number,
            epoch: 0,
            publisher: "sensor",
        };
        let arrival = consumer.receive_stamped(NOW, topic, stamp, 8, || number);
        assert!(arrival.is_ok());
    };
    show(&mut consumer, 0);
    let mut polled = AllocationInfo::default();
    let all = measure(|| {
        for number in 2..1_000 {
            show(&mut consumer, number);
        }
        show(&mut consumer, 1);
        polled = measure(|| while consumer.poll().is_some() {});
    });
    (all, polled)
}
