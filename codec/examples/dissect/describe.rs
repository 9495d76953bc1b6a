//! What a packet says, in words for people.

use mqtt5_codec::framing::{FixedHeader, LargePublish};
use mqtt5_codec::property::Scope;
use mqtt5_codec::{
    Auth, ConnAck, Connect, Disconnect, Packet, PacketIdentifier, PacketType, PayloadFormat,
    Properties, Property, ProtocolVersion, Publish, Qos, ReasonCode, RetainHandling, Subscription,
    Will,
};

use crate::words::{counted, grouped};

/// A packet in words.
#[derive(Debug, Default)]
pub(crate) struct Description {
    /// The fields that every packet of the type has, in a few words.
    pub(crate) summary: String,
    /// What else it says, in the order of the wire.
    pub(crate) details: Vec<Detail>,
}

/// A line below a packet.
#[derive(Debug)]
pub(crate) struct Detail {
    /// The name of the field.
    pub(crate) name: String,
    /// Its value.
    pub(crate) value: String,
}

impl Description {
    /// Describes a packet.
    pub(crate) fn of(packet: &Packet<'_>) -> Self {
        let mut description = Description::default();
        match packet {
            Packet::Connect(connect) => description.connect(connect),
            Packet::ConnAck(connack) => description.connack(connack),
            Packet::Publish(publish) => description.publish(publish),
            Packet::PubAck(ack) => {
                description.acknowledgement(packet, ack.reason_code, &ack.properties);
            }
            Packet::PubRec(ack) => {
                description.acknowledgement(packet, ack.reason_code, &ack.properties);
            }
            Packet::PubRel(ack) => {
                description.acknowledgement(packet, ack.reason_code, &ack.properties);
            }
            Packet::PubComp(ack) => {
                description.acknowledgement(packet, ack.reason_code, &ack.properties);
            }
            Packet::Subscribe(subscribe) => {
                description.request(subscribe.packet_identifier, &subscribe.properties);
                for Subscription { filter, options } in subscribe.subscriptions {
                    let mut value = format!("{filter:?}, at most {}", qos(options.maximum_qos));
                    if options.no_local {
                        value.push_str(", No Local");
                    }
                    if options.retain_as_published {
                        value.push_str(", Retain As Published");
                    }
                    value.push_str(match options.retain_handling {
                        RetainHandling::Send => "",
                        RetainHandling::SendIfNew => ", retained messages only if new",
                        RetainHandling::DoNotSend => ", no retained messages",
                    });
                    description.add("Topic Filter", value);
                }
            }
            Packet::SubAck(suback) => {
                description.request(suback.packet_identifier, &suback.properties);
                description.reasons(PacketType::SubAck, suback.reason_codes);
            }
            Packet::Unsubscribe(unsubscribe) => {
                description.request(unsubscribe.packet_identifier, &unsubscribe.properties);
                for filter in unsubscribe.filters {
                    description.add("Topic Filter", format!("{filter:?}"));
                }
            }
            Packet::UnsubAck(unsuback) => {
                description.request(unsuback.packet_identifier, &unsuback.properties);
                description.reasons(PacketType::UnsubAck, unsuback.reason_codes);
            }
            Packet::PingReq | Packet::PingResp => {}
            Packet::Disconnect(Disconnect {
                reason_code,
                properties,
            }) => {
                description.summary = reason(PacketType::Disconnect, *reason_code);
                description.properties(properties, "");
            }
            Packet::Auth(Auth {
                reason_code,
                properties,
            }) => {
                description.summary = reason(PacketType::Auth, *reason_code);
                description.properties(properties, "");
            }
        }
        description
    }

    /// Describes a PUBLISH packet whose payload was recorded in part: there are `recorded` bytes of it, and
    /// these are the first ones.
    pub(crate) fn of_publish_head(
        large: &LargePublish<'_>,
        start_of_payload: &[u8],
        recorded: usize,
    ) -> Self {
        let length = large.payload_length;
        let mut description = Description::default();
        description.publish(&Publish {
            delivery: large.delivery,
            retain: large.retain,
            topic: large.topic,
            properties: large.properties,
            payload: &[],
        });
        description.details.pop();
        let mut value = format!(
            "{}, of which {} recorded",
            counted(length, "byte"),
            match recorded {
                0 => "none was".to_owned(),
                1 => "1 was".to_owned(),
                more => format!("{} were", grouped(more as u64)),
            },
        );
        if !start_of_payload.is_empty() {
            let start = content(cut_at_character(start_of_payload));
            value = format!("{value}; the first {start}");
        }
        description.add("Payload", value);
        description
    }

