//! Acknowledgements that the application decides, in any order, and that leave in the order that
//! section 4.6 demands.

use alloc::collections::{BTreeMap, VecDeque};

use mqtt5_codec::bytes::Bytes;
use mqtt5_codec::{PacketIdentifier, Qos, ReasonCode};

/// Stands for a message that the application has to acknowledge, or to refuse, when acknowledgement
/// is manual.
///
/// One for QoS 1 is void once its Network Connection is gone: the message comes again. One for QoS 2
/// is good until the Session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[must_use = "a message that is never acknowledged blocks those behind it"]
pub struct Receipt(u64);

/// The receipt is void: its Network Connection or Session is gone, or it was used before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Stale;

/// What the application decided about a message.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Decision {
    pub(crate) reason_code: ReasonCode,
    /// The whole acknowledgement, if it has properties.
    pub(crate) packet: Option<Bytes>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Entry {
    packet_identifier: PacketIdentifier,
    qos: Qos,
    decision: Option<Decision>,
    over: bool,
}

/// The messages that wait for the application, or for those before them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Manual {
    /// The number of the first entry.
    first: u64,
    entries: VecDeque<Entry>,
    /// Numbers of the entries whose acknowledgement is due on this Network Connection, in the order
    /// in which the PUBLISH packets came.
    due1: VecDeque<u64>,
    due2: VecDeque<u64>,
    /// Entries with QoS 2 by identifier: their PUBLISH comes again on the next connection.
    by_identifier: BTreeMap<PacketIdentifier, u64>,
}

impl Manual {
    /// A message was handed out.
    pub(super) fn deliver(&mut self, packet_identifier: PacketIdentifier, qos: Qos) -> Receipt {
        let number = self.first + self.entries.len() as u64;
        self.entries.push_back(Entry {
            packet_identifier,
            qos,
            decision: None,
            over: false,
        });
        if qos == Qos::ExactlyOnce {
            self.by_identifier.insert(packet_identifier, number);
        }
        self.due(qos).push_back(number);
        Receipt(number)
    }

    /// A PUBLISH that was handed out came again.
    pub(super) fn again(&mut self, packet_identifier: PacketIdentifier) {
        if let Some(&number) = self.by_identifier.get(&packet_identifier) {
            self.due2.push_back(number);
        }
    }

    /// What a receipt stands for, as long as nothing is decided.
    pub(super) fn undecided(&self, receipt: Receipt) -> Result<(PacketIdentifier, Qos), Stale> {
        let position = receipt.0.checked_sub(self.first).ok_or(Stale)?;
        match self
            .entries
            .get(usize::try_from(position).map_err(|_| Stale)?)
        {
            Some(entry) if entry.decision.is_none() && !entry.over => {
                Ok((entry.packet_identifier, entry.qos))
            }
            _ => Err(Stale),
        }
    }

    /// Whether the application has accepted a message with QoS 2 whose PUBREC has not left.
    #[cfg(feature = "persistence")]
    pub(super) fn is_accepted(&self, packet_identifier: PacketIdentifier) -> bool {
        let number = self.by_identifier.get(&packet_identifier);
        let position = number.and_then(|number| number.checked_sub(self.first));
        position
            .and_then(|position| self.entries.get(usize::try_from(position).ok()?))
            .and_then(|entry| entry.decision.as_ref())
            .is_some_and(|decision| !decision.reason_code.is_error())
    }

    pub(super) fn decide(&mut self, receipt: Receipt, decision: Decision) {
        if let Some(entry) = self.entry(receipt.0) {
            entry.decision = Some(decision);
        }
    }

    /// The next acknowledgement that may leave: all before it have left.
    pub(super) fn next(&mut self) -> Option<(PacketIdentifier, Qos, Decision)> {
        for qos in [Qos::AtLeastOnce, Qos::ExactlyOnce] {
            let Some(&number) = self.due(qos).front() else {
                continue;
            };
            let Some(entry) = self.entry(number) else {
                continue;
            };
            let Some(decision) = entry.decision.take() else {
                continue;
            };
            entry.over = true;
            let packet_identifier = entry.packet_identifier;
            self.due(qos).pop_front();
            if qos == Qos::ExactlyOnce {
                self.by_identifier.remove(&packet_identifier);
            }
            self.shorten();
            return Some((packet_identifier, qos, decision));
        }
        None
    }

    /// The Network Connection is gone.
    pub(super) fn connection_ended(&mut self) {
        self.due1.clear();
        self.due2.clear();
        for entry in &mut self.entries {
            entry.over |= entry.qos == Qos::AtLeastOnce;
        }
        self.shorten();
    }

    /// The Session is gone. The numbers go on, so that old receipts stay void.
    pub(super) fn discard(&mut self) {
        self.first += self.entries.len() as u64;
        self.entries.clear();
        self.due1.clear();
        self.due2.clear();
        self.by_identifier.clear();
    }

    fn shorten(&mut self) {
        while self.entries.front().is_some_and(|entry| entry.over) {
            self.entries.pop_front();
            self.first += 1;
        }
    }

    fn due(&mut self, qos: Qos) -> &mut VecDeque<u64> {
        match qos {
            Qos::ExactlyOnce => &mut self.due2,
            _ => &mut self.due1,
        }
    }

    fn entry(&mut self, number: u64) -> Option<&mut Entry> {
        let position = number.checked_sub(self.first)?;
        self.entries.get_mut(usize::try_from(position).ok()?)
    }
}
