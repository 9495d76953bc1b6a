//! What a Client alone sends, and how a Server is configured.

use mqtt5_session_fsm::codec::{
    Auth, Binary, Connect, Disconnect, Properties, Property, Qos, ReasonCode, Subscribe,
    Subscription, SubscriptionOptions, Subscriptions, Text, TopicFilter, TopicName, UserProperty,
    Will,
};
use mqtt5_session_fsm::{Acknowledgement, Limits, ServerConfig, SessionConfig};

pub(crate) use crate::session::make::{PINGREQ, bytes, id};

pub(crate) fn text(text: &str) -> Text<'_> {
    Text::new(text).expect("a good string")
}

pub(crate) fn topic(name: &str) -> TopicName<'_> {
    TopicName::new(name).expect("a good Topic Name")
}

/// A Will to be.
#[derive(Clone, Debug)]
pub(crate) struct Testament {
    pub(crate) qos: Qos,
    pub(crate) retain: bool,
    pub(crate) properties: Vec<Property<'static>>,
    pub(crate) topic: &'static str,
    pub(crate) payload: &'static [u8],
}

impl Testament {
    pub(crate) fn new(delay: Option<u32>) -> Testament {
        Testament {
            qos: Qos::AtLeastOnce,
            retain: false,
            properties: delay.map(Property::WillDelayInterval).into_iter().collect(),
            topic: "will",
            payload: b"gone",
        }
    }
}

/// A CONNECT to be.
#[derive(Clone, Debug)]
pub(crate) struct Hello {
    pub(crate) id: &'static str,
    pub(crate) clean_start: bool,
    pub(crate) keep_alive: u16,
    pub(crate) properties: Vec<Property<'static>>,
    pub(crate) will: Option<Testament>,
}

impl Hello {
    /// Clean Start 0, Keep Alive off, ClientID c1.
    pub(crate) fn new() -> Hello {
        Hello {
            id: "c1",
            clean_start: false,
            keep_alive: 0,
            properties: Vec::new(),
            will: None,
        }
    }

    /// With a Session that does not end with the connection.
    pub(crate) fn lasting() -> Hello {
        Hello::new().with(Property::SessionExpiryInterval(u32::MAX))
    }

    /// With a Session Expiry Interval of this many seconds.
    pub(crate) fn expiring(seconds: Option<u32>) -> Hello {
        let properties = seconds.map(Property::SessionExpiryInterval);
        Hello {
            properties: properties.into_iter().collect(),
            ..Hello::new()
        }
    }

    pub(crate) fn with(mut self, property: Property<'static>) -> Hello {
        self.properties.push(property);
        self
    }

    pub(crate) fn and_will(mut self, will: Testament) -> Hello {
        self.will = Some(will);
        self
    }

    pub(crate) fn clean(mut self, clean_start: bool) -> Hello {
        self.clean_start = clean_start;
        self
    }

    pub(crate) fn keep_alive(mut self, seconds: u16) -> Hello {
        self.keep_alive = seconds;
        self
    }

    pub(crate) fn id(mut self, id: &'static str) -> Hello {
        self.id = id;
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        bytes(Connect {
            clean_start: self.clean_start,
            keep_alive: self.keep_alive,
            properties: Properties::new(&self.properties).expect("properties of a CONNECT"),
            client_identifier: text(self.id),
            will: self.will.as_ref().map(|will| Will {
                qos: will.qos,
                retain: will.retain,
                properties: Properties::new(&will.properties).expect("properties of a Will"),
                topic: topic(will.topic),
                payload: Binary::new(will.payload).expect("short"),
            }),
            ..Connect::default()
        })
    }
}

pub(crate) const QOS: [Qos; 3] = [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce];

pub(crate) fn subscribe_with(identifier: u16, filters: &[&str], list: &[Property<'_>]) -> Vec<u8> {
    let subscriptions: Vec<Subscription<'_>> = filters
        .iter()
        .map(|filter| Subscription {
            filter: TopicFilter::new(filter).expect("a good Topic Filter"),
            options: SubscriptionOptions::default(),
        })
        .collect();
    bytes(Subscribe {
        properties: Properties::new(list).expect("properties of a SUBSCRIBE"),
        ..Subscribe::new(
            id(identifier),
            Subscriptions::new(&subscriptions).expect("at least one"),
        )
    })
}

pub(crate) fn auth(code: ReasonCode, method: &str, data: &[u8]) -> Vec<u8> {
    bytes(Auth {
        reason_code: code,
        properties: Properties::new(&[
            Property::AuthenticationMethod(text(method)),
            Property::AuthenticationData(Binary::new(data).expect("short")),
        ])
        .expect("properties of an AUTH"),
    })
}

/// A DISCONNECT with a Session Expiry Interval.
pub(crate) fn disconnect_with(code: ReasonCode, expiry: u32) -> Vec<u8> {
    bytes(Disconnect {
        reason_code: code,
        properties: Properties::new(&[Property::SessionExpiryInterval(expiry)])
            .expect("a property of a DISCONNECT"),
    })
}

pub(crate) fn config() -> ServerConfig {
    ServerConfig::default()
}

/// The application acknowledges.
pub(crate) fn manual() -> ServerConfig {
    ServerConfig {
        session: SessionConfig {
            acknowledgement: Acknowledgement::Manual,
            ..SessionConfig::default()
        },
        ..ServerConfig::default()
    }
}

/// A Server with these limits.
pub(crate) fn limited(limits: Limits) -> ServerConfig {
    ServerConfig {
        limits,
        ..ServerConfig::default()
    }
}

/// Every choice of what a Server takes of a Will, with every Will, and the Reason Codes with which it may be refused.
pub(crate) fn limits_and_wills() -> impl Iterator<Item = (Limits, Testament, Vec<ReasonCode>)> {
    let flags = [(true, false), (true, true), (false, false), (false, true)];
    let all = QOS.into_iter().flat_map(move |maximum_qos| {
        let of_qos =
            move |qos| flags.map(|(available, retain)| (maximum_qos, qos, available, retain));
        QOS.into_iter().flat_map(of_qos)
    });
    all.map(|(maximum_qos, qos, retain_available, retain)| {
        let limits = Limits {
            maximum_qos,
            retain_available,
            ..Limits::NONE
        };
        let will = Testament {
            qos,
            retain,
            ..Testament::new(None)
        };
        let mut refusals = Vec::new();
        if qos > maximum_qos {
            refusals.push(ReasonCode::QosNotSupported);
        }
        if retain && !retain_available {
            refusals.push(ReasonCode::RetainNotSupported);
        }
        (limits, will, refusals)
    })
}

/// A Reason String and a User Property, of 13 and 9 bytes.
pub(crate) fn explanation() -> [Property<'static>; 2] {
    [
        Property::ReasonString(text("because of")),
        Property::UserProperty(UserProperty::new("na", "va").expect("good strings")),
    ]
}
