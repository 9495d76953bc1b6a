//! Packets that a correct peer does not send.
//!
//! They are good in themselves, or nearly, and wrong where they come. What a real peer could say with
//! the same bytes (an acknowledgement that is due, a release that is due) is left out: no machine
//! could tell the difference.

use mqtt5_session_fsm::Session;
use mqtt5_session_fsm::codec::{
    ConnAck, Connect, Delivery, Packet, PacketIdentifier, ProtocolVersion, PubAck, PubComp, PubRec,
    PubRel, Publish, Qos, ReasonCode, Text, TopicName,
};
use mqtt5_session_fsm::table::{
    ReceiverEvent, ReceiverState, SenderAction, SenderEvent, SenderState,
};

use super::application::Side;
use super::describe::{Words, packets};
use super::monitors::Judged;
use super::{SessionWorld, Split};
use crate::explore::Turn;

/// An identifier that nobody uses.
const UNKNOWN: PacketIdentifier = PacketIdentifier::new(99).expect("not 0");
/// Identifiers that may be in use.
const LOOKED_AT: u16 = 4;

impl SessionWorld {
    /// Somebody slips a packet in between two others.
    pub(super) fn slip_in(&mut self, link: usize, to: Side, turn: &mut Turn<'_>) -> Judged {
        let Some(session) = self.session(to).cloned() else {
            return Ok(());
        };
        let session = &session;
        let version = self.links[link].version;
        let choices = hostile_packets(version, to, session);
        let bytes = &choices[turn.choose(choices.len())];
        self.left.hostile -= 1;
        self.hostile = true;
        match packets(version, bytes, to.other().role()).next() {
            Some((packet, _)) => turn.log().fault(format_args!(
                "somebody sends {} to the {}",
                Words(&packet),
                to.name()
            )),
            None => turn
                .log()
                .fault(format_args!("somebody sends garbage to the {}", to.name())),
        }
        if contradicts(version, bytes, to, session) {
            self.split = Split::Resumed;
        }
        let bytes = bytes.clone();
        self.read(link, to, &bytes, turn)
    }
}

/// Whether these bytes refuse a message that was accepted: then the two sides no longer agree which
/// Packet Identifiers are in use, as after a lost Session.
fn contradicts(version: ProtocolVersion, bytes: &[u8], to: Side, session: &Session) -> bool {
    packets(version, bytes, to.other().role()).any(|(packet, _)| match packet {
        Packet::PubRec(pubrec) => {
            let state = session.sender_state(pubrec.packet_identifier);
            pubrec.reason_code.is_error() && state == SenderState::WaitPubComp
        }
        _ => false,
    })
}

fn hostile_packets(version: ProtocolVersion, to: Side, session: &Session) -> Vec<Vec<u8>> {
    let mut list = vec![vec![0, 0]];
    let mut push = |packet: Packet<'_>| {
        let mut bytes = Vec::new();
        // MQTT 3.1.1 cannot say all of them.
        match packet.encode(version, &mut bytes) {
            Ok(()) => list.push(bytes),
            Err(error) => assert_eq!(version, ProtocolVersion::V3_1_1, "{error}"),
        }
    };
    let used = || (1..=LOOKED_AT).filter_map(PacketIdentifier::new);
    let sending = used().filter(|id| session.sender_state(*id) != SenderState::Free);
    for id in sending.chain([UNKNOWN]) {
        let state = session.sender_state(id);
        let code = ReasonCode::Success;
        let error = ReasonCode::UnspecifiedError;
        for (event, packet) in [
            (SenderEvent::PubAck, Packet::PubAck(PubAck::new(id, code))),
            (SenderEvent::PubRec, Packet::PubRec(PubRec::new(id, code))),
            (
                SenderEvent::PubRecError,
                Packet::PubRec(PubRec::new(id, error)),
            ),
            (
                SenderEvent::PubComp,
                Packet::PubComp(PubComp::new(id, code)),
            ),
        ] {
            let is_plausible = match state.on(event).1 {
                SenderAction::Release => true,
                SenderAction::Finish => {
                    (state, event) != (SenderState::WaitPubComp, SenderEvent::PubRecError)
                }
                _ => false,
            };
            if !is_plausible {
                push(packet);
            }
        }
    }
    let received = used().filter(|id| session.receiver_state(*id) != ReceiverState::Free);
    for id in received.clone().chain([UNKNOWN]) {
        let state = session.receiver_state(id);
        if !matches!(state, ReceiverState::WaitPubRel | ReceiverState::Repeating) {
            push(Packet::PubRel(PubRel::new(id, ReasonCode::Success)));
        }
    }
    for id in received {
        for event in [ReceiverEvent::PublishQos1, ReceiverEvent::PublishQos2] {
            let qos = match event {
                ReceiverEvent::PublishQos1 => Qos::AtLeastOnce,
                _ => Qos::ExactlyOnce,
            };
            let topic = TopicName::new("t").expect("a good name");
            push(Packet::Publish(Publish {
                delivery: Delivery::new(qos, id, true),
                ..Publish::new(topic, &[u8::MAX])
            }));
        }
    }
    match to {
        Side::Client => push(Packet::ConnAck(ConnAck::new(ReasonCode::Success))),
        Side::Server => push(Packet::Connect(Connect {
            version,
            clean_start: version == ProtocolVersion::V3_1_1,
            client_identifier: Text::new("other").expect("a good name"),
            ..Connect::default()
        })),
    }
    list
}
