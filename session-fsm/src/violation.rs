//! Rules between packets, which a peer can break although each of its packets is good.

use core::fmt;

use mqtt5_codec::{DecodeError, ReasonCode};

macro_rules! violations {
    ($($name:ident: $reason_code:ident, $statement:expr, $section:literal, $message:literal;)*) => {
        /// A rule between packets that the peer broke: a Protocol Error (section 4.13).
        ///
        /// One byte, `Copy`, no allocation.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        #[repr(u8)]
        pub enum SessionViolation {
            $(
                #[doc = concat!($message, " (section ", $section, ").")]
                $name,
            )*
        }

        impl SessionViolation {
            /// Every violation, in the order of the table.
            pub const ALL: &'static [SessionViolation] = &[$(SessionViolation::$name),*];

            /// Returns the Reason Code of the answer, where an answer is allowed.
            #[must_use]
            pub const fn reason_code(self) -> ReasonCode {
                match self { $(SessionViolation::$name => ReasonCode::$reason_code),* }
            }

            /// Returns the normative statement that is violated, where the standard numbers one.
            #[must_use]
            pub const fn statement(self) -> Option<&'static str> {
                match self { $(SessionViolation::$name => $statement),* }
            }

            /// Returns the section of the standard that states the rule.
            #[must_use]
            pub const fn section(self) -> &'static str {
                match self { $(SessionViolation::$name => $section),* }
            }

            /// Returns what is wrong, in one clause.
            #[must_use]
            pub const fn message(self) -> &'static str {
                match self { $(SessionViolation::$name => $message),* }
            }
        }
    };
}

violations! {
    // Order of packets
    ConnectExpected: ProtocolError, Some("MQTT-3.1.0-1"), "3.1", "the first packet is not a CONNECT";
    SecondConnect: ProtocolError, Some("MQTT-3.1.0-2"), "3.1", "a second CONNECT came";
    ConnAckExpected: ProtocolError, Some("MQTT-3.2.0-1"), "3.2", "a packet other than AUTH came before the CONNACK";
    SecondConnAck: ProtocolError, Some("MQTT-3.2.0-2"), "3.2", "a second CONNACK came";
    BeforeConnAck: ProtocolError, Some("MQTT-3.1.2-30"), "3.1.2.11.9", "during the authentication a packet other than AUTH and DISCONNECT came";
    SessionPresentUnexpected: ProtocolError, Some("MQTT-3.2.2-4"), "3.2.2.1.1", "Session Present is 1, but there is no Session";

    // What the CONNACK may say
    AssignedClientIdentifierMissing: ProtocolError, Some("MQTT-3.2.2-16"), "3.2.2.3.7", "no ClientID was assigned although there was none";
    ResponseInformationUnexpected: ProtocolError, Some("MQTT-3.1.2-28"), "3.1.2.11.6", "Response Information came without being requested";
    ProblemInformationUnexpected: ProtocolError, Some("MQTT-3.1.2-29"), "3.1.2.11.7", "a Reason String or User Property came although Request Problem Information was 0";

    // Limits that were announced
    ReceiveMaximumExceeded: ReceiveMaximumExceeded, Some("MQTT-3.3.4-7"), "3.3.4", "more PUBLISH packets are unanswered than the Receive Maximum";
    TopicAliasTooLarge: TopicAliasInvalid, None, "3.3.4", "the Topic Alias is above the Topic Alias Maximum";
    TopicAliasBytesExceeded: QuotaExceeded, None, "3.3.2.3.4", "the Topic Names of the Topic Aliases take more memory than this side has for them";
    TopicAliasUnknown: ProtocolError, None, "3.3.4", "the Topic Alias has no Topic Name yet";
    QosNotSupported: QosNotSupported, Some("MQTT-3.2.2-11"), "3.2.2.3.4", "the QoS is above the Maximum QoS";
    RetainNotSupported: RetainNotSupported, Some("MQTT-3.2.2-14"), "3.2.2.3.5", "RETAIN is set although retained messages are not available";
    WildcardSubscriptionsNotSupported: WildcardSubscriptionsNotSupported, None, "3.2.2.3.11", "a subscription has a wildcard although they are not available";
    SubscriptionIdentifiersNotSupported: SubscriptionIdentifiersNotSupported, None, "3.2.2.3.12", "a SUBSCRIBE has a Subscription Identifier although they are not available";
    SharedSubscriptionsNotSupported: SharedSubscriptionsNotSupported, None, "3.2.2.3.13", "a Shared Subscription is asked for although they are not available";
    WillQosNotSupported: QosNotSupported, Some("MQTT-3.2.2-12"), "3.2.2.3.4", "the Will QoS is above the Maximum QoS";
    WillRetainNotSupported: RetainNotSupported, Some("MQTT-3.2.2-13"), "3.2.2.3.5", "Will Retain is set although retained messages are not available";

    // Acknowledgements
    WrongAcknowledgement: ProtocolError, None, "4.3", "the acknowledgement is of the wrong kind for its Packet Identifier";
    PacketIdentifierInUse: ProtocolError, None, "2.2.1", "the Packet Identifier is in use for another exchange";
    ReleasedTooEarly: ProtocolError, None, "4.3.3", "a PUBREL came before its PUBREC was sent";
    ReasonCodeCount: ProtocolError, None, "3.9.3, 3.11.3", "there are more or fewer Reason Codes than Topic Filters";

    // Authentication
    AuthUnexpected: ProtocolError, None, "4.12", "an AUTH came that the state of the authentication does not allow";
    AuthenticationMethodDiffers: ProtocolError, Some("MQTT-4.12.0-5"), "4.12", "the Authentication Method is not that of the CONNECT";

    // Disconnection
    SessionExpiryRaised: ProtocolError, None, "3.14.2.2.2", "the DISCONNECT has a Session Expiry Interval although that of the CONNECT was 0";
}

impl fmt::Display for SessionViolation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} (section {})", self.message(), self.section())?;
        match self.statement() {
            Some(statement) => write!(formatter, " [{statement}]"),
            None => Ok(()),
        }
    }
}

impl core::error::Error for SessionViolation {}

/// What the peer did wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PeerError {
    /// A packet is wrong by itself.
    Packet(DecodeError),
    /// A packet is wrong at this point of the connection.
    Session(SessionViolation),
}

impl PeerError {
    /// Returns the Reason Code that says what was wrong.
    #[must_use]
    pub const fn reason_code(self) -> ReasonCode {
        match self {
            PeerError::Packet(error) => error.reason_code(),
            PeerError::Session(violation) => violation.reason_code(),
        }
    }

    /// Returns the normative statement that is violated, where the standard numbers one.
    #[must_use]
    pub const fn statement(self) -> Option<&'static str> {
        match self {
            PeerError::Packet(error) => error.statement(),
            PeerError::Session(violation) => violation.statement(),
        }
    }
}

impl From<SessionViolation> for PeerError {
    fn from(violation: SessionViolation) -> Self {
        PeerError::Session(violation)
    }
}

impl From<DecodeError> for PeerError {
    fn from(error: DecodeError) -> Self {
        PeerError::Packet(error)
    }
}

impl fmt::Display for PeerError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PeerError::Packet(error) => error.fmt(formatter),
            PeerError::Session(violation) => violation.fmt(formatter),
        }
    }
}

impl core::error::Error for PeerError {}
