//! What clients send, up to the broker, and what the host does beside.

use mqtt5_codec::{Packet, Property, Publish, Qos, ReasonCode, TopicFilter};
use mqtt5_session_fsm::broker::{
    Admission, Grant, Notice, Permission, Question, Step as Taken, Verdict,
};
use mqtt5_session_fsm::broker::{ConnectionKey, DropReason, Recipient};

use super::config::{FILTERS, FORBIDDEN, TOPICS, Wanted, qos_of};
use super::host::instant;
use super::monitors::{Judge, Judged, Rule};
use super::packet::{Sent, Up, name};
use super::{Answer, BrokerWorld, Owed};
use crate::explore::Turn;

/// The host's policy.
fn policy(publish: &Publish<'_>) -> Permission {
    let topic = publish.topic.map(|topic| topic.as_str());
    match topic == Some(TOPICS[FORBIDDEN as usize]) {
        true => Permission::Refuse(ReasonCode::NotAuthorized),
        false => Permission::Publish,
    }
}

impl BrokerWorld {
    /// The broker reads the next packet of a connection.
    pub(super) fn read(&mut self, at: usize, turn: &mut Turn<'_>) -> Judged {
        let (now, link) = (instant(self.now), &self.links[at]);
        let (client, is_old, key, up) = (link.client, link.is_old, link.key, link.up[0]);
        let Some(key) = key else {
            // Nobody is there any more.
            self.links[at].up.pop_front();
            return Ok(());
        };
        let mut bytes = Vec::new();
        up.encode(client, self.config(), &mut bytes);
        let mut input = &bytes[..];
        let taken = self
            .host(is_old)
            .broker()
            .receive(now, key, &mut input, policy);
        let taken = turn.must(Rule::Calls, taken)?;
        if taken == Taken::Wait && !input.is_empty() {
            self.links[at].is_stopped = true;
            return self.serve(is_old, turn);
        }
        self.links[at].up.pop_front();
        turn.message(
            Self::lane(client),
            Self::broker_lane(is_old),
            format_args!("{up:?}"),
        );
        if self.links[at].is_accepted || matches!(up, Up::Hostile(_)) {
            self.note(at, up, turn)?;
        }
        if let Taken::Ask(question) = taken {
            if self.config().late == 0 {
                return self.decide(at, &question, turn);
            }
            self.links[at].question = Some(question);
        }
        self.serve(is_old, turn)
    }

    /// Tells the model what the broker has read.
    fn note(&mut self, at: usize, up: Up, turn: &mut Turn<'_>) -> Judged {
        let (client, is_old) = (self.links[at].client, self.links[at].is_old);
        let (now, config) = (self.time(is_old), self.config().clone());
        let refused_before = self.host(is_old).before.refused;
        let host = self.host(is_old);
        let model = &mut host.model;
        match up {
            Up::Publish(sent) => {
                if model.keeps_from(client, sent.topic) {
                    turn.cover(Rule::NoLocal.position());
                }
                let refused = host.look().statistics().refused - refused_before;
                let owed = match sent.topic {
                    FORBIDDEN => Owed::of(sent, [0x87, 0x87]),
                    _ if refused > 0 => {
                        let may_be = config.budget > 0 || host.model.is_full_for(sent, &config);
                        turn.rule(Rule::Refused, may_be, || {
                            format!("{sent:?} is refused, and no limit is reached")
                        })?;
                        host.expected += 1;
                        Owed::of(sent, [0x97, 0x97])
                    }
                    _ => match host.model.publish(client, sent, now, &config) {
                        // It has been acknowledged before, with the one or the other.
                        None => Owed::of(sent, [0, 0x10]),
                        Some(routed) => {
                            host.expected += 1;
                            let code = if routed.is_matched { 0 } else { 0x10 };
                            Owed::of(sent, [0, code])
                        }
                    },
                };
                if sent.qos > 0 {
                    self.links[at].owed.push(owed);
                }
            }
            Up::PubAck(identifier) => model.acknowledged(client, 1, identifier, true),
            Up::PubRec(identifier) => model.acknowledged(client, 2, identifier, false),
            Up::PubComp(identifier) => model.acknowledged(client, 2, identifier, true),
            Up::PubRel(identifier) => {
                if let Some(session) = model.session(client) {
                    let is_known = session.received.contains(&identifier);
                    session.received.retain(|it| *it != identifier);
                    let code = if is_known { 0 } else { 0x92 };
                    self.links[at].owed.push(Owed {
                        answer: Answer::PubComp,
                        identifier,
                        codes: [code; 2],
                    });
                }
            }
            Up::Unsubscribe(identifier, filter) => {
                let existed = model.unsubscribe(client, filter, false);
                self.links[at].owed.push(Owed {
                    answer: Answer::UnsubAck,
                    identifier,
                    codes: [if existed { 0 } else { 0x11 }; 2],
                });
            }
            Up::Disconnect { with_will } => {
                host.holds_batch = true;
                host.expected += model.said_goodbye(client, with_will, &config);
                self.links[at].may_end = Some(0);
            }
            Up::Hostile(_) => {
                host.holds_batch = true;
                self.links[at].is_hostile = true;
            }
            Up::Connect { .. } | Up::Subscribe(..) => {}
        }
        Ok(())
    }

