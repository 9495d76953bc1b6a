//! Sessions that have been in use for a while: which Packet Identifiers are free, and in which order they will be
//! used, is not what it is in a new Session.

use mqtt5_session_fsm::codec::{Message, PacketIdentifier, Publish, Qos, TopicName};
use mqtt5_session_fsm::{Change, Instant, Publication, QueuedMessage, Session, Token};

use super::announced::TOPIC;
use super::application::Side;
use super::client::NAME;
use super::config::Config;

/// The order in which identifiers were freed, and so will be used again: neither ascending nor descending, as
/// after they have wrapped.
const FREED: [u16; 9] = [8, 3, 9, 1, 6, 2, 7, 4, 5];

/// What a side has at first: a Client has a Session, and a Server if it is old. The earlier messages of an old one are all
/// settled.
pub(super) fn first_session(side: Side, config: &Config) -> Option<Session> {
    let mut session = match side {
        Side::Client => Session::of_client(config.session()),
        Side::Server => Session::of_server(NAME, config.session()),
    };
    if config.aged == 0 {
        return Some(session).filter(|_| side == Side::Client);
    }
    for change in history(config.expiry) {
        session
            .apply(Instant::ORIGIN, &change)
            .expect("a history of this Session");
    }
    Some(session)
}

fn history(expiry_interval: u32) -> Vec<Change> {
    let identifier = |number| PacketIdentifier::new(number).expect("not 0");
    let publish = Publish::new(TopicName::new(TOPIC).expect("a good name"), b"");
    let message = Message::new(&publish).expect("a good message");
    let mut changes = vec![Change::Connected {
        client_identifier: NAME.into(),
        expiry_interval,
    }];
    for number in 1..=FREED.len() as u16 {
        let token = Token::from_number(number.into());
        changes.push(Change::Accepted {
            message: QueuedMessage::new(token, Publication::new(Qos::AtLeastOnce, message.clone())),
            deadline: None,
        });
        changes.push(Change::Sent {
            token,
            packet_identifier: identifier(number),
        });
    }
    changes.extend(FREED.map(|number| Change::Finished {
        packet_identifier: identifier(number),
    }));
    changes
}