    /// Describes a packet of which only the first bytes are there.
    pub(crate) fn of_start(header: FixedHeader, start: &[u8]) -> Self {
        let mut description = Description::default();
        let body = start.get(header.length()..).unwrap_or_default();
        let mut rest = body;
        match header.packet_type() {
            PacketType::Publish => {
                let flags = header.first_byte();
                let quality = match flags >> 1 & 0b11 {
                    0 => Qos::AtMostOnce,
                    1 => Qos::AtLeastOnce,
                    _ => Qos::ExactlyOnce,
                };
                description.summary = qos(quality).to_owned();
                let topic = split_short(rest).and_then(|(length, after)| {
                    let topic = after.get(..usize::from(length))?;
                    rest = &after[usize::from(length)..];
                    str::from_utf8(topic).ok()
                });
                if let Some(topic) = topic {
                    if let Some((identifier, after)) = split_short(rest)
                        && quality != Qos::AtMostOnce
                    {
                        let identifier = format!(", Packet Identifier {identifier}");
                        description.summary.push_str(&identifier);
                        rest = after;
                    }
                    description.add("Topic Name", format!("{topic:?}"));
                }
                if flags & 0b1000 != 0 {
                    description.summary.push_str(", DUP");
                }
                if flags & 0b1 != 0 {
                    description.summary.push_str(", RETAIN");
                }
            }
            PacketType::Connect
            | PacketType::ConnAck
            | PacketType::Disconnect
            | PacketType::Auth
            | PacketType::PingReq
            | PacketType::PingResp => {}
            // All others begin with a Packet Identifier.
            _ => {
                if let Some((identifier, after)) = split_short(rest) {
                    description.summary = format!("Packet Identifier {identifier}");
                    rest = after;
                }
            }
        }
        if !rest.is_empty() {
            description.add("The bytes that follow", content(rest));
        }
        description
    }

    fn connect(&mut self, connect: &Connect<'_>) {
        self.summary = match (connect.clean_start, connect.keep_alive) {
            (true, 0) => "Clean Start, no Keep Alive".to_owned(),
            (false, 0) => "no Clean Start, no Keep Alive".to_owned(),
            (true, seconds) => format!("Clean Start, Keep Alive {seconds} s"),
            (false, seconds) => format!("no Clean Start, Keep Alive {seconds} s"),
        };
        if connect.version == ProtocolVersion::V3_1_1 {
            self.summary = self.summary.replace("Clean Start", "Clean Session");
            self.add("Protocol Level", "4, MQTT 3.1.1".to_owned());
        }
        self.properties(&connect.properties, "");
        self.add(
            "Client Identifier",
            format!("{:?}", connect.client_identifier),
        );
        if let Some(will) = &connect.will {
            self.will(will);
        }
        if let Some(user_name) = connect.user_name {
            self.add("User Name", format!("{user_name:?}"));
        }
        if let Some(password) = connect.password {
            self.add("Password", content(&password));
        }
    }

    fn will(&mut self, will: &Will<'_>) {
        let retain = if will.retain { ", RETAIN" } else { "" };
        self.add("Will", format!("{}{retain}", qos(will.qos)));
        self.properties(&will.properties, "  ");
        self.add("  Topic Name", format!("{:?}", will.topic));
        self.add("  Payload", content(&will.payload));
    }

    fn connack(&mut self, connack: &ConnAck<'_>) {
        self.summary = reason(PacketType::ConnAck, connack.reason_code);
        if connack.session_present {
            self.summary.push_str(", Session Present");
        }
        self.properties(&connack.properties, "");
    }

    fn publish(&mut self, publish: &Publish<'_>) {
        self.summary = qos(publish.delivery.qos()).to_owned();
        if let Some(identifier) = publish.delivery.packet_identifier() {
            self.summary.push_str(", ");
            self.summary.push_str(&packet_identifier(identifier));
        }
        if publish.delivery.duplicate() {
            self.summary.push_str(", DUP");
        }
        if publish.retain {
            self.summary.push_str(", RETAIN");
        }
        let topic = match publish.topic {
            Some(topic) => format!("{topic:?}"),
            None => "none: the Topic Alias stands for it".to_owned(),
        };
        self.add("Topic Name", topic);
        self.properties(&publish.properties, "");
        self.add("Payload", content(publish.payload));
    }

