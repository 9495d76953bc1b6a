//! Packets and events in one line each.

use std::fmt::Write as _;

use mqtt5_session_fsm::codec::property::Scope;
use mqtt5_session_fsm::codec::{Packet, Properties, Publish, ReasonCode, Subscribe, Unsubscribe};
use mqtt5_session_fsm::{Cause, Event, Outcome, PeerError, Token};

pub(crate) fn packet(packet: &Packet<'_>) -> String {
    match packet {
        Packet::Connect(it) => {
            let mut text = format!("CONNECT {:?}", it.client_identifier.as_str());
            if it.clean_start {
                text += " clean";
            }
            if it.keep_alive != 0 {
                let _ = write!(text, " {} s", it.keep_alive);
            }
            text + &properties(&it.properties)
        }
        Packet::Publish(it) => publish(it),
        Packet::PubAck(it) => acknowledgement(
            "PUBACK",
            it.packet_identifier.get(),
            it.reason_code,
            &it.properties,
        ),
        Packet::PubRec(it) => acknowledgement(
            "PUBREC",
            it.packet_identifier.get(),
            it.reason_code,
            &it.properties,
        ),
        Packet::PubRel(it) => acknowledgement(
            "PUBREL",
            it.packet_identifier.get(),
            it.reason_code,
            &it.properties,
        ),
        Packet::PubComp(it) => acknowledgement(
            "PUBCOMP",
            it.packet_identifier.get(),
            it.reason_code,
            &it.properties,
        ),
        Packet::Subscribe(it) => format!("SUBSCRIBE {}", subscribe(it)),
        Packet::Unsubscribe(it) => format!("UNSUBSCRIBE {}", unsubscribe(it)),
        Packet::PingReq => "PINGREQ".into(),
        Packet::PingResp => "PINGRESP".into(),
        Packet::ConnAck(it) => format!(
            "CONNACK{}{}{}",
            if it.session_present { " present" } else { "" },
            code(it.reason_code),
            properties(&it.properties)
        ),
        Packet::SubAck(it) => answers(
            &format!("SUBACK #{}", it.packet_identifier),
            it.reason_codes.iter(),
            &it.properties,
        ),
        Packet::UnsubAck(it) => answers(
            &format!("UNSUBACK #{}", it.packet_identifier),
            it.reason_codes.iter(),
            &it.properties,
        ),
        Packet::Disconnect(it) => format!(
            "DISCONNECT {:?}{}",
            it.reason_code,
            properties(&it.properties)
        ),
        Packet::Auth(it) => format!("AUTH {:?}{}", it.reason_code, properties(&it.properties)),
    }
}

fn subscribe(it: &Subscribe<'_>) -> String {
    let mut text = format!("#{}", it.packet_identifier);
    for subscription in it.subscriptions {
        let _ = write!(text, " {}", subscription.filter.as_str());
    }
    text + &properties(&it.properties)
}

fn unsubscribe(it: &Unsubscribe<'_>) -> String {
    let mut text = format!("#{}", it.packet_identifier);
    for filter in it.filters {
        let _ = write!(text, " {}", filter.as_str());
    }
    text + &properties(&it.properties)
}

fn answers<S: Scope>(
    name: &str,
    codes: impl Iterator<Item = ReasonCode>,
    set: &Properties<'_, S>,
) -> String {
    let codes: Vec<_> = codes.collect();
    format!("{name} {codes:?}{}", properties(set))
}

fn publish(it: &Publish<'_>) -> String {
    let mut text = format!("PUBLISH q{}", it.delivery.qos() as u8);
    if let Some(identifier) = it.delivery.packet_identifier() {
        let _ = write!(text, " #{identifier}");
    }
    if it.delivery.duplicate() {
        text += " dup";
    }
    text + &content(it)
}

fn content(it: &Publish<'_>) -> String {
    let retain = if it.retain { " retain" } else { "" };
    let topic = it.topic.map_or("-", |topic| topic.as_str());
    let payload = String::from_utf8_lossy(it.payload);
    format!("{retain} {topic} {payload:?}{}", properties(&it.properties))
}

