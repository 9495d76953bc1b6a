//! Messages to be sent, and what is told about them.

use std::num::{NonZeroU16, NonZeroU64};

use mqtt5_codec::{Message, Property, Qos};
use mqtt5_session_fsm::{
    Client, ClientConfig, Event, Output, Publication, PublishError, ServerConfig, Session,
    SessionConfig, WhenFull,
};

use crate::{KIB, MIB, NOW, client, limits, message, peak, publication, server};

/// 1 MiB at a time to a peer that never acknowledges, as many as there are Packet Identifiers; of a Server and of a
/// Client, with a Receive Maximum and without.
pub(crate) fn messages_in_flight() {
    const SIZE: usize = 1 << 20;
    // The message that is being made, and the bytes that it takes while it is written.
    let limit = 8 * MIB + 3 * MIB;
    let attempts = |mut publish: Box<dyn FnMut(Message) -> Result<(), PublishError>>| {
        let mut accepted = 0;
        let mut refused = 0;
        for _ in 0..u16::MAX {
            match publish(message("a", SIZE)) {
                Ok(()) => {
                    accepted += 1;
                    assert!(accepted <= 8, "{accepted}");
                }
                Err(error) => {
                    assert_eq!(error, PublishError::Busy);
                    refused += 1;
                    // It stays so.
                    if refused == 100 {
                        break;
                    }
                }
            }
        }
        assert!(accepted > 0);
    };
    for receive_maximum in [1, 3, u16::MAX] {
        let announced = [Property::ReceiveMaximum(
            NonZeroU16::new(receive_maximum).expect("not 0"),
        )];
        let mut wire = Vec::with_capacity(SIZE + 100);
        let mut server = server(ServerConfig::default(), &announced);
        let mut client = client(
            ClientConfig::default(),
            SessionConfig::default(),
            &announced,
        );
        let mut spare = Vec::with_capacity(SIZE + 100);
        let used = peak(move || {
            attempts(Box::new(move |message| {
                let accepted = server.publish(NOW, publication(Qos::AtLeastOnce, message));
                wire.clear();
                while server.poll(NOW, &mut wire).is_some() {}
                accepted.map(|_| ()).map_err(|refused| refused.error)
            }));
        });
        assert!(used <= limit, "{used}");
        let used = peak(move || {
            attempts(Box::new(move |message| {
                let accepted = client.publish(NOW, publication(Qos::ExactlyOnce, message));
                spare.clear();
                while client.poll(NOW, &mut spare).is_some() {}
                accepted.map(|_| ()).map_err(|refused| refused.error)
            }));
        });
        assert!(used <= limit, "{used}");
    }
}

/// While a Client is away, whatever the policy.
pub(crate) fn messages_that_wait() {
    for when_full in [
        WhenFull::Refuse,
        WhenFull::DropOldestQos0,
        WhenFull::DropOldest,
    ] {
        for qos in [Qos::AtMostOnce, Qos::AtLeastOnce] {
            let config = limits((1_000, 1 << 18), (500, 1 << 17), when_full);
            let mut session = Session::of_client(config);
            let used = peak(|| {
                for _ in 0..5_000 {
                    let _ = session.publish(NOW, publication(qos, message("a", 1_000)));
                    while session.poll().is_some() {}
                }
            });
            assert!(session.stored_bytes() <= 1 << 17);
            // A place for each message beside its bytes.
            assert!(used <= 128 * KIB + 500 * 96 + 8 * KIB, "{used}");
        }
    }
}

/// Outcomes of a caller that never polls; and what packets of no exchange leave, many in one read.
pub(crate) fn outcomes_and_events() {
    let config = limits((100, 1 << 20), (100, 1 << 20), WhenFull::DropOldest);
    let mut session = Session::of_client(config);
    let used = peak(|| {
        for _ in 0..100_000 {
            let _ = session.publish(NOW, publication(Qos::AtMostOnce, message("a", 10)));
        }
    });
    assert!(used <= 64 * KIB, "{used}");

    let mut server = server(ServerConfig::default(), &[]);
    // PUBACK, PUBREC, PUBREL and PUBCOMP for identifiers that are not in use.
    for first_byte in [0x40, 0x50, 0x62, 0x70] {
        let input: Vec<u8> = (1..=u16::MAX)
            .flat_map(|id| [first_byte, 2, (id >> 8) as u8, id as u8])
            .collect();
        let mut events = 0;
        let used = peak(|| {
            let mut input = &input[..];
            while !input.is_empty() {
                while let Some(event) = server.receive(NOW, &mut input) {
                    assert!(
                        matches!(event, Event::UnknownIdentifier { .. }),
                        "{event:?}"
                    );
                    events += 1;
                }
                // The last one is left for `poll`.
                let mut wire = Vec::new();
                while let Some(output) = server.poll(NOW, &mut wire) {
                    assert!(matches!(
                        output,
                        Output::Event(Event::UnknownIdentifier { .. })
                    ));
                    events += 1;
                }
            }
        });
        assert_eq!(events, 65_535, "each is reported");
        // Answers of five bytes, and the same in the caller's buffer.
        assert!(used <= 2 * MIB, "{used}");
    }
}

/// Changes hold messages that were dropped since.
pub(crate) fn changes() {
    let config = SessionConfig {
        persistent: true,
        ..limits((100, 1 << 18), (100, 1 << 18), WhenFull::DropOldest)
    };
    let mut session = Session::of_client(config);
    let used = peak(|| {
        for _ in 0..10_000 {
            let _ = session.publish(NOW, publication(Qos::AtLeastOnce, message("a", 1_000)));
        }
    });
    assert!(used <= 2 * 256 * KIB + 64 * KIB, "{used}");
    let mut changes = 0;
    while session.poll().is_some() {
        changes += 1;
    }
    assert!(changes < 1_000, "{changes}");

    // Few and large: the number of outcomes that are not told yet does not limit them.
    let mut client = Client::new(ClientConfig::default(), Session::of_client(config));
    let mut refused = 0;
    let used = peak(|| {
        for _ in 0..10_000 {
            match client.publish(NOW, publication(Qos::AtLeastOnce, message("a", 100_000))) {
                Ok(token) => assert_eq!(client.withdraw(token), Ok(())),
                Err(error) => {
                    assert_eq!(error.error, PublishError::Busy);
                    refused += 1;
                }
            }
        }
    });
    assert!(used <= 2 * 256 * KIB + 64 * KIB, "{used}");
    assert!(refused > 9_000, "{refused}");
}

/// An owner gives numbers and takes none of them back, as messages are dropped for others and all others at the end.
pub(crate) fn numbers_of_forgotten_messages() {
    let config = limits((100, 1 << 20), (100, 1 << 20), WhenFull::DropOldest);
    let mut session = Session::of_client(config);
    let mut accepted = Vec::with_capacity(200_000);
    let used = peak(|| {
        for number in 1..=100_000 {
            let publication = Publication {
                body: NonZeroU64::new(number),
                ..publication(Qos::AtLeastOnce, message("a", 10))
            };
            accepted.extend(session.publish(NOW, publication).ok());
            while session.poll().is_some() {}
        }
        for token in accepted.drain(..) {
            // Most were dropped.
            let _ = session.withdraw(token);
            while session.poll().is_some() {}
        }
    });
    assert!(used <= 64 * KIB, "{used}");
    let forgotten = std::iter::from_fn(|| session.take_forgotten_body()).count();
    assert_eq!(forgotten, 100 + 100 + 64, "what was held, too");
}
