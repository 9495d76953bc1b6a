//! What a broker's memory is not held by: the buffers that messages came in, and bursts that are over.

use allocation_counter::measure;
use mqtt5_codec::{
    Connect, Packet, Properties, Property, ProtocolVersion, PubAck, Publish, Qos, ReasonCode,
    Subscribe, Subscription, SubscriptionOptions, Subscriptions, Text, TopicFilter, TopicName,
};
use mqtt5_session_fsm::broker::{
    Admission, Broker, BrokerConfig, ConnectionKey, Grant, Next, Notice, Permission, Step, Verdict,
};
use mqtt5_session_fsm::codec::framing::{Split, split};
use mqtt5_session_fsm::{Instant, ServerConfig, SessionConfig, WaitingLimits};

const NOW: Instant = Instant::from_millis(1_000);

fn encode(packet: &Packet<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    packet
        .encode(ProtocolVersion::V5_0, &mut bytes)
        .expect("a good packet");
    bytes
}

/// Gives bytes to the broker, and answers with yes.
fn give(broker: &mut Broker, key: ConnectionKey, bytes: &[u8]) {
    let mut input = bytes;
    while let Ok(Step::Ask(question)) =
        broker.receive(NOW, key, &mut input, |_| Permission::Publish)
    {
        let _ = match question.packet() {
            Packet::Connect(_) => {
                let verdict = Verdict::Accept(Admission::of("somebody"));
                broker.answer_connect(NOW, &question, &verdict)
            }
            _ => broker.answer_subscribe(NOW, &question, &[Grant::UpTo(Qos::ExactlyOnce)]),
        };
    }
    assert!(input.is_empty());
}

/// Takes all that the broker has to write, and does its work; returns what is for this connection.
fn take(broker: &mut Broker, of: ConnectionKey) -> Vec<u8> {
    let mut written = Vec::new();
    loop {
        let more = broker.work(NOW, &mut 100);
        let mut any = false;
        while let Some(notice) = broker.poll() {
            any = true;
            if let Notice::Ready(key) = notice {
                let mut wire = Vec::new();
                let transmitted = broker.transmit(NOW, key, &mut wire).expect("a connection");
                assert_eq!(transmitted.next, Next::Nothing);
                if key == of {
                    written.append(&mut wire);
                }
            }
        }
        if !more && !any {
            return written;
        }
    }
}

fn connect(broker: &mut Broker, name: &str, resumes: bool) -> ConnectionKey {
    let key = broker.connected(NOW).expect("a connection");
    let expiry = [Property::SessionExpiryInterval(100)];
    let connect = Connect {
        client_identifier: Text::new(name).expect("a text"),
        clean_start: !resumes,
        properties: Properties::new(&expiry).expect("properties"),
        ..Connect::default()
    };
    give(broker, key, &encode(&Packet::Connect(connect)));
    key
}

fn publish(topic: &str, payload: &[u8], retain: bool) -> Vec<u8> {
    encode(&Packet::Publish(Publish {
        retain,
        ..Publish::new(TopicName::new(topic).expect("a topic"), payload)
    }))
}

/// A retained message of a few bytes holds nothing of the 64 KiB that were read with it.
#[test]
fn a_small_message_does_not_hold_a_large_buffer() {
    const MESSAGES: usize = 100;
    let mut broker = Broker::new(BrokerConfig::default());
    let key = connect(&mut broker, "one", false);
    take(&mut broker, key);
    let filler = publish("nobody/hears/it", &[0; 60_000], false);
    let held = measure(|| {
        for number in 0..MESSAGES {
            let mut read = publish(&format!("kept/{number}"), b"small", true);
            read.extend_from_slice(&filler);
            give(&mut broker, key, &read);
        }
        take(&mut broker, key);
    });
    assert_eq!(broker.statistics().retained, MESSAGES as u64);
    let each = held.bytes_current / MESSAGES as i64;
    assert!(each < 1_000, "each of them holds {each} bytes");
}

/// Memory of a burst comes back: 10,000 messages wait for a Client that is away, then it takes them all.
#[test]
fn the_memory_of_a_burst_comes_back() {
    const MESSAGES: u16 = 10_000;
    let waiting = WaitingLimits {
        messages: MESSAGES.into(),
        bytes: usize::MAX,
        ..WaitingLimits::default()
    };
    let mut broker = Broker::new(BrokerConfig {
        server: ServerConfig {
            session: SessionConfig {
                waiting,
                ..SessionConfig::default()
            },
            ..ServerConfig::default()
        },
        keep_qos0: true,
        ..BrokerConfig::default()
    });
    let publisher = connect(&mut broker, "publisher", false);
    let mut other = connect(&mut broker, "other", false);
    let subscription = [Subscription {
        filter: TopicFilter::new("a").expect("a filter"),
        options: SubscriptionOptions {
            maximum_qos: Qos::AtLeastOnce,
            ..SubscriptionOptions::default()
        },
    }];
    let list = Subscriptions::new(&subscription).expect("subscriptions");
    let subscribe = Subscribe::new(1.try_into().expect("not 0"), list);
    give(&mut broker, other, &encode(&Packet::Subscribe(subscribe)));
    let mut burst = |most: u16| {
        take(&mut broker, publisher);
        broker.lost(NOW, other).expect("a connection");
        for _ in 0..most {
            give(&mut broker, publisher, &publish("a", &[0; 100], false));
        }
        take(&mut broker, publisher);
        other = connect(&mut broker, "other", true);
        let mut got = 0;
        loop {
            let written = take(&mut broker, other);
            let mut rest = &written[..];
            let mut answers = Vec::new();
            while let Ok(Split::Packet { packet, rest: more }) = split(rest, u32::MAX) {
                rest = more;
                if let Ok(Packet::Publish(it)) = packet.decode(ProtocolVersion::V5_0) {
                    got += 1;
                    let number = it.delivery.packet_identifier();
                    let acknowledgement = number.map(|it| PubAck::new(it, ReasonCode::Success));
                    let packet = acknowledgement.map(Packet::PubAck);
                    answers.extend(packet.iter().flat_map(encode));
                }
            }
            if answers.is_empty() {
                break;
            }
            give(&mut broker, other, &answers);
        }
        assert_eq!(got, most);
        give(&mut broker, other, &encode(&Packet::PingReq));
        take(&mut broker, other);
    };
    burst(10);
    let held = measure(|| burst(MESSAGES));
    assert!(held.bytes_max > 1_000_000, "{}", held.bytes_max);
    assert!(
        held.bytes_current < 20_000,
        "{} bytes stay",
        held.bytes_current
    );
}
