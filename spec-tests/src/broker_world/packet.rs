//! What clients and the broker send each other.

use std::num::{NonZeroU16, NonZeroU32};
use std::sync::LazyLock;

use mqtt5_codec::framing::{Frame, Split, split};
use mqtt5_codec::{
    Binary, Connect, Delivery, Disconnect, Packet, Properties, Property, ProtocolVersion, PubAck,
    PubComp, PubRec, PubRel, Publish, Qos, ReasonCode, Subscribe, Subscription,
    SubscriptionIdentifier, Subscriptions, Text, TopicFilter, TopicFilters, TopicName, Unsubscribe,
    Will,
};

use super::config::{Config, FILTERS, TOPICS, WILL_TOPIC, Wanted, is_shared, qos_of};

/// The number of a message without payload: those of a topic look alike.
pub(super) const EMPTY: u16 = u16::MAX;
/// The number of the Will of client 0.
pub(super) const WILL: u16 = 60_000;
/// The number of the first message that is retained from the start.
pub(super) const KEPT: u16 = 50_000;

/// A message, as its publisher sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Sent {
    /// Its payload.
    pub(super) number: u16,
    pub(super) topic: u8,
    pub(super) qos: u8,
    pub(super) retain: bool,
    /// 0 for QoS 0.
    pub(super) identifier: u16,
    pub(super) duplicate: bool,
}

/// What a client sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Up {
    Connect { clean: bool },
    Publish(Sent),
    PubAck(u16),
    PubRec(u16),
    PubRel(u16),
    PubComp(u16),
    Subscribe(u16, Wanted),
    Unsubscribe(u16, u8),
    Disconnect { with_will: bool },
    Hostile(u8),
}

/// A message, as a subscriber sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Got {
    pub(super) number: u16,
    pub(super) topic: u8,
    pub(super) qos: u8,
    pub(super) retain: bool,
    pub(super) identifier: u16,
    pub(super) duplicate: bool,
    /// The Subscription Identifiers, one bit for each.
    pub(super) subscriptions: u32,
    /// How many Subscription Identifiers there are.
    pub(super) count: u8,
    /// Message Expiry Interval.
    pub(super) expiry: Option<u32>,
}

impl Got {
    /// The group that it is from: its Subscription Identifier says so.
    pub(super) fn group(&self) -> Option<u8> {
        let mut shared = (0..FILTERS.len() as u8).filter(|it| is_shared(*it));
        shared.find(|filter| {
            let bits = [5, 6].map(|variant| Wanted::identifier_of(*filter, variant));
            bits.iter().any(|bit| self.subscriptions & 1 << bit != 0)
        })
    }
}

/// What the broker sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Down {
    ConnAck { present: bool, code: u8 },
    Publish(Got),
    PubAck(u16, u8),
    PubRec(u16, u8),
    PubRel(u16, u8),
    PubComp(u16, u8),
    SubAck(u16, u8),
    UnsubAck(u16, u8),
    Disconnect(u8),
    Other,
}

/// The ClientID of a client.
pub(super) fn name(client: u8) -> &'static str {
    static NAMES: LazyLock<Vec<String>> =
        LazyLock::new(|| (0..=255).map(|it| format!("{it}")).collect());
    &NAMES[client as usize]
}

fn id(number: u16) -> NonZeroU16 {
    NonZeroU16::new(number).expect("Packet Identifiers are not 0")
}

/// Packets that no correct client sends here: unknown identifiers, wildcards in a Topic Name, a second CONNECT, No Local
/// for a group, a packet of the Server's, a Topic Alias that was never set, nothing that is a packet.
pub(super) const HOSTILE: [&[u8]; 9] = [
    b"\x40\x02\x00\x4D",
    b"\x50\x02\x00\x4D",
    b"\x62\x02\x00\x4D",
    b"\x70\x02\x00\x4D",
    b"\x30\x06\x00\x03a/#\x00",
    b"\x10\x0D\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x00",
    b"\x82\x10\x00\x4D\x00\x00\x0A$share/g/a\x04",
    b"\x20\x03\x00\x00\x00",
    b"\x30\x06\x00\x00\x03\x23\x00\x07",
];