    /// The host answers a CONNECT or a SUBSCRIBE.
    pub(super) fn decide(&mut self, at: usize, question: &Question, turn: &mut Turn<'_>) -> Judged {
        let (client, is_old) = (self.links[at].client, self.links[at].is_old);
        let (time, now) = (self.time(is_old), instant(self.now));
        let config = self.config().clone();
        match question.packet() {
            Packet::Connect(packet) => {
                let clean = packet.clean_start;
                let expiry = [Property::SessionExpiryInterval(config.expiry)];
                let is_capped = config.is_older(client) && !clean;
                let verdict = Verdict::Accept(Admission {
                    properties: &expiry[..usize::from(is_capped)],
                    ..Admission::of("p")
                });
                let answered = self
                    .host(is_old)
                    .broker()
                    .answer_connect(now, question, &verdict);
                turn.must(Rule::Calls, answered)?;
                // [MQTT-3.1.4-3]
                for other in &mut self.links {
                    if other.client == client && other.is_old == is_old && other.is_accepted {
                        other.is_accepted = false;
                        other.may_end = Some(0x8E);
                    }
                }
                let host = self.host(is_old);
                host.expected += host.model.connected(client, clean, time, &config);
                self.links[at].is_accepted = true;
            }
            Packet::Subscribe(packet) => {
                let identifier = packet.packet_identifier.get();
                let subscription = packet.subscriptions.iter().next().expect("one filter");
                let filter = subscription.filter.as_str();
                let filter = FILTERS
                    .iter()
                    .position(|it| *it == filter)
                    .expect("one of ours");
                let grants = [Grant::UpTo(Qos::ExactlyOnce)];
                let answered = self
                    .host(is_old)
                    .broker()
                    .answer_subscribe(now, question, &grants);
                turn.must(Rule::Calls, answered)?;
                let options = subscription.options;
                let wanted = Wanted {
                    filter: filter as u8,
                    qos: options.maximum_qos as u8,
                    variant: variant_of(&packet, filter as u8),
                };
                let model = &mut self.host(is_old).model;
                let own = model.session(client).map_or(0, |it| it.subscriptions.len());
                let has_it = model.is_member(client, wanted.filter);
                let fits = has_it || own < config.subscriptions as usize;
                let codes = match fits {
                    true => [wanted.qos; 2],
                    false => [0x97; 2],
                };
                if fits {
                    model.subscribe(client, wanted, time);
                }
                self.links[at].owed.push(Owed {
                    answer: Answer::SubAck,
                    identifier,
                    codes,
                });
            }
            _ => {}
        }
        self.serve(is_old, turn)
    }

    /// Does all that the broker asks its host for.
    pub(super) fn serve(&mut self, is_old: bool, turn: &mut Turn<'_>) -> Judged {
        let mut ready = Vec::new();
        self.work(is_old, &mut ready, turn)?;
        while !ready.is_empty() {
            let key = ready.remove(0);
            self.write(is_old, key, turn)?;
            self.work(is_old, &mut ready, turn)?;
        }
        if std::mem::take(&mut self.host(is_old).holds_batch) {
            self.work(is_old, &mut ready, turn)?;
        }
        if self.config().slice > 0 {
            let now = instant(self.now);
            let host = self.host(is_old);
            host.has_work = host.broker().work(now, &mut 0);
        }
        if self.config().stores == 0 {
            while self.store(turn)? {}
        }
        Ok(())
    }

