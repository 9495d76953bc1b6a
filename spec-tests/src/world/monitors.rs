//! What is watched.
//!
//! A monitor looks at one thing that happened and says a [`Verdict`]. It is a value where it has to remember something,
//! and a function where it has not. [`Turn::judge`] counts the monitors that were armed and ends the run when a rule is
//! broken: nothing else can make a violation, so that no monitor objects without being counted.
//!
//! | file | what it looks at |
//! | --- | --- |
//! | [`connection`] | what one side sends on one Network Connection, and the list of the monitors that see it |
//! | [`acknowledgements`], [`order`], [`windows`], [`identifiers`], [`announced`] | the same, rule by rule |
//! | [`delivery`] | what the applications get, and what they hear of their messages |
//! | [`persistence`] | what is stored before what is sent, and what a restart makes of it |
//! | [`room`] | what is stored at all |
//! | [`table`] | the states of the Packet Identifiers |
//! | [`time`] | who has spoken when |
//!
//! # A new rule
//!
//! 1. Add it to [`Rule`]: its section, its name, and in which configurations a complete exploration must arm it.
//! 2. Write the monitor in the file of its kind. What it remembers is a part of the state, so it should forget what does
//!    not matter any more.
//! 3. Judge it where the thing happens: in [`connection`] for a packet that is sent, in `shell.rs` for one that is handed
//!    to a machine, in `events.rs` for an event.
//! 4. Break the rule in the machines, and see the explorer object. `explore --save-counts` keeps the new numbers.

pub(crate) mod acknowledgements;
pub(crate) mod announced;
pub(crate) mod connection;
pub(crate) mod delivery;
pub(crate) mod identifiers;
pub(crate) mod order;
pub(crate) mod persistence;
pub(crate) mod room;
pub(crate) mod table;
pub(crate) mod time;
pub(crate) mod windows;

use super::config::Config;
use super::coverage_points::{acknowledged, always, named};
use crate::explore::{Turn, Violation};

fn exactly_once(config: &Config) -> bool {
    config.qualities().contains(&2) && config.up + config.down > 0
}

fn resumes(config: &Config) -> bool {
    acknowledged(config) && config.cuts > 0 && config.expiry > 0
}

named! {
    /// The rules that are watched, with the sections that make them.
    Rule {
        /// A message with QoS 2 comes once in the life of the receiving Session (4.3.3).
        AtMostOnce: "QoS 2 at most once per session epoch", exactly_once;
        /// And not again in the next one.
        Ever: "QoS 2 at most once ever", exactly_once;
        /// Success means that the other application had it.
        NotLost: "no silent loss", acknowledged;
        /// The outcome Indeterminate needs a lost Session.
        LossHasReason: "no loss without a lost session", |_| false;
        /// First deliveries of the same QoS come in the order in which they were published (4.6).
        DeliveryOrder: "order of first deliveries", |config| config.up > 1 || config.down > 1;
        /// 4.4, 4.6.
        SendOrder: "order of PUBLISH and of re-sends", |config| acknowledged(config) && (config.up > 1 || config.down > 1);
        /// 2.2.1.
        Identifiers: "identifiers unique and non-zero", acknowledged;
        /// As the sender counts (4.9).
        SendQuota: "send quota", acknowledged;
        /// As the receiver counts (3.3.4).
        ReceiveWindow: "receive window", acknowledged;
        /// 3.3.1.1: 0 first.
        FirstDup: "DUP 0 on the first transmission", acknowledged;
        /// 3.3.1.1: then 1.
        AgainDup: "DUP 1 on re-sends", resumes;
        /// 4.4.
        NoResend: "no re-send within a connection", acknowledged;
        /// 4.3.3.
        NotAfterRelease: "no PUBLISH after its PUBREL", exactly_once;
        /// PUBREL only for a PUBREC (4.3.3, 4.6).
        ReleaseOrder: "PUBREL as and when PUBREC came", exactly_once;
        /// 4.6.
        PubAckOrder: "PUBACK for each PUBLISH, a Client's in their order", |config| config.up + config.down > 0 && config.qualities().contains(&1);
        /// 4.6.
        PubRecOrder: "PUBREC for each PUBLISH, a Client's in their order", exactly_once;
        /// 4.3.3.
        PubComp: "PUBCOMP only for PUBREL", exactly_once;
        /// 3.1.2.11.4, 3.2.2.3.6.
        PacketSize: "Maximum Packet Size", |config| config.packet_size > 0;
        /// 3.2.2.3.4.
        MaximumQos: "Maximum QoS", |_| false;
        /// 3.2.2.3.5.
        RetainAvailable: "Retain Available", |config| config.retain > 0 && acknowledged(config);
        /// 3.3.2.3.4.
        TopicAlias: "Topic Aliases known and allowed", |config| config.aliases > 0 && acknowledged(config);
        /// What was accepted has one outcome, and is not sent after it.
        OneOutcome: "exactly one outcome per token", |config| config.up + config.down > 0;
        /// 3.14.4.
        NothingAfter: "nothing after DISCONNECT", |config| {
            config.disconnects > 0 || (config.takeovers > 0 && !config.has_older_version())
        };
        /// 3.1, 3.2.
        FirstPacket: "CONNECT and CONNACK first and once", always;
        /// Each packet that is sent can be read.
        WellFormed: "every packet decodes", always;
        /// Nothing is sent that belongs to the connection before, or that nobody asked for.
        NothingOfTheDead: "nothing of a dead connection", |config| resumes(config) || (acknowledged(config) && config.takeovers > 0);
        /// The machine does what its table says.
        Table: "states follow the tables", acknowledged;
        /// Two correct machines get along.
        NoPeerError: "no complaint about a correct peer", |_| false;
        /// A call that the contract allows succeeds.
        Calls: "no call refused without a reason", always;
        /// 3.1.2.10.
        KeepAlive: "Keep Alive gap", |config| config.keep_alive > 0 && config.ticks > 0;
        /// A timeout of the peer is that of a silent peer, by an account of the bytes.
        Accusation: "nobody who spoke in time is left", |config| config.keep_alive > 0 && config.ticks > 1;
        /// And who is silent is left.
        Silence: "who is silent is left in time", |config| config.keep_alive > 0 && config.ticks > 0;
        /// Stored before sent.
        PersistFirst: "persist before dependent packets", |config| config.is_persistent() && acknowledged(config);
        /// A restored Session is the one that was stored.
        Restored: "a restored session is the stored one", |config| config.client_crashes + config.server_crashes > 0;
        /// Busy is taken back.
        Room: "Room follows Busy", |config| config.when_full == 0 && config.is_tight();
        /// What is stored is what the limits allow, and what the library says.
        StoredLimits: "stored messages within their limits", |config| config.up + config.down > 0;
        /// A message is dropped only for one that then has room, and only if the policy says so.
        Drops: "nothing dropped in vain", |config| config.when_full > 0 && config.is_tight() && !config.is_absent();
        /// What a host hears comes in the order in which it happened.
        EventOrder: "the end of a Session before anything of the next one", |_| false;
        /// A void receipt changes nothing.
        VoidReceipt: "a void receipt changes nothing", |config| config.manual > 0 && acknowledged(config);
    }
}

