//! The Subscription Identifiers of one delivery (section 3.3.2.3.8).

use alloc::boxed::Box;
use alloc::vec::Vec;

use mqtt5_codec::SubscriptionIdentifier;

/// The Subscription Identifiers of the subscriptions that a message matched, in the order of the
/// PUBLISH.
///
/// One identifier takes no memory of its own, and adding it allocates nothing. Several share a list
/// on the heap.
///
/// ```
/// use mqtt5_session_fsm::SubscriptionIdentifiers;
/// use mqtt5_session_fsm::codec::SubscriptionIdentifier;
///
/// let seven = SubscriptionIdentifier::new(7)?;
/// let mut identifiers = SubscriptionIdentifiers::from(seven);
/// identifiers.push(SubscriptionIdentifier::MAX);
/// assert!(identifiers.iter().eq([seven, SubscriptionIdentifier::MAX]));
/// # Ok::<(), mqtt5_session_fsm::codec::Violation>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct SubscriptionIdentifiers {
    first: Option<SubscriptionIdentifier>,
    others: OtherIdentifiers,
}

/// All but the first. A `Vec` alone would take 24 bytes in each message that is in flight, and this
/// takes 8.
#[allow(clippy::box_collection)]
pub(crate) type OtherIdentifiers = Option<Box<Vec<SubscriptionIdentifier>>>;

#[inline]
pub(crate) fn others_of(others: &OtherIdentifiers) -> &[SubscriptionIdentifier] {
    match others {
        Some(others) => others,
        None => &[],
    }
}

impl SubscriptionIdentifiers {
    /// No identifiers.
    pub const NONE: SubscriptionIdentifiers = SubscriptionIdentifiers {
        first: None,
        others: None,
    };

    /// Returns whether there are none.
    #[must_use]
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// Returns how many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.others().len()
    }

    /// Adds an identifier at the end. Allocates from the second one on.
    pub fn push(&mut self, identifier: SubscriptionIdentifier) {
        match self.first {
            None => self.first = Some(identifier),
            Some(_) => self.others.get_or_insert_default().push(identifier),
        }
    }

    /// Returns the identifiers in their order.
    pub fn iter(&self) -> impl Iterator<Item = SubscriptionIdentifier> + '_ {
        self.first.into_iter().chain(self.others().iter().copied())
    }

    /// The memory that they take beside this value, in bytes.
    #[inline]
    pub(crate) fn size(&self) -> usize {
        size_of_val(self.others())
    }

    #[inline]
    fn others(&self) -> &[SubscriptionIdentifier] {
        others_of(&self.others)
    }

    #[inline]
    pub(crate) fn into_parts(self) -> (Option<SubscriptionIdentifier>, OtherIdentifiers) {
        (self.first, self.others)
    }
}

impl From<SubscriptionIdentifier> for SubscriptionIdentifiers {
    fn from(identifier: SubscriptionIdentifier) -> Self {
        SubscriptionIdentifiers {
            first: Some(identifier),
            others: None,
        }
    }
}

impl FromIterator<SubscriptionIdentifier> for SubscriptionIdentifiers {
    fn from_iter<I: IntoIterator<Item = SubscriptionIdentifier>>(identifiers: I) -> Self {
        let mut all = SubscriptionIdentifiers::NONE;
        identifiers.into_iter().for_each(|it| all.push(it));
        all
    }
}
