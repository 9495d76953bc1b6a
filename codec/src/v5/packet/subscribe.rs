//! SUBSCRIBE and UNSUBSCRIBE (sections 3.8 and 3.10).

use core::fmt;
use core::hash::{Hash, Hasher};

use super::decode::{Parse, packet_identifier};
use super::{PacketIdentifier, Qos};
use crate::encode::{Body, encodable};
#[cfg(mqtt5_faults)]
use crate::faults::ill_formed_passes;
use crate::framing::FixedHeader;
use crate::sequence::{Element, ListIter, Sequence, iterable};
use crate::sink::Sink;
use crate::topic::checked_topic_filter;
use crate::v5::property::{Properties, property_set, scope};
use crate::wire::{Fault, Parsed, byte, length_prefixed};
use crate::{PacketType, TopicFilter, Violation};

/// The properties of a SUBSCRIBE.
pub type SubscribeProperties<'a> = Properties<'a, scope::Subscribe>;

/// The properties of an UNSUBSCRIBE: User Properties.
pub type UnsubscribeProperties<'a> = Properties<'a, scope::Unsubscribe>;

/// Subscription Options (section 3.8.3.1).
mod option {
    pub(super) const MAXIMUM_QOS: u8 = 0b11;
    pub(super) const NO_LOCAL: u8 = 1 << 2;
    pub(super) const RETAIN_AS_PUBLISHED: u8 = 1 << 3;
    pub(super) const RETAIN_HANDLING_SHIFT: u8 = 4;
    pub(super) const RESERVED: u8 = 0b1100_0000;
}

/// A request for the messages of some topics (section 3.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Subscribe<'a> {
    /// What the SUBACK will repeat.
    pub packet_identifier: PacketIdentifier,
    /// Subscription Identifier and User Properties. Not in MQTT 3.1.1.
    pub properties: SubscribeProperties<'a>,
    /// At least one Topic Filter with its options.
    pub subscriptions: Subscriptions<'a>,
}

/// A request to end some subscriptions (section 3.10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Unsubscribe<'a> {
    /// What the UNSUBACK will repeat.
    pub packet_identifier: PacketIdentifier,
    /// User Properties. Not in MQTT 3.1.1.
    pub properties: UnsubscribeProperties<'a>,
    /// At least one Topic Filter.
    pub filters: TopicFilters<'a>,
}

/// What a Server does with its retained messages when a subscription is made (section 3.3.1.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum RetainHandling {
    /// 0: sends them.
    #[default]
    Send = 0,
    /// 1: sends them if the subscription did not exist.
    SendIfNew = 1,
    /// 2: sends none.
    DoNotSend = 2,
}

/// Subscription Options (section 3.8.3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SubscriptionOptions {
    /// The highest QoS at which the Server may send.
    pub maximum_qos: Qos,
    /// Whether to leave out what the same Client publishes. Not for Shared Subscriptions. Not in MQTT 3.1.1.
    pub no_local: bool,
    /// Whether to forward RETAIN as it was published. Not in MQTT 3.1.1.
    pub retain_as_published: bool,
    /// What to do with retained messages now. Not in MQTT 3.1.1.
    pub retain_handling: RetainHandling,
}

impl SubscriptionOptions {
    /// The options as the byte of section 3.8.3.1.
    #[must_use]
    #[inline]
    pub const fn to_byte(self) -> u8 {
        let no_local = if self.no_local { option::NO_LOCAL } else { 0 };
        let retain_as_published = if self.retain_as_published {
            option::RETAIN_AS_PUBLISHED
        } else {
            0
        };
        self.maximum_qos as u8
            | no_local
            | retain_as_published
            | (self.retain_handling as u8) << option::RETAIN_HANDLING_SHIFT
    }

