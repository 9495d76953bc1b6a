//! Property sets as packets hold them.

use core::fmt;
use core::hash::{Hash, Hasher};
use core::marker::PhantomData;

use super::table::{Property, Scope, TABLE, bit_of, scope};
use super::value::{Shape, SubscriptionIdentifier, UserProperty};
use crate::sequence::{Element, ListIter, Sequence, scoped_list};
use crate::sink::Sink;
use crate::wire::{leading_variable_byte_integer, length_prefixed};
use crate::{PropertyIdentifier, Violation};

/// The properties of a packet or of a Will, in the order in which they stand on the wire.
///
/// Decoding yields a view of the received bytes; sending takes a slice of [`Property`]. Neither
/// allocates. `S` says in which packet the set stands, and so which properties it can have: asking
/// a set for a property that it cannot carry does not compile.
///
/// Two sets are equal if they have equal properties in the same order.
///
/// ```
/// use mqtt5_codec::{Properties, Property, UserProperty, Violation};
/// use mqtt5_codec::property::scope;
///
/// let list = [
///     Property::MessageExpiryInterval(60),
///     Property::UserProperty(UserProperty::new("unit", "°C")?),
/// ];
/// let properties = Properties::<scope::Publish>::new(&list)?;
/// assert_eq!(properties.message_expiry_interval(), Some(60));
///
/// let twice = [Property::MessageExpiryInterval(60), Property::MessageExpiryInterval(60)];
/// assert_eq!(Properties::<scope::Publish>::new(&twice), Err(Violation::PropertyRepeated));
/// # Ok::<(), Violation>(())
/// ```
pub struct Properties<'a, S> {
    sequence: Sequence<'a, Property<'a>>,
    scope: PhantomData<fn() -> S>,
}

impl<'a, S: Scope> Properties<'a, S> {
    /// No properties.
    pub const EMPTY: Self = Self::from_sequence(Sequence::EMPTY);

