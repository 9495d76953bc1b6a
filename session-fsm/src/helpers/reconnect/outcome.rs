//! What a policy answers.

use core::fmt;

use super::{ReconnectPolicy, ServerReference};
use crate::Instant;
use crate::codec::{ProtocolVersion, ReasonCode};

/// When to connect, and to whom.
///
/// ```
/// use mqtt5_session_fsm::reconnect::{ReconnectPolicy, ReconnectSettings};
/// use mqtt5_session_fsm::Instant;
///
/// let policy = ReconnectPolicy::new(ReconnectSettings::default(), ["broker.example"])?;
/// let attempt = policy.next_attempt().expect("due at once");
/// let name = attempt.server.server_name().expect("the recommended format");
/// assert_eq!((attempt.at, name.name, name.port_or(1883)), (Instant::ORIGIN, "broker.example", 1883));
/// # Ok::<(), mqtt5_session_fsm::reconnect::ReconnectError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Attempt<'a> {
    /// Not before then.
    pub at: Instant,
    /// The server, as it was configured or as a Server Reference names it.
    pub server: ServerReference<'a>,
    /// The version of MQTT to offer: 5, until the server has refused it; see
    /// [`ReconnectSettings::fall_back`](super::ReconnectSettings::fall_back).
    pub version: ProtocolVersion,
}

impl Attempt<'static> {
    /// There is always a server.
    pub(super) const fn at_no_server(at: Instant) -> Self {
        Attempt {
            at,
            server: ServerReference::new(""),
            version: ProtocolVersion::V5_0,
        }
    }
}

/// What follows from a failure.
///
/// ```
/// use mqtt5_session_fsm::codec::{Disconnect, Properties, Property, ReasonCode, Text};
/// use mqtt5_session_fsm::reconnect::{ReconnectPolicy, ReconnectSettings, Reconnection};
/// use mqtt5_session_fsm::Instant;
///
/// let mut policy = ReconnectPolicy::new(ReconnectSettings::default(), ["old.example"])?;
/// let reference = [Property::ServerReference(Text::new("new.example:8883")?)];
/// let disconnect = Disconnect {
///     properties: Properties::new(&reference)?,
///     ..Disconnect::new(ReasonCode::ServerMoved)
/// };
/// # fn random() -> u32 { u32::MAX / 2 }
/// // `random` takes a new number from the host's random source each time.
/// let Reconnection::Moved(attempt) = policy.failed(Instant::ORIGIN, &disconnect, random()) else {
///     panic!("0x9D means that the Server has moved");
/// };
/// assert_eq!(attempt.server.as_str(), "new.example:8883");
/// assert!(policy.servers().all(|server| server.as_str() == "new.example:8883")); // to be stored
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use = "says when to connect again, or that nothing will happen until `resume`"]
pub enum Reconnection<'a> {
    /// Connect again.
    Attempt(Attempt<'a>),
    /// Connect again, and store the [servers](ReconnectPolicy::servers) if they shall survive this
    /// process: they have changed for good (0x9D, section 4.11).
    Moved(Attempt<'a>),
    /// Do not connect again before something has changed.
    GiveUp(GiveUp),
}

/// Why a [`ReconnectPolicy`] gave up.
///
/// ```
/// use mqtt5_session_fsm::reconnect::GiveUp;
/// use mqtt5_session_fsm::codec::ReasonCode;
///
/// let reason = GiveUp::Refused(ReasonCode::NotAuthorized);
/// assert_eq!(reason.to_string(), "connecting again would not help: 0x87 Not authorized");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GiveUp {
    /// The Reason Code says that trying again unchanged would not help; see
    /// [`ConnectionFailure::advice`](super::ConnectionFailure::advice).
    Refused(ReasonCode),
    /// The only server has moved (0x9D) and did not say where to. It stays configured.
    ServerMoved,
    /// There were as many failures as
    /// [`ReconnectSettings::give_up_after`](super::ReconnectSettings::give_up_after) allows; if the
    /// last one was a redirection, it has not been followed.
    TooManyFailures(u32),
}

/// A [`ReconnectPolicy`] cannot be made.
///
/// ```
/// use mqtt5_session_fsm::reconnect::{ReconnectError, ReconnectPolicy, ReconnectSettings};
///
/// let none: [&str; 0] = [];
/// let result = ReconnectPolicy::new(ReconnectSettings::default(), none);
/// assert_eq!(result, Err(ReconnectError::NumberOfServers));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReconnectError {
    /// There must be 1 to [`ReconnectPolicy::MAXIMUM_SERVERS`] servers.
    NumberOfServers,
}

impl<'a> Reconnection<'a> {
    /// Returns the next attempt, if there is one.
    #[must_use]
    pub const fn attempt(self) -> Option<Attempt<'a>> {
        match self {
            Reconnection::Attempt(attempt) | Reconnection::Moved(attempt) => Some(attempt),
            Reconnection::GiveUp(_) => None,
        }
    }
}

impl fmt::Display for GiveUp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GiveUp::Refused(reason_code) => {
                write!(formatter, "connecting again would not help: {reason_code}")
            }
            GiveUp::ServerMoved => formatter.write_str("the server has moved, nobody knows where"),
            GiveUp::TooManyFailures(failures) => write!(formatter, "{failures} failures in a row"),
        }
    }
}

impl core::error::Error for GiveUp {}

impl fmt::Display for ReconnectError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let maximum = ReconnectPolicy::MAXIMUM_SERVERS;
        write!(
            formatter,
            "the number of servers is not between 1 and {maximum}"
        )
    }
}

impl core::error::Error for ReconnectError {}
