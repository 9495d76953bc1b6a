//! Reason Codes (section 2.4) and the packets and directions in which each is allowed.

use core::fmt;

use crate::{PacketType, Qos, Role, Violation};

/// Who may send a Reason Code in a packet.
const NOBODY: u8 = 0;
const CLIENT: u8 = 1;
const SERVER: u8 = 2;
const BOTH: u8 = CLIENT | SERVER;

/// Columns of the table below.
const CONNACK: usize = 0;
const PUBACK_PUBREC: usize = 1;
const PUBREL_PUBCOMP: usize = 2;
const SUBACK: usize = 3;
const UNSUBACK: usize = 4;
const DISCONNECT: usize = 5;
const AUTH: usize = 6;

macro_rules! reason_codes {
    ($($value:literal $name:ident $text:literal $senders:expr;)*) => {
        /// A Reason Code (section 2.4, Table 2-6): how an operation ended.
        ///
        /// Codes below 0x80 report success, the others failure. The standard gives 0x00 two more
        /// names: [`NORMAL_DISCONNECTION`](Self::NORMAL_DISCONNECTION) and
        /// [`GRANTED_QOS_0`](Self::GRANTED_QOS_0).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum ReasonCode {
            $(
                #[doc = concat!("`", stringify!($value), "` ", $text)]
                $name = $value,
            )*
        }

        impl ReasonCode {
            /// Every Reason Code of the standard, in ascending order.
            pub const ALL: &'static [ReasonCode] = &[$(ReasonCode::$name),*];

            /// The Reason Code with this value, if the standard defines one.
            #[must_use]
            pub const fn from_byte(byte: u8) -> Option<ReasonCode> {
                match byte {
                    $($value => Some(ReasonCode::$name),)*
                    _ => None,
                }
            }

            /// The name that Table 2-6 gives.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(ReasonCode::$name => $text),* }
            }
        }

        /// Who may send a byte as Reason Code, for each byte and column. A byte is looked up here
        /// before anything else is known about it.
        static SENDERS: [[u8; 7]; 256] = {
            let mut table = [[NOBODY; 7]; 256];
            $(table[$value] = $senders;)*
            table
        };
    };
}

const fn senders(
    connack: u8,
    puback_pubrec: u8,
    pubrel_pubcomp: u8,
    suback: u8,
    unsuback: u8,
    disconnect: u8,
    auth: u8,
) -> [u8; 7] {
    let mut row = [NOBODY; 7];
    row[CONNACK] = connack;
    row[PUBACK_PUBREC] = puback_pubrec;
    row[PUBREL_PUBCOMP] = pubrel_pubcomp;
    row[SUBACK] = suback;
    row[UNSUBACK] = unsuback;
    row[DISCONNECT] = disconnect;
    row[AUTH] = auth;
    row
}

use {BOTH as B, CLIENT as C, NOBODY as o, SERVER as S};

