//! Who is right when a published codec and ours disagree.
//!
//! The list is complete: the [differential](crate::differential) target fails on a disagreement
//! that it does not cover. That a receiver may check less than it could (section 4.13.1) excuses a
//! peer that accepts too much, but it does not make the packet valid.

use mqtt5_codec::{Packet, ProtocolVersion};

use crate::differential::{Case, Disagreement};
use crate::rebuild::{encoded, rebuilt};
use crate::seeds::parse_hex;

mod packets;
mod packets_v3_1_1;
mod table;
mod table_v3_1_1;

/// Who is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// We are.
    Ours,
    /// The standard contradicts itself, or leaves the choice to the receiver.
    Either,
}

/// A kind of disagreement with some peers.
pub struct Verdict {
    /// The version in which they read the packet.
    pub version: ProtocolVersion,
    /// The peers.
    pub peers: &'static [&'static str],
    when: fn(&Case<'_>) -> bool,
    /// Who is right.
    pub right: Right,
    /// Normative statements and sections that say so, of this version.
    pub reference: &'static str,
    /// What the peer does, or why.
    pub because: &'static str,
    /// A packet that the disagreement is about, in hexadecimal.
    example: &'static str,
}

/// All verdicts.
pub fn all() -> impl Iterator<Item = &'static Verdict> {
    table::VERDICTS.iter().chain(table_v3_1_1::VERDICTS)
}

/// The first verdict that covers a disagreement.
#[must_use]
pub fn find(case: &Case<'_>) -> Option<&'static Verdict> {
    all().find(|verdict| {
        verdict.version == case.version
            && verdict.peers.contains(&case.peer)
            && (verdict.when)(case)
    })
}

impl Verdict {
    /// A packet that the disagreement is about.
    #[must_use]
    pub fn packet(&self) -> Vec<u8> {
        parse_hex(self.example).unwrap_or_default()
    }
}

macro_rules! verdicts {
    ($version:ident: $($because:literal [$($peer:literal),+] $right:ident $reference:literal when $when:expr, as in $example:literal;)*) => {
        pub(super) static VERDICTS: &[Verdict] = &[$(Verdict {
            version: mqtt5_codec::ProtocolVersion::$version,
            peers: &[$($peer),+],
            when: $when,
            right: Right::$right,
            reference: $reference,
            because: $because,
            example: $example,
        }),*];
    };
}
use verdicts;

/// The peer accepts what breaks one of these rules.
macro_rules! accepts {
    ($($violation:ident)|+) => {
        |case| matches!(case.disagreement, Disagreement::Accepts($(mqtt5_codec::Violation::$violation)|+))
    };
}
use accepts;

impl Case<'_> {
    /// The peer rejects what we accept, also by waiting or panicking, and the packet is such.
    fn rejected(&self, such: impl FnOnce(&Packet<'_>) -> bool) -> bool {
        matches!(
            self.disagreement,
            Disagreement::Refuses | Disagreement::Waits | Disagreement::Panics
        ) && self.about(such)
    }

    /// The peer accepts what we accept, but loses some of it, and the packet is such.
    fn lost(&self, such: impl FnOnce(&Packet<'_>) -> bool) -> bool {
        matches!(
            self.disagreement,
            Disagreement::CannotEncode | Disagreement::Encodes(_) | Disagreement::Differs
        ) && self.about(such)
    }

    fn about(&self, such: impl FnOnce(&Packet<'_>) -> bool) -> bool {
        Packet::decode(self.version, self.bytes).is_ok_and(|packet| such(&packet))
    }

    /// The only difference is that properties are given which say what their absence says.
    fn differs_by_defaults(&self) -> bool {
        let (Ok(ours), Some(Ok(theirs))) = (
            Packet::decode(self.version, self.bytes),
            self.again
                .as_deref()
                .map(|bytes| Packet::decode(self.version, bytes)),
        ) else {
            return false;
        };
        self.disagreement == Disagreement::Differs
            && without_defaults(&ours) == without_defaults(&theirs)
    }
}

/// The bytes of a packet of MQTT 5 with its properties sorted, and without those that say what their absence
/// says.
fn without_defaults(packet: &Packet<'_>) -> Vec<u8> {
    use mqtt5_codec::{PayloadFormat, Property};
    let arrange = |list: &mut Vec<Property<'_>>| {
        list.sort_by_key(Property::identifier);
        list.retain(|property| match property {
            // Section 3.3.2.3.2 and, for the Will, 3.1.3.2.3.
            Property::PayloadFormatIndicator(format) => *format == PayloadFormat::Utf8Text,
            // Sections 3.1.2.11.2, 3.1.2.11.5 to 3.1.2.11.7, 3.1.3.2.2; only in requests, because
            // absence in a CONNACK means what the CONNECT says.
            Property::SessionExpiryInterval(0) => !matches!(packet, Packet::Connect(_)),
            Property::TopicAliasMaximum(0)
            | Property::RequestResponseInformation(false)
            | Property::RequestProblemInformation(true)
            | Property::WillDelayInterval(0) => false,
            // Sections 3.1.2.11.3 and 3.2.2.3.3.
            Property::ReceiveMaximum(maximum) => maximum.get() != u16::MAX,
            // Sections 3.2.2.3.5 and 3.2.2.3.11 to 3.2.2.3.13.
            Property::RetainAvailable(available)
            | Property::WildcardSubscriptionAvailable(available)
            | Property::SubscriptionIdentifierAvailable(available)
            | Property::SharedSubscriptionAvailable(available) => !available,
            _ => true,
        });
    };
    rebuilt(packet, arrange, |packet| {
        encoded(ProtocolVersion::V5_0, &packet)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::differential::disagreements;

    #[test]
    fn each_verdict_is_the_one_about_its_example() {
        for verdict in all() {
            let mut found = Vec::new();
            disagreements(&verdict.packet(), |case| {
                if find(&case).is_some_and(|first| std::ptr::eq(first, verdict)) {
                    found.push(case.peer);
                }
            });
            let (because, example) = (verdict.because, verdict.example);
            assert_eq!(found, verdict.peers, "{because}: {example}");
        }
    }
}
