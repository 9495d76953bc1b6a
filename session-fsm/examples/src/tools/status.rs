//! Why a program failed, and its exit status.

use std::fmt;
use std::io;

use mqtt5_tokio::fsm::PublishError;
use mqtt5_tokio::fsm::reconnect::GiveUp;
use mqtt5_tokio::{ConnectError, PublishFailure, RequestFailure};

/// The part of `--help` about exit statuses.
pub const STATUS_HELP: &str = "\
Exit status:
  0  Everything was done.
  1  The options are wrong, or something failed on this computer.
  2  There was no connection in time.
  3  The server refused something, or does not support it. The message names the
     Reason Code (0x80 and above) or the limit.
  4  No answer came in time, or the message expired.
  5  The program was interrupted (Ctrl-C, SIGTERM). It has disconnected properly.";

/// Why a program failed. Each text is a full sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The options are wrong, or something failed on this computer. Exit status 1.
    Local(String),
    /// There was no connection in time. Exit status 2.
    NoConnection(String),
    /// The server refused something, or does not support it. Exit status 3.
    Refused(String),
    /// No answer came in time, or a message expired. Exit status 4.
    TimedOut(String),
    /// The user wants the program to end. Exit status 5.
    Interrupted,
}

impl Failure {
    /// The exit status.
    #[must_use]
    pub const fn status(&self) -> u8 {
        match self {
            Failure::Local(_) => 1,
            Failure::NoConnection(_) => 2,
            Failure::Refused(_) => 3,
            Failure::TimedOut(_) => 4,
            Failure::Interrupted => 5,
        }
    }

    /// The same failure with a text before its own.
    #[must_use]
    pub fn about(self, what: &str) -> Self {
        let more = |text: String| format!("{what}: {text}");
        match self {
            Failure::Local(text) => Failure::Local(more(text)),
            Failure::NoConnection(text) => Failure::NoConnection(more(text)),
            Failure::Refused(text) => Failure::Refused(more(text)),
            Failure::TimedOut(text) => Failure::TimedOut(more(text)),
            Failure::Interrupted => Failure::Interrupted,
        }
    }

    /// Something that broke a rule of the standard before it was sent.
    pub fn local(error: impl fmt::Display) -> Self {
        Failure::Local(sentence(error))
    }
}

/// Makes a sentence of an error text.
fn sentence(error: impl fmt::Display) -> String {
    let text = error.to_string();
    let mut characters = text.chars();
    let first = characters.next().map(char::to_uppercase);
    let mut sentence: String = first.into_iter().flatten().chain(characters).collect();
    if !sentence.ends_with('.') {
        sentence.push('.');
    }
    sentence
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Local(text)
            | Failure::NoConnection(text)
            | Failure::Refused(text)
            | Failure::TimedOut(text) => formatter.write_str(text),
            Failure::Interrupted => formatter.write_str("Interrupted."),
        }
    }
}

impl std::error::Error for Failure {}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Failure::local(error)
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::GaveUp(GiveUp::Refused(code)) => {
                Failure::Refused(format!("The server refused the connection: {code}."))
            }
            ConnectError::GaveUp(GiveUp::ServerMoved) => {
                Failure::Refused("The server has moved, and did not say where to.".to_owned())
            }
            ConnectError::GaveUp(why) => Failure::NoConnection(sentence(why)),
            other => Failure::local(other),
        }
    }
}

impl From<PublishFailure> for Failure {
    fn from(failure: PublishFailure) -> Self {
        let text = sentence(&failure);
        match failure {
            PublishFailure::Rejected(..)
            | PublishFailure::Forbidden(_)
            | PublishFailure::Refused(PublishError::Forbidden(_)) => Failure::Refused(text),
            PublishFailure::Expired | PublishFailure::TimedOut => Failure::TimedOut(text),
            PublishFailure::NotSent | PublishFailure::Indeterminate => Failure::NoConnection(text),
            _ => Failure::Local(text),
        }
    }
}

impl From<RequestFailure> for Failure {
    fn from(failure: RequestFailure) -> Self {
        let text = sentence(&failure);
        match failure {
            RequestFailure::Rejected(..) | RequestFailure::Forbidden(_) => Failure::Refused(text),
            RequestFailure::TimedOut => Failure::TimedOut(text),
            RequestFailure::NotPublished(failure) => failure.into(),
            _ => Failure::Local(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use mqtt5_tokio::ReasonCode;

    use super::*;

    #[test]
    fn failures_are_sentences_with_a_status() {
        let rejected = PublishFailure::Rejected(ReasonCode::QuotaExceeded, None);
        let failure = Failure::from(rejected);
        assert_eq!(failure.status(), 3);
        let text = "The server refused the message: 0x97 Quota exceeded.";
        assert_eq!(failure.to_string(), text);
        let late = Failure::from(RequestFailure::TimedOut);
        assert_eq!(
            (late.status(), late.to_string().as_str()),
            (4, "No answer came in time.")
        );
        let login = ConnectError::GaveUp(GiveUp::Refused(ReasonCode::NotAuthorized));
        assert_eq!(Failure::from(login).status(), 3);
        assert_eq!(Failure::from(PublishFailure::Indeterminate).status(), 2);
        assert_eq!(Failure::from(PublishFailure::Expired).status(), 4);
        assert_eq!(Failure::Interrupted.status(), 5);
    }
}
