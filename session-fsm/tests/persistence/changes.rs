//! The changes that the tests store.

use std::num::{NonZeroU16, NonZeroU64};
use std::time::Duration;

use mqtt5_session_fsm::codec::{Message, Properties, Property, Publish, Qos, TopicName};
use mqtt5_session_fsm::{Change, Deadline, Publication, QueuedMessage, Token, WillMessage};

use super::{at, id, message};

pub(crate) fn accepted(token: u64, qos: Qos) -> Change {
    Change::Accepted {
        message: QueuedMessage::new(
            Token::from_number(token),
            Publication::new(qos, message(&token.to_be_bytes())),
        ),
        deadline: None,
    }
}

/// As [`accepted`], with RETAIN that its bytes do not have, and the number of its body.
pub(crate) fn numbered(token: u64, qos: Qos) -> Change {
    let mut change = accepted(token, qos);
    if let Change::Accepted { message, .. } = &mut change {
        (message.retain, message.body) = (true, NonZeroU64::new(1 << 40));
    }
    change
}

/// As [`accepted`], and its exchange is to be over by a certain time.
pub(crate) fn accepted_until(token: u64, qos: Qos, seconds: u64) -> Change {
    let mut change = accepted(token, qos);
    if let Change::Accepted { deadline, .. } = &mut change {
        *deadline = Some(Deadline {
            at: at(1_000_000 + seconds),
            within: Duration::from_secs(seconds) + Duration::from_nanos(5),
        });
    }
    change
}

pub(crate) fn sent(token: u64, packet_identifier: u16) -> Change {
    Change::Sent {
        token: Token::from_number(token),
        packet_identifier: id(packet_identifier),
    }
}

pub(crate) fn lost(packet_identifier: u16) -> Change {
    Change::Lost {
        packet_identifier: id(packet_identifier),
    }
}

pub(crate) fn overdue(token: u64) -> Change {
    Change::Overdue {
        token: Token::from_number(token),
    }
}

pub(crate) fn connected(expiry_interval: u32) -> Change {
    Change::Connected {
        client_identifier: "c".into(),
        expiry_interval,
    }
}

pub(crate) fn will(delay: u32) -> Change {
    Change::WillStored {
        will: WillMessage {
            message: message(b"gone"),
            qos: Qos::AtLeastOnce,
        },
        delay,
    }
}

/// One of each kind, in an order that fits to a new Session of a Server.
pub(crate) fn every_change() -> Vec<Change> {
    let expiring = Message::new(&Publish {
        retain: true,
        properties: Properties::new(&[Property::MessageExpiryInterval(60)]).unwrap(),
        ..Publish::new(TopicName::new("ü/€").unwrap(), &[0; 300])
    })
    .unwrap();
    vec![
        connected(3600),
        will(30),
        accepted_until(1, Qos::AtLeastOnce, 7),
        sent(1, 1),
        overdue(1),
        accepted_until(2, Qos::ExactlyOnce, 2_000),
        sent(2, 9),
        accepted(7, Qos::ExactlyOnce),
        sent(7, 2),
        Change::Released {
            packet_identifier: id(9),
        },
        numbered(8, Qos::ExactlyOnce),
        sent(8, 700),
        lost(700),
        accepted(9, Qos::AtLeastOnce),
        sent(9, 3),
        Change::Finished {
            packet_identifier: id(3),
        },
        Change::Received {
            packet_identifier: id(65_535),
        },
        Change::Received {
            packet_identifier: id(512),
        },
        Change::Received {
            packet_identifier: id(1),
        },
        Change::Completed {
            packet_identifier: id(512),
        },
        Change::Accepted {
            message: QueuedMessage::new(
                Token::from_number(10),
                Publication {
                    expires_at: Some(at(1_000_060)),
                    topic_alias: NonZeroU16::new(4),
                    ..Publication::new(Qos::ExactlyOnce, expiring)
                },
            ),
            deadline: Some(Deadline {
                at: at(1_000_090),
                within: Duration::from_secs(90),
            }),
        },
        accepted_until(11, Qos::AtLeastOnce, 1),
        accepted(12, Qos::AtLeastOnce),
        Change::Dropped {
            token: Token::from_number(11),
        },
        Change::Disconnected {
            ends_at: at(1_003_600),
            expiry_interval: 3600,
            will_due_at: at(1_000_030),
        },
        Change::WillRemoved,
        Change::Ended,
    ]
}
