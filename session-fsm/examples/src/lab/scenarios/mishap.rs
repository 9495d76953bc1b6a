//! A message whose network fails at a moment that matters.

use std::time::Duration;

use mqtt5_tokio::codec::PacketType;
use mqtt5_tokio::{Client, ConnectionState, Publication, Qos};
use tokio::time::{sleep, timeout};

use crate::lab::Result;
use crate::lab::observers::{Direction, Observer, Trap, number_of};

/// How long the client may take until it is back.
const PATIENCE: Duration = Duration::from_secs(10);

/// When the network fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mishap {
    /// It does not.
    None,
    /// Before the PUBLISH has arrived.
    MessageLost,
    /// When the PUBLISH has arrived, before its acknowledgement has; with QoS 0 there is none, so nothing is lost.
    AcknowledgementLost,
}

impl Mishap {
    /// The packet that is lost.
    const fn trap(self, qos: Qos) -> Option<Trap> {
        let (direction, packet_type) = match (self, qos) {
            (Mishap::None, _) | (Mishap::AcknowledgementLost, Qos::AtMostOnce) => return None,
            (Mishap::MessageLost, _) => (Direction::ToServer, PacketType::Publish),
            (Mishap::AcknowledgementLost, Qos::AtLeastOnce) => {
                (Direction::ToClient, PacketType::PubAck)
            }
            (Mishap::AcknowledgementLost, Qos::ExactlyOnce) => {
                (Direction::ToClient, PacketType::PubRec)
            }
        };
        Some(Trap {
            direction,
            packet_type,
        })
    }
}

/// Publishes a numbered message through an observer, with a mishap, and waits until the client is back. Messages are published one
/// after the other.
pub(super) async fn publish(
    client: &Client,
    observer: &Observer,
    publication: Publication,
    mishap: Mishap,
) -> Result<()> {
    let qos = publication.qos;
    let connections = observer.look(|it| it.connections());
    let number = number_of(publication.message.payload());
    let trap = mishap.trap(qos);
    if let Some(before) = number.and_then(|it| it.checked_sub(1))
        && mishap != Mishap::None
    {
        // With QoS 0, the message before may still be on its way.
        wait_until_passed(observer, before).await?;
    }
    observer.set_traps(trap);
    let sent = client.send(publication).await?;
    let outcome = timeout(PATIENCE, sent).await?;
    match qos {
        // It is written, or not: QoS 0 has no second chance.
        Qos::AtMostOnce => {}
        _ => drop(outcome?),
    }
    if mishap == Mishap::None {
        return Ok(());
    }
    if trap.is_none() {
        if let Some(number) = number {
            wait_until_passed(observer, number).await?;
        }
        observer.cut();
    }
    let back = async {
        while observer.look(|it| it.connections()) == connections {
            sleep(Duration::from_millis(1)).await;
        }
        let mut state = client.state();
        let is_back = |it: &ConnectionState| matches!(it, ConnectionState::Connected { .. });
        state.wait_for(is_back).await.map(drop)
    };
    timeout(PATIENCE, back).await??;
    Ok(())
}

/// Waits until the observer has seen the message with this number, or a later one.
async fn wait_until_passed(observer: &Observer, number: u64) -> Result<()> {
    let last = || observer.look(|it| it.first_seen(Direction::ToServer).into_keys().last());
    let passes = async {
        while last().is_none_or(|last| last < number) {
            sleep(Duration::from_millis(1)).await;
        }
    };
    Ok(timeout(PATIENCE, passes).await?)
}
