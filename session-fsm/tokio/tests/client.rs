//! The client, at the server of this crate, over a network in memory.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{Network, VERSIONS, soon};
use mqtt5_tokio::codec::SubscriptionOptions;
use mqtt5_tokio::fsm::{ProtocolVersions, Publication};
use mqtt5_tokio::{
    ConnectError, ConnectionState, ProtocolVersion, PublishFailure, Qos, ReasonCode,
    RequestFailure, Will,
};
use tokio::sync::Semaphore;

const LEVELS: [Qos; 3] = [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce];

#[tokio::test]
async fn each_level_in_each_version() {
    for version in VERSIONS {
        let network = Network::open();
        let start = network.client("it").version(version).connect();
        let (client, mut messages) = soon(start).await.unwrap();
        for qos in LEVELS {
            assert_eq!(soon(client.subscribe("a/+", qos)).await, Ok(qos));
            let published = soon(client.publish("a/b", "hello", qos)).await.unwrap();
            assert_eq!(published.reason_code, ReasonCode::Success);
            let message = soon(messages.next()).await.unwrap();
            assert_eq!(
                (message.topic(), message.text(), message.qos()),
                ("a/b", Some("hello"), qos)
            );
        }
        assert_eq!(soon(client.unsubscribe("a/+")).await, Ok(()));
        soon(client.publish("a/b", "unheard", Qos::AtLeastOnce))
            .await
            .unwrap();
        soon(client.disconnect()).await;
        assert!(soon(messages.next()).await.is_none());
    }
}

#[tokio::test]
async fn a_message_for_nobody_is_said_to_be_for_nobody() {
    let network = Network::open();
    let (client, _) = soon(network.client("it").connect()).await.unwrap();
    let published = soon(client.publish("a", "", Qos::AtLeastOnce))
        .await
        .unwrap();
    assert_eq!(published.reason_code, ReasonCode::NoMatchingSubscribers);
}

/// Nothing is lost with QoS 1, nothing is lost or doubled with QoS 2, and the order holds, over cuts.
#[tokio::test]
async fn promises_are_kept_over_cuts() {
    const COUNT: usize = 400;
    for version in VERSIONS {
        for qos in [Qos::AtLeastOnce, Qos::ExactlyOnce] {
            let network = Network::open();
            let receiver = network.client("receiver").version(version).messages(1);
            let (subscriber, mut messages) = soon(receiver.connect()).await.unwrap();
            soon(subscriber.subscribe("n", qos)).await.unwrap();
            let sender = network.client("sender").version(version).connect();
            let (sender, _) = soon(sender).await.unwrap();
            // So many are under way, from end to end, that cuts meet some.
            let window = Arc::new(Semaphore::new(10));
            let permits = window.clone();
            let sending = tokio::spawn(async move {
                let mut outcomes = Vec::new();
                for number in 0..COUNT {
                    permits.acquire().await.unwrap().forget();
                    let publication = Publication::of("n", number.to_string().as_bytes(), qos);
                    outcomes.push(sender.send(publication.unwrap()).await.unwrap());
                }
                for outcome in outcomes {
                    outcome.await.unwrap();
                }
            });
            let (mut seen, mut repeated) = (Vec::new(), 0);
            while seen.len() < COUNT {
                let message = soon(messages.next()).await.unwrap();
                let number: usize = message.text().unwrap().parse().unwrap();
                match seen.contains(&number) {
                    true => repeated += 1,
                    false => {
                        seen.push(number);
                        window.add_permits(1);
                    }
                }
                if (seen.len() + repeated) % 20 == 10 {
                    network.cut();
                }
            }
            soon(sending).await.unwrap();
            assert!(seen.is_sorted(), "{seen:?}");
            assert!(network.opened() > 4, "{}", network.opened());
            assert!(repeated == 0 || qos == Qos::AtLeastOnce, "{repeated}");
        }
    }
}

