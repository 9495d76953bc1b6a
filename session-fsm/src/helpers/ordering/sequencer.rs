//! The publisher's side.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::fmt::Write;

use mqtt5_codec::bytes::BytesMut;
use mqtt5_codec::{
    EncodeError, Message, Properties, Property, Publish, Text, TopicName, UserProperty, Violation,
};

use super::{Numbering, Stamp, following};

/// How a [`Sequencer`] works.
///
/// ```
/// use mqtt5_session_fsm::ordering::SequencerSettings;
///
/// let settings = SequencerSettings { topics: 50, ..SequencerSettings::default() };
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SequencerSettings<'a> {
    /// What publishers and subscribers agree on. Default: [`Numbering::default`].
    pub numbering: Numbering<'a>,
    /// How many topics are numbered. Default: 10,000.
    pub topics: usize,
    /// How many bytes their Topic Names may take in all. Default: 1 MiB.
    pub topic_bytes: usize,
}

impl Default for SequencerSettings<'_> {
    fn default() -> Self {
        SequencerSettings {
            numbering: Numbering::default(),
            topics: 10_000,
            topic_bytes: 1 << 20,
        }
    }
}

/// Numbers the messages of a publisher, for each topic from 0, and stamps the number into a User
/// Property.
///
/// # Contract
///
/// * **Stamp, then publish, in this order for each topic.** If a stamped message is not published
///   after all, call [`take_back`](Self::take_back), or the subscribers report it as missing.
/// * **The epoch rises with each start of the numbering**, or the subscribers take new messages for
///   old ones. A counter in non-volatile memory will do, or the seconds since 1970 if the clock is
///   right. An application that stores the [numbers](Self::numbers) can [go
///   on](Self::set_next_number) with them in the same epoch instead.
/// * At the limit of topics, a new topic is refused: to forget another one would start its numbers
///   again. [`restart`](Self::restart) forgets all of them and begins a new epoch.
///
/// All calls take logarithmic time in the number of topics. The first message of a topic allocates,
/// and [`message`](Self::message) as [`Message::new`] does.
///
/// ```
/// use mqtt5_session_fsm::codec::{Publish, Text, TopicName};
/// use mqtt5_session_fsm::ordering::{Sequencer, SequencerSettings, Stamp};
///
/// let mut sequencer = Sequencer::new(Text::new("sensor-7")?, 3, SequencerSettings::default())?;
/// let publish = Publish::new(TopicName::new("greenhouse/3")?, b"21.5");
/// for number in 0..2 {
///     let message = sequencer.message(&publish)?; // then publish it
///     let stamp = Stamp { number, epoch: 3, publisher: "sensor-7" };
///     assert_eq!(Stamp::of(&message.publish(), "sequence"), Ok(stamp));
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Sequencer {
    property_name: Box<str>,
    publisher: Box<str>,
    epoch: u64,
    last_number: u64,
    topic_limit: usize,
    byte_limit: usize,
    /// The next number of each topic.
    topics: BTreeMap<Box<str>, u64>,
    /// Of Topic Names.
    bytes: usize,
    /// Where stamps are written.
    text: String,
}

/// A message cannot be stamped; no number was used for it.
///
/// ```
/// use mqtt5_session_fsm::codec::{Publish, Text, TopicName};
/// use mqtt5_session_fsm::ordering::{Sequencer, SequencerError, SequencerSettings};
///
/// let settings = SequencerSettings { topics: 1, ..SequencerSettings::default() };
/// let mut sequencer = Sequencer::new(Text::new("me")?, 0, settings)?;
/// sequencer.message(&Publish::new(TopicName::new("a")?, b""))?;
/// let result = sequencer.message(&Publish::new(TopicName::new("b")?, b""));
/// assert_eq!(result, Err(SequencerError::TooManyTopics));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SequencerError {
    /// As many topics as may be, or as many bytes of Topic Names, are numbered already.
    TooManyTopics,
    /// The message breaks a rule: it has no Topic Name, or is too long together with its stamp.
    Invalid(EncodeError),
}

