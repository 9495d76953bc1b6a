//! What a subscription was granted, in four bytes.

use mqtt5_codec::{Qos, SubscriptionIdentifier, SubscriptionOptions};

/// The part of the Subscription Options that outlives the SUBSCRIBE, the granted QoS, and the
/// Subscription Identifier (sections 3.8.2.1.2, 3.8.3.1).
///
/// A Subscription Identifier has 28 bits, so the other four are beside it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Granted(u32);

const IDENTIFIER: u32 = (1 << 28) - 1;
const NO_LOCAL: u32 = 1 << 28;
const RETAIN_AS_PUBLISHED: u32 = 1 << 29;
const QOS_SHIFT: u32 = 30;

impl Granted {
    /// Combines the options of a SUBSCRIBE with the QoS that was granted.
    #[must_use]
    pub const fn new(
        qos: Qos,
        options: SubscriptionOptions,
        identifier: Option<SubscriptionIdentifier>,
    ) -> Self {
        let mut bits = (qos as u32) << QOS_SHIFT;
        if options.no_local {
            bits |= NO_LOCAL;
        }
        if options.retain_as_published {
            bits |= RETAIN_AS_PUBLISHED;
        }
        if let Some(identifier) = identifier {
            bits |= identifier.get() & IDENTIFIER;
        }
        Granted(bits)
    }

    /// The bits, as they are stored.
    pub(super) const fn bits(self) -> u32 {
        self.0
    }

    /// What was stored; `None` if it never was.
    pub(super) const fn from_bits(bits: u32) -> Option<Self> {
        match bits >> QOS_SHIFT {
            0..=2 => Some(Granted(bits)),
            _ => None,
        }
    }

    /// Returns the granted QoS.
    #[must_use]
    pub const fn qos(self) -> Qos {
        match self.0 >> QOS_SHIFT {
            0 => Qos::AtMostOnce,
            1 => Qos::AtLeastOnce,
            _ => Qos::ExactlyOnce,
        }
    }

    /// Returns No Local.
    #[must_use]
    pub const fn no_local(self) -> bool {
        self.0 & NO_LOCAL != 0
    }

    /// Returns Retain As Published.
    #[must_use]
    pub const fn retain_as_published(self) -> bool {
        self.0 & RETAIN_AS_PUBLISHED != 0
    }

    /// Returns the Subscription Identifier.
    #[must_use]
    pub fn identifier(self) -> Option<SubscriptionIdentifier> {
        SubscriptionIdentifier::new(self.0 & IDENTIFIER).ok()
    }
}

impl core::fmt::Debug for Granted {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter
            .debug_struct("Granted")
            .field("qos", &self.qos())
            .field("no_local", &self.no_local())
            .field("retain_as_published", &self.retain_as_published())
            .field("identifier", &self.identifier())
            .finish()
    }
}
