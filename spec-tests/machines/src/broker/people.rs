//! Clients as they connect, and what they get.

use std::num::{NonZeroU16, NonZeroU32};

use mqtt5_session_fsm::codec::{
    Binary, Connect, Delivery, Packet, Properties, Property, Publish, Qos, SubscriptionOptions,
    Text, TopicName, Will,
};

use crate::version::{is_3_1_1, version};

pub(crate) fn up_to(maximum_qos: Qos) -> SubscriptionOptions {
    SubscriptionOptions {
        maximum_qos,
        ..SubscriptionOptions::default()
    }
}

pub(crate) fn encode(packet: &Packet<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    packet.encode(version(), &mut bytes).expect("a good packet");
    bytes
}

pub(crate) fn id(number: u16) -> NonZeroU16 {
    NonZeroU16::new(number).expect("an identifier")
}

/// What a CONNECT says. In MQTT 3.1.1 a Session that outlives its connection is one of Clean Session 0.
#[derive(Clone, Debug, Default)]
pub(crate) struct Who {
    pub(crate) name: &'static str,
    pub(crate) principal: &'static str,
    pub(crate) resumes: bool,
    pub(crate) keep_alive: u16,
    pub(crate) expiry: Option<u32>,
    pub(crate) receive_maximum: Option<u16>,
    pub(crate) maximum_packet_size: Option<u32>,
    pub(crate) method: Option<&'static str>,
    pub(crate) will: Option<Gone>,
}

/// A Will.
#[derive(Clone, Debug)]
pub(crate) struct Gone {
    pub(crate) topic: &'static str,
    pub(crate) payload: &'static str,
    pub(crate) qos: Qos,
    pub(crate) retain: bool,
    pub(crate) delay: Option<u32>,
    pub(crate) expiry: Option<u32>,
}

pub(crate) const WILL: Gone = Gone {
    topic: "will",
    payload: "gone",
    qos: Qos::AtLeastOnce,
    retain: false,
    delay: None,
    expiry: None,
};

/// A Client with a Session that ends with its connection.
pub(crate) fn who(name: &'static str) -> Who {
    Who {
        name,
        ..Who::default()
    }
}

impl Who {
    /// The Session lives for so many seconds after the connection.
    pub(crate) fn lasting(self, seconds: u32) -> Self {
        Who {
            expiry: Some(seconds),
            ..self
        }
    }

    /// Without Clean Start.
    pub(crate) fn resuming(self) -> Self {
        Who {
            resumes: true,
            ..self
        }
    }

    pub(crate) fn with_will(self, will: Gone) -> Self {
        Who {
            will: Some(will),
            ..self
        }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let lasts = is_3_1_1() && self.expiry.is_some_and(|seconds| seconds > 0);
        let mut list = Vec::new();
        let expiry = self.expiry.filter(|_| !is_3_1_1());
        list.extend(expiry.map(Property::SessionExpiryInterval));
        let receive_maximum = self.receive_maximum.map(id);
        list.extend(receive_maximum.map(Property::ReceiveMaximum));
        let size = self.maximum_packet_size.and_then(NonZeroU32::new);
        list.extend(size.map(Property::MaximumPacketSize));
        let method = self.method.map(|it| Text::new(it).unwrap());
        list.extend(method.map(Property::AuthenticationMethod));
        let mut of_will = Vec::new();
        if let Some(will) = &self.will {
            of_will.extend(will.delay.map(Property::WillDelayInterval));
            of_will.extend(will.expiry.map(Property::MessageExpiryInterval));
        }
        let will = self.will.as_ref().map(|it| Will {
            qos: it.qos,
            retain: it.retain,
            properties: Properties::new(&of_will).unwrap(),
            topic: TopicName::new(it.topic).unwrap(),
            payload: Binary::new(it.payload.as_bytes()).unwrap(),
        });
        let principal = (!self.principal.is_empty()).then(|| Text::new(self.principal).unwrap());
        encode(&Packet::Connect(Connect {
            version: version(),
            clean_start: !self.resumes && !lasts,
            keep_alive: self.keep_alive,
            client_identifier: Text::new(self.name).unwrap(),
            properties: Properties::new(&list).unwrap(),
            will,
            user_name: principal,
            ..Connect::default()
        }))
    }
}

/// A message that a Client got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Got {
    pub(crate) topic: String,
    pub(crate) payload: String,
    pub(crate) qos: Qos,
    pub(crate) retain: bool,
    pub(crate) duplicate: bool,
    pub(crate) packet_identifier: Option<NonZeroU16>,
    /// Subscription Identifiers, in ascending order.
    pub(crate) identifiers: Vec<u32>,
    pub(crate) expiry: Option<u32>,
    /// All other properties.
    pub(crate) properties: Vec<String>,
}

pub(crate) fn got(publish: &Publish<'_>) -> Got {
    let (mut identifiers, mut expiry, mut properties) = (Vec::new(), None, Vec::new());
    for property in publish.properties.iter() {
        match property {
            Property::SubscriptionIdentifier(it) => identifiers.push(it.get()),
            Property::MessageExpiryInterval(it) => expiry = Some(it),
            other => properties.push(format!("{other:?}")),
        }
    }
    identifiers.sort_unstable();
    let (packet_identifier, duplicate) = match publish.delivery {
        Delivery::AtMostOnce => (None, false),
        Delivery::AtLeastOnce {
            packet_identifier,
            duplicate,
        }
        | Delivery::ExactlyOnce {
            packet_identifier,
            duplicate,
        } => (Some(packet_identifier), duplicate),
    };
    Got {
        topic: publish.topic.unwrap().to_string(),
        payload: String::from_utf8_lossy(publish.payload).into_owned(),
        qos: publish.delivery.qos(),
        retain: publish.retain,
        duplicate,
        packet_identifier,
        identifiers,
        expiry,
        properties,
    }
}
