//! A subscriber that has a socket and the codec, and nothing else.

use std::collections::HashSet;
use std::time::Instant;

use mqtt5_tokio::codec::{
    Connect, Delivery, Packet, PacketIdentifier, ProtocolVersion, PubAck, PubComp, PubRec, Qos,
    ReasonCode, Subscribe, Subscription, Subscriptions, Text,
};
use tokio::task::JoinHandle;

use super::notebook::{Heard, Notebook};
use super::socket::Socket;
use crate::lab::Result;

/// A subscriber without a Session, whose only work is to write down what arrives. It counts a message of QoS 2 once for each
/// Packet Identifier that has not been released, as the standard says (section 4.3.3), by a set and no more.
#[derive(Debug)]
pub struct Witness {
    task: JoinHandle<()>,
    notebook: Notebook,
}

impl Witness {
    /// Connects to a server, and subscribes. Its times are counted from `start`.
    ///
    /// # Errors
    ///
    /// The server cannot be reached, or refuses.
    pub async fn subscribe(
        server: &str,
        start: Instant,
        version: ProtocolVersion,
        client_identifier: &str,
        filter: &str,
        qos: Qos,
    ) -> Result<Self> {
        let mut socket = Socket::open(server, version).await?;
        let connect = Connect {
            version,
            keep_alive: 0,
            clean_start: true,
            client_identifier: Text::new(client_identifier)?,
            ..Connect::default()
        };
        socket.write(&[connect.into()]).await?;
        let accepted = socket
            .next(|packet| match packet {
                Packet::ConnAck(connack) => connack.reason_code == ReasonCode::Success,
                _ => false,
            })
            .await?;
        let list = [Subscription::new(filter, qos)?];
        let subscribe = Subscribe::new(identifier()?, Subscriptions::new(&list)?);
        socket.write(&[subscribe.into()]).await?;
        let notebook = Notebook::default();
        let mut diary = Diary {
            start,
            notebook: notebook.clone(),
            unreleased: HashSet::new(),
        };
        // Retained messages may come first.
        let mut granted = None;
        while accepted == Some(true) && granted.is_none() {
            let mut answer = Vec::new();
            let mut suback = |packet: &Packet<'_>| match packet {
                Packet::SubAck(it) => Some(it.reason_codes.iter().all(|code| !code.is_error())),
                other => {
                    answer.extend(diary.write_down(other));
                    None
                }
            };
            match socket.next(&mut suback).await? {
                Some(outcome) => granted = outcome,
                None => break,
            }
            socket.write(&answer).await?;
        }
        if granted != Some(true) {
            return Err(format!("The server refused the witness {client_identifier}.").into());
        }
        let task = tokio::spawn(async move {
            loop {
                let next = socket.next(|packet| diary.write_down(packet)).await;
                let Ok(Some(answer)) = next else { break };
                if socket.write(answer.as_slice()).await.is_err() {
                    break;
                }
            }
        });
        Ok(Witness { task, notebook })
    }

    /// What it has written down.
    #[must_use]
    pub const fn notebook(&self) -> &Notebook {
        &self.notebook
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What the witness writes down.
struct Diary {
    start: Instant,
    notebook: Notebook,
    /// Packet Identifiers of QoS 2 whose PUBREL has not come.
    unreleased: HashSet<PacketIdentifier>,
}

impl Diary {
    /// Returns what answers the packet.
    fn write_down(&mut self, packet: &Packet<'_>) -> Option<Packet<'static>> {
        match packet {
            Packet::Publish(publish) => {
                let identifier = publish.delivery.packet_identifier();
                let is_new = match publish.delivery {
                    Delivery::ExactlyOnce { .. } => {
                        identifier.is_none_or(|it| self.unreleased.insert(it))
                    }
                    _ => true,
                };
                if is_new {
                    let topic = publish.topic.map_or("", |it| it.as_str());
                    self.notebook
                        .write(Heard::new(self.start.elapsed(), topic, publish));
                }
                let identifier = identifier?;
                Some(match publish.delivery.qos() {
                    Qos::ExactlyOnce => PubRec::new(identifier, ReasonCode::Success).into(),
                    _ => PubAck::new(identifier, ReasonCode::Success).into(),
                })
            }
            Packet::PubRel(pubrel) => {
                let was_there = self.unreleased.remove(&pubrel.packet_identifier);
                let reason_code = match was_there {
                    true => ReasonCode::Success,
                    false => ReasonCode::PacketIdentifierNotFound,
                };
                Some(PubComp::new(pubrel.packet_identifier, reason_code).into())
            }
            _ => None,
        }
    }
}

fn identifier() -> Result<PacketIdentifier> {
    PacketIdentifier::new(1).ok_or_else(|| "1 is a Packet Identifier.".into())
}
