//! What the applications get, and what they hear of their messages (section 4.3).

use mqtt5_session_fsm::codec::Qos;

use super::Verdict;
use crate::world::application::{Ending, Flow, Record};

/// A message that is about to be handed to an application.
pub(crate) struct Delivery<'a> {
    flow: &'a Flow,
    record: &'a Record,
    number: u8,
    qos: Qos,
    /// Both sides have the same Session.
    strict: bool,
}

impl<'a> Delivery<'a> {
    /// Nothing if it was never published.
    pub(crate) fn new(flow: &'a Flow, number: u8, qos: Qos, strict: bool) -> Option<Self> {
        Some(Delivery {
            flow,
            record: flow.records.get(usize::from(number))?,
            number,
            qos,
            strict,
        })
    }

    /// [`Rule::NotLost`](super::Rule::NotLost): it is as it was published.
    pub(crate) fn unchanged(&self) -> Verdict {
        match self.record.qos == self.qos {
            true => Verdict::Idle,
            false => Verdict::Broken(format!(
                "message {} has another QoS than it was published with",
                self.number
            )),
        }
    }

    /// [`Rule::DeliveryOrder`](super::Rule::DeliveryOrder).
    pub(crate) fn in_order(&self) -> Verdict {
        let Delivery { number, qos, .. } = *self;
        if number == 0 {
            return Verdict::Idle;
        }
        let mut later = self.flow.records.iter().skip(usize::from(number) + 1);
        let is_late = self.strict && !self.record.seen && later.any(|it| it.seen && it.qos == qos);
        Verdict::holds(!is_late, || {
            format!("message {number} comes after a later one with the same QoS")
        })
    }

    /// [`Rule::AtMostOnce`](super::Rule::AtMostOnce).
    pub(crate) fn at_most_once(&self) -> Verdict {
        let is_first = self.record.delivered == 0;
        match (self.qos, is_first) {
            (Qos::AtLeastOnce, _) | (Qos::AtMostOnce, true) => Verdict::Idle,
            _ => Verdict::holds(is_first, || {
                format!("message {} was delivered twice", self.number)
            }),
        }
    }

    /// [`Rule::Ever`](super::Rule::Ever).
    pub(crate) fn at_most_once_ever(&self) -> Verdict {
        match self.qos {
            Qos::ExactlyOnce => Verdict::holds(self.record.ever == 0 || !self.strict, || {
                format!(
                    "message {} was delivered twice, in two Sessions",
                    self.number
                )
            }),
            _ => Verdict::Idle,
        }
    }
}

/// [`Rule::OneOutcome`](super::Rule::OneOutcome): nothing is sent after the outcome.
pub(super) fn sent(number: u8, record: &Record) -> Verdict {
    Verdict::holds(!record.over, || {
        format!("message {number} is sent after its outcome")
    })
}

/// [`Rule::NotLost`](super::Rule::NotLost): who hears of a success can rely on it.
pub(crate) fn not_lost(number: usize, record: &Record, ending: Ending, strict: bool) -> Verdict {
    if ending != Ending::Success {
        return Verdict::Idle;
    }
    let is_certain = match record.qos {
        Qos::AtMostOnce => false,
        Qos::AtLeastOnce => true,
        Qos::ExactlyOnce => strict,
    };
    Verdict::holds(record.accepted || !is_certain, || {
        format!("message {number} succeeded, but nobody got it")
    })
}

/// [`Rule::LossHasReason`](super::Rule::LossHasReason).
pub(crate) fn loss_has_reason(number: usize, ending: Ending, has_reason: bool) -> Verdict {
    match ending {
        Ending::Lost => Verdict::holds(has_reason, || format!("message {number} is lost")),
        _ => Verdict::Idle,
    }
}