#[tokio::test]
async fn a_lost_session_is_subscribed_again() {
    for version in VERSIONS {
        let network = Network::open();
        let start = network.client("it").version(version).connect();
        let (client, mut messages) = soon(start).await.unwrap();
        soon(client.subscribe("a", Qos::AtLeastOnce)).await.unwrap();
        soon(client.subscribe("b", Qos::AtLeastOnce)).await.unwrap();
        soon(client.unsubscribe("b")).await.unwrap();
        // The server forgets everything.
        network.replace(Network::open().replace(None));
        network.cut();
        let mut state = client.state();
        soon(state.wait_for(|it| matches!(it, ConnectionState::Connecting { .. })))
            .await
            .unwrap();
        let is_connected = |it: &ConnectionState| {
            matches!(
                it,
                ConnectionState::Connected {
                    session_present: false,
                    ..
                }
            )
        };
        soon(state.wait_for(is_connected)).await.unwrap();
        // Behind the subscriptions.
        soon(client.publish("b", "no", Qos::AtLeastOnce))
            .await
            .unwrap();
        soon(client.publish("a", "yes", Qos::AtLeastOnce))
            .await
            .unwrap();
        assert_eq!(soon(messages.next()).await.unwrap().text(), Some("yes"));
    }
}

#[tokio::test]
async fn what_is_said_without_a_connection_waits_for_one() {
    let network = Network::default();
    let (client, mut messages) = network.client("it").start().await.unwrap();
    let subscribing = tokio::spawn({
        let client = client.clone();
        async move { client.subscribe("a", Qos::ExactlyOnce).await }
    });
    let outcome = client
        .send(Publication::of("a", b"early", Qos::ExactlyOnce).unwrap())
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    network.replace(Network::open().replace(None));
    assert_eq!(soon(subscribing).await.unwrap(), Ok(Qos::ExactlyOnce));
    soon(outcome).await.unwrap();
    soon(client.publish("a", "late", Qos::AtLeastOnce))
        .await
        .unwrap();
    // Whether the first one came before the subscription is the server's business.
    let mut last = soon(messages.next()).await.unwrap();
    if last.text() == Some("early") {
        last = soon(messages.next()).await.unwrap();
    }
    assert_eq!(last.text(), Some("late"));
}

/// While the application takes nothing, nothing is read, so the server keeps the messages; later all of them come.
#[tokio::test]
async fn a_slow_application_holds_up_the_server() {
    const COUNT: usize = 300;
    let network = Network::open();
    let (client, mut messages) = soon(network.client("slow").messages(1).connect())
        .await
        .unwrap();
    soon(client.subscribe("a", Qos::AtLeastOnce)).await.unwrap();
    let (other, _) = soon(network.client("other").connect()).await.unwrap();
    for number in 0..COUNT {
        let payload = format!("{number:0100}");
        soon(other.publish("a", payload, Qos::AtLeastOnce))
            .await
            .unwrap();
    }
    let waiting = network
        .server()
        .look(|broker| broker.session_of("slow").unwrap().session().waiting());
    let in_flight = network
        .server()
        .look(|broker| broker.session_of("slow").unwrap().session().in_flight());
    assert!(
        waiting + u32::from(in_flight) > 200,
        "{waiting} {in_flight}"
    );
    for number in 0..COUNT {
        let message = soon(messages.next()).await.unwrap();
        assert_eq!(message.text().unwrap().parse(), Ok(number));
    }
}

