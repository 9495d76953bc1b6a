//! All that is stored, written anew while the broker runs.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::num::NonZeroU64;

use mqtt5_codec::{Message, Qos, TopicName};

use super::keep::Journal;
use crate::Token;
use crate::broker::Broker;
use crate::broker::groups::{GroupMessage, Part as GroupPart};
use crate::broker::state::clients::Client;
use crate::broker::state::shared::{SharedMessage, SharedPlace};
use crate::broker::subscriptions::Subscriber;
use crate::session::persistence::parts::Part;

/// How far a snapshot has come. [`Broker::snapshot`] begins one, [`Broker::snapshot_slice`] writes
/// it.
#[derive(Clone, Debug)]
pub struct Snapshot {
    number: u64,
    since: u64,
    journal: Journal,
    next: Next,
}

#[derive(Clone, Debug)]
enum Next {
    /// The slot of a Session.
    Session(u32),
    /// Behind this topic.
    Retained(Option<Box<str>>),
    /// Behind this publisher.
    Jobs(Option<Box<str>>),
    /// The slot of a group.
    Group(u32),
    /// The slot of a message that waits in a group.
    Waiting(u32),
    /// The slot of a message that was sent to a member of a group.
    Sent(u32),
    Head,
    Done,
}

impl Snapshot {
    /// Returns the number of the first record that is not in the snapshot: all records from this one
    /// on belong to it.
    #[must_use]
    pub const fn since(&self) -> u64 {
        self.since
    }
}

impl Broker {
    /// Begins a snapshot. Its batches, and then all records [since](Snapshot::since) this call, make
    /// the same broker as all records ever made: what was stored before can be removed when the last
    /// slice is stored. One snapshot is written at a time; a second one makes the first one void.
    pub fn snapshot(&mut self) -> Snapshot {
        Snapshot {
            number: self.ledger.bodies.begin_snapshot(),
            since: self.ledger.last() + 1,
            journal: Journal::new(1),
            next: match self.is_persistent() {
                true => Next::Session(0),
                false => Next::Done,
            },
        }
    }

    /// Puts the next slice of a snapshot in place of what is in `into`, as a batch, whose numbers
    /// mean nothing. Takes what it writes off `budget`: one for each Session, retained message,
    /// publisher whose messages are on their way, group, and message of a group, and one for each
    /// place where there was one. Returns whether there is a batch or more is to come: call it until
    /// it returns `false`. `into` is empty if this slice has found nothing.
    pub fn snapshot_slice(
        &mut self,
        snapshot: &mut Snapshot,
        budget: &mut u32,
        into: &mut Vec<u8>,
    ) -> bool {
        while *budget > 0 && !matches!(snapshot.next, Next::Done) {
            *budget -= 1;
            let next = core::mem::replace(&mut snapshot.next, Next::Done);
            snapshot.next = match next {
                Next::Session(slot) => self.snapshot_session(slot, snapshot),
                Next::Retained(behind) => self.snapshot_retained(behind.as_deref(), snapshot),
                Next::Jobs(behind) => self.snapshot_jobs(behind.as_deref(), snapshot),
                Next::Group(slot) => self.snapshot_group(slot, snapshot),
                Next::Waiting(slot) => {
                    let (slots, part) = self.groups.waiting_at(slot);
                    let stored = part.and_then(stored_place);
                    self.snapshot_shared(stored, snapshot);
                    match slot + 1 < slots {
                        true => Next::Waiting(slot + 1),
                        false => Next::Sent(0),
                    }
                }
                Next::Sent(slot) => {
                    let (slots, part) = self.groups.sent_at(slot);
                    let stored = part.and_then(stored_place);
                    self.snapshot_shared(stored, snapshot);
                    match slot + 1 < slots {
                        true => Next::Sent(slot + 1),
                        false => Next::Head,
                    }
                }
                Next::Head => {
                    let mut head = self.head();
                    head.last_record = self.ledger.last();
                    snapshot.journal.put_head(&head);
                    Next::Done
                }
                Next::Done => Next::Done,
            };
        }
        let wrote = snapshot.journal.take(into).is_some();
        if !wrote {
            into.clear();
        }
        wrote || !matches!(snapshot.next, Next::Done)
    }

    /// Writes the bytes of a message, unless this snapshot has them.
    fn snapshot_body(&mut self, number: NonZeroU64, message: &Message, snapshot: &mut Snapshot) {
        if self.ledger.bodies.is_new_in(number, snapshot.number)
            && !fault!("a snapshot without messages")
        {
            snapshot.journal.body(number, message);
        }
    }

