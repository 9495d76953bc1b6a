//! Messages of the peer.

use mqtt5_codec::framing::{Split, split};
use mqtt5_codec::{Property, Qos, ReasonCode, Text, UserProperty};
use mqtt5_session_fsm::{
    Acknowledgement, ClientConfig, Event, Limits, ServerConfig, SessionConfig,
};

use crate::{KIB, MIB, NOW, client, end_of, peak, server};

fn publish(qos: Qos, id: u16) -> [u8; 8] {
    let [high, low] = id.to_be_bytes();
    [0x30 | (qos as u8) << 1, 6, 0, 1, b'a', high, low, 0]
}

fn manual(receive_maximum: u16) -> ServerConfig {
    ServerConfig {
        limits: Limits {
            receive_maximum,
            ..Limits::NONE
        },
        session: SessionConfig {
            acknowledgement: Acknowledgement::Manual,
            ..SessionConfig::default()
        },
        ..ServerConfig::default()
    }
}

pub(crate) fn undecided_messages() {
    let mut server = server(manual(100), &[]);
    let used = peak(|| {
        for id in 1..=100 {
            let packet = publish(Qos::AtLeastOnce, id);
            let event = server.receive(NOW, &mut &packet[..]);
            assert!(matches!(event, Some(Event::Message(_))));
        }
        assert!(
            server
                .receive(NOW, &mut &publish(Qos::AtLeastOnce, 101)[..])
                .is_none()
        );
    });
    assert!(used <= 100 * 96 + 2 * KIB, "{used}");
    let (_, told) = end_of(&mut server);
    assert_eq!(told, Some(ReasonCode::ReceiveMaximumExceeded));
}

/// All but the first are decided, with explanations; the first holds them up.
pub(crate) fn decided_acknowledgements() {
    let session = manual(u16::MAX).session;
    let mut client = client(ClientConfig::default(), session, &[]);
    let receipts: Vec<_> = (1..=1_000)
        .map(
            |id| match client.receive(NOW, &mut &publish(Qos::AtLeastOnce, id)[..]) {
                Some(Event::Message(delivered)) => delivered.receipt.expect("manual"),
                event => panic!("{event:?}"),
            },
        )
        .collect();
    let long = "e".repeat(60_000);
    let explanation = [Property::UserProperty(UserProperty {
        name: Text::new("why").expect("a text"),
        value: Text::new(&long).expect("a text"),
    })];
    let used = peak(|| {
        for receipt in &receipts[1..] {
            let decided =
                client.acknowledge_with(*receipt, ReasonCode::QuotaExceeded, &explanation);
            assert_eq!(decided, Ok(()), "it is decided, explained or not");
        }
    });
    assert!(used <= 2 * MIB, "{used}");
    assert_eq!(client.acknowledge(receipts[0]), Ok(()));
    let mut wire = Vec::new();
    assert_eq!(client.poll(NOW, &mut wire), None);
    let mut answers = 0;
    let mut rest = &wire[..];
    while let Ok(Split::Packet { rest: next, .. }) = split(rest, u32::MAX) {
        answers += 1;
        rest = next;
    }
    assert_eq!(answers, 1_000);
}

pub(crate) fn states_of_identifiers() {
    let mut server = server(ServerConfig::default(), &[]);
    let used = peak(|| {
        let mut wire = Vec::with_capacity(100);
        for id in 1..=u16::MAX {
            let packet = publish(Qos::ExactlyOnce, id);
            let event = server.receive(NOW, &mut &packet[..]);
            assert!(matches!(event, Some(Event::Message(_))));
            wire.clear();
            assert_eq!(server.poll(NOW, &mut wire), None);
        }
    });
    assert!(used <= 96 * KIB, "{used}");
}
