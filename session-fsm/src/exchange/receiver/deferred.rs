//! Acknowledgements that the application decides in any order.
//!
//! An acknowledgement is owed if its PUBLISH came on this Network Connection. Those of a Client
//! leave in the order of the PUBLISH packets (section 4.6): what is owed is due, and waits for its
//! decision and for those before it. Those of a Server leave in the order of the decisions: what is
//! owed and decided is due.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use mqtt5_codec::{PacketIdentifier, Qos, ReasonCode};

use crate::memory::growth_step;

/// The name of a message that the application must acknowledge or refuse, with manual
/// acknowledgement.
///
/// A receipt for QoS 1 is valid until its Network Connection ends: then the message comes again. A
/// receipt for QoS 2 is valid until the Session ends, and its message is not delivered again. It is
/// void in a Server, too, once a Client that has lost its Session releases the message. After a
/// restart the message is delivered again, with a new receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[must_use = "until a message is acknowledged or refused, it counts against the Receive Maximum"]
pub struct Receipt {
    place: u32,
    /// How often the place was used before.
    use_of_place: u32,
}

/// The receipt is void: its Network Connection or Session is gone, or it was used before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Stale;

/// What the application decided about a message.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Decision {
    pub(crate) reason_code: ReasonCode,
    /// The whole acknowledgement, if it has properties.
    pub(crate) packet: Option<Box<[u8]>>,
}

impl Decision {
    pub(super) const SUCCESS: Decision = Decision {
        reason_code: ReasonCode::Success,
        packet: None,
    };

    fn packet_len(&self) -> usize {
        self.packet.as_ref().map_or(0, |packet| packet.len())
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Entry {
    /// What waits here for the application, or for those before it; `None` if the place is free.
    handed_out: Option<(PacketIdentifier, Qos)>,
    decision: Option<Decision>,
    /// It will be accepted, and is stored as that.
    is_stored: bool,
    use_of_place: u32,
}

/// An acknowledgement that waits for its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Due {
    /// That of the message in this place.
    Place(u32),
    /// The PUBREC of a message that came again, unless it was released in the meantime.
    Again(PacketIdentifier),
}

/// The messages that wait for the application, or for those before them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Deferred {
    entries: Vec<Entry>,
    /// Places that can be used again.
    free: Vec<u32>,
    /// The acknowledgements that are due on this Network Connection, in the order in which they
    /// leave.
    due1: VecDeque<Due>,
    due2: VecDeque<Due>,
    /// Entries with QoS 2 of an earlier Network Connection, in the order of their identifiers:
    /// their PUBLISH comes again.
    earlier: Vec<(PacketIdentifier, u32)>,
    /// How often the places of an earlier one were used: receipts for them stay void.
    first_use: u32,
    /// The bytes of the packets of decisions.
    explained: usize,
}

impl Deferred {
    /// A message was handed out.
    pub(super) fn deliver(
        &mut self,
        packet_identifier: PacketIdentifier,
        qos: Qos,
        in_order: bool,
    ) -> Receipt {
        let place = self.take_place();
        let mut use_of_place = 0;
        if let Some(entry) = self.entries.get_mut(place as usize) {
            entry.handed_out = Some((packet_identifier, qos));
            use_of_place = entry.use_of_place;
        }
        match qos {
            _ if !in_order => {}
            Qos::AtLeastOnce if fault!("MQTT-4.6.0-2") => self.due1.push_front(Due::Place(place)),
            Qos::ExactlyOnce if fault!("MQTT-4.6.0-3") => self.due2.push_front(Due::Place(place)),
            _ => self.due(qos).push_back(Due::Place(place)),
        }
        Receipt {
            place,
            use_of_place,
        }
    }

    /// A PUBREC is due again; `false` if it need not wait for others.
    pub(super) fn repeat(&mut self, packet_identifier: PacketIdentifier) -> bool {
        if self.due2.is_empty() || fault!("repetition overtakes") {
            return false;
        }
        self.due2.push_back(Due::Again(packet_identifier));
        true
    }