/// What a monitor says about something that happened.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// It was nothing that the rule is about.
    Idle,
    /// The rule could have been broken, and was not.
    Armed,
    /// The rule is broken, as the text says.
    Broken(String),
}

impl Verdict {
    /// Of something that the rule is about.
    pub(crate) fn holds(holds: bool, objection: impl FnOnce() -> String) -> Self {
        match holds {
            true => Verdict::Armed,
            false => Verdict::Broken(objection()),
        }
    }
}

/// What comes of something that monitors look at.
pub(crate) type Judged<T = ()> = Result<T, Violation>;

impl Turn<'_> {
    /// Counts a monitor that was armed.
    ///
    /// # Errors
    ///
    /// If its rule is broken.
    pub(crate) fn judge(&mut self, rule: Rule, verdict: Verdict) -> Judged {
        if !matches!(verdict, Verdict::Idle) {
            self.cover(rule.position());
        }
        match verdict {
            Verdict::Idle | Verdict::Armed => Ok(()),
            Verdict::Broken(objection) => Err(Violation::new(rule.name(), objection)),
        }
    }

    /// As [`Turn::judge`], of an answer that must not be an error.
    ///
    /// # Errors
    ///
    /// If it is one.
    pub(crate) fn demand<T, E: ToString>(&mut self, rule: Rule, answer: Result<T, E>) -> Judged<T> {
        self.cover(rule.position());
        answer.map_err(|error| Violation::new(rule.name(), error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explore::choice::Numbers;
    use crate::explore::{Coverage, Log};

    #[test]
    fn a_monitor_that_objects_or_could_have_is_counted() {
        let rule = Rule::SendOrder;
        for (verdict, count, is_broken) in [
            (Verdict::Idle, 0, false),
            (Verdict::Armed, 1, false),
            (Verdict::holds(true, String::new), 1, false),
            (Verdict::holds(false, || "wrong".to_owned()), 1, true),
        ] {
            let mut coverage = Coverage::new(rule.position() + 1);
            let (mut choices, mut log) = (Numbers::new(&[]), Log::off());
            let answer = Turn::new(&mut choices, &mut coverage, &mut log).judge(rule, verdict);
            let violation = Violation::new(rule.name(), "wrong");
            assert_eq!(answer.err(), is_broken.then_some(violation));
            assert_eq!(coverage.counts()[rule.position()], count);
        }
    }
}