    fn snapshot_session(&mut self, slot: u32, snapshot: &mut Snapshot) -> Next {
        if slot as usize >= self.clients.slots() {
            return Next::Retained(None);
        }
        let Some(key) = self.clients.key_at(slot) else {
            return Next::Session(slot + 1);
        };
        let Some(client) = self.clients.get(key) else {
            return Next::Session(slot + 1);
        };
        if client.has_ended {
            return Next::Session(slot + 1);
        }
        let (journal, number) = (&mut snapshot.journal, client.number);
        let session = &client.session;
        for part in session.parts() {
            if client.is_recorded || matches!(part, Part::Life | Part::Will) {
                journal.part_if_there(number, session, part);
            }
        }
        journal.owner(number, Some((&client.principal, &client.limits)));
        if !client.is_recorded {
            return Next::Session(slot + 1);
        }
        let subscriber = Client::subscriber(key);
        for (filter, granted) in self.index.of_subscriber(subscriber) {
            let since = self.jobs.since(number, filter.as_str());
            journal.subscription(number, filter.as_str(), Some((*granted, since)));
        }
        for (group, granted) in self.groups.of_subscriber(subscriber) {
            journal.subscription(number, group.filter(), Some((*granted, 0)));
        }
        for walk in client.walks.iter() {
            journal.walk(number, walk.cursor.filter(), Some(walk));
        }
        let bodies: Vec<(NonZeroU64, Message)> = session
            .unacknowledged_messages()
            .filter_map(|it| Some((it.body?, it.message.clone())))
            .collect();
        for (number, message) in bodies {
            self.snapshot_body(number, &message, snapshot);
        }
        Next::Session(slot + 1)
    }

    fn snapshot_retained(&mut self, behind: Option<&str>, snapshot: &mut Snapshot) -> Next {
        let behind = behind.and_then(|it| TopicName::new(it).ok());
        let next = match behind {
            Some(topic) => self.retained.iter_after(topic).next(),
            None => self.retained.iter().next(),
        };
        let Some(retained) = next.cloned() else {
            return Next::Jobs(None);
        };
        let topic = retained.message.topic();
        if let Some(number) = retained.body {
            self.snapshot_body(number, &retained.message, snapshot);
        }
        snapshot.journal.retained(topic.as_str(), Some(&retained));
        Next::Retained(Some(topic.as_str().into()))
    }

    fn snapshot_jobs(&mut self, behind: Option<&str>, snapshot: &mut Snapshot) -> Next {
        let Some((publisher, jobs)) = self.jobs.line_behind(behind) else {
            return Next::Group(0);
        };
        let publisher: Box<str> = publisher.into();
        let mut bodies = Vec::new();
        for job in jobs.filter(|job| job.arrival.qos > Qos::AtMostOnce) {
            snapshot.journal.job(&publisher, job);
            bodies.push((job.body, job.arrival.message.clone()));
        }
        for (number, message) in bodies {
            self.snapshot_body(number, &message, snapshot);
        }
        Next::Jobs(Some(publisher))
    }

    fn snapshot_group(&mut self, slot: u32, snapshot: &mut Snapshot) -> Next {
        let (slots, group) = self.groups.group_at(slot);
        if let Some(group) = group {
            let stored = Some((group.born(), group.policy()));
            snapshot.journal.group(group.filter(), stored);
        }
        match slot + 1 < slots {
            true => Next::Group(slot + 1),
            false => Next::Waiting(0),
        }
    }

    fn snapshot_shared(&mut self, stored: Option<StoredPlace>, snapshot: &mut Snapshot) {
        let Some(StoredPlace {
            filter,
            position,
            member,
            message,
        }) = stored
        else {
            return;
        };
        let member = member.and_then(|(member, token)| {
            let key = self.clients.key_of(member)?;
            Some((self.clients.get(key)?.number, token))
        });
        let place = SharedPlace {
            filter: &filter,
            position,
            member,
        };
        snapshot.journal.shared(&message, place);
        let shared = &message.message;
        self.snapshot_body(shared.body, &shared.message, snapshot);
    }
}

/// A message of a group, apart from the groups.
struct StoredPlace {
    filter: Box<str>,
    position: u64,
    member: Option<(Subscriber, Token)>,
    message: GroupMessage<SharedMessage>,
}

fn stored_place<V>(part: GroupPart<'_, V, &SharedMessage>) -> Option<StoredPlace> {
    let (filter, position, member, message) = match part {
        GroupPart::Waiting {
            filter,
            position,
            message,
        } => (filter, position, None, message),
        GroupPart::Sent {
            filter,
            member,
            token,
            position,
            message,
        } => (filter, position, Some((member, token)), message),
        _ => return None,
    };
    Some(StoredPlace {
        filter: filter.into(),
        position,
        member,
        message: GroupMessage {
            message: message.message.clone(),
            size: message.size,
            qos: message.qos,
            expires_at: message.expires_at,
        },
    })
}
