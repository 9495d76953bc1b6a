//! Clients that do what they should not, at the broker as a process: the others go on, memory comes back, and the log says who
//! it was. Each test prints its numbers: `cargo test --release -p mqtt5-examples --test abuse -- --nocapture`.

#![cfg(unix)]

#[path = "abuse/many.rs"]
mod many;
#[path = "abuse/process.rs"]
mod process;
#[path = "abuse/store.rs"]
mod store;

use std::time::Duration;

use mqtt5_examples::lab::observers::Socket;
use mqtt5_tokio::codec::{
    Connect, Delivery, Packet, PacketIdentifier, ProtocolVersion, Publish, Qos, Subscribe,
    Subscription, Subscriptions, Text, TopicName,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

use process::{Bystanders, Process, soon};

/// A connection that has been accepted.
async fn connected(broker: &Process, name: &str) -> Socket {
    let mut socket = Socket::open(&broker.address, ProtocolVersion::V5_0)
        .await
        .unwrap();
    let connect = Connect {
        clean_start: true,
        client_identifier: Text::new(name).unwrap(),
        ..Connect::default()
    };
    socket.write(&[connect.into()]).await.unwrap();
    socket.next(|_| ()).await.unwrap().unwrap();
    socket
}

async fn subscribe(socket: &mut Socket, filter: &str, qos: Qos) {
    let list = [Subscription::new(filter, qos).unwrap()];
    let identifier = PacketIdentifier::new(1).unwrap();
    let subscribe = Subscribe::new(identifier, Subscriptions::new(&list).unwrap());
    socket.write(&[subscribe.into()]).await.unwrap();
    socket.next(|_| ()).await.unwrap().unwrap();
}

/// One byte after the other, before and after CONNECT, and connections that say nothing at all.
#[tokio::test(flavor = "multi_thread")]
async fn slow_connections_do_not_hold_up_others() {
    let broker = Process::start(&[]);
    let bystanders = Bystanders::start(&broker).await;
    let before = broker.memory();
    let mut silent = Vec::new();
    for _ in 0..200 {
        silent.push(TcpStream::connect(&broker.address).await.unwrap());
    }
    let mut connect = Vec::new();
    let packet = Connect {
        client_identifier: Text::new("slow").unwrap(),
        ..Connect::default()
    };
    Packet::from(packet)
        .encode(ProtocolVersion::V5_0, &mut connect)
        .unwrap();
    let mut slow = Vec::new();
    for number in 0..50 {
        let mut socket = TcpStream::connect(&broker.address).await.unwrap();
        socket.write_all(&connect[..4]).await.unwrap();
        slow.push((number, socket));
    }
    for byte in &connect[4..connect.len() - 1] {
        for (_, socket) in &mut slow {
            let _ = socket.write_all(&[*byte]).await;
        }
        sleep(Duration::from_millis(5)).await;
    }
    // A large PUBLISH of which only the head comes: nothing is reserved for the rest.
    for number in 0..100 {
        let mut socket = TcpStream::connect(&broker.address).await.unwrap();
        let mut bytes = connect.clone();
        // Another ClientID of the same length.
        let at = bytes.len() - 4;
        bytes[at..].copy_from_slice(format!("{number:04}").as_bytes());
        bytes.extend([0x30, 0xFF, 0xFF, 0x3F, 0, 1, b'a', 0]);
        socket.write_all(&bytes).await.unwrap();
        slow.push((number, socket));
    }
    bystanders.rounds(50).await;
    let during = broker.memory();
    assert!(during < before + (32 << 20), "{before} {during}");
    drop((silent, slow));
    bystanders.end("350 slow connections").await;
}

/// Readers that never read, and subscribers that never acknowledge: what waits for them is limited.
#[tokio::test(flavor = "multi_thread")]
async fn those_who_do_not_read_or_acknowledge_cost_a_limited_amount() {
    let limits = "[limits]\nwaiting_messages = 1000\nwaiting_bytes = 1048576\n";
    let broker = Process::start(&[("limits.toml", limits)]);
    let bystanders = Bystanders::start(&broker).await;
    let before = broker.memory();
    let mut abusers = Vec::new();
    for number in 0..20 {
        let qos = [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce][number % 3];
        let mut socket = connected(&broker, &format!("abuser-{number}")).await;
        subscribe(&mut socket, "flood", qos).await;
        abusers.push(socket);
    }
    let mut publisher = connected(&broker, "publisher").await;
    let payload = vec![7; 10_000];
    for number in 0..2_000_u32 {
        let mut publish = Publish::new(TopicName::new("flood").unwrap(), &payload);
        let identifier = PacketIdentifier::new((number % 500 + 1) as u16).unwrap();
        publish.delivery = Delivery::new(Qos::AtLeastOnce, identifier, false);
        soon(publisher.write(&[publish.into()])).await.unwrap();
        if number % 500 == 499 {
            for _ in 0..500 {
                soon(publisher.next(|_| ())).await.unwrap().unwrap();
            }
        }
    }
    bystanders.rounds(50).await;
    let during = broker.memory();
    // 20 Sessions, 1 MiB each, what is on its way, and what the allocator keeps.
    assert!(during < before + (96 << 20), "{before} {during}");
    drop(abusers);
    drop(publisher);
    bystanders
        .end("20 subscribers that take nothing of 20 MB")
        .await;
    assert!(broker.log().contains("a message for it was dropped"));
}

/// Many connections that take the same Session from each other.
#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_takeovers_leaves_one() {
    let broker = Process::start(&[]);
    let bystanders = Bystanders::start(&broker).await;
    let mut twins = Vec::new();
    for _ in 0..8 {
        let address = broker.address.clone();
        twins.push(tokio::spawn(async move {
            for _ in 0..100 {
                let mut socket = Socket::open(&address, ProtocolVersion::V5_0).await.unwrap();
                let connect = Connect {
                    client_identifier: Text::new("twin").unwrap(),
                    ..Connect::default()
                };
                let _ = socket.write(&[connect.into()]).await;
                // A CONNACK, or the end: another twin was quicker.
                let _ = soon(socket.next(|_| ())).await;
            }
        }));
    }
    for twin in twins {
        twin.await.unwrap();
    }
    connected(&broker, "twin").await;
    bystanders.end("800 takeovers of one Session").await;
}