impl Up {
    /// The bytes of the packet.
    pub(super) fn encode(self, client: u8, config: &Config, bytes: &mut Vec<u8>) {
        let success = ReasonCode::Success;
        let version = config.version(client);
        let mut write = |packet| write(version, &packet, bytes);
        match self {
            Up::Connect { clean } => connect(client, clean, config, bytes),
            Up::Publish(sent) => publish(client, sent, config, bytes),
            Up::PubAck(it) => write(Packet::PubAck(PubAck::new(id(it), success))),
            Up::PubRec(it) => write(Packet::PubRec(PubRec::new(id(it), success))),
            Up::PubRel(it) => write(Packet::PubRel(PubRel::new(id(it), success))),
            Up::PubComp(it) => write(Packet::PubComp(PubComp::new(id(it), success))),
            Up::Subscribe(it, wanted) => {
                let list = [Subscription {
                    filter: TopicFilter::new(FILTERS[wanted.filter as usize]).expect("a filter"),
                    options: wanted.options(),
                }];
                let identifier = SubscriptionIdentifier::new(wanted.identifier()).ok();
                let identifier = identifier.map(Property::SubscriptionIdentifier);
                let packet = Subscribe {
                    properties: Properties::new(identifier.as_slice()).expect("one property"),
                    ..Subscribe::new(id(it), Subscriptions::new(&list).expect("not empty"))
                };
                write(Packet::Subscribe(packet));
            }
            Up::Unsubscribe(it, filter) => {
                let list = [TopicFilter::new(FILTERS[filter as usize]).expect("a filter")];
                let filters = TopicFilters::new(&list).expect("not empty");
                write(Packet::Unsubscribe(Unsubscribe::new(id(it), filters)));
            }
            Up::Disconnect { with_will } => {
                let code = match with_will {
                    true => ReasonCode::DisconnectWithWillMessage,
                    false => ReasonCode::NORMAL_DISCONNECTION,
                };
                write(Packet::Disconnect(Disconnect::new(code)));
            }
            Up::Hostile(number) => bytes.extend_from_slice(HOSTILE[number as usize]),
        }
    }
}

fn write(version: ProtocolVersion, packet: &Packet<'_>, bytes: &mut Vec<u8>) {
    packet.encode(version, bytes).expect("a good packet");
}

fn connect(client: u8, clean: bool, config: &Config, bytes: &mut Vec<u8>) {
    let mut list = vec![Property::ReceiveMaximum(id(config.window))];
    if config.expiry > 0 {
        list.push(Property::SessionExpiryInterval(config.expiry));
    }
    list.extend(NonZeroU32::new(config.packet_size).map(Property::MaximumPacketSize));
    if config.is_older(client) {
        list.clear();
    }
    let delay = [Property::WillDelayInterval(config.will_delay_of(client))];
    let payload = (WILL + u16::from(client)).to_be_bytes();
    let will = config.has_will(client).then(|| Will {
        qos: Qos::AtLeastOnce,
        retain: config.will_retain > 0,
        properties: Properties::new(&delay[..usize::from(config.will_delay_of(client) > 0)])
            .expect("good"),
        topic: TopicName::new(TOPICS[WILL_TOPIC as usize]).expect("a topic"),
        payload: Binary::new(&payload).expect("short"),
    });
    let version = config.version(client);
    let packet = Connect {
        version,
        clean_start: clean,
        client_identifier: Text::new(name(client)).expect("a name"),
        properties: Properties::new(&list).expect("good properties"),
        will,
        ..Connect::default()
    };
    write(version, &Packet::Connect(packet), bytes);
}

/// The message as the application of a client, or the host of the broker, makes it.
pub(super) fn publish_of<'a>(
    sent: Sent,
    payload: &'a [u8],
    properties: &'a [Property<'a>],
) -> Publish<'a> {
    let payload = if sent.number == EMPTY { &[] } else { payload };
    let topic = TopicName::new(TOPICS[sent.topic as usize]).expect("a topic");
    let mut publish = Publish {
        retain: sent.retain,
        properties: Properties::new(properties).expect("one property"),
        ..Publish::new(topic, payload)
    };
    if let Some(identifier) = NonZeroU16::new(sent.identifier) {
        publish.delivery = Delivery::new(qos_of(sent.qos), identifier, sent.duplicate);
    }
    publish
}