    /// Finishes the last call; and all that takes long, unless that takes steps of its own.
    fn work(
        &mut self,
        is_old: bool,
        ready: &mut Vec<ConnectionKey>,
        turn: &mut Turn<'_>,
    ) -> Judged {
        self.collect(is_old, ready, turn)?;
        let now = instant(self.now);
        while self.config().slice == 0 && self.host(is_old).broker().work(now, &mut 100) {
            self.collect(is_old, ready, turn)?;
        }
        self.collect(is_old, ready, turn)
    }

    /// Takes the notices and the batch of the last call.
    fn collect(
        &mut self,
        is_old: bool,
        ready: &mut Vec<ConnectionKey>,
        turn: &mut Turn<'_>,
    ) -> Judged {
        while let Some(notice) = self.host(is_old).broker().poll() {
            match notice {
                Notice::Ready(key) => ready.push(key),
                Notice::Readable(key) => {
                    let mut links = self.links.iter_mut();
                    if let Some(link) = links.find(|it| it.is_old == is_old && it.key == Some(key))
                    {
                        link.is_stopped = false;
                    }
                }
                Notice::Dropped {
                    recipient,
                    reason: reason @ (DropReason::QueueFull | DropReason::TooLarge),
                } => {
                    let (stored, has_size) =
                        (self.config().stored as usize, self.config().packet_size > 0);
                    let client = match &recipient {
                        Recipient::Client(identifier) => identifier.parse().ok(),
                        _ => None,
                    };
                    let model = &mut self.host(is_old).model;
                    if let Some(session) = client.and_then(|it| model.session(it)) {
                        let may_be = match reason {
                            DropReason::TooLarge => has_size,
                            // The message that came last may have left with QoS 0.
                            _ => session.copies.len() >= stored,
                        };
                        turn.rule(Rule::Refused, may_be, || {
                            format!("{recipient:?} loses a message to no limit: {reason:?}")
                        })?;
                        session.losses += 1;
                    }
                }
                Notice::Dropped {
                    reason: DropReason::Group,
                    ..
                } => self.host(is_old).model.losses += 1,
                _ => {}
            }
        }
        let (now, of_broker) = (self.now, *self.broker_config());
        while !self.host(is_old).holds_batch {
            let taken = self.host(is_old).take_batch(now, &of_broker);
            let rule = match &taken {
                Err(error) if error.starts_with("the batch") => Rule::Numbers,
                _ => Rule::Restored,
            };
            if !turn.must(rule, taken)? {
                break;
            }
            turn.cover(Rule::Numbers.position());
        }
        Ok(())
    }

    /// A right is taken back.
    pub(super) fn withdraw(&mut self, client: u8, filter: u8, turn: &mut Turn<'_>) -> Judged {
        let now = instant(self.now);
        turn.note(
            Self::broker_lane(false),
            format_args!("withdraws {} from {client}", FILTERS[filter as usize]),
        );
        let text = TopicFilter::new(FILTERS[filter as usize]).expect("a filter");
        let host = &mut self.host;
        let existed = host.broker().withdraw(now, name(client), text);
        let known = host.model.unsubscribe(client, filter, true);
        if host.has_work {
            let session = host.model.session(client);
            session.into_iter().for_each(|it| it.loosen(filter));
        }
        turn.rule(Rule::Index, existed == known, || {
            format!("the subscription to withdraw: {existed} instead of {known}")
        })?;
        self.serve(false, turn)
    }
}

/// The variant of a subscription, from its options and its identifier.
fn variant_of(packet: &mqtt5_codec::Subscribe<'_>, filter: u8) -> u8 {
    let identifier = packet
        .properties
        .subscription_identifier()
        .map_or(0, |it| it.get());
    let subscription = packet.subscriptions.iter().next().expect("one filter");
    let is_it = |variant: &u8| {
        let wanted = Wanted {
            filter,
            qos: subscription.options.maximum_qos as u8,
            variant: *variant,
        };
        wanted.options() == subscription.options
            && wanted.identifier() == identifier
            && qos_of(wanted.qos) == subscription.options.maximum_qos
    };
    (0..7).find(is_it).expect("one of ours")
}

impl Owed {
    fn of(sent: Sent, codes: [u8; 2]) -> Self {
        Owed {
            answer: if sent.qos == 1 {
                Answer::PubAck
            } else {
                Answer::PubRec
            },
            identifier: sent.identifier,
            codes,
        }
    }
}
