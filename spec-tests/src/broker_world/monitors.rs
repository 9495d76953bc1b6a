//! What is watched: the rules, by name. Each is judged where the thing happens.

use super::config::Config;
use crate::explore::{CoveragePoint, Turn, Violation};
use crate::world::coverage_points::named;
pub(super) use crate::world::monitors::{Judged, Verdict};

fn is_lost(config: &Config) -> bool {
    config.losses > 0 && config.persistent > 0
}

fn never(_: &Config) -> bool {
    false
}

named! {
    /// The rules that are watched, with the sections that make them. Which configurations arm which is asked of all of them
    /// together.
    Rule {
        /// Each packet that the broker sends can be read.
        WellFormed: "every packet decodes", |_| true;
        /// 3.1.2.11.4.
        PacketSize: "Maximum Packet Size", never;
        /// A copy is one that a subscription asked for, with its QoS (3.3.4, 3.8.4).
        Copies: "each copy as its subscriptions say", never;
        /// 3.3.1.3, 3.8.3.1.
        Retain: "RETAIN as the subscription and the message say", never;
        /// 3.3.4: all of the subscriptions that match, and no other.
        SubscriptionIdentifiers: "Subscription Identifiers", never;
        /// 3.8.3.1.
        NoLocal: "No Local", never;
        /// What is sent for a Shared Subscription goes to one member (4.8.2).
        OneMember: "one member of a group", never;
        /// Copies from one publisher, on one topic, with one QoS, come in its order (4.6).
        Order: "order per publisher and topic", never;
        /// What is owed to a client that is there, and able, does not stay away (4.3.2, 4.3.3, 4.5).
        NotLost: "nothing lost of a Session that lives", never;
        /// A message with QoS 2 comes once (4.3.3).
        Once: "QoS 2 once", never;
        /// 3.3.1.1, 4.4.
        Duplicate: "DUP only, and always, when sent again", never;
        /// 4.4.
        SentAgain: "in flight is sent again, in its order", never;
        /// 2.2.1.
        Identifiers: "Packet Identifiers in use are not used again", never;
        /// 3.3.4, 4.9.
        Window: "Receive Maximum", never;
        /// 3.3.2.3.3.
        Expiry: "nothing sent that has expired, and the rest of the interval", never;
        /// 3.2.2.1.1, 3.1.2.11.2.
        Present: "Session Present as the Session is", |_| true;
        /// 4.3, 3.4.2.1.
        Acknowledged: "acknowledgements as and when they are due", |config| config.publishes > 0 && (config.qos.has(1) || config.qos.has(2));
        /// 3.8.4, 3.9.3.
        Subscribed: "SUBACK and UNSUBACK as they must be", |config| config.subscribes > 0 || config.unsubscribes > 0;
        /// The table that the index holds is that which SUBACKs promised.
        Index: "the index is what was promised", |config| config.start.iter().count() > 0;
        /// 3.1.2.5, 3.1.3.2.2: never early, and at once when due.
        Wills: "Wills when they are due", |config| config.wills > 0;
        /// A correct client is not left, but for what the host asked for and 3.1.4.
        NoComplaint: "no complaint about a correct client", never;
        /// Nothing leaves before the record is stored on which it depends.
        Stored: "nothing let go before its record", never;
        /// Records are numbered without gaps.
        Numbers: "records without gaps", never;
        /// What is stored makes a broker.
        Restored: "what is stored makes a broker", |config| config.persistent > 0;
        /// And an equal one.
        Equal: "what is stored makes an equal broker", |config| config.compare > 0;
        /// A call that the contract allows is taken.
        Calls: "no call refused without a reason", |_| true;
        /// 4.13: only what the host forbids, and what goes over a limit.
        Refused: "refusals have a reason", never;
        /// No record, no byte, no gauge.
        NothingLeft: "nothing left when all has ended", |config| config.start.iter().count() > 0;
        /// The gauges are those of what is there.
        Gauges: "gauges count what is there", |_| true;
    }
}