fn publish(client: u8, sent: Sent, config: &Config, bytes: &mut Vec<u8>) {
    let seconds = config.message_expiry_of(client);
    let expiry = [Property::MessageExpiryInterval(seconds)];
    let expiry = &expiry[..usize::from(seconds > 0)];
    let payload = sent.number.to_be_bytes();
    let publish = publish_of(sent, &payload, expiry);
    write(config.version(client), &Packet::Publish(publish), bytes);
}

/// All packets of some bytes, with their sizes; an error says what is none.
pub(super) fn decode(
    version: ProtocolVersion,
    mut bytes: &[u8],
    mut each: impl FnMut(Down, usize),
) -> Result<(), String> {
    while !bytes.is_empty() {
        let Ok(Split::Packet { packet, rest }) = split(bytes, u32::MAX) else {
            return Err(format!("no packet: {bytes:02x?}"));
        };
        let whole = packet.as_bytes().to_vec();
        let size = whole.len();
        let frame = Frame::new(whole.into()).map_err(|error| error.to_string())?;
        let packet = frame.decode(version).map_err(|error| error.to_string())?;
        each(read(&packet)?, size);
        bytes = rest;
    }
    Ok(())
}

fn read(packet: &Packet<'_>) -> Result<Down, String> {
    Ok(match packet {
        Packet::ConnAck(it) => Down::ConnAck {
            present: it.session_present,
            code: it.reason_code as u8,
        },
        Packet::Publish(it) => Down::Publish(got(it)?),
        Packet::PubAck(it) => Down::PubAck(it.packet_identifier.get(), it.reason_code as u8),
        Packet::PubRec(it) => Down::PubRec(it.packet_identifier.get(), it.reason_code as u8),
        Packet::PubRel(it) => Down::PubRel(it.packet_identifier.get(), it.reason_code as u8),
        Packet::PubComp(it) => Down::PubComp(it.packet_identifier.get(), it.reason_code as u8),
        Packet::SubAck(it) => {
            let code = it
                .reason_codes
                .iter()
                .next()
                .ok_or("a SUBACK without codes")?;
            Down::SubAck(it.packet_identifier.get(), code as u8)
        }
        Packet::UnsubAck(it) => {
            // That of MQTT 3.1.1 has none.
            let code = it.reason_codes.iter().next();
            Down::UnsubAck(it.packet_identifier.get(), code.map_or(0, |it| it as u8))
        }
        Packet::Disconnect(it) => Down::Disconnect(it.reason_code as u8),
        _ => Down::Other,
    })
}

fn got(publish: &Publish<'_>) -> Result<Got, String> {
    let name = publish.topic.ok_or("a PUBLISH without a topic")?;
    let topic = TOPICS.iter().position(|topic| *topic == name.as_str());
    let (mut subscriptions, mut count, mut expiry) = (0, 0, None);
    for property in publish.properties.iter() {
        match property {
            Property::SubscriptionIdentifier(it) => {
                subscriptions |= 1 << it.get();
                count += 1;
            }
            Property::MessageExpiryInterval(it) => expiry = Some(it),
            other => return Err(format!("a property that nobody sent: {other:?}")),
        }
    }
    let (identifier, duplicate) = match publish.delivery {
        Delivery::AtMostOnce => (0, false),
        Delivery::AtLeastOnce {
            packet_identifier,
            duplicate,
        }
        | Delivery::ExactlyOnce {
            packet_identifier,
            duplicate,
        } => (packet_identifier.get(), duplicate),
    };
    Ok(Got {
        number: publish
            .payload
            .first_chunk()
            .map_or(EMPTY, |it| u16::from_be_bytes(*it)),
        topic: topic.ok_or("a topic that nobody uses")? as u8,
        qos: publish.delivery.qos() as u8,
        retain: publish.retain,
        identifier,
        duplicate,
        subscriptions,
        count,
        expiry,
    })
}