    fn take_place(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            if self.entries.len() == self.entries.capacity() {
                self.entries.reserve_exact(growth_step(self.entries.len()));
            }
            self.entries.push(Entry {
                handed_out: None,
                decision: None,
                is_stored: false,
                use_of_place: self.first_use,
            });
            // There are no more than Packet Identifiers.
            (self.entries.len() - 1) as u32
        })
    }

    /// A PUBLISH that was handed out on an earlier Network Connection came again.
    pub(super) fn again(&mut self, packet_identifier: PacketIdentifier, in_order: bool) {
        let found = self
            .earlier
            .binary_search_by_key(&packet_identifier, |&(identifier, _)| identifier);
        if let Some(&(_, place)) = found.ok().and_then(|found| self.earlier.get(found)) {
            let entry = self.entries.get(place as usize);
            if in_order || entry.is_some_and(|entry| entry.decision.is_some()) {
                self.due2.push_back(Due::Place(place));
            }
        }
    }

    /// The sender of a message of an earlier Network Connection gives it up. Returns whether the
    /// message counts as accepted; `None` if there is no such message.
    pub(super) fn forget(&mut self, packet_identifier: PacketIdentifier) -> Option<bool> {
        let found = self
            .earlier
            .binary_search_by_key(&packet_identifier, |&(identifier, _)| identifier);
        let (_, place) = *self.earlier.get(found.ok()?)?;
        let entry = self.entries.get(place as usize)?;
        if entry.handed_out != Some((packet_identifier, Qos::ExactlyOnce)) {
            return None;
        }
        let decision = entry.decision.as_ref();
        self.explained -= decision.map_or(0, Decision::packet_len);
        let is_accepted = entry.is_stored || decision.is_some_and(|it| !it.reason_code.is_error());
        self.free(place);
        Some(is_accepted)
    }

    /// What a receipt stands for, as long as nothing is decided.
    pub(super) fn undecided(&self, receipt: Receipt) -> Result<(PacketIdentifier, Qos), Stale> {
        match self.entries.get(receipt.place as usize) {
            Some(entry)
                if entry.use_of_place == receipt.use_of_place && entry.decision.is_none() =>
            {
                entry.handed_out.ok_or(Stale)
            }
            _ => Err(Stale),
        }
    }

    /// The application will accept a message, and it is stored.
    #[cfg(feature = "persistence")]
    pub(super) fn stored(&mut self, receipt: Receipt) {
        if let Some(entry) = self.entries.get_mut(receipt.place as usize) {
            entry.is_stored = true;
        }
    }

    /// The messages with QoS 2 that the application has accepted, or will, and whose PUBREC has not
    /// left.
    #[cfg(feature = "persistence")]
    pub(super) fn accepted(&self) -> impl Iterator<Item = PacketIdentifier> + '_ {
        self.entries.iter().filter_map(|entry| {
            let decision = entry.decision.as_ref();
            let is_accepted =
                entry.is_stored || decision.is_some_and(|it| !it.reason_code.is_error());
            match entry.handed_out {
                Some((identifier, Qos::ExactlyOnce)) if is_accepted => Some(identifier),
                _ => None,
            }
        })
    }

    /// The bytes of the acknowledgements with properties that wait for their turn.
    pub(super) const fn explained(&self) -> usize {
        self.explained
    }

    /// The application decided about a message. `is_due` says that its acknowledgement is due by
    /// that. Returns whether the message is to be stored as received by that.
    pub(super) fn decide(&mut self, receipt: Receipt, decision: Decision, is_due: bool) -> bool {
        let Some(entry) = self.entries.get_mut(receipt.place as usize) else {
            return false;
        };
        let is_accepted = !decision.reason_code.is_error();
        self.explained += decision.packet_len();
        entry.decision = Some(decision);
        let is_stored = entry.is_stored;
        let Some((_, qos)) = entry.handed_out else {
            return false;
        };
        if is_due {
            self.due(qos).push_back(Due::Place(receipt.place));
        }
        qos == Qos::ExactlyOnce && is_accepted && !is_stored
    }

    /// The next acknowledgement that may leave: all before it have left. Without a decision it is
    /// one that repeats.
    pub(super) fn next(&mut self) -> Option<(PacketIdentifier, Option<Decision>)> {
        for qos in [Qos::AtLeastOnce, Qos::ExactlyOnce] {
            match self.due(qos).front() {
                Some(&Due::Again(packet_identifier)) => {
                    self.due(qos).pop_front();
                    return Some((packet_identifier, None));
                }
                Some(&Due::Place(place)) => {
                    let entry = self.entries.get_mut(place as usize);
                    if let Some(decision) = entry.and_then(|entry| entry.decision.take()) {
                        self.explained -= decision.packet_len();
                        self.due(qos).pop_front();
                        let (packet_identifier, _) = self.free(place)?;
                        return Some((packet_identifier, Some(decision)));
                    }
                }
                None => {}
            }
        }
        None
    }

    /// The Network Connection is gone.
    pub(super) fn connection_ended(&mut self) {
        self.due1.clear();
        self.due2.clear();
        self.earlier.clear();
        self.explained = 0;
        for place in 0..self.entries.len() as u32 {
            let mut entry = self.entries.get_mut(place as usize);
            // Its properties were for the peer's limits of this connection.
            if let Some(decision) = entry.as_mut().and_then(|entry| entry.decision.as_mut()) {
                decision.packet = None;
            }
            match entry.and_then(|entry| entry.handed_out) {
                Some((identifier, Qos::ExactlyOnce)) => self.earlier.push((identifier, place)),
                Some(_) => {
                    self.free(place);
                }
                None => {}
            }
        }
        self.earlier.sort_unstable();
    }

    /// One in which no receipt for a place that was used as often is valid.
    pub(super) fn after(first_use: u32) -> Self {
        Deferred {
            first_use,
            ..Deferred::default()
        }
    }

    /// Whether nothing is in it.
    pub(super) fn is_unused(&self) -> bool {
        // A PUBREC that repeats waits only behind an entry.
        self.free.len() == self.entries.len()
    }

    /// How often its places were used, for the next one: receipts for them stay void.
    pub(super) fn uses(&self) -> u32 {
        let uses = self.entries.iter().map(|entry| {
            let in_use = u32::from(entry.handed_out.is_some());
            entry.use_of_place.wrapping_add(in_use)
        });
        uses.max().unwrap_or(self.first_use)
    }

    fn free(&mut self, place: u32) -> Option<(PacketIdentifier, Qos)> {
        let entry = self.entries.get_mut(place as usize)?;
        let handed_out = entry.handed_out.take()?;
        entry.decision = None;
        entry.is_stored = false;
        entry.use_of_place = entry.use_of_place.wrapping_add(1);
        self.free.push(place);
        Some(handed_out)
    }

    fn due(&mut self, qos: Qos) -> &mut VecDeque<Due> {
        match qos {
            Qos::ExactlyOnce => &mut self.due2,
            _ => &mut self.due1,
        }
    }
}
