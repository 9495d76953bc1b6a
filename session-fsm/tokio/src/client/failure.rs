//! What went wrong.

use std::fmt;
use std::sync::Arc;

use mqtt5_session_fsm::codec::ReasonCode;
use mqtt5_session_fsm::reconnect::GiveUp;
use mqtt5_session_fsm::{LimitExceeded, Outcome, PublishError, SendError};

use super::Published;

/// Why a client has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectError {
    /// The options are wrong.
    Options(String),
    /// The journal cannot be read or written.
    Journal(String),
    /// Connecting again would not help.
    GaveUp(GiveUp),
    /// [`Client::disconnect`](super::Client::disconnect) was called, or nobody was left who could call anything.
    Disconnected,
}

impl fmt::Display for ConnectError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConnectError::Options(error) => formatter.write_str(error),
            ConnectError::Journal(error) => write!(formatter, "the journal: {error}"),
            ConnectError::GaveUp(why) => why.fmt(formatter),
            ConnectError::Disconnected => formatter.write_str("the client has disconnected"),
        }
    }
}

impl std::error::Error for ConnectError {}

/// What became of a message that was not published, as far as this is known.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublishFailure {
    /// It was not accepted: it is larger than the Session may store, or the server does not take its QoS, its size, or
    /// retained messages.
    Refused(PublishError),
    /// The server refused it, with this Reason Code and perhaps a Reason String.
    Rejected(ReasonCode, Option<Arc<str>>),
    /// Its Message Expiry Interval passed before it was sent.
    Expired,
    /// It was not sent in time, or its outcome did not come in time.
    TimedOut,
    /// It was dropped for a newer message: [`WhenFull`](crate::fsm::WhenFull).
    Dropped,
    /// It exceeds a limit of the server that was not known when it was accepted.
    Forbidden(LimitExceeded),
    /// It was not sent, and the Session has ended.
    NotSent,
    /// It was sent, and whether it arrived is unknown: the Session has ended.
    Indeterminate,
    /// The client has ended. With a [`Journal`](super::Journal) and QoS 1 or 2 the message goes on with the next start.
    Ended,
}

impl fmt::Display for PublishFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PublishFailure::Refused(error) => error.fmt(formatter),
            PublishFailure::Rejected(code, None) => {
                write!(formatter, "the server refused the message: {code}")
            }
            PublishFailure::Rejected(code, Some(why)) => {
                write!(formatter, "the server refused the message: {code}, {why}")
            }
            PublishFailure::Expired => {
                formatter.write_str("the message expired before it was sent")
            }
            PublishFailure::TimedOut => formatter.write_str("the message has no outcome in time"),
            PublishFailure::Dropped => {
                formatter.write_str("the message was dropped for a newer one")
            }
            PublishFailure::Forbidden(limit) => limit.fmt(formatter),
            PublishFailure::NotSent => {
                formatter.write_str("the Session ended before the message was sent")
            }
            PublishFailure::Indeterminate => formatter
                .write_str("the Session ended, and it is unknown whether the message arrived"),
            PublishFailure::Ended => formatter.write_str("the client has ended"),
        }
    }
}

impl std::error::Error for PublishFailure {}

/// What the outcome of a message means.
pub(super) fn published(outcome: &Outcome<'_>) -> Result<Published, PublishFailure> {
    let answered = |reason_code: ReasonCode, why: Option<&str>| match reason_code.is_error() {
        false => Ok(Published { reason_code }),
        true => Err(PublishFailure::Rejected(reason_code, why.map(Arc::from))),
    };
    match outcome {
        Outcome::Sent => Ok(Published {
            reason_code: ReasonCode::Success,
        }),
        Outcome::PubAck(code, properties) => {
            answered(*code, properties.reason_string().map(|it| it.as_str()))
        }
        Outcome::PubRec(code, properties) => {
            answered(*code, properties.reason_string().map(|it| it.as_str()))
        }
        // Whatever the PUBCOMP says, the server has the message since its PUBREC.
        Outcome::PubComp(..) => Ok(Published {
            reason_code: ReasonCode::Success,
        }),
        Outcome::Expired => Err(PublishFailure::Expired),
        Outcome::TimedOut => Err(PublishFailure::TimedOut),
        Outcome::Dropped => Err(PublishFailure::Dropped),
        Outcome::Forbidden(limit) => Err(PublishFailure::Forbidden(*limit)),
        Outcome::NotSent | Outcome::Withdrawn => Err(PublishFailure::NotSent),
        _ => Err(PublishFailure::Indeterminate),
    }
}

/// Why a subscription, the end of one, or a request failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestFailure {
    /// It breaks a rule of the standard, or the version of the connection has no such thing.
    Invalid(String),
    /// The server refused it, with this Reason Code and perhaps a Reason String.
    Rejected(ReasonCode, Option<Arc<str>>),
    /// The server does not support it, as its CONNACK said.
    Forbidden(LimitExceeded),
    /// The server did not answer in time.
    TimedOut,
    /// As many requests wait as may.
    TooMany,
    /// The request was not published.
    NotPublished(PublishFailure),
    /// The client has ended.
    Ended,
}

impl RequestFailure {
    pub(super) fn invalid(error: impl fmt::Display) -> Self {
        RequestFailure::Invalid(error.to_string())
    }
}

impl From<SendError> for RequestFailure {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Forbidden(limit) => RequestFailure::Forbidden(limit),
            other => RequestFailure::invalid(other),
        }
    }
}

impl fmt::Display for RequestFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RequestFailure::Invalid(error) => formatter.write_str(error),
            RequestFailure::Rejected(code, None) => {
                write!(formatter, "the server refused it: {code}")
            }
            RequestFailure::Rejected(code, Some(why)) => {
                write!(formatter, "the server refused it: {code}, {why}")
            }
            RequestFailure::Forbidden(limit) => limit.fmt(formatter),
            RequestFailure::TimedOut => formatter.write_str("no answer came in time"),
            RequestFailure::TooMany => formatter.write_str("as many requests wait as may"),
            RequestFailure::NotPublished(failure) => failure.fmt(formatter),
            RequestFailure::Ended => formatter.write_str("the client has ended"),
        }
    }
}

impl std::error::Error for RequestFailure {}