    fn acknowledgement<S: Scope>(
        &mut self,
        packet: &Packet<'_>,
        reason_code: ReasonCode,
        properties: &Properties<'_, S>,
    ) {
        let identifier = packet.packet_identifier().map(packet_identifier);
        let reason = reason(packet.packet_type(), reason_code);
        self.summary = format!("{}, {reason}", identifier.unwrap_or_default());
        self.properties(properties, "");
    }

    fn request<S: Scope>(&mut self, identifier: PacketIdentifier, properties: &Properties<'_, S>) {
        self.summary = packet_identifier(identifier);
        self.properties(properties, "");
    }

    fn reasons(&mut self, packet_type: PacketType, codes: impl IntoIterator<Item = ReasonCode>) {
        for code in codes {
            self.add("Reason Code", reason(packet_type, code));
        }
    }

    fn properties<S: Scope>(&mut self, properties: &Properties<'_, S>, indent: &str) {
        for property in properties {
            let identifier = property.identifier();
            let name = format!("{indent}0x{:02X} {identifier}", identifier as u8);
            self.add(&name, property_value(&property));
        }
    }

    fn add(&mut self, name: &str, value: String) {
        self.details.push(Detail {
            name: name.to_owned(),
            value,
        });
    }
}

fn property_value(property: &Property<'_>) -> String {
    match property {
        Property::PayloadFormatIndicator(PayloadFormat::UnspecifiedBytes) => {
            "0, unspecified bytes".to_owned()
        }
        Property::PayloadFormatIndicator(PayloadFormat::Utf8Text) => "1, UTF-8 text".to_owned(),
        Property::SessionExpiryInterval(u32::MAX) => "never".to_owned(),
        Property::MessageExpiryInterval(value)
        | Property::SessionExpiryInterval(value)
        | Property::WillDelayInterval(value) => format!("{value} s"),
        Property::ServerKeepAlive(value) => format!("{value} s"),
        Property::MaximumPacketSize(value) => format!("{value} bytes"),
        Property::ReceiveMaximum(value) => format!("{value} messages at a time"),
        Property::TopicAlias(value) => value.to_string(),
        Property::TopicAliasMaximum(value) => value.to_string(),
        Property::SubscriptionIdentifier(value) => value.get().to_string(),
        Property::MaximumQos(value) => format!("QoS {}", *value as u8),
        Property::ResponseTopic(value) => format!("{value:?}"),
        Property::ContentType(value)
        | Property::AssignedClientIdentifier(value)
        | Property::AuthenticationMethod(value)
        | Property::ResponseInformation(value)
        | Property::ServerReference(value)
        | Property::ReasonString(value) => format!("{value:?}"),
        Property::CorrelationData(value) | Property::AuthenticationData(value) => content(value),
        Property::UserProperty(pair) => format!("{:?} = {:?}", pair.name, pair.value),
        Property::RequestProblemInformation(value)
        | Property::RequestResponseInformation(value)
        | Property::RetainAvailable(value)
        | Property::WildcardSubscriptionAvailable(value)
        | Property::SubscriptionIdentifierAvailable(value)
        | Property::SharedSubscriptionAvailable(value) => {
            if *value { "1, yes" } else { "0, no" }.to_owned()
        }
    }
}

fn qos(qos: Qos) -> &'static str {
    match qos {
        Qos::AtMostOnce => "QoS 0",
        Qos::AtLeastOnce => "QoS 1",
        Qos::ExactlyOnce => "QoS 2",
    }
}

fn packet_identifier(identifier: PacketIdentifier) -> String {
    format!("Packet Identifier {identifier}")
}

/// A Reason Code with the name that it has in packets of the type.
pub(crate) fn reason(packet_type: PacketType, code: ReasonCode) -> String {
    let name = match (packet_type, code) {
        (PacketType::SubAck, ReasonCode::GRANTED_QOS_0) => "Granted QoS 0",
        (PacketType::Disconnect, ReasonCode::NORMAL_DISCONNECTION) => "Normal disconnection",
        _ => code.name(),
    };
    format!("0x{:02X} {name}", code.to_byte())
}

