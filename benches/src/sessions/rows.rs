//! What is measured on a link.

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
