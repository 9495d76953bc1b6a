//! Records of what is no part of a Session's own state.

use mqtt5_codec::TopicName;

use super::Broker;
use super::fanout::Job;
use super::granted::Granted;
use super::groups::{GroupMessage, GroupNumber};
use super::retained::RetainedMessage;
use super::shared::SharedMessage;
use super::shared::SharedPlace;
use super::slots::Key;
use crate::Token;

impl Broker {
    /// Whether more of a Session is recorded than that it exists.
    fn records(&mut self, key: Key) -> Option<(&mut super::clients::Client, &mut super::Ledger)> {
        let is_persistent = self.is_persistent();
        let client = self.clients.get_mut(key).filter(|it| it.is_recorded)?;
        is_persistent.then_some((client, &mut self.ledger))
    }

    /// Notes whose Session it is, and what it may have.
    pub(super) fn note_owner(&mut self, key: Key) {
        if let (true, Some(client)) = (self.is_persistent(), self.clients.get_mut(key)) {
            let owner = Some((&*client.principal, &client.limits));
            self.ledger.journal.owner(client.number, owner);
            client.depends_on = self.ledger.last();
        }
    }

    /// The Session has ended.
    pub(super) fn end_owner(&mut self, key: Key) {
        if let (true, Some(client)) = (self.is_persistent(), self.clients.get(key)) {
            self.ledger.journal.owner(client.number, None);
        }
    }

    /// Notes a subscription as it is now, made after this job.
    pub(super) fn note_subscription(
        &mut self,
        key: Key,
        filter: &str,
        granted: Option<(Granted, u64)>,
    ) {
        if let Some((client, ledger)) = self.records(key) {
            ledger.journal.subscription(client.number, filter, granted);
            client.depends_on = ledger.last();
        }
    }

    /// Notes how far the retained messages for a subscription have come.
    pub(super) fn note_walk(&mut self, key: Key, filter: &str) {
        if let Some((client, ledger)) = self.records(key) {
            let mut walks = client.walks.iter();
            let walk = walks.find(|walk| walk.cursor.filter() == filter);
            ledger.journal.walk(client.number, filter, walk);
            client.depends_on = ledger.last();
        }
    }

    /// Notes the retained message of a topic as it is now, and lets the former one go.
    pub(super) fn note_retained(&mut self, topic: TopicName<'_>, former: Option<&RetainedMessage>) {
        if self.is_persistent() {
            let retained = self.retained.get(crate::Instant::ORIGIN, topic);
            if let Some((number, retained)) = retained.and_then(|it| Some((it.body?, it))) {
                self.ledger.record_body(number, &retained.message);
            }
            self.ledger.journal.retained(topic.as_str(), retained);
        }
        if let Some(number) = former.and_then(|former| former.body) {
            if !fault!("what was replaced stays stored") {
                self.ledger.release(number);
            }
        }
    }

    /// Notes a message on its way to many subscribers, and how far it has come. With QoS 0 it need
    /// not survive.
    pub(super) fn note_job(&mut self, publisher: &str, job: &Job) {
        if self.is_persistent() && job.arrival.qos > mqtt5_codec::Qos::AtMostOnce {
            self.ledger.record_body(job.body, &job.arrival.message);
            self.ledger.journal.job(publisher, job);
        }
    }

    /// A message has gone to all of its subscribers.
    pub(super) fn end_job(&mut self, job: &Job) {
        if self.is_persistent() && job.arrival.qos > mqtt5_codec::Qos::AtMostOnce {
            self.ledger.journal.job_over(job.number);
        }
        self.ledger.bodies.give_back(job.bytes());
        self.ledger.release(job.body);
    }

    /// Notes a group as it is now.
    pub(super) fn note_group(&mut self, filter: &str) {
        if self.is_persistent() {
            let name = mqtt5_codec::TopicFilter::new(filter).ok();
            let group = name.and_then(|it| self.groups.find_filter(it));
            let group = group.map(|group| (group.born(), group.policy()));
            self.ledger.journal.group(filter, group);
        }
    }

    /// Notes a message of a group, which waits, or was sent to a Session with QoS 1.
    pub(super) fn note_shared(
        &mut self,
        message: &GroupMessage<SharedMessage>,
        group: GroupNumber,
        position: u64,
        member: Option<(u64, Token)>,
    ) {
        if self.is_persistent() && message.qos > mqtt5_codec::Qos::AtMostOnce {
            let shared = &message.message;
            self.ledger.record_body(shared.body, &shared.message);
            let filter = self.groups.group(group).map_or("", |it| it.filter());
            let place = SharedPlace {
                filter,
                position,
                member,
            };
            self.ledger.journal.shared(message, place);
        }
    }

    /// No group has this message any more.
    pub(super) fn note_shared_over(&mut self, number: u64) {
        if self.is_persistent() {
            self.ledger.journal.shared_over(number);
        }
    }
}