fn acknowledgement<S: Scope>(
    name: &str,
    identifier: u16,
    reason_code: ReasonCode,
    set: &Properties<'_, S>,
) -> String {
    format!(
        "{name} #{identifier}{}{}",
        code(reason_code),
        properties(set)
    )
}

fn code(code: ReasonCode) -> String {
    match code {
        ReasonCode::Success => String::new(),
        _ => format!(" {code:?}"),
    }
}

fn properties<S: Scope>(set: &Properties<'_, S>) -> String {
    let mut text = String::new();
    for property in set {
        let _ = write!(text, " {property:?}");
    }
    text
}

pub(crate) fn event(event: &Event<'_>, tokens: &[Token]) -> String {
    match event {
        Event::Message(it) => {
            let qos = it.publish.delivery.qos() as u8;
            let receipt = if it.receipt.is_some() { " receipt" } else { "" };
            format!("message q{qos}{}{receipt}", content(&it.publish))
        }
        Event::Outcome(token, it) => {
            // From the end: of many tokens, mostly the last is meant.
            let at = tokens.iter().rposition(|known| known == token);
            let at = at.unwrap_or_else(|| panic!("{token:?} was never given: {it:?}"));
            format!("t{} {}", at + 1, outcome(it))
        }
        Event::Room => "room".into(),
        Event::Overdue(token) => {
            let at = tokens.iter().rposition(|known| known == token);
            format!("t{} overdue", at.expect("it was given") + 1)
        }
        Event::SessionEndsWithConnection => "session ends with the connection".into(),
        Event::UnknownIdentifier {
            packet_type,
            packet_identifier,
        } => format!("unknown {packet_type:?} #{packet_identifier}"),
        Event::Authentication(it) => {
            format!(
                "authentication {:?}{}",
                it.reason_code,
                properties(&it.properties)
            )
        }
        Event::Disconnect(it) => {
            format!(
                "disconnect {:?}{}",
                it.reason_code,
                properties(&it.properties)
            )
        }
        Event::Connected(it) => {
            let present = if it.session_present { " present" } else { "" };
            format!("connected{present}{}", properties(&it.properties))
        }
        Event::Refused(it) => {
            format!("refused {:?}{}", it.reason_code, properties(&it.properties))
        }
        Event::SessionEnded => "session ended".into(),
        Event::PingResp { round_trip } => format!("pong after {} ms", round_trip.as_millis()),
        Event::Connect(it) => format!("connect {:?}", it.client_identifier.as_str()),
        Event::Subscribe(it) => format!("subscribe {}", subscribe(it)),
        Event::Unsubscribe(it) => format!("unsubscribe {}", unsubscribe(it)),
        Event::Will(it) => {
            let will = it.message.publish();
            format!("will q{}{}", it.qos as u8, content(&will))
        }
        other => panic!("in pieces: {other:?}"),
    }
}

fn outcome(outcome: &Outcome<'_>) -> String {
    match outcome {
        Outcome::PubAck(reason, set) => format!("puback{}{}", code(*reason), properties(set)),
        Outcome::PubRec(reason, set) => format!("pubrec{}{}", code(*reason), properties(set)),
        Outcome::PubComp(reason, set) => format!("pubcomp{}{}", code(*reason), properties(set)),
        Outcome::SubAck(it) => answers("suback", it.reason_codes.iter(), &it.properties),
        Outcome::UnsubAck(it) => answers("unsuback", it.reason_codes.iter(), &it.properties),
        other => format!("{other:?}"),
    }
}

pub(crate) fn cause(cause: Cause) -> String {
    match cause {
        Cause::PeerError(PeerError::Session(violation)) => format!("close {violation:?}"),
        Cause::PeerError(PeerError::Packet(error)) => format!("close {:?}", error.violation()),
        other => format!("close {other:?}"),
    }
}
