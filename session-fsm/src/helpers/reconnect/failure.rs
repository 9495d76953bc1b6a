//! What a failure means for the next attempt.

use crate::Cause;
use crate::codec::{ConnAck, Disconnect, ReasonCode, Text};

/// Why there is no connection, or no longer one. Borrows from the packet that said so.
///
/// ```
/// use mqtt5_session_fsm::codec::{ConnAck, ReasonCode};
/// use mqtt5_session_fsm::reconnect::{ConnectionFailure, RetryAdvice};
///
/// let failure = ConnectionFailure::from(&ConnAck::new(ReasonCode::ServerBusy));
/// assert_eq!(failure.advice(), RetryAdvice::BackOff);
/// assert_eq!(ConnectionFailure::Network.advice(), RetryAdvice::BackOff);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConnectionFailure<'a> {
    /// The Network Connection could not be made, took too long, or was lost without a packet that
    /// says why.
    Network,
    /// A CONNACK refused the connection (section 3.2.2.2).
    ConnAck {
        /// Its Reason Code.
        reason_code: ReasonCode,
        /// Its Server Reference (section 3.2.2.3.16).
        server_reference: Option<Text<'a>>,
    },
    /// A DISCONNECT of the Server ended the connection (section 3.14.2.1).
    Disconnect {
        /// Its Reason Code.
        reason_code: ReasonCode,
        /// Its Server Reference (section 3.14.2.2.5).
        server_reference: Option<Text<'a>>,
    },
}

/// The cause of an [`Output::Close`](crate::Output::Close), for callers that do not follow
/// redirections: it has no Server Reference. To follow them, report the packet of
/// [`Event::Refused`](crate::Event::Refused) or [`Event::Disconnect`](crate::Event::Disconnect)
/// instead of the cause that follows it: each failure counts once.
impl From<Cause> for ConnectionFailure<'static> {
    fn from(cause: Cause) -> Self {
        match cause {
            Cause::Refused(reason_code) => ConnectionFailure::ConnAck {
                reason_code,
                server_reference: None,
            },
            Cause::PeerDisconnected(reason_code) => ConnectionFailure::Disconnect {
                reason_code,
                server_reference: None,
            },
            _ => ConnectionFailure::Network,
        }
    }
}

/// What to do about a [`ConnectionFailure`].
///
/// ```
/// use mqtt5_session_fsm::codec::{ConnAck, Disconnect, ReasonCode};
/// use mqtt5_session_fsm::reconnect::{ConnectionFailure, RetryAdvice};
///
/// // The same CONNECT would be too large again; the next connection may well send smaller packets.
/// let refused = ConnectionFailure::from(&ConnAck::new(ReasonCode::PacketTooLarge));
/// assert_eq!(refused.advice(), RetryAdvice::ChangeFirst);
/// let ended = ConnectionFailure::from(&Disconnect::new(ReasonCode::PacketTooLarge));
/// assert_eq!(ended.advice(), RetryAdvice::BackOff);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RetryAdvice {
    /// Try again after a delay.
    BackOff,
    /// Use another Server for the time being: 0x9C (section 4.11).
    UseAnotherServer,
    /// Use another Server for good: 0x9D (section 4.11).
    ServerMoved,
    /// Trying again without changing anything leads to the same answer, or to a fight.
    ChangeFirst,
}

impl<'a> ConnectionFailure<'a> {
    /// Returns the Reason Code, if a packet gave one.
    #[must_use]
    pub const fn reason_code(self) -> Option<ReasonCode> {
        match self {
            ConnectionFailure::Network => None,
            ConnectionFailure::ConnAck { reason_code, .. }
            | ConnectionFailure::Disconnect { reason_code, .. } => Some(reason_code),
        }
    }

    /// Returns the Server Reference, if a packet had one.
    #[must_use]
    pub const fn server_reference(self) -> Option<Text<'a>> {
        match self {
            ConnectionFailure::Network => None,
            ConnectionFailure::ConnAck {
                server_reference, ..
            }
            | ConnectionFailure::Disconnect {
                server_reference, ..
            } => server_reference,
        }
    }

    /// Whether a CONNACK says that the Server does not speak the version of the CONNECT.
    pub(super) const fn refuses_version(self) -> bool {
        matches!(
            self,
            ConnectionFailure::ConnAck {
                reason_code: ReasonCode::UnsupportedProtocolVersion,
                ..
            }
        )
    }

    /// Returns what to do about it. [`RetryAdvice::ChangeFirst`] is the advice for
    ///
    /// * 0x84, 0x85, 0x86, 0x87, 0x8A and 0x8C: the Server refuses this Client as it is;
    /// * 0x81, 0x82, 0x90, 0x95, 0x99, 0x9A and 0x9B in a CONNACK: it refuses this CONNECT or its
    ///   Will. In a DISCONNECT they are about another packet, which the next connection need not
    ///   send;
    /// * 0x8E in a DISCONNECT: another Client uses the same Client Identifier. If both connect
    ///   again, each takes the Session from the other, for ever.
    #[must_use]
    pub const fn advice(self) -> RetryAdvice {
        use ReasonCode as Code;

        match self.reason_code() {
            Some(Code::UseAnotherServer) => RetryAdvice::UseAnotherServer,
            Some(Code::ServerMoved) => RetryAdvice::ServerMoved,
            Some(
                Code::UnsupportedProtocolVersion
                | Code::ClientIdentifierNotValid
                | Code::BadUserNameOrPassword
                | Code::NotAuthorized
                | Code::Banned
                | Code::BadAuthenticationMethod
                | Code::SessionTakenOver,
            ) => RetryAdvice::ChangeFirst,
            Some(
                Code::MalformedPacket
                | Code::ProtocolError
                | Code::TopicNameInvalid
                | Code::PacketTooLarge
                | Code::PayloadFormatInvalid
                | Code::RetainNotSupported
                | Code::QosNotSupported,
            ) if matches!(self, ConnectionFailure::ConnAck { .. }) => RetryAdvice::ChangeFirst,
            _ => RetryAdvice::BackOff,
        }
    }
}

impl<'a> From<&ConnAck<'a>> for ConnectionFailure<'a> {
    fn from(connack: &ConnAck<'a>) -> Self {
        ConnectionFailure::ConnAck {
            reason_code: connack.reason_code,
            server_reference: connack.properties.server_reference(),
        }
    }
}

impl<'a> From<&Disconnect<'a>> for ConnectionFailure<'a> {
    fn from(disconnect: &Disconnect<'a>) -> Self {
        ConnectionFailure::Disconnect {
            reason_code: disconnect.reason_code,
            server_reference: disconnect.properties.server_reference(),
        }
    }
}