// PUBACK and PUBREC have the same codes (Tables 3-4 and 3-5), so have PUBREL and PUBCOMP
// (Tables 3-6 and 3-7). Two readings widen DISCONNECT: Table 2-6 lists 0x8C for it although
// Table 3-10 does not, and section 3.3.4 tells the Client to send 0x9B although Table 3-10 leaves
// that to the Server.
reason_codes! {
    //                                                                    CONNACK, PUBACK/PUBREC, PUBREL/PUBCOMP, SUBACK, UNSUBACK, DISCONNECT, AUTH
    0x00 Success "Success"                                              senders(S, B, B, S, S, B, S);
    0x01 GrantedQos1 "Granted QoS 1"                                    senders(o, o, o, S, o, o, o);
    0x02 GrantedQos2 "Granted QoS 2"                                    senders(o, o, o, S, o, o, o);
    0x04 DisconnectWithWillMessage "Disconnect with Will Message"       senders(o, o, o, o, o, C, o);
    0x10 NoMatchingSubscribers "No matching subscribers"                senders(o, S, o, o, o, o, o);
    0x11 NoSubscriptionExisted "No subscription existed"                senders(o, o, o, o, S, o, o);
    0x18 ContinueAuthentication "Continue authentication"               senders(o, o, o, o, o, o, B);
    0x19 ReAuthenticate "Re-authenticate"                               senders(o, o, o, o, o, o, C);
    0x80 UnspecifiedError "Unspecified error"                           senders(S, B, o, S, S, B, o);
    0x81 MalformedPacket "Malformed Packet"                             senders(S, o, o, o, o, B, o);
    0x82 ProtocolError "Protocol Error"                                 senders(S, o, o, o, o, B, o);
    0x83 ImplementationSpecificError "Implementation specific error"    senders(S, B, o, S, S, B, o);
    0x84 UnsupportedProtocolVersion "Unsupported Protocol Version"      senders(S, o, o, o, o, o, o);
    0x85 ClientIdentifierNotValid "Client Identifier not valid"         senders(S, o, o, o, o, o, o);
    0x86 BadUserNameOrPassword "Bad User Name or Password"              senders(S, o, o, o, o, o, o);
    0x87 NotAuthorized "Not authorized"                                 senders(S, B, o, S, S, S, o);
    0x88 ServerUnavailable "Server unavailable"                         senders(S, o, o, o, o, o, o);
    0x89 ServerBusy "Server busy"                                       senders(S, o, o, o, o, S, o);
    0x8A Banned "Banned"                                                senders(S, o, o, o, o, o, o);
    0x8B ServerShuttingDown "Server shutting down"                      senders(o, o, o, o, o, S, o);
    0x8C BadAuthenticationMethod "Bad authentication method"            senders(S, o, o, o, o, S, o);
    0x8D KeepAliveTimeout "Keep Alive timeout"                          senders(o, o, o, o, o, S, o);
    0x8E SessionTakenOver "Session taken over"                          senders(o, o, o, o, o, S, o);
    0x8F TopicFilterInvalid "Topic Filter invalid"                      senders(o, o, o, S, S, S, o);
    0x90 TopicNameInvalid "Topic Name invalid"                          senders(S, B, o, o, o, B, o);
    0x91 PacketIdentifierInUse "Packet Identifier in use"               senders(o, B, o, S, S, o, o);
    0x92 PacketIdentifierNotFound "Packet Identifier not found"         senders(o, o, B, o, o, o, o);
    0x93 ReceiveMaximumExceeded "Receive Maximum exceeded"              senders(o, o, o, o, o, B, o);
    0x94 TopicAliasInvalid "Topic Alias invalid"                        senders(o, o, o, o, o, B, o);
    0x95 PacketTooLarge "Packet too large"                              senders(S, o, o, o, o, B, o);
    0x96 MessageRateTooHigh "Message rate too high"                     senders(o, o, o, o, o, B, o);
    0x97 QuotaExceeded "Quota exceeded"                                 senders(S, B, o, S, o, B, o);
    0x98 AdministrativeAction "Administrative action"                   senders(o, o, o, o, o, B, o);
    0x99 PayloadFormatInvalid "Payload format invalid"                  senders(S, B, o, o, o, B, o);
    0x9A RetainNotSupported "Retain not supported"                      senders(S, o, o, o, o, S, o);
    0x9B QosNotSupported "QoS not supported"                            senders(S, o, o, o, o, B, o);
    0x9C UseAnotherServer "Use another server"                          senders(S, o, o, o, o, S, o);
    0x9D ServerMoved "Server moved"                                     senders(S, o, o, o, o, S, o);
    0x9E SharedSubscriptionsNotSupported "Shared Subscriptions not supported"           senders(o, o, o, S, o, S, o);
    0x9F ConnectionRateExceeded "Connection rate exceeded"              senders(S, o, o, o, o, S, o);
    0xA0 MaximumConnectTime "Maximum connect time"                      senders(o, o, o, o, o, S, o);
    0xA1 SubscriptionIdentifiersNotSupported "Subscription Identifiers not supported"   senders(o, o, o, S, o, S, o);
    0xA2 WildcardSubscriptionsNotSupported "Wildcard Subscriptions not supported"       senders(o, o, o, S, o, S, o);
}

impl ReasonCode {
    /// 0x00 as a DISCONNECT names it.
    pub const NORMAL_DISCONNECTION: ReasonCode = ReasonCode::Success;
    /// 0x00 as a SUBACK names it.
    pub const GRANTED_QOS_0: ReasonCode = ReasonCode::Success;

