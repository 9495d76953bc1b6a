//! Answers to be written, and requests.

use mqtt5_codec::{
    Connect, Packet, PacketIdentifier, ProtocolVersion, ReasonCode, SubAck, Subscribe,
    Subscription, SubscriptionOptions, Subscriptions, TopicFilter,
};
use mqtt5_session_fsm::{Client, ClientConfig, SendError, ServerConfig, Session, SessionConfig};

use crate::{KIB, MIB, NOW, client, peak, server};

/// A peer that asks and asks, and a host that reads and never writes.
pub(crate) fn packets_to_be_written() {
    let mut server = server(ServerConfig::default(), &[]);
    let input = [0xC0, 0x00].repeat(2_000_000);
    let mut rest = &input[..];
    let used = peak(|| {
        for _ in 0..1_000 {
            assert!(server.receive(NOW, &mut rest).is_none());
        }
    });
    assert!(used <= 3 * MIB, "{used}");
    assert!(!rest.is_empty(), "not all was read");
    assert!(server.next_timeout() <= NOW, "the caller is to come back");
    // Nothing is lost, and no loop hangs.
    let mut answers = 0;
    while !rest.is_empty() {
        let mut wire = Vec::new();
        assert_eq!(server.poll(NOW, &mut wire), None);
        answers += wire.len() / 2;
        assert!(server.receive(NOW, &mut rest).is_none());
    }
    let mut wire = Vec::new();
    assert_eq!(server.poll(NOW, &mut wire), None);
    assert_eq!(answers + wire.len() / 2, 2_000_000);
}

fn subscribe_to(client: &mut Client, filter: &str) -> Result<(), SendError> {
    let list = [Subscription {
        filter: TopicFilter::new(filter).expect("a filter"),
        options: SubscriptionOptions::default(),
    }];
    let subscriptions = Subscriptions::new(&list).expect("one");
    client
        .subscribe(Default::default(), subscriptions)
        .map(|_| ())
}

pub(crate) fn requests_of_a_client() {
    let mut waiting = client(ClientConfig::default(), SessionConfig::default(), &[]);
    let filter = "f".repeat(60_000);
    let used = peak(|| {
        let refused = (0..1_000).find_map(|_| subscribe_to(&mut waiting, &filter).err());
        assert_eq!(refused, Some(SendError::Busy));
    });
    assert!(used <= 4 * MIB, "{used}");
    assert_eq!(waiting.poll(NOW, &mut Vec::new()), None);
    assert_eq!(subscribe_to(&mut waiting, "a"), Ok(()), "room again");

    let mut sent = client(ClientConfig::default(), SessionConfig::default(), &[]);
    let mut wire = Vec::new();
    let used = peak(|| {
        for _ in 0..u16::MAX {
            assert_eq!(subscribe_to(&mut sent, "a"), Ok(()));
            wire.clear();
            assert_eq!(sent.poll(NOW, &mut wire), None);
        }
        assert_eq!(subscribe_to(&mut sent, "a"), Err(SendError::NoIdentifier));
    });
    // While the table grows, the smaller one is still there.
    assert!(used <= 2 * 65_535 * 96, "{used}");
}

pub(crate) fn requests_before_the_connack() {
    let mut client = Client::new(
        ClientConfig::default(),
        Session::of_client(SessionConfig::default()),
    );
    client
        .connect(NOW, &Connect::default())
        .expect("a good CONNECT");
    let filter = "f".repeat(10_000);
    let used = peak(|| {
        let refused = (0..1_000).find_map(|_| subscribe_to(&mut client, &filter).err());
        assert_eq!(refused, Some(SendError::Busy));
    });
    assert!(used <= MIB + 64 * KIB, "{used}");
}

/// An application that never answers.
pub(crate) fn requests_to_a_server() {
    let config = ServerConfig {
        unanswered_requests: 100,
        ..ServerConfig::default()
    };
    let mut server = server(config, &[]);
    let mut refused = 0;
    let mut wire = Vec::with_capacity(1_000);
    let mut packet = Vec::with_capacity(100);
    let used = peak(|| {
        for id in 1..=u16::MAX {
            let id = PacketIdentifier::new(id).expect("not 0");
            let list = [Subscription {
                filter: TopicFilter::new("a").expect("a filter"),
                options: SubscriptionOptions::default(),
            }];
            let subscriptions = Subscriptions::new(&list).expect("one");
            packet.clear();
            let encoded =
                Subscribe::new(id, subscriptions).encode(ProtocolVersion::V5_0, &mut packet);
            encoded.expect("a good SUBSCRIBE");
            let event = server.receive(NOW, &mut &packet[..]);
            assert_eq!(event.is_some(), id.get() <= 100);
            wire.clear();
            assert_eq!(server.poll(NOW, &mut wire), None);
            if let Ok(Packet::SubAck(SubAck { reason_codes, .. })) =
                Packet::decode(ProtocolVersion::V5_0, &wire)
            {
                assert!(
                    reason_codes
                        .iter()
                        .all(|code| code == ReasonCode::QuotaExceeded)
                );
                refused += 1;
            }
        }
    });
    assert_eq!(refused, 65_435);
    assert!(used <= 100 * 96 + 2 * KIB, "{used}");
}
