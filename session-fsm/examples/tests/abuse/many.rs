//! Very many: named runs, which take longer.
//!
//! ```sh
//! cargo test --release -p mqtt5-examples --test abuse -- --ignored --nocapture
//! ```

use std::time::{Duration, Instant};

use mqtt5_examples::lab::observers::Socket;
use mqtt5_tokio::codec::{
    Binary, Connect, Properties, Property, ProtocolVersion, Qos, Text, TopicName, Will,
};
use mqtt5_tokio::{Publication, Qos as Level};

use super::process::{Bystanders, Process, soon};

/// A connection whose Session outlives it, and that has a Will.
async fn with_will(address: &str, name: &str) -> Socket {
    let mut socket = Socket::open(address, ProtocolVersion::V5_0).await.unwrap();
    let properties = [Property::SessionExpiryInterval(600)];
    let will = Will {
        qos: Qos::AtLeastOnce,
        retain: false,
        properties: Properties::default(),
        topic: TopicName::new("wills").unwrap(),
        payload: Binary::new(name.as_bytes()).unwrap(),
    };
    let connect = Connect {
        client_identifier: Text::new(name).unwrap(),
        properties: Properties::new(&properties).unwrap(),
        will: Some(will),
        ..Connect::default()
    };
    socket.write(&[connect.into()]).await.unwrap();
    soon(socket.next(|_| ())).await.unwrap().unwrap();
    socket
}

async fn crowd(address: &str, count: usize) -> Vec<Socket> {
    let mut tasks = Vec::new();
    for part in 0..100 {
        let address = address.to_owned();
        tasks.push(tokio::spawn(async move {
            let mut sockets = Vec::new();
            for number in (part..count).step_by(100) {
                sockets.push(with_will(&address, &format!("client-{number}")).await);
            }
            sockets
        }));
    }
    let mut sockets = Vec::new();
    for task in tasks {
        sockets.extend(task.await.unwrap());
    }
    sockets
}

/// 10,000 connections are lost at once, with their Wills due, and come back at once.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "10,000 connections need 20,000 descriptors"]
async fn ten_thousand_connections_come_back() {
    const COUNT: usize = 10_000;
    let limits = "[limits]\nconnections = 20000\nsessions = 20000\nwaiting_messages = 20000\n";
    let broker = Process::start(&[("limits.toml", limits)]);
    let bystanders = Bystanders::start(&broker).await;
    let (watcher, mut wills) = soon(broker.client("watcher").connect()).await.unwrap();
    soon(watcher.subscribe("wills", Level::AtLeastOnce))
        .await
        .unwrap();
    let before = broker.memory();
    let sockets = crowd(&broker.address, COUNT).await;
    let idle = broker.memory();
    drop(sockets);
    let began = Instant::now();
    let sockets = crowd(&broker.address, COUNT).await;
    let back = began.elapsed();
    for _ in 0..COUNT {
        soon(wills.next()).await.unwrap();
    }
    let after = broker.memory();
    drop(sockets);
    println!(
        "10,000 connections: {} bytes each while idle; they came back within {back:.1?}; all Wills came; \
         {:.0} MB before, {:.0} MB with them, {:.0} MB after the storm",
        (idle - before) / COUNT as u64,
        before as f64 / 1e6,
        idle as f64 / 1e6,
        after as f64 / 1e6,
    );
    bystanders.end("10,000 connections that come back").await;
}

/// A million retained messages, each with a topic of its own, and their removal.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute"]
async fn a_million_topics() {
    const COUNT: usize = 1_000_000;
    let limits = "[limits]\nretained_messages = 2000000\n";
    let broker = Process::start(&[("limits.toml", limits)]);
    let bystanders = Bystanders::start(&broker).await;
    let before = broker.memory();
    let (publisher, _messages) = soon(broker.client("publisher").connect()).await.unwrap();
    for payload in ["x", ""] {
        let mut pending = std::collections::VecDeque::new();
        for number in 0..COUNT {
            let topic = format!("site/{}/sensor/{number}", number % 1_000);
            let mut message =
                Publication::of(&topic, payload.as_bytes(), Level::AtLeastOnce).unwrap();
            message.retain = true;
            pending.push_back(soon(publisher.send(message)).await.unwrap());
            if pending.len() > 500 {
                soon(pending.pop_front().unwrap()).await.unwrap();
            }
        }
        for it in pending {
            soon(it).await.unwrap();
        }
        let now = broker.memory();
        println!(
            "1,000,000 topics, payload {payload:?}: {:.0} MB, {:.0} MB before",
            now as f64 / 1e6,
            before as f64 / 1e6
        );
    }
    bystanders.end("1,000,000 topics").await;
}

/// Ten minutes of mixed load; memory after one minute and at the end are the same but for a tenth.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes ten minutes"]
async fn soak() {
    let broker = Process::start(&[]);
    let bystanders = Bystanders::start(&broker).await;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..8_usize {
        let qos = [Level::AtMostOnce, Level::AtLeastOnce, Level::ExactlyOnce][number % 3];
        let topic = format!("soak/{number}");
        let (subscriber, mut messages) = soon(broker.client(&format!("sub-{number}")).connect())
            .await
            .unwrap();
        soon(subscriber.subscribe(&topic, qos)).await.unwrap();
        tasks.spawn(async move {
            while messages.next().await.is_some() {}
            drop(subscriber);
        });
        let builder = broker.client(&format!("pub-{number}"));
        tasks.spawn(async move {
            let (publisher, _messages) = builder.connect().await.unwrap();
            for round in 0_u64.. {
                let payload = vec![b'x'; (round % 900) as usize];
                publisher.publish(&topic, payload, qos).await.unwrap();
                tokio::time::sleep(Duration::from_micros(500)).await;
            }
        });
    }
    // Clients that come and go, each with a subscription and a retained message.
    let address = broker.address.clone();
    tasks.spawn(async move {
        for number in 0_u64.. {
            let name = format!("passing-{}", number % 50);
            let builder = mqtt5_tokio::Client::builder(format!("mqtt://{address}"), name);
            let builder = builder.session_expiry(Duration::from_secs(number % 3));
            let (client, _messages) = builder.connect().await.unwrap();
            client
                .subscribe("soak/#", Level::AtLeastOnce)
                .await
                .unwrap();
            let topic = format!("passing/{}", number % 50);
            client
                .publish_retained(&topic, "x", Level::AtLeastOnce)
                .await
                .unwrap();
            client.disconnect().await;
        }
    });
    let mut first = 0;
    for minute in 1..=10 {
        tokio::time::sleep(Duration::from_secs(60)).await;
        let memory = broker.memory();
        println!("minute {minute}: {:.1} MB", memory as f64 / 1e6);
        if minute == 1 {
            first = memory;
        }
        assert!(memory < first + first / 10 + (4 << 20), "{first} {memory}");
    }
    tasks.abort_all();
    bystanders.end("ten minutes of mixed load").await;
}
