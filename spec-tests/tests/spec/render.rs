//! Packets as text for the snapshots: every field that says something, one a line.

use std::fmt::{Debug, Write};

use mqtt5_codec::property::Scope;
use mqtt5_codec::{Connect, Packet, Properties, Publish, ReasonCode, Will};

const STRINGS_TAKE_ALL: &str = "writing to a string does not fail";

/// The packet with its fields, indented.
pub(crate) fn packet(packet: &Packet<'_>) -> String {
    let mut page = Page::default();
    let name = packet.packet_type().name();
    match packet.packet_identifier() {
        Some(identifier) => page.line(1, format_args!("{name} {identifier}")),
        None => page.line(1, format_args!("{name}")),
    }
    match packet {
        Packet::Connect(connect) => page.connect(connect),
        Packet::ConnAck(connack) => {
            page.field("session present", connack.session_present);
            page.reason(connack.reason_code);
            page.properties(2, &connack.properties);
        }
        Packet::Publish(publish) => page.publish(publish),
        Packet::PubAck(puback) => page.acknowledgement(puback.reason_code, &puback.properties),
        Packet::PubRec(pubrec) => page.acknowledgement(pubrec.reason_code, &pubrec.properties),
        Packet::PubRel(pubrel) => page.acknowledgement(pubrel.reason_code, &pubrel.properties),
        Packet::PubComp(pubcomp) => page.acknowledgement(pubcomp.reason_code, &pubcomp.properties),
        Packet::Subscribe(subscribe) => {
            page.properties(2, &subscribe.properties);
            for subscription in subscribe.subscriptions {
                let options = subscription.options;
                page.line(2, format_args!("{:?}", subscription.filter));
                page.line(
                    3,
                    format_args!(
                        "{:?}, no local {}, retain as published {}, retained messages {:?}",
                        options.maximum_qos,
                        options.no_local,
                        options.retain_as_published,
                        options.retain_handling,
                    ),
                );
            }
        }
        Packet::Unsubscribe(unsubscribe) => {
            page.properties(2, &unsubscribe.properties);
            for filter in unsubscribe.filters {
                page.line(2, format_args!("{filter:?}"));
            }
        }
        Packet::SubAck(suback) => {
            page.properties(2, &suback.properties);
            suback
                .reason_codes
                .iter()
                .for_each(|code| page.reason(code));
        }
        Packet::UnsubAck(unsuback) => {
            page.properties(2, &unsuback.properties);
            unsuback
                .reason_codes
                .iter()
                .for_each(|code| page.reason(code));
        }
        Packet::PingReq | Packet::PingResp => {}
        Packet::Disconnect(disconnect) => {
            page.acknowledgement(disconnect.reason_code, &disconnect.properties);
        }
        Packet::Auth(auth) => page.acknowledgement(auth.reason_code, &auth.properties),
    }
    page.text
}

#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn line(&mut self, depth: usize, content: std::fmt::Arguments<'_>) {
        let indent = "  ".repeat(depth);
        let content = with_runs_shortened(&content.to_string());
        writeln!(self.text, "{indent}{content}").expect(STRINGS_TAKE_ALL);
    }

    fn field(&mut self, name: &str, value: impl Debug) {
        self.line(2, format_args!("{name}: {value:?}"));
    }

    fn reason(&mut self, code: ReasonCode) {
        self.line(2, format_args!("{code}"));
    }

    fn properties<S: Scope>(&mut self, depth: usize, properties: &Properties<'_, S>) {
        for property in properties {
            self.line(depth, format_args!("{property:?}"));
        }
    }

    fn acknowledgement<S: Scope>(&mut self, code: ReasonCode, properties: &Properties<'_, S>) {
        self.reason(code);
        self.properties(2, properties);
    }

    fn connect(&mut self, connect: &Connect<'_>) {
        self.field("clean start", connect.clean_start);
        self.field("keep alive", connect.keep_alive);
        self.properties(2, &connect.properties);
        self.field("client identifier", connect.client_identifier);
        if let Some(will) = &connect.will {
            self.will(will);
        }
        if let Some(user_name) = connect.user_name {
            self.field("user name", user_name);
        }
        if let Some(password) = connect.password {
            self.field("password", password);
        }
    }

    fn will(&mut self, will: &Will<'_>) {
        self.line(
            2,
            format_args!("will: {:?}, retain {}", will.qos, will.retain),
        );
        self.properties(3, &will.properties);
        self.line(3, format_args!("topic: {:?}", will.topic));
        self.line(3, format_args!("payload: {:?}", will.payload));
    }

    fn publish(&mut self, publish: &Publish<'_>) {
        let (qos, duplicate) = (publish.delivery.qos(), publish.delivery.duplicate());
        let retain = publish.retain;
        self.line(
            2,
            format_args!("{qos:?}, duplicate {duplicate}, retain {retain}"),
        );
        match publish.topic {
            Some(topic) => self.field("topic", topic),
            None => self.line(2, format_args!("no topic")),
        }
        self.properties(2, &publish.properties);
        self.line(
            2,
            format_args!("payload: b\"{}\"", publish.payload.escape_ascii()),
        );
    }
}

/// Runs of the same character, or of the same escaped byte, of more than this many are shortened.
const LONGEST_RUN: usize = 24;

fn with_runs_shortened(text: &str) -> String {
    let units = units(text);
    let mut short = String::new();
    for run in units.chunk_by(|one, other| one == other) {
        if run.len() > LONGEST_RUN {
            write!(short, "{}{{{} times}}", run[0], run.len()).expect(STRINGS_TAKE_ALL);
        } else {
            short.extend(run.iter().copied());
        }
    }
    short
}

/// Characters and escapes such as `\x00`.
fn units(text: &str) -> Vec<&str> {
    let mut units = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("\\x") {
            4
        } else if first == '\\' {
            2
        } else {
            first.len_utf8()
        };
        let (unit, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
        units.push(unit);
        rest = after;
    }
    units
}
