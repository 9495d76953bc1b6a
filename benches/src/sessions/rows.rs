//! What is measured on a link.

use crate::packets;
use crate::sessions::link::PAYLOAD;
use crate::sessions::{Qos, Session, Setup};

/// One row of a table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Short name, as used for benchmarks and on the command line.
    pub id: &'static str,
    /// What it is, for the reader of a table.
    pub title: &'static str,
    /// The session.
    pub session: Session,
    /// The messages.
    pub qos: Qos,
    /// What happens to them.
    pub shape: Shape,
}

/// What happens to messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Each is published once the one before is completed.
    Single,
    /// So many are in flight: the next is published once one is completed. Every
    /// packet is read alone.
    Window(u16),
    /// So many are published, none arrives, and the connection is lost. Not
    /// timed so far. Then the client connects again, and re-sends them.
    Resume(u16),
}

impl Row {
    /// How client and server are set up.
    pub fn setup(&self) -> Setup {
        let window = match self.shape {
            Shape::Single => 100,
            Shape::Window(window) | Shape::Resume(window) => window,
        };
        Setup {
            session: self.session,
            window,
        }
    }

    /// How many bytes an exchange takes on the wire, in both directions together.
    pub fn bytes_of_exchange(&self) -> usize {
        let publish = packets::publish(packets::TOPIC, &packets::payload(PAYLOAD)).len();
        let (identifier, acknowledgement) = (2, 4);
        match self.qos {
            AtMostOnce => publish,
            AtLeastOnce => publish + identifier + acknowledgement,
            ExactlyOnce => publish + identifier + 3 * acknowledgement,
        }
    }
}

use Qos::{AtLeastOnce, AtMostOnce, ExactlyOnce};
use Session::{Kept, Transient};

/// Single exchanges.
pub const EXCHANGES: [Row; 5] = [
    single("qos0", "QoS 0", Transient, AtMostOnce),
    single("qos1", "QoS 1", Transient, AtLeastOnce),
    single("qos2", "QoS 2", Transient, ExactlyOnce),
    single("qos1-kept", "QoS 1, session kept", Kept, AtLeastOnce),
    single("qos2-kept", "QoS 2, session kept", Kept, ExactlyOnce),
];

/// The sizes of the windows that are compared with each other.
pub const WINDOWS: [u16; 3] = [1, 100, 65_535];

/// Exchanges that are measured in windows of all sizes.
pub const WINDOWED: [Row; 4] = [
    single("window-qos1", "QoS 1", Transient, AtLeastOnce),
    single("window-qos2", "QoS 2", Transient, ExactlyOnce),
    single("window-qos1-kept", "QoS 1, session kept", Kept, AtLeastOnce),
    single("window-qos2-kept", "QoS 2, session kept", Kept, ExactlyOnce),
];

/// The resumption of a session.
pub const RESUME: Row = Row {
    id: "resume",
    title: "resume with 65,535 messages, QoS 1, in flight",
    session: Kept,
    qos: AtLeastOnce,
    shape: Shape::Resume(65_535),
};

const fn single(id: &'static str, title: &'static str, session: Session, qos: Qos) -> Row {
    Row {
        id,
        title,
        session,
        qos,
        shape: Shape::Single,
    }
}

/// The row with another shape.
#[must_use]
pub fn shaped(row: Row, shape: Shape) -> Row {
    Row { shape, ..row }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sessions::ours;
    use crate::sessions::{Client, Seen, Server};

    /// Carries bytes until there are no more, and counts them.
    fn carry(client: &mut ours::Client, server: &mut ours::Server, mut up: Vec<u8>) -> usize {
        let mut seen = Seen::default();
        let mut count = 0;
        while !up.is_empty() {
            let mut down = Vec::new();
            server.receive(&up, &mut down, &mut seen);
            count += up.len() + down.len();
            up.clear();
            client.receive(&down, &mut up, &mut seen);
        }
        count
    }

    #[test]
    fn an_exchange_takes_the_bytes_that_throughput_counts() {
        for row in EXCHANGES {
            let mut client = ours::Client::new(row.setup());
            let mut server = ours::Server::new(row.setup());
            let mut wire = Vec::new();
            client.connect(&mut wire);
            carry(&mut client, &mut server, wire);
            let (mut wire, mut seen) = (Vec::new(), Seen::default());
            let payload = packets::payload(PAYLOAD);
            client.publish(row.qos, packets::TOPIC, &payload, &mut wire, &mut seen);
            let count = carry(&mut client, &mut server, wire);
            assert_eq!(count, row.bytes_of_exchange(), "{}", row.title);
        }
    }
}