    /// The options in a byte of section 3.8.3.1.
    ///
    /// # Errors
    ///
    /// [`Violation::SubscriptionOptionsReserved`], [`Violation::SubscriptionQos3`],
    /// [`Violation::RetainHandling3`].
    #[inline]
    pub const fn from_byte(byte: u8) -> Result<Self, Violation> {
        if byte & option::RESERVED != 0 {
            return Err(Violation::SubscriptionOptionsReserved);
        }
        let Some(maximum_qos) = Qos::from_bits(byte & option::MAXIMUM_QOS) else {
            return Err(Violation::SubscriptionQos3);
        };
        let retain_handling = match byte >> option::RETAIN_HANDLING_SHIFT {
            0 => RetainHandling::Send,
            1 => RetainHandling::SendIfNew,
            2 => RetainHandling::DoNotSend,
            _ => return Err(Violation::RetainHandling3),
        };
        Ok(SubscriptionOptions {
            maximum_qos,
            no_local: byte & option::NO_LOCAL != 0,
            retain_as_published: byte & option::RETAIN_AS_PUBLISHED != 0,
            retain_handling,
        })
    }
}

/// A Topic Filter and its Subscription Options.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Subscription<'a> {
    /// Which topics.
    pub filter: TopicFilter<'a>,
    /// How.
    pub options: SubscriptionOptions,
}

impl<'a> Subscription<'a> {
    /// The subscription to a Topic Filter with this Maximum QoS and otherwise the default options: no No
    /// Local, no Retain As Published, retained messages are sent.
    ///
    /// ```
    /// use mqtt5_codec::{PacketIdentifier, ProtocolVersion, Qos, Subscribe, Subscription, Subscriptions};
    ///
    /// let list = [Subscription::new("sensors/+/temperature", Qos::AtLeastOnce)?];
    /// let subscribe = Subscribe::new(PacketIdentifier::MIN, Subscriptions::new(&list)?);
    /// assert_eq!(subscribe.encoded_len(ProtocolVersion::V5_0)?, 29);
    /// # Ok::<(), mqtt5_codec::EncodeError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`TopicFilter::new`].
    pub fn new(filter: &'a str, maximum_qos: Qos) -> Result<Self, Violation> {
        Ok(Subscription {
            filter: TopicFilter::new(filter)?,
            options: SubscriptionOptions {
                maximum_qos,
                ..SubscriptionOptions::default()
            },
        })
    }
}

impl<'a> Element<'a> for Subscription<'a> {
    #[inline]
    fn read(wire: &mut &'a [u8]) -> Option<Self> {
        let (rest, filter) = length_prefixed(wire).ok()?;
        let (&options, rest) = rest.split_first()?;
        *wire = rest;
        Some(Subscription {
            filter: TopicFilter::trusted(filter),
            options: SubscriptionOptions::from_byte(options).ok()?,
        })
    }

    #[inline]
    fn write<S: Sink>(&self, sink: &mut S) {
        sink.length_prefixed(self.filter.as_bytes());
        sink.byte(self.options.to_byte());
    }
}

impl<'a> Element<'a> for TopicFilter<'a> {
    #[inline]
    fn read(wire: &mut &'a [u8]) -> Option<Self> {
        let (rest, filter) = length_prefixed(wire).ok()?;
        *wire = rest;
        Some(TopicFilter::trusted(filter))
    }

    #[inline]
    fn write<S: Sink>(&self, sink: &mut S) {
        sink.length_prefixed(self.as_bytes());
    }
}

macro_rules! non_empty_list {
    ($name:ident of $element:ty, $doc:literal, else $empty:ident) => {
        #[doc = $doc]
        ///
        /// A view of received bytes, or of a slice to be sent.
        #[derive(Clone, Copy)]
        pub struct $name<'a> {
            sequence: Sequence<'a, $element>,
            /// The rule of MQTT 5 that a filter breaks. Only one that was received by MQTT 3.1.1 can.
            broken_in_v5: Option<Violation>,
        }

        impl<'a> $name<'a> {
            /// The elements in wire order.
            #[must_use]
            pub fn iter(&self) -> ListIter<'a, $element> {
                self.sequence.iter()
            }

            /// Elements that were checked.
            #[inline]
            const fn from_wire(wire: &'a [u8]) -> Self {
                $name {
                    sequence: Sequence::from_wire(wire),
                    broken_in_v5: None,
                }
            }

            /// Elements that were checked by the rules of MQTT 3.1.1, and the rule of MQTT 5 that they break.
            #[inline]
            pub(crate) const fn from_v3(wire: &'a [u8], broken_in_v5: Option<Violation>) -> Self {
                $name {
                    broken_in_v5,
                    ..Self::from_wire(wire)
                }
            }

            #[inline(always)]
            pub(crate) fn write<S: Sink>(&self, sink: &mut S) {
                self.sequence.write(sink);
            }

            #[inline]
            const fn check(&self) -> Result<(), Violation> {
                match self.broken_in_v5 {
                    None => Ok(()),
                    Some(violation) => Err(violation),
                }
            }

            /// Checks that there are elements, encoded or not.
            #[inline]
            pub(crate) const fn check_any<T>(elements: &[T]) -> Result<(), Violation> {
                if elements.is_empty() {
                    return Err(Violation::$empty);
                }
                Ok(())
            }
        }

        impl PartialEq for $name<'_> {
            fn eq(&self, other: &Self) -> bool {
                self.sequence == other.sequence
            }
        }

        impl Eq for $name<'_> {}

        impl Hash for $name<'_> {
            fn hash<H: Hasher>(&self, state: &mut H) {
                self.sequence.hash(state);
            }
        }

        impl fmt::Debug for $name<'_> {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.sequence.fmt(formatter)
            }
        }

        iterable!($name<'a> => $element);
    };
}