/// A Two Byte Integer, and what follows it.
fn split_short(bytes: &[u8]) -> Option<(u16, &[u8])> {
    let (short, rest) = bytes.split_first_chunk()?;
    Some((u16::from_be_bytes(*short), rest))
}

/// Leaves out a character at the end of which only a part is there.
fn cut_at_character(bytes: &[u8]) -> &[u8] {
    match str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() && error.valid_up_to() > 0 => {
            &bytes[..error.valid_up_to()]
        }
        _ => bytes,
    }
}

/// Bytes as text if all of it can be printed, else as hexadecimal digits; shortened if they are
/// many.
fn content(bytes: &[u8]) -> String {
    const CHARACTERS: usize = 200;
    const BYTES: usize = 32;

    if bytes.is_empty() {
        return "empty".to_owned();
    }
    let size = counted(bytes.len(), "byte");
    let printable =
        |character: char| matches!(character, '\t' | '\n' | '\r') || !character.is_control();
    match str::from_utf8(bytes) {
        Ok(text) if text.chars().all(printable) => {
            let mut shown = String::new();
            for character in text.chars().take(CHARACTERS) {
                // Payloads are full of quotes, and better to read without backslashes.
                match character {
                    '"' | '\'' => shown.push(character),
                    _ => shown.extend(character.escape_debug()),
                }
            }
            let more = if text.chars().nth(CHARACTERS).is_some() {
                " ..."
            } else {
                ""
            };
            format!("{size}, \"{shown}\"{more}")
        }
        _ => {
            let digits: Vec<String> = bytes
                .iter()
                .take(BYTES)
                .map(|byte| format!("{byte:02x}"))
                .collect();
            let more = if bytes.len() > BYTES { " ..." } else { "" };
            format!("{size}, {}{more}", digits.join(" "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_text_if_it_can_be_printed() {
        assert_eq!(content(b""), "empty");
        assert_eq!(content(b"x"), "1 byte, \"x\"");
        assert_eq!(content(b"{\"a\":1}\n"), "8 bytes, \"{\"a\":1}\\n\"");
        assert_eq!(content("21 °C".as_bytes()), "6 bytes, \"21 °C\"");
        assert_eq!(content(b"\x1b[2J"), "4 bytes, 1b 5b 32 4a");
        assert_eq!(content(b"\xff\x00"), "2 bytes, ff 00");
    }

    #[test]
    fn long_content_is_shortened() {
        assert!(content(&[b'x'; 200]).ends_with("x\""));
        assert!(content(&[b'x'; 201]).ends_with("x\" ..."));
        assert!(content(&[0xFF; 32]).ends_with("ff ff"));
        assert!(content(&[0xFF; 33]).ends_with("ff ff ..."));
    }

    #[test]
    fn zero_has_three_names() {
        let zero = ReasonCode::Success;
        assert_eq!(reason(PacketType::PubAck, zero), "0x00 Success");
        assert_eq!(reason(PacketType::SubAck, zero), "0x00 Granted QoS 0");
        assert_eq!(
            reason(PacketType::Disconnect, zero),
            "0x00 Normal disconnection"
        );
    }

    #[test]
    fn a_packet_in_words() {
        let bytes = b"\x3d\x14\x00\x03a/b\x00\x07\x0a\x02\x00\x00\x00\x3c\x23\x00\x05\x01\x01hi";
        let description = Description::of(&Packet::decode(ProtocolVersion::V5_0, bytes).unwrap());
        assert_eq!(
            description.summary,
            "QoS 2, Packet Identifier 7, DUP, RETAIN"
        );
        let details: Vec<(&str, &str)> = description
            .details
            .iter()
            .map(|detail| (&*detail.name, &*detail.value))
            .collect();
        assert_eq!(
            details,
            [
                ("Topic Name", "\"a/b\""),
                ("0x02 Message Expiry Interval", "60 s"),
                ("0x23 Topic Alias", "5"),
                ("0x01 Payload Format Indicator", "1, UTF-8 text"),
                ("Payload", "2 bytes, \"hi\""),
            ]
        );
    }
}
