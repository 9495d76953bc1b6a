//! Messages in order from end to end: the publisher numbers the messages of each topic, and a
//! buffer on the side of the subscriber puts them back into the order of their numbers.
//!
//! MQTT keeps the order of messages only for one topic, one QoS and one publishing Client, and only
//! from one hop to the next (section 4.6). Order is lost where messages of one topic are published
//! with different QoS, where a publisher retries on its own, where several Clients share a
//! subscription, and where a bridge or a second connection takes part. Messages with QoS 0 can be
//! lost without a trace. Numbers make all of this visible.
//!
//! [`Sequencer::message`] numbers a message, and [`OrderedConsumer::receive`] puts messages in
//! order.
//!
//! # Example
//!
//! ```
//! use mqtt5_session_fsm::Instant;
//! use mqtt5_session_fsm::codec::{Publish, Text, TopicName};
//! use mqtt5_session_fsm::ordering::{
//!     Arrival, OrderedConsumer, OrderedConsumerSettings, Sequencer, SequencerSettings,
//! };
//!
//! // The publisher. The epoch is higher at each start: a stored counter, or the time of the start.
//! let epoch = 7;
//! let publisher = Text::new("sensor-7")?;
//! let mut sequencer = Sequencer::new(publisher, epoch, SequencerSettings::default())?;
//! let topic = TopicName::new("greenhouse/3")?;
//! let messages = [
//!     sequencer.message(&Publish::new(topic, b"20.5"))?,
//!     sequencer.message(&Publish::new(topic, b"21.0"))?,
//!     sequencer.message(&Publish::new(topic, b"21.5"))?,
//! ];
//!
//! // The subscriber. The third message overtakes the second, and comes again.
//! let mut consumer = OrderedConsumer::<Vec<u8>>::new(OrderedConsumerSettings::default());
//! let now = Instant::ORIGIN; // of your clock
//! let mut processed = Vec::new();
//! for message in [&messages[0], &messages[2], &messages[1], &messages[2]] {
//!     let publish = message.publish();
//!     match consumer.receive(now, &publish, |publish| publish.payload.to_vec())? {
//!         Arrival::InOrder(gap) => {
//!             if let Some(gap) = gap {
//!                 println!("{gap}."); // "2 messages of sensor-7 to greenhouse/3 are missing: 5 to 6"
//!             }
//!             processed.push(publish.payload.to_vec());
//!         }
//!         Arrival::Kept => {} // `poll` hands it out when its turn has come
//!         Arrival::Repeated | Arrival::Replaced(_) => println!("It came before."),
//!         other => println!("It has no place in the order: {other:?}."),
//!     }
//!     while let Some(ordered) = consumer.poll() {
//!         if let Some(gap) = ordered.gap {
//!             println!("{gap}.");
//!         }
//!         processed.push(ordered.message);
//!     }
//! }
//! assert_eq!(processed, [b"20.5", b"21.0", b"21.5"]);
//!
//! // Once, when this is due: call `handle_timeout`, then `poll` again.
//! assert_eq!(consumer.next_timeout(), Instant::NEVER);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod arrival;
mod consumer;
mod sequencer;
mod settings;
mod stamp;
mod stream;
mod streams;

use mqtt5_codec::Text;

pub use self::arrival::{Arrival, Gap, Ordered, OrderingCounts, PollFirst};
pub use self::consumer::OrderedConsumer;
pub use self::sequencer::{Sequencer, SequencerError, SequencerSettings};
pub use self::settings::{OrderedConsumerSettings, Start};
pub use self::stamp::{Stamp, StampError};

/// What publishers and subscribers must agree on.
///
/// ```
/// use mqtt5_session_fsm::codec::{Text, Violation};
/// use mqtt5_session_fsm::ordering::Numbering;
///
/// // A device that counts in 16 bits, and calls its number "n".
/// let numbering = Numbering { property_name: Text::new("n")?, last_number: 65_535 };
/// assert_eq!(Numbering::default().property_name.as_str(), "sequence");
/// # Ok::<(), Violation>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Numbering<'a> {
    /// The name of the User Property that holds the [`Stamp`]. Default: `sequence`.
    pub property_name: Text<'a>,
    /// The number that is followed by 0. Default: [`u64::MAX`], which is never reached.
    ///
    /// A number counts as older than the newest one of its stream if it is nearer to it backwards
    /// than forwards. So no more than half as many messages as there are numbers may be on their
    /// way at once.
    pub last_number: u64,
}

impl Default for Numbering<'_> {
    fn default() -> Self {
        Numbering {
            property_name: Text::new("sequence").unwrap_or_default(),
            last_number: u64::MAX,
        }
    }
}

/// The number after this one.
const fn following(number: u64, last_number: u64) -> u64 {
    if number >= last_number { 0 } else { number + 1 }
}