non_empty_list!(Subscriptions of Subscription<'a>,
    "The Topic Filters of a SUBSCRIBE with their options: at least one.", else SubscribeWithoutFilter);
non_empty_list!(TopicFilters of TopicFilter<'a>,
    "The Topic Filters of an UNSUBSCRIBE: at least one.", else UnsubscribeWithoutFilter);

impl<'a> Subscriptions<'a> {
    /// Whether the options of all of them fit.
    #[inline]
    pub(crate) fn all(&self, fits: impl Fn(SubscriptionOptions) -> bool) -> bool {
        self.sequence.all(|subscription| fits(subscription.options))
    }

    /// Checks a list to be sent. It stays where it is.
    ///
    /// # Errors
    ///
    /// [`Violation::SubscribeWithoutFilter`], [`Violation::NoLocalOnSharedSubscription`],
    /// [`Violation::PacketTooLong`].
    pub fn new(list: &'a [Subscription<'a>]) -> Result<Self, Violation> {
        Self::check_any(list)?;
        // Their filters may be of a packet of MQTT 3.1.1.
        let mut broken_in_v5 = None;
        let sequence = Sequence::from_list(list, |subscription| {
            broken_in_v5 = broken_in_v5.or(subscription.filter.check_share().err());
            no_local_unless_shared(subscription.options, subscription.filter)
        })?;
        Ok(Subscriptions {
            sequence,
            broken_in_v5,
        })
    }

    #[inline]
    fn parse(input: &'a [u8]) -> Parsed<'a, Self> {
        let any = fault!("MQTT-3.8.3-2", Self::check_any(input), Ok(()));
        Fault::place(any, input)?;
        let mut rest = input;
        while !rest.is_empty() {
            let checked = checked_topic_filter(rest);
            let (at_options, filter) =
                fault!("MQTT-3.8.3-1", checked, ill_formed_passes(rest, checked))?;
            let (after, options) = byte(at_options)?;
            #[cfg(mqtt5_faults)]
            let options = fault!("MQTT-3.8.3-5", options, options & !option::RESERVED);
            if !RIGHT_FOR_ANY_FILTER[usize::from(options)] {
                Fault::place(check_options(options, filter), at_options)?;
            }
            rest = after;
        }
        Ok((rest, Subscriptions::from_wire(input)))
    }
}

/// The options that are right with every Topic Filter: with No Local, it must not be shared.
static RIGHT_FOR_ANY_FILTER: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < table.len() {
        table[byte] =
            matches!(SubscriptionOptions::from_byte(byte as u8), Ok(options) if !options.no_local);
        byte += 1;
    }
    table
};

fn check_options(options: u8, filter: &[u8]) -> Result<(), Violation> {
    let options = SubscriptionOptions::from_byte(options)?;
    fault!(
        "MQTT-3.8.3-4",
        no_local_unless_shared(options, TopicFilter::trusted(filter)),
        Ok(())
    )
}

