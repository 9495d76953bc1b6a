//! A broker as a value: equal ones behave alike, and records make an equal one.

#[path = "broker/net.rs"]
mod net;

use mqtt5_session_fsm::broker::journal::{Batch, Restoring};
use mqtt5_session_fsm::broker::{Broker, BrokerConfig};
use mqtt5_session_fsm::codec::{Property, Qos};
use mqtt5_session_fsm::{Instant, ServerConfig, SessionConfig};

use net::{Net, options};

fn config() -> BrokerConfig {
    BrokerConfig {
        server: ServerConfig {
            session: SessionConfig {
                persistent: true,
                ..SessionConfig::default()
            },
            ..ServerConfig::default()
        },
        fan_out_slice: 2,
        seed: 0x5EED,
        ..BrokerConfig::default()
    }
}

/// Numbers that look random: xorshift.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }

    fn of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }
}

const QOS: [Qos; 3] = [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce];
const FILTERS: [&str; 6] = ["a/#", "a/b", "+/b", "$share/g/a/#", "$share/h/+/b", "r/#"];
const TOPICS: [&str; 4] = ["a/b", "a/c", "r/1", "r/2"];
const CLIENTS: usize = 4;

/// One thing that happens.
fn step(net: &mut Net, random: &mut Random) {
    let client = random.below(CLIENTS);
    let expiry = [Property::SessionExpiryInterval(random.of(&[0, 5, 100]))];
    if !net.is_connected(client) {
        let clean_start = random.below(4) == 0;
        net.again(client, clean_start, &expiry);
        return;
    }
    match random.below(12) {
        0 | 1 => {
            let options = options(random.of(&QOS));
            net.subscribe(client, random.of(&FILTERS), options);
        }
        2 => net.unsubscribe(client, random.of(&FILTERS)),
        3 => net.cut(client),
        4 => net.pass(random.of(&[1, 1_000, 6_000])),
        5 => {
            let payload: &[u8] = random.of(&[b"", b"kept"]);
            net.publish(client, random.of(&TOPICS), payload, random.of(&QOS), true);
        }
        6 => net.acknowledges(client, random.below(2) == 0),
        _ => net.publish(client, random.of(&TOPICS), b"live", random.of(&QOS), false),
    }
}

fn begun(seed: u64) -> (Net, Random) {
    let mut net = Net::new(config());
    let expiry = [Property::SessionExpiryInterval(100)];
    for client in 0..CLIENTS {
        net.client_with(&client.to_string(), &expiry, Some(3));
    }
    (net, Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1))
}

/// All that is to be done now is done.
fn at_rest(mut broker: Broker, now: Instant) -> Broker {
    loop {
        while broker.next_timeout() <= now {
            broker.handle_timeout(now, &mut 1000);
        }
        if !broker.work(now, &mut 1000) && broker.next_timeout() > now {
            break;
        }
    }
    let mut bytes = Vec::new();
    while broker.poll().is_some() {}
    while broker.take_batch(&mut bytes).is_some() {}
    broker
}

/// The same without connections.
fn alone(net: &Net) -> Broker {
    let mut broker = net.broker.clone();
    for key in net.connections() {
        let _ = broker.lost(net.now, key);
    }
    at_rest(broker, net.now)
}

/// The lines that only one of two has.
fn differences(one: &Broker, other: &Broker) -> String {
    let (one, other) = (format!("{one:#?}"), format!("{other:#?}"));
    let (one, other): (Vec<&str>, Vec<&str>) = (one.lines().collect(), other.lines().collect());
    let common = one
        .iter()
        .zip(&other)
        .take_while(|(one, other)| one == other);
    let from = common.count().saturating_sub(12);
    let end = |lines: &[&str]| {
        lines[from..]
            .iter()
            .take(30)
            .copied()
            .collect::<Vec<_>>()
            .join("\n")
    };
    format!("{}\n--- instead of\n{}", end(&one), end(&other))
}

/// Records make a broker that equals the one that wrote them, once that has lost all connections.
#[test]
fn what_is_restored_equals_what_was_stored() {
    for seed in 1..60 {
        let (mut net, mut random) = begun(seed);
        for at in 0..60 {
            step(&mut net, &mut random);
            assert_same(
                &restored(&net),
                &alone(&net),
                &format!("seed {seed}, step {at}"),
            );
        }
    }
}

/// The broker that the stored records make.
fn restored(net: &Net) -> Broker {
    let mut restoring = Restoring::new(net.config);
    for (key, value) in net.map.iter().rev() {
        restoring.record(key, Some(value));
    }
    at_rest(restoring.finish(net.now).unwrap(), net.now)
}

fn assert_same(one: &Broker, other: &Broker, place: &str) {
    assert!(one == other, "{place}:\n{}", differences(one, other));
    assert_eq!(net::hash(one), net::hash(other), "{place}");
}

/// Also in the middle of messages for many: nobody is left out, and nobody gets them twice.
#[test]
fn messages_on_their_way_are_restored() {
    for seed in 1..40 {
        let (mut net, mut random) = begun(seed);
        for client in 0..CLIENTS {
            for filter in ["a/#", "+/b", "a/b"] {
                net.subscribe(client, filter, options(random.of(&QOS)));
            }
        }
        net.work_budget = Some(1);
        for at in 0..30 {
            let client = random.below(CLIENTS);
            let expiry = [Property::SessionExpiryInterval(100)];
            match (net.is_connected(client), random.below(5)) {
                (true, 0) => net.cut(client),
                (false, 0) => drop(net.again(client, random.below(4) == 0, &expiry)),
                (true, 1) => net.publish(client, "a/b", b"live", random.of(&QOS), false),
                _ => net.settle(),
            }
            assert_same(
                &restored(&net),
                &alone(&net),
                &format!("seed {seed}, step {at}"),
            );
        }
    }
}

/// A snapshot that is written while the broker runs, and the records since it was begun, make the
/// broker that all records make.
#[test]
fn a_snapshot_is_written_while_the_broker_runs() {
    for seed in 1..60 {
        let (mut net, mut random) = begun(seed);
        for _ in 0..40 {
            step(&mut net, &mut random);
        }
        let mut snapshot = net.broker.snapshot();
        assert_eq!(snapshot.since(), net.last_record + 1);
        net.batches = Some(Vec::new());
        let (mut bytes, mut restoring) = (Vec::new(), Restoring::new(net.config));
        let mut budget = 0;
        while budget == 0 {
            budget = 1 + random.below(3) as u32;
            net.broker
                .snapshot_slice(&mut snapshot, &mut budget, &mut bytes);
            record_all(&mut restoring, &bytes);
            bytes.clear();
            step(&mut net, &mut random);
        }
        record_all(&mut restoring, &net.batches.take().unwrap());
        let restored = at_rest(restoring.finish(net.now).unwrap(), net.now);
        assert_same(&restored, &alone(&net), &format!("seed {seed}"));
    }
}

fn record_all(restoring: &mut Restoring, batches: &[u8]) {
    let mut log = batches;
    while let Some(batch) = Batch::take(&mut log).unwrap() {
        for record in batch.records() {
            restoring.record(record.key, record.value);
        }
    }
}
