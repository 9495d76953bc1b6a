//! Clients of MQTT 3.1.1 and MQTT 5 on the same topics.

use std::time::Duration;

use mqtt5_tokio::codec::{
    Message, Properties, Property, ProtocolVersion, Publish, TopicName, UserProperty,
};
use mqtt5_tokio::fsm::SessionConfig;
use mqtt5_tokio::{Publication, Qos};

use crate::lab::observers::Witness;
use crate::lab::{Lab, Outcome, Result, Tally};

const VERSIONS: [(ProtocolVersion, &str); 2] = [
    (ProtocolVersion::V5_0, "5"),
    (ProtocolVersion::V3_1_1, "3.1.1"),
];
/// How long the last messages may take.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) async fn run(lab: &Lab) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let count = lab.options.messages / 2;
    outcome.say(format!(
        "A publisher of each version sends {count} messages at each QoS. A subscriber of each version hears both."
    ));
    let mut properties_seen = [0; 2];
    let mut properties_sent = 0;
    for qos in lab.options.levels() {
        lab.step(format!("QoS {}", qos as u8));
        let topic = lab.topic(&format!("versions/{}", qos as u8));
        let (mut listeners, mut witnesses) = (Vec::new(), Vec::new());
        for (version, name) in VERSIONS {
            let address = format!("mqtt://{}", lab.server());
            let builder = lab.client(address, &format!("sub{name}")).version(version);
            let (subscriber, messages) = builder.connect().await?;
            subscriber.subscribe(&topic, qos).await?;
            listeners.push((subscriber, lab.listen(messages)));
            let witness = lab.name(&format!("wit{name}"));
            witnesses.push(
                Witness::subscribe(lab.server(), lab.start, version, &witness, &topic, qos).await?,
            );
        }
        for (index, (version, name)) in VERSIONS.into_iter().enumerate() {
            let observer = lab.observer().await?;
            let mut builder = lab
                .client(observer.address(), &format!("pub{name}"))
                .version(version);
            if version == ProtocolVersion::V3_1_1 {
                // The server cannot say how many it takes. Above 20, mosquitto 2.0 acknowledges QoS 2 messages that it drops.
                builder = builder.session(SessionConfig {
                    in_flight: 20,
                    ..SessionConfig::default()
                });
            }
            let (publisher, _messages) = builder.connect().await?;
            let mut pending = Vec::new();
            for number in 0..count {
                let number = index as u64 * count + number;
                let message = message(&topic, number, version, qos)?;
                pending.push(publisher.send(message).await?);
            }
            for it in pending {
                it.await?;
            }
            publisher.disconnect().await;
        }
        properties_sent += count;
        for (index, (_, name)) in VERSIONS.into_iter().enumerate() {
            for (who, notebook) in [
                ("subscriber", listeners[index].1.notebook()),
                ("witness", witnesses[index].notebook()),
            ] {
                notebook.wait_for(2 * count as usize, PATIENCE).await;
                let confirmed = (qos != Qos::AtMostOnce).then_some(2 * count);
                let tally = Tally::of(0..2 * count, confirmed, notebook.numbers());
                let subject = format!("QoS {}, {who} of {name}", qos as u8);
                outcome.deliveries(subject, qos, tally);
            }
            let heard = witnesses[index].notebook().heard();
            let with = heard.iter().filter(|it| !it.user_properties.is_empty());
            properties_seen[index] += with.count() as u64;
        }
        for (subscriber, _) in listeners {
            subscriber.disconnect().await;
        }
    }
    outcome.check(
        "User Property",
        "It reaches the subscriber of MQTT 5 with each message of the publisher of MQTT 5, and no subscriber of MQTT 3.1.1.",
        properties_seen == [properties_sent, 0],
    );
    Ok(outcome)
}

/// A numbered message. In MQTT 5 it says where it comes from.
fn message(topic: &str, number: u64, version: ProtocolVersion, qos: Qos) -> Result<Publication> {
    let payload = format!("{number} of the lab");
    let origin = [Property::UserProperty(UserProperty::new("origin", "lab")?)];
    let mut publish = Publish::new(TopicName::new(topic)?, payload.as_bytes());
    if version == ProtocolVersion::V5_0 {
        publish.properties = Properties::new(&origin)?;
    }
    Ok(Publication::new(qos, Message::new(&publish)?))
}