impl Sequencer {
    /// The longest name that a publisher can have, in bytes: two numbers and two spaces have to fit
    /// into the User Property as well.
    pub const MAXIMUM_PUBLISHER_LENGTH: usize = 65_535 - 2 * 21;

    /// Creates a sequencer that has numbered nothing. No other publisher to the same topics may
    /// have the name of this publisher: a ClientID is a good one.
    ///
    /// # Errors
    ///
    /// [`Violation::StringTooLong`] if the name is longer than [`Self::MAXIMUM_PUBLISHER_LENGTH`].
    pub fn new(
        publisher: Text<'_>,
        epoch: u64,
        settings: SequencerSettings<'_>,
    ) -> Result<Self, Violation> {
        if publisher.len() > Self::MAXIMUM_PUBLISHER_LENGTH {
            return Err(Violation::StringTooLong);
        }
        Ok(Sequencer {
            property_name: settings.numbering.property_name.as_str().into(),
            publisher: publisher.as_str().into(),
            epoch,
            last_number: settings.numbering.last_number,
            topic_limit: settings.topics,
            byte_limit: settings.topic_bytes,
            topics: BTreeMap::new(),
            bytes: 0,
            text: String::new(),
        })
    }

    /// Returns a message with the next number of its topic. A stamp that a received message has
    /// already is replaced, and a Topic Alias is left out.
    ///
    /// The packet is written once, into one allocation. The list of its properties is copied only
    /// if the message has properties from a list, or a stamp.
    ///
    /// # Errors
    ///
    /// [`SequencerError`]; no number is used then.
    pub fn message(&mut self, publish: &Publish<'_>) -> Result<Message, SequencerError> {
        self.build(publish, Message::new)
    }

    /// As [`message`](Self::message), in the memory of a buffer: see [`Message::new_in`].
    ///
    /// # Errors
    ///
    /// As [`message`](Self::message).
    pub fn message_in(
        &mut self,
        buffer: &mut BytesMut,
        publish: &Publish<'_>,
    ) -> Result<Message, SequencerError> {
        self.build(publish, |publish| Message::new_in(buffer, publish))
    }

