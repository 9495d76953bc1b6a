//! The broker's own topics: `$SYS/broker/…`, retained.

use std::time::{Duration, Instant};

use mqtt5_tokio::codec::{Message, Publish, TopicName};
use mqtt5_tokio::{Qos, Server};
use tokio::time::{MissedTickBehavior, interval};

/// Publishes the numbers again and again. Ends with its task.
pub async fn publish(server: Server, every: Duration) {
    let start = Instant::now();
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = Vec::new();
    loop {
        ticks.tick().await;
        let numbers = numbers(&server, start.elapsed());
        for (number, (topic, value)) in numbers.iter().enumerate() {
            // What has not changed is retained.
            if last.get(number) != Some(&(*topic, value.clone())) {
                tell(&server, topic, value);
            }
        }
        last = numbers;
    }
}

fn numbers(server: &Server, uptime: Duration) -> Vec<(&'static str, String)> {
    let it = server.look(|broker| broker.statistics());
    vec![
        (
            "version",
            format!("mqtt5-examples broker {}", env!("CARGO_PKG_VERSION")),
        ),
        ("uptime", format!("{} seconds", uptime.as_secs())),
        ("clients/connected", it.connections.to_string()),
        (
            "clients/disconnected",
            it.sessions.saturating_sub(it.connections).to_string(),
        ),
        ("clients/total", it.sessions.to_string()),
        ("subscriptions/count", it.subscriptions.to_string()),
        ("shared_subscriptions/count", it.groups.to_string()),
        ("retained messages/count", it.retained.to_string()),
        ("store/messages/bytes", it.message_bytes.to_string()),
        ("messages/received", it.published.to_string()),
        ("messages/sent", it.delivered.to_string()),
        ("messages/acknowledged", it.acknowledged.to_string()),
        ("messages/dropped", it.dropped.to_string()),
        ("messages/refused", it.refused.to_string()),
        ("messages/unmatched", it.unmatched.to_string()),
    ]
}

/// That there is no room for it is no reason to end.
fn tell(server: &Server, topic: &str, value: &str) {
    let topic = format!("$SYS/broker/{topic}");
    let message = TopicName::new(&topic).ok().and_then(|topic| {
        let publish = Publish {
            retain: true,
            ..Publish::new(topic, value.as_bytes())
        };
        Message::new(&publish).ok()
    });
    if let Some(message) = message {
        let _ = server.publish(message, Qos::AtMostOnce);
    }
}