    /// Checks a list of properties to be sent. It stays where it is.
    ///
    /// # Errors
    ///
    /// [`Violation::PropertyNotAllowed`], [`Violation::PropertyRepeated`],
    /// [`Violation::PacketTooLong`] if the properties take more than 268,435,455 bytes.
    pub fn new(list: &'a [Property<'a>]) -> Result<Self, Violation> {
        Self::EMPTY.and(list)
    }

    /// The same properties, followed by those of a list: how a received set is extended without
    /// copying it.
    ///
    /// There is room for one list. A set that has one already, from here or from
    /// [`Properties::new`], can only be followed by an empty one.
    ///
    /// ```
    /// use mqtt5_codec::{Packet, Property, PropertyIdentifier, ProtocolVersion, PublishProperties};
    ///
    /// // A message that waited 20 seconds, on its way to a subscriber.
    /// let received = b"\x30\x0C\x00\x01a\x08\x23\x00\x05\x02\x00\x00\x00\x3C";
    /// let Packet::Publish(publish) = Packet::decode(ProtocolVersion::V5_0, received)? else { panic!() };
    /// let remaining = [Property::MessageExpiryInterval(60 - 20)];
    /// let properties = publish
    ///     .properties
    ///     .without(&[PropertyIdentifier::TopicAlias, PropertyIdentifier::MessageExpiryInterval])
    ///     .and(&remaining)?;
    /// assert_eq!(properties, PublishProperties::new(&remaining)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Properties::new`], and [`Violation::PropertyListGiven`].
    pub fn and(self, list: &'a [Property<'a>]) -> Result<Self, Violation> {
        if list.is_empty() {
            return Ok(self);
        }
        if !self.sequence.list().is_empty() {
            return Err(Violation::PropertyListGiven);
        }
        let mut seen = self
            .raw()
            .fold(0, |seen, (identifier, _)| seen | bit_of(identifier));
        let sequence = self.sequence.and(list, |property| {
            let row = &TABLE[usize::from(property.identifier() as u8)];
            row.check(S::BIT, seen & row.bit != 0)?;
            seen |= row.bit;
            Ok(())
        })?;
        Ok(Self::from_sequence(sequence))
    }

    /// The same without all received properties that have one of these identifiers: how a received
    /// set is changed without copying it. To replace a property, leave it out and
    /// [add](Properties::and) it again; the order matters only among User Properties.
    ///
    /// Properties that came from a list stay.
    #[must_use]
    pub fn without(self, identifiers: &[PropertyIdentifier]) -> Self {
        let mask = identifiers
            .iter()
            .fold(0, |mask, identifier| mask | bit_of(*identifier as u8));
        Self::from_sequence(self.sequence.without(mask))
    }

    /// Whether the set is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sequence.is_empty()
    }

    /// The properties in wire order.
    #[must_use]
    pub fn iter(&self) -> ListIter<'a, Property<'a>> {
        self.sequence.iter()
    }

    /// The User Properties in wire order.
    pub fn user_properties(&self) -> impl Iterator<Item = UserProperty<'a>> + use<'a, S> {
        self.iter().filter_map(|property| match property {
            Property::UserProperty(pair) => Some(pair),
            _ => None,
        })
    }

    /// Whether the property is given.
    #[must_use]
    pub fn contains(&self, identifier: PropertyIdentifier) -> bool {
        let is_listed = |property: &Property<'_>| property.identifier() == identifier;
        self.sequence.list().iter().any(is_listed)
            || !self.sequence.wire().is_empty() && self.position(identifier).is_some()
    }

    /// The first property with this identifier.
    pub(super) fn find(&self, identifier: u8) -> Option<Property<'a>> {
        if let Some((_, mut wire)) = self.raw().find(|&(found, _)| found == identifier) {
            return Property::read(&mut wire);
        }
        self.sequence
            .list()
            .iter()
            .find(|property| property.identifier() as u8 == identifier)
            .copied()
    }

    /// Where the property stands in received bytes, counted from the first property.
    pub(crate) fn position(&self, identifier: PropertyIdentifier) -> Option<usize> {
        self.raw()
            .find(|&(found, _)| found == identifier as u8)
            .map(|(_, at)| self.sequence.wire().len() - at.len())
    }

    /// Identifier and position of each received property.
    fn raw(&self) -> impl Iterator<Item = (u8, &'a [u8])> + use<'a, S> {
        let hidden = self.sequence.hidden();
        RawProperties {
            wire: self.sequence.wire(),
        }
        .filter(move |&(identifier, _)| hidden == 0 || hidden & bit_of(identifier) == 0)
    }

    /// Wraps bytes that were checked.
    #[inline]
    pub(crate) const fn trusted(wire: &'a [u8]) -> Self {
        Self::from_sequence(Sequence::from_wire(wire))
    }

    /// Writes Property Length and properties.
    #[inline(always)]
    pub(crate) fn write<K: Sink>(&self, sink: &mut K) {
        let length = self.sequence.encoded_len();
        if fault!("MQTT-2.2.2-1") && length == 0 {
            return;
        }
        sink.variable_byte_integer(length);
        self.sequence.write(sink);
    }

    /// How many bytes of received properties there are.
    pub(crate) const fn wire_len(&self) -> usize {
        self.sequence.wire().len()
    }
}

impl<'a> Properties<'a, scope::Publish> {
    /// The identifiers of the subscriptions that the message matched; several if several did.
    pub fn subscription_identifiers(
        &self,
    ) -> impl Iterator<Item = SubscriptionIdentifier> + use<'a> {
        self.iter().filter_map(|property| match property {
            Property::SubscriptionIdentifier(identifier) => Some(identifier),
            _ => None,
        })
    }
}

impl Properties<'_, scope::Subscribe> {
    /// The identifier that the Server sends with each message that matches these subscriptions.
    #[must_use]
    pub fn subscription_identifier(&self) -> Option<SubscriptionIdentifier> {
        match self.find(PropertyIdentifier::SubscriptionIdentifier as u8) {
            Some(Property::SubscriptionIdentifier(identifier)) => Some(identifier),
            _ => None,
        }
    }
}

/// Steps over received properties without reading their values.
struct RawProperties<'a> {
    wire: &'a [u8],
}

impl<'a> Iterator for RawProperties<'a> {
    /// Identifier, and the bytes that begin with it.
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let start = self.wire;
        let (&identifier, value) = start.split_first()?;
        self.wire = match TABLE.get(usize::from(identifier))?.shape {
            Shape::Fixed(length) => value.get(usize::from(length)..)?,
            Shape::VariableByteInteger => {
                let (_, length) = leading_variable_byte_integer(value).ok()??;
                value.get(length..)?
            }
            Shape::LengthPrefixed => length_prefixed(value).ok()?.0,
            Shape::Pair => length_prefixed(length_prefixed(value).ok()?.0).ok()?.0,
        };
        Some((identifier, start))
    }
}

scoped_list!(Properties of Property<'a>);

impl<S: Scope> Default for Properties<'_, S> {
    fn default() -> Self {
        Self::EMPTY
    }
}