    /// Returns the User Property with the next number of a topic, to be put into a message by hand.
    /// The number is used up.
    ///
    /// ```
    /// use mqtt5_session_fsm::codec::{Properties, Property, Publish, Text, TopicName};
    /// use mqtt5_session_fsm::ordering::{Sequencer, SequencerSettings};
    ///
    /// let mut sequencer = Sequencer::new(Text::new("sensor-7")?, 3, SequencerSettings::default())?;
    /// let topic = TopicName::new("greenhouse/3")?;
    /// let list = [
    ///     Property::MessageExpiryInterval(60),
    ///     Property::UserProperty(sequencer.stamp(topic)?),
    /// ];
    /// let publish = Publish { properties: Properties::new(&list)?, ..Publish::new(topic, b"21.5") };
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`SequencerError::TooManyTopics`].
    pub fn stamp(&mut self, topic: TopicName<'_>) -> Result<UserProperty<'_>, SequencerError> {
        let number = self.next(topic)?;
        self.write(number);
        self.advance(topic, number);
        self.property()
    }

    /// Takes the number of a message back that was not published: the next message of its topic
    /// gets it. Returns `false` if that is not possible: only the last number of a topic can be
    /// taken back.
    pub fn take_back(&mut self, message: &Message) -> bool {
        let publish = message.publish();
        let Ok(stamp) = Stamp::of(&publish, &self.property_name) else {
            return false;
        };
        if stamp.epoch != self.epoch || stamp.publisher != &*self.publisher {
            return false;
        }
        match self.topics.get_mut(message.topic().as_str()) {
            Some(next) if *next == following(stamp.number, self.last_number) => {
                *next = stamp.number;
                true
            }
            _ => false,
        }
    }

    /// Returns the next number of a topic: 0 if the topic is new.
    #[must_use]
    pub fn next_number(&self, topic: TopicName<'_>) -> u64 {
        self.topics.get(topic.as_str()).copied().unwrap_or(0)
    }

    /// Returns the numbered topics, each with its next number, to be stored.
    pub fn numbers(&self) -> impl Iterator<Item = (&str, u64)> {
        self.topics.iter().map(|(topic, &next)| (&**topic, next))
    }

    /// Sets the next number of a topic, as it was stored. A number above the last one counts as 0.
    ///
    /// # Errors
    ///
    /// [`SequencerError::TooManyTopics`].
    pub fn set_next_number(
        &mut self,
        topic: TopicName<'_>,
        number: u64,
    ) -> Result<(), SequencerError> {
        self.next(topic)?;
        let number = if number > self.last_number { 0 } else { number };
        self.set(topic, number);
        Ok(())
    }

    /// Forgets all topics. Their numbers start with 0 again, in a new epoch, which must be higher.
    pub fn restart(&mut self, epoch: u64) {
        self.topics.clear();
        self.bytes = 0;
        self.epoch = epoch;
    }

    /// Returns the epoch.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    fn build(
        &mut self,
        publish: &Publish<'_>,
        build: impl FnOnce(&Publish<'_>) -> Result<Message, EncodeError>,
    ) -> Result<Message, SequencerError> {
        let topic = publish
            .topic
            .ok_or(EncodeError::Value(Violation::TopicMissing))?;
        let number = self.next(topic)?;
        self.write(number);
        let stamp = [Property::UserProperty(self.property()?)];
        let name = Text::new(&self.property_name)?;
        let mut others = publish.properties.user_properties();
        let is_stamped = others.any(|other| other.name == name);
        let message = match publish.properties.and(&stamp) {
            Ok(properties) if !is_stamped => build(&Publish {
                properties,
                ..*publish
            }),
            Ok(_) | Err(Violation::PropertyListGiven) => {
                let others = publish.properties.iter().filter(|property| match property {
                    Property::UserProperty(other) => other.name != name,
                    // Belongs to the connection on which it came, as in `Message::new`.
                    Property::TopicAlias(_) => false,
                    _ => true,
                });
                let list: Vec<Property<'_>> = others.chain(stamp).collect();
                build(&Publish {
                    properties: Properties::new(&list)?,
                    ..*publish
                })
            }
            Err(violation) => return Err(violation.into()),
        }?;
        self.advance(topic, number);
        Ok(message)
    }

    /// The next number of a topic for which there is room.
    fn next(&self, topic: TopicName<'_>) -> Result<u64, SequencerError> {
        match self.topics.get(topic.as_str()) {
            Some(&next) => Ok(next),
            None => {
                let bytes = self.bytes.saturating_add(topic.as_str().len());
                if self.topics.len() >= self.topic_limit || bytes > self.byte_limit {
                    return Err(SequencerError::TooManyTopics);
                }
                Ok(0)
            }
        }
    }

    fn advance(&mut self, topic: TopicName<'_>, number: u64) {
        self.set(topic, following(number, self.last_number));
    }

    fn set(&mut self, topic: TopicName<'_>, number: u64) {
        match self.topics.get_mut(topic.as_str()) {
            Some(next) => *next = number,
            None => {
                self.bytes += topic.as_str().len();
                self.topics.insert(topic.as_str().into(), number);
            }
        }
    }

    fn write(&mut self, number: u64) {
        let stamp = Stamp {
            number,
            epoch: self.epoch,
            publisher: &self.publisher,
        };
        self.text.clear();
        // Writing to a `String` does not fail.
        let _ = write!(self.text, "{stamp}");
    }

    /// What was written.
    fn property(&self) -> Result<UserProperty<'_>, SequencerError> {
        Ok(UserProperty::new(&self.property_name, &self.text)?)
    }
}

impl fmt::Display for SequencerError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SequencerError::TooManyTopics => formatter.write_str("too many topics are numbered"),
            SequencerError::Invalid(error) => error.fmt(formatter),
        }
    }
}

impl core::error::Error for SequencerError {}

impl From<EncodeError> for SequencerError {
    fn from(error: EncodeError) -> Self {
        SequencerError::Invalid(error)
    }
}

impl From<Violation> for SequencerError {
    fn from(violation: Violation) -> Self {
        SequencerError::Invalid(EncodeError::Value(violation))
    }
}
