//! The log: a line for each thing that happens to a client.

use mqtt5_tokio::fsm::Cause;
use mqtt5_tokio::fsm::broker::{Notice, Recipient};
use mqtt5_tokio::{Peer, Report};
use tracing::{debug, info, warn};

/// Writes a report of the server.
pub fn report(report: &Report<'_>) {
    match report {
        Report::Broker(notice) => of_broker(notice),
        Report::NotAccepted { peer, error } => {
            let from = peer.map_or_else(|| "-".to_owned(), from);
            warn!(from, "a connection was not accepted: {error}");
        }
        Report::Ended {
            peer,
            client_identifier,
            cause,
        } => ended(peer, *client_identifier, *cause),
        _ => {}
    }
}

fn of_broker(notice: &Notice) {
    match notice {
        Notice::Connected {
            client_identifier,
            session_present,
            ..
        } => match session_present {
            true => info!(client = %client_identifier, "connected, and its Session goes on"),
            false => info!(client = %client_identifier, "connected, with a new Session"),
        },
        Notice::SessionEnded { client_identifier } => {
            info!(client = %client_identifier, "its Session has ended")
        }
        Notice::Dropped { recipient, reason } => match recipient {
            Recipient::Client(client) => {
                warn!(client = %client, ?reason, "a message for it was dropped")
            }
            Recipient::Group(filter) => {
                warn!(group = %filter, ?reason, "a message for it was dropped")
            }
            Recipient::Retained { topic, .. } => {
                warn!(%topic, ?reason, "a message was not retained")
            }
            _ => {}
        },
        Notice::Refused {
            client_identifier,
            reason_code,
        } => {
            warn!(client = %client_identifier, reason = %reason_code, "a request was refused");
        }
        _ => {}
    }
}

fn ended(peer: &Peer, client: Option<&str>, cause: Option<Cause>) {
    let from = from(peer);
    let client = client.unwrap_or("-");
    match cause {
        None => info!(client, from, "the connection was lost"),
        Some(Cause::PeerDisconnected(_)) => info!(client, from, "disconnected"),
        Some(cause @ (Cause::Disconnected(_) | Cause::Refused(_))) => {
            info!(client, from, "{cause}")
        }
        Some(cause @ Cause::PeerError(_)) => {
            warn!(client, from, "the client broke a rule: {cause}")
        }
        Some(cause) => debug!(client, from, "{cause}"),
    }
}

fn from(peer: &Peer) -> String {
    peer.address
        .map_or_else(|| "a stream".to_owned(), |address| address.to_string())
}