    /// What a SUBACK says when this QoS is granted.
    #[must_use]
    pub const fn granted(qos: Qos) -> ReasonCode {
        match qos {
            Qos::AtMostOnce => ReasonCode::GRANTED_QOS_0,
            Qos::AtLeastOnce => ReasonCode::GrantedQos1,
            Qos::ExactlyOnce => ReasonCode::GrantedQos2,
        }
    }

    /// The byte on the wire.
    #[must_use]
    pub const fn to_byte(self) -> u8 {
        self as u8
    }

    /// Whether the code reports failure: 0x80 and above (section 2.4).
    #[must_use]
    pub const fn is_error(self) -> bool {
        self as u8 >= 0x80
    }

    /// Whether a packet of this type may carry the code, whoever sends it (Tables 3-1 and 3-4 to
    /// 3-11). Packets without a Reason Code allow none.
    ///
    /// Two readings decide where the standard contradicts itself: DISCONNECT allows 0x8C, and it
    /// allows 0x9B from both sides.
    #[must_use]
    #[inline]
    pub const fn allowed_in(self, packet_type: PacketType) -> bool {
        senders_of(packet_type, self as u8) != NOBODY
    }

    /// The rule that [`ReasonCode::allowed_in`] judges.
    #[inline]
    pub(crate) const fn check_in(self, packet_type: PacketType) -> Result<(), Violation> {
        if self.allowed_in(packet_type) {
            Ok(())
        } else {
            Err(Violation::ReasonCodeNotAllowed)
        }
    }

    /// Whether this side may send the code in a packet of this type.
    #[must_use]
    #[inline]
    pub const fn allowed_from(self, packet_type: PacketType, sender: Role) -> bool {
        let side = match sender {
            Role::Client => CLIENT,
            Role::Server => SERVER,
        };
        senders_of(packet_type, self as u8) & side != NOBODY
    }

    /// The Reason Code that a byte stands for in a packet of this type.
    #[inline]
    pub(crate) const fn in_packet(packet_type: PacketType, byte: u8) -> Option<ReasonCode> {
        // Almost every acknowledgement says Success.
        if !ReasonCode::is_code_of(packet_type, byte) {
            None
        } else if byte == 0 {
            Some(ReasonCode::Success)
        } else {
            ReasonCode::from_byte(byte)
        }
    }

    /// Whether a packet of this type may carry the byte as Reason Code.
    #[inline]
    pub(crate) const fn is_code_of(packet_type: PacketType, byte: u8) -> bool {
        senders_of(packet_type, byte) != NOBODY
    }

    /// The statement that binds the sender of a packet of this type to its codes.
    pub(crate) const fn statement(packet_type: PacketType) -> Option<&'static str> {
        match packet_type {
            PacketType::ConnAck => Some("MQTT-3.2.2-8"),
            PacketType::PubAck => Some("MQTT-3.4.2-1"),
            PacketType::PubRec => Some("MQTT-3.5.2-1"),
            PacketType::PubRel => Some("MQTT-3.6.2-1"),
            PacketType::PubComp => Some("MQTT-3.7.2-1"),
            PacketType::SubAck => Some("MQTT-3.9.3-2"),
            PacketType::UnsubAck => Some("MQTT-3.11.3-2"),
            PacketType::Disconnect => Some("MQTT-3.14.2-1"),
            PacketType::Auth => Some("MQTT-3.15.2-1"),
            _ => None,
        }
    }
}

#[inline]
const fn senders_of(packet_type: PacketType, byte: u8) -> u8 {
    let column = match packet_type {
        PacketType::ConnAck => CONNACK,
        PacketType::PubAck | PacketType::PubRec => PUBACK_PUBREC,
        PacketType::PubRel | PacketType::PubComp => PUBREL_PUBCOMP,
        PacketType::SubAck => SUBACK,
        PacketType::UnsubAck => UNSUBACK,
        PacketType::Disconnect => DISCONNECT,
        PacketType::Auth => AUTH,
        _ => return NOBODY,
    };
    SENDERS[byte as usize][column]
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "0x{:02X} {}", self.to_byte(), self.name())
    }
}