#[tokio::test]
async fn a_message_that_is_not_acknowledged_comes_again() {
    for version in VERSIONS {
        let network = Network::open();
        let start = network
            .client("it")
            .version(version)
            .manual_acknowledgement(true);
        let (client, mut messages) = soon(start.connect()).await.unwrap();
        soon(client.subscribe("a", Qos::AtLeastOnce)).await.unwrap();
        soon(client.publish("a", "1", Qos::AtLeastOnce))
            .await
            .unwrap();
        soon(client.publish("a", "2", Qos::AtLeastOnce))
            .await
            .unwrap();
        soon(messages.next()).await.unwrap().acknowledge();
        let second = soon(messages.next()).await.unwrap();
        assert_eq!((second.text(), second.duplicate()), (Some("2"), false));
        // Let the acknowledgement of the first one arrive.
        soon(client.publish("b", "", Qos::AtLeastOnce))
            .await
            .unwrap();
        network.cut();
        let again = soon(messages.next()).await.unwrap();
        assert_eq!((again.text(), again.duplicate()), (Some("2"), true));
        // A decision about an earlier connection is none.
        second.acknowledge();
        again.refuse(ReasonCode::ImplementationSpecificError);
        soon(client.publish("a", "3", Qos::AtLeastOnce))
            .await
            .unwrap();
        assert_eq!(soon(messages.next()).await.unwrap().text(), Some("3"));
    }
}

#[tokio::test]
async fn requests_have_responses_or_time_out() {
    let network = Network::open();
    let (service, mut requests) = soon(network.client("service").connect()).await.unwrap();
    soon(service.subscribe("double", Qos::AtLeastOnce))
        .await
        .unwrap();
    tokio::spawn(async move {
        while let Some(request) = requests.next().await {
            let number: u32 = request.text().unwrap().parse().unwrap();
            if number != 13 {
                let reply = request.reply((2 * number).to_string()).unwrap();
                service.send(reply).await.unwrap().await.unwrap();
            }
        }
    });
    let (client, mut messages) = soon(network.client("it").connect()).await.unwrap();
    for number in [1_u32, 7, 100] {
        let response = client.request("double", number.to_string(), Duration::from_secs(20));
        let response = soon(response).await.unwrap();
        assert_eq!(response.text(), Some(&*(2 * number).to_string()));
    }
    let short = Duration::from_millis(100);
    let failed = soon(client.request("double", "13", short)).await;
    assert_eq!(failed.unwrap_err(), RequestFailure::TimedOut);
    assert!(messages.take().is_none(), "responses are no messages");
}

/// A Message Expiry Interval counts whole seconds: it is never less than the requester waits.
#[tokio::test]
async fn a_request_does_not_expire_before_its_time_is_up() {
    let network = Network::open();
    let (service, mut requests) = soon(network.client("service").connect()).await.unwrap();
    soon(service.subscribe("a", Qos::AtMostOnce)).await.unwrap();
    let (client, _messages) = soon(network.client("it").connect()).await.unwrap();
    for (milliseconds, seconds) in [
        (20_000, 20),
        (20_001, 21),
        (20_999, 21),
        (21_000, 21),
        (u64::MAX, u32::MAX),
    ] {
        let within = Duration::from_millis(milliseconds);
        let client = client.clone();
        let asking = tokio::spawn(async move { client.request("a", "?", within).await });
        let request = soon(requests.next()).await.unwrap();
        let expiry = request.publish().properties.message_expiry_interval();
        assert_eq!(expiry, Some(seconds), "{within:?}");
        asking.abort();
    }
}

#[tokio::test]
async fn the_will_is_published_when_the_client_is_gone() {
    for version in VERSIONS {
        let network = Network::open();
        let (witness, mut messages) = soon(network.client("witness").connect()).await.unwrap();
        soon(witness.subscribe("status", Qos::AtLeastOnce))
            .await
            .unwrap();
        let will = Will::new("status", "gone", Qos::AtLeastOnce);
        let start = network.client("it").version(version).will(will);
        let (client, _) = soon(start.connect()).await.unwrap();
        soon(client.disconnect_with(ReasonCode::DisconnectWithWillMessage)).await;
        assert_eq!(soon(messages.next()).await.unwrap().text(), Some("gone"));
    }
}