/// Malformed bytes in every state end the connection, and only that; the log says whose it was.
#[tokio::test(flavor = "multi_thread")]
async fn malformed_bytes_end_their_connection_alone() {
    let broker = Process::start(&[]);
    let bystanders = Bystanders::start(&broker).await;
    let bad: [&[u8]; 7] = [
        // A reserved type, a length that does not end, a PUBLISH with QoS 3, a SUBSCRIBE without a filter, a PUBACK for
        // nothing, a second CONNECT, a packet that only a server sends.
        b"\x00\x00",
        b"\x30\xFF\xFF\xFF\xFF\x01",
        b"\x36\x05\x00\x01a\x00\x01",
        b"\x82\x03\x00\x01\x00",
        b"\x40\x01\x00",
        b"\x10\x0D\x00\x04MQTT\x05\x02\x00\x3C\x00\x00\x00",
        b"\x20\x03\x00\x00\x00",
    ];
    for state in [
        "before CONNECT",
        "connected",
        "subscribed",
        "in the middle of a packet",
    ] {
        for (number, bytes) in bad.iter().enumerate() {
            let mut stream;
            if state == "before CONNECT" {
                // A CONNECT is what it should be.
                if number == 5 {
                    continue;
                }
                stream = TcpStream::connect(&broker.address).await.unwrap();
            } else {
                let name = format!("bad-{}-{number}", state.len());
                let mut socket = connected(&broker, &name).await;
                if state == "subscribed" {
                    subscribe(&mut socket, "a", Qos::ExactlyOnce).await;
                }
                stream = socket.into_stream();
                if state == "in the middle of a packet" {
                    // Then the bytes are part of a payload, and what follows is wrong.
                    stream.write_all(b"\x30\x0A\x00\x01a\x00").await.unwrap();
                    stream.write_all(&[0xFF; 20]).await.unwrap();
                }
            }
            let _ = stream.write_all(bytes).await;
            let mut rest = Vec::new();
            // The connection ends, with a DISCONNECT or without.
            let _ = soon(stream.read_to_end(&mut rest)).await;
        }
    }
    bystanders.end("27 connections with malformed bytes").await;
    let log = broker.log();
    for client in ["bad-9-0", "bad-10-3", "bad-25-6"] {
        assert!(log.contains(client), "{client}: {log}");
    }
    assert!(log.contains("the client broke a rule"), "{log}");
}

/// No descriptors are left: those who are connected go on, the log says why nobody else is accepted, and it ends with its
/// cause.
#[tokio::test(flavor = "multi_thread")]
async fn descriptors_used_up() {
    let broker = Process::with_limit("-n 60", &[]);
    let bystanders = Bystanders::start(&broker).await;
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(TcpStream::connect(&broker.address).await.unwrap());
    }
    bystanders.rounds(50).await;
    let until = async {
        while !broker.log().contains("a connection was not accepted: ") {
            sleep(Duration::from_millis(10)).await;
        }
    };
    soon(until).await;
    drop(silent);
    // There is room again.
    soon(connected(&broker, "late")).await;
    bystanders.end("100 connections with room for 50").await;
}