/// A Shared Subscription has no No Local [MQTT-3.8.3-4].
#[inline]
fn no_local_unless_shared(
    options: SubscriptionOptions,
    filter: TopicFilter<'_>,
) -> Result<(), Violation> {
    if options.no_local && filter.has_share_prefix() {
        return Err(Violation::NoLocalOnSharedSubscription);
    }
    Ok(())
}

impl<'a> TopicFilters<'a> {
    /// Checks a list to be sent. It stays where it is.
    ///
    /// # Errors
    ///
    /// [`Violation::UnsubscribeWithoutFilter`], [`Violation::PacketTooLong`].
    pub fn new(list: &'a [TopicFilter<'a>]) -> Result<Self, Violation> {
        Self::check_any(list)?;
        let mut broken_in_v5 = None;
        let sequence = Sequence::from_list(list, |filter| {
            broken_in_v5 = broken_in_v5.or(filter.check_share().err());
            Ok(())
        })?;
        Ok(TopicFilters {
            sequence,
            broken_in_v5,
        })
    }

    #[inline]
    fn parse(input: &'a [u8]) -> Parsed<'a, Self> {
        let any = fault!("MQTT-3.10.3-2", Self::check_any(input), Ok(()));
        Fault::place(any, input)?;
        let mut rest = input;
        while !rest.is_empty() {
            let checked = checked_topic_filter(rest);
            // [MQTT3-3.10.3-1]
            (rest, _) = fault!("MQTT-3.10.3-1", checked, ill_formed_passes(rest, checked))?;
        }
        Ok((rest, TopicFilters::from_wire(input)))
    }
}

impl<'a> Subscribe<'a> {
    /// The packet without properties.
    #[must_use]
    pub const fn new(
        packet_identifier: PacketIdentifier,
        subscriptions: Subscriptions<'a>,
    ) -> Self {
        Subscribe {
            packet_identifier,
            properties: Properties::EMPTY,
            subscriptions,
        }
    }
}

impl<'a> Parse<'a> for Subscribe<'a> {
    #[inline]
    fn parse(_: FixedHeader, input: &'a [u8]) -> Parsed<'a, Self> {
        let (rest, packet_identifier) = packet_identifier(input)?;
        let (rest, properties) = property_set(rest)?;
        let (rest, subscriptions) = Subscriptions::parse(rest)?;
        Ok((
            rest,
            Subscribe {
                packet_identifier,
                properties,
                subscriptions,
            },
        ))
    }
}

impl<'a> Unsubscribe<'a> {
    /// The packet without properties.
    #[must_use]
    pub const fn new(packet_identifier: PacketIdentifier, filters: TopicFilters<'a>) -> Self {
        Unsubscribe {
            packet_identifier,
            properties: Properties::EMPTY,
            filters,
        }
    }
}

impl<'a> Parse<'a> for Unsubscribe<'a> {
    #[inline]
    fn parse(_: FixedHeader, input: &'a [u8]) -> Parsed<'a, Self> {
        let (rest, packet_identifier) = packet_identifier(input)?;
        let (rest, properties) = property_set(rest)?;
        let (rest, filters) = TopicFilters::parse(rest)?;
        Ok((
            rest,
            Unsubscribe {
                packet_identifier,
                properties,
                filters,
            },
        ))
    }
}

impl<'a> Body<'a> for Subscribe<'a> {
    #[inline]
    fn packet_type(&self) -> PacketType {
        PacketType::Subscribe
    }

    #[inline]
    fn check(&self) -> Result<(), Violation> {
        self.subscriptions.check()
    }

    #[inline(always)]
    fn write<S: Sink>(&self, sink: &mut S) {
        sink.two_byte_integer(self.packet_identifier.get());
        self.properties.write(sink);
        self.subscriptions.write(sink);
    }
}

impl<'a> Body<'a> for Unsubscribe<'a> {
    #[inline]
    fn packet_type(&self) -> PacketType {
        PacketType::Unsubscribe
    }

    #[inline]
    fn check(&self) -> Result<(), Violation> {
        self.filters.check()
    }

    #[inline(always)]
    fn write<S: Sink>(&self, sink: &mut S) {
        sink.two_byte_integer(self.packet_identifier.get());
        self.properties.write(sink);
        self.filters.write(sink);
    }
}

encodable!(Subscribe);
encodable!(Unsubscribe);