#[tokio::test]
async fn a_server_of_the_other_version_is_found() {
    let config = mqtt5_tokio::ServerBuilder::default_config();
    let config = mqtt5_tokio::fsm::broker::BrokerConfig {
        server: mqtt5_tokio::fsm::ServerConfig {
            versions: ProtocolVersions::only(ProtocolVersion::V3_1_1),
            ..config.server
        },
        ..config
    };
    let server = mqtt5_tokio::Server::builder(mqtt5_tokio::AllowAll)
        .config(config)
        .start()
        .unwrap();
    let network = Network::of(server);
    let (client, mut messages) = soon(network.client("it").connect()).await.unwrap();
    soon(client.subscribe("a", Qos::AtLeastOnce)).await.unwrap();
    soon(client.publish("a", "x", Qos::AtLeastOnce))
        .await
        .unwrap();
    assert_eq!(soon(messages.next()).await.unwrap().text(), Some("x"));
    assert_eq!(network.opened(), 2);
    // It has no such options.
    let options = SubscriptionOptions {
        no_local: true,
        ..SubscriptionOptions::default()
    };
    let refused = soon(client.subscribe_with("b", options, None)).await;
    assert!(
        matches!(refused, Err(RequestFailure::Invalid(_))),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_wrong_call_is_an_error() {
    let network = Network::open();
    let (client, messages) = soon(network.client("it").connect()).await.unwrap();
    let wildcard = client.publish("a/#", "", Qos::AtMostOnce);
    assert!(matches!(
        soon(wildcard).await,
        Err(PublishFailure::Refused(_))
    ));
    let filter = client.subscribe("a/#/b", Qos::AtMostOnce);
    assert!(matches!(
        soon(filter).await,
        Err(RequestFailure::Invalid(_))
    ));
    soon(client.disconnect()).await;
    assert_eq!(
        soon(client.publish("a", "", Qos::AtMostOnce)).await,
        Err(PublishFailure::Ended)
    );
    assert_eq!(
        soon(client.subscribe("a", Qos::AtMostOnce)).await,
        Err(RequestFailure::Ended)
    );
    let why = ConnectError::Disconnected;
    assert_eq!(*client.state().borrow(), ConnectionState::Ended { why });
    drop(messages);
    for wrong in ["http://a", "", "mqtt://"] {
        let refused = mqtt5_tokio::Client::connect(wrong, "it").await.unwrap_err();
        assert!(matches!(refused, ConnectError::Options(_)), "{refused}");
    }
}

#[tokio::test]
async fn a_deadline_is_kept() {
    let network = Network::default();
    let (client, _) = network.client("it").start().await.unwrap();
    let publication = Publication::of("a", b"", Qos::AtLeastOnce).unwrap();
    let outcome = client.publish_within(Duration::from_millis(50), publication);
    assert_eq!(soon(outcome).await, Err(PublishFailure::TimedOut));
}

/// After its handles are dropped, a client finishes what is pending and disconnects.
#[tokio::test]
async fn a_dropped_client_finishes_and_disconnects() {
    let network = Network::open();
    let (witness, mut messages) = soon(network.client("witness").connect()).await.unwrap();
    soon(witness.subscribe("#", Qos::AtLeastOnce))
        .await
        .unwrap();
    let will = Will::new("status", "gone", Qos::AtLeastOnce);
    let (client, own) = soon(network.client("it").will(will).connect())
        .await
        .unwrap();
    let outcome = client
        .send(Publication::of("a", b"last", Qos::ExactlyOnce).unwrap())
        .await
        .unwrap();
    drop((client, own));
    soon(outcome).await.unwrap();
    assert_eq!(soon(messages.next()).await.unwrap().text(), Some("last"));
    let is_alone = async {
        while network
            .server()
            .look(|broker| broker.statistics().connections)
            > 1
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    soon(is_alone).await;
    assert!(messages.take().is_none(), "no Will");
}

/// An application that publishes for each message that it takes, and waits, goes on whatever the server sends.
#[tokio::test]
async fn an_application_that_answers_each_message_is_not_stuck() {
    const COUNT: usize = 3_000;
    for version in VERSIONS {
        for (incoming, answers) in [
            (Qos::AtLeastOnce, Qos::ExactlyOnce),
            (Qos::AtMostOnce, Qos::AtLeastOnce),
        ] {
            let network = Network::open();
            let start = network.client("it").version(version).messages(10).connect();
            let (client, mut messages) = soon(start).await.unwrap();
            soon(client.subscribe("in", incoming)).await.unwrap();
            let (other, _) = soon(network.client("other").connect()).await.unwrap();
            let mut outcomes = Vec::new();
            for _ in 0..COUNT {
                let publication = Publication::of("in", b"question", incoming).unwrap();
                outcomes.push(soon(other.send(publication)).await.unwrap());
            }
            let answering = async {
                let mut answered = 0;
                while answered + messages.dropped() < COUNT {
                    messages.next().await.unwrap();
                    client.publish("out", "answer", answers).await.unwrap();
                    answered += 1;
                }
            };
            soon(answering).await;
            assert!(incoming == Qos::AtMostOnce || messages.dropped() == 0);
        }
    }
}

/// A Session without room holds up those who publish, and nobody who wants to end.
#[tokio::test]
async fn disconnecting_does_not_wait_for_room() {
    let network = Network::default();
    let (client, _messages) = network.client("it").start().await.unwrap();
    let filling = tokio::spawn({
        let client = client.clone();
        async move {
            let mut outcomes = Vec::new();
            loop {
                match client
                    .send(Publication::of("a", &[0; 1_000], Qos::AtLeastOnce).unwrap())
                    .await
                {
                    Ok(outcome) => outcomes.push(outcome),
                    Err(error) => break (outcomes, error),
                }
            }
        }
    });
    while !filling.is_finished() {
        tokio::time::sleep(Duration::from_millis(50)).await;
        soon(client.disconnect()).await;
    }
    let (outcomes, error) = filling.await.unwrap();
    assert!(
        outcomes.len() > 500 && error == PublishFailure::Ended,
        "{} {error}",
        outcomes.len()
    );
    for outcome in outcomes {
        assert_eq!(soon(outcome).await, Err(PublishFailure::Ended));
    }
}

#[tokio::test]
async fn what_was_handed_over_goes_out_though_nobody_is_left() {
    let network = Network::default();
    let (client, messages) = network.client("it").start().await.unwrap();
    for number in 0..10_u8 {
        drop(
            client
                .send(Publication::of("a", &[number], Qos::ExactlyOnce).unwrap())
                .await
                .unwrap(),
        );
    }
    drop((client, messages));
    let open = Network::open();
    let (witness, mut heard) = soon(open.client("witness").connect()).await.unwrap();
    soon(witness.subscribe("a", Qos::ExactlyOnce))
        .await
        .unwrap();
    network.replace(Some(open.server()));
    for number in 0..10_u8 {
        assert_eq!(soon(heard.next()).await.unwrap().payload(), [number]);
    }
}

#[tokio::test]
async fn what_mqtt_3_1_1_has_not() {
    let network = Network::open();
    let older = |name| {
        network
            .client(name)
            .version(ProtocolVersion::V3_1_1)
            .connect()
    };
    let (client, mut messages) = soon(older("it")).await.unwrap();
    soon(client.subscribe("a", Qos::AtLeastOnce)).await.unwrap();
    let refused = soon(client.request("a", "?", Duration::from_secs(20))).await;
    assert!(
        matches!(refused, Err(RequestFailure::Invalid(_))),
        "{refused:?}"
    );
    soon(client.publish("a", "last", Qos::AtLeastOnce))
        .await
        .unwrap();
    assert_eq!(soon(messages.next()).await.unwrap().text(), Some("last"));
    // The server names a client that has no name.
    let (nameless, _messages) = soon(older("")).await.unwrap();
    soon(nameless.publish("a", "", Qos::AtLeastOnce))
        .await
        .unwrap();
}
