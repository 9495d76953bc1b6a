//! What Clients ask a broker for.

use mqtt5_session_fsm::codec::{
    Delivery, Packet, Properties, Property, Publish, Qos, ReasonCode, Subscribe, Subscription,
    SubscriptionIdentifier, SubscriptionOptions, Subscriptions, TopicFilter, TopicFilters,
    TopicName, Unsubscribe,
};

use super::Place;
use crate::broker::people::{encode, up_to};

impl Place {
    /// Gives the answers that were not given so far, and all from now on.
    pub(crate) fn answer(&mut self, wire: usize) {
        let it = self.wire(wire);
        it.answers = true;
        let unanswered = core::mem::take(&mut it.unanswered);
        self.send(wire, &unanswered);
    }

    pub(crate) fn subscribe(&mut self, wire: usize, filter: &str, qos: Qos) -> ReasonCode {
        self.subscribe_as(wire, filter, up_to(qos), None)
    }

    pub(crate) fn subscribe_as(
        &mut self,
        wire: usize,
        filter: &str,
        options: SubscriptionOptions,
        identifier: Option<u32>,
    ) -> ReasonCode {
        let codes = self.subscribe_all(wire, &[(filter, options)], identifier);
        assert_eq!(codes.len(), 1);
        codes[0]
    }

    /// Subscribes; returns the Reason Codes of the SUBACK, if there was one.
    pub(crate) fn subscribe_all(
        &mut self,
        wire: usize,
        filters: &[(&str, SubscriptionOptions)],
        identifier: Option<u32>,
    ) -> Vec<ReasonCode> {
        let packet_identifier = self.next_identifier(wire);
        let list: Vec<_> = filters
            .iter()
            .map(|(filter, options)| Subscription {
                filter: TopicFilter::new(filter).unwrap(),
                options: *options,
            })
            .collect();
        let identifier: Vec<_> = identifier
            .map(|it| Property::SubscriptionIdentifier(SubscriptionIdentifier::new(it).unwrap()))
            .into_iter()
            .collect();
        let packet = Subscribe {
            properties: Properties::new(&identifier).unwrap(),
            ..Subscribe::new(packet_identifier, Subscriptions::new(&list).unwrap())
        };
        self.send(wire, &encode(&Packet::Subscribe(packet)));
        let codes = self.find(wire, |packet| match packet {
            Packet::SubAck(it) if it.packet_identifier == packet_identifier => {
                Some(it.reason_codes.iter().collect())
            }
            _ => None,
        });
        codes.unwrap_or_default()
    }

    pub(crate) fn unsubscribe(&mut self, wire: usize, filter: &str) -> ReasonCode {
        let packet_identifier = self.next_identifier(wire);
        let list = [TopicFilter::new(filter).unwrap()];
        let packet = Unsubscribe::new(packet_identifier, TopicFilters::new(&list).unwrap());
        self.send(wire, &encode(&Packet::Unsubscribe(packet)));
        self.find(wire, |packet| match packet {
            // MQTT 3.1.1 has no Reason Codes here.
            Packet::UnsubAck(it) => {
                Some(it.reason_codes.iter().next().unwrap_or(ReasonCode::Success))
            }
            _ => None,
        })
        .expect("an UNSUBACK")
    }

    /// Publishes; returns the Reason Code of the PUBACK or PUBREC, if there was one.
    pub(crate) fn publish(
        &mut self,
        wire: usize,
        topic: &str,
        payload: &str,
        qos: Qos,
    ) -> Option<ReasonCode> {
        let publish = Publish::new(TopicName::new(topic).unwrap(), payload.as_bytes());
        self.publish_as(wire, publish, qos)
    }

    pub(crate) fn retain(&mut self, wire: usize, topic: &str, payload: &str) {
        let publish = Publish {
            retain: true,
            ..Publish::new(TopicName::new(topic).unwrap(), payload.as_bytes())
        };
        let code = self.publish_as(wire, publish, Qos::AtLeastOnce);
        assert!(code.is_some_and(|it| !it.is_error()), "{code:?}");
    }

    pub(crate) fn publish_as(
        &mut self,
        wire: usize,
        publish: Publish<'_>,
        qos: Qos,
    ) -> Option<ReasonCode> {
        let packet_identifier = self.next_identifier(wire);
        let publish = Publish {
            delivery: Delivery::new(qos, packet_identifier, false),
            ..publish
        };
        self.send(wire, &encode(&Packet::Publish(publish)));
        self.find(wire, |packet| match packet {
            Packet::PubAck(it) if it.packet_identifier == packet_identifier => Some(it.reason_code),
            Packet::PubRec(it) if it.packet_identifier == packet_identifier => Some(it.reason_code),
            _ => None,
        })
    }
}