impl Rule {
    /// The position of its point.
    pub(super) const fn position(self) -> usize {
        Kind::ALL.len() + self as usize
    }
}

named! {
    /// The kinds of steps.
    Kind {
        /// A client publishes.
        Publish: "publish", |config| config.publishes > 0;
        /// A client subscribes.
        Subscribe: "subscribe", |config| config.subscribes > 0;
        /// A client unsubscribes.
        Unsubscribe: "unsubscribe", |config| config.unsubscribes > 0;
        /// A client connects.
        Connect: "connect", never;
        /// With Clean Start 1, though it has a Session.
        CleanStart: "connect with Clean Start 1", |config| config.clean_starts > 0;
        /// A client connects while it is connected.
        TakeOver: "take over", |config| config.takeovers > 0;
        /// A packet reaches the broker.
        Up: "a packet reaches the broker", |config| config.publishes > 0;
        /// A packet reaches a client.
        Down: "a packet reaches a client", |config| config.publishes > 0;
        /// The host answers a question.
        Answer: "answer a question", |config| config.late > 0;
        /// A batch is stored.
        Store: "store a batch", |config| config.stores > 0 && config.persistent > 0;
        /// The broker goes on with a fan-out.
        Work: "work", |config| config.slice > 0 && config.publishes > 0;
        /// A connection breaks.
        Cut: "cut", |config| config.cuts > 0;
        /// The other side notices.
        Notice: "notice that the connection is gone", |config| config.cuts > 0;
        /// A client disconnects.
        Disconnect: "disconnect", |config| config.disconnects > 0;
        /// The host disconnects a client.
        Kick: "kick", |config| config.kicks > 0;
        /// The host takes a subscription back.
        Withdraw: "withdraw", |config| config.withdrawals > 0;
        /// Time passes.
        Tick: "jump to the next deadline", |config| config.ticks > 0;
        /// The broker is lost.
        Loss: "lose the broker", is_lost;
        /// The one that was lost is over at last.
        Over: "the old broker ends", |config| is_lost(config) && config.unaware > 0;
        /// A client sends what it must not.
        Hostile: "hostile packet", |config| config.hostile > 0;
    }
}

impl Kind {
    /// The environment does something unwanted.
    pub(super) const fn is_fault(self) -> bool {
        matches!(
            self,
            Kind::Cut | Kind::TakeOver | Kind::Loss | Kind::Hostile | Kind::Kick
        )
    }
}

/// All points, in the order of their positions.
pub(super) fn coverage(config: &Config) -> Vec<CoveragePoint> {
    let point = |group, name: &str, required| CoveragePoint {
        group,
        name: name.to_owned(),
        required,
    };
    let kinds = Kind::ALL.iter();
    let kinds = kinds.map(|kind| point("actions", kind.name(), kind.is_needed(config)));
    let rules = Rule::ALL.iter();
    let rules = rules.map(|rule| point("monitors", rule.name(), rule.is_needed(config)));
    kinds.chain(rules).collect()
}

/// What this world's monitors say to a turn.
pub(super) trait Judge {
    /// Counts a monitor that was armed; an error if its rule is broken.
    fn rule(&mut self, rule: Rule, holds: bool, objection: impl FnOnce() -> String) -> Judged;

    /// As [`Judge::rule`], of an answer that must not be an error.
    fn must<T, E: ToString>(&mut self, rule: Rule, answer: Result<T, E>) -> Judged<T>;
}

impl Judge for Turn<'_> {
    fn rule(&mut self, rule: Rule, holds: bool, objection: impl FnOnce() -> String) -> Judged {
        self.cover(rule.position());
        match Verdict::holds(holds, objection) {
            Verdict::Broken(objection) => Err(Violation::new(rule.name(), objection)),
            Verdict::Armed | Verdict::Idle => Ok(()),
        }
    }

    fn must<T, E: ToString>(&mut self, rule: Rule, answer: Result<T, E>) -> Judged<T> {
        self.cover(rule.position());
        answer.map_err(|error| Violation::new(rule.name(), error.to_string()))
    }
}
