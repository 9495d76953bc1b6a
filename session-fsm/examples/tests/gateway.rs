//! The gateway between clients and a server.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use mqtt5_examples::gateway::{Gateway, RewriteError, Rewriter};
use mqtt5_tokio::codec::bytes::{Buf, Bytes};
use mqtt5_tokio::codec::framing::Frame;
use mqtt5_tokio::codec::{
    Binary, ConnAck, Connect, Packet, Properties, Property, ProtocolVersion, Publish, ReasonCode,
    Segments, Text, TopicName, Will,
};
use mqtt5_tokio::{AllowAll, Client, Message, Messages, Qos, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(10);

fn rewriter() -> Rewriter {
    let origin = ("origin".to_owned(), "plant".to_owned());
    Rewriter::new("plant-7/", Some(origin), NonZeroU32::new(1 << 16).unwrap()).unwrap()
}

/// The addresses of a server, and of a gateway before it.
async fn start() -> (String, String) {
    let server = Server::start(AllowAll).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let direct = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { server.listen(listener).await });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let through = listener.local_addr().unwrap().to_string();
    tokio::spawn(Arc::new(Gateway::new(direct.clone(), rewriter())).serve(listener));
    (format!("mqtt://{direct}"), format!("mqtt://{through}"))
}

async fn next(messages: &mut Messages) -> Message {
    timeout(PATIENCE, messages.next()).await.unwrap().unwrap()
}

fn origins(message: &Message) -> Vec<(String, String)> {
    let pairs = message.properties().user_properties();
    pairs
        .map(|it| (it.name.as_str().to_owned(), it.value.as_str().to_owned()))
        .collect()
}

#[tokio::test]
async fn the_server_sees_the_prefix_and_clients_do_not() {
    let (direct, through) = start().await;
    let (outside, mut heard_outside) = Client::connect(&direct, "outside").await.unwrap();
    outside.subscribe("#", Qos::ExactlyOnce).await.unwrap();
    let (inside, mut heard_inside) = Client::connect(&through, "inside").await.unwrap();
    inside
        .subscribe("$share/all/+/temperature", Qos::ExactlyOnce)
        .await
        .unwrap();
    for qos in [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce] {
        inside
            .publish("oven/temperature", "251", qos)
            .await
            .unwrap();
        let (seen, own) = (
            next(&mut heard_outside).await,
            next(&mut heard_inside).await,
        );
        assert_eq!(
            (seen.topic(), seen.text()),
            ("plant-7/oven/temperature", Some("251"))
        );
        assert_eq!(
            (own.topic(), own.text(), own.qos()),
            ("oven/temperature", Some("251"), qos)
        );
        let mark = [("origin".to_owned(), "plant".to_owned())];
        assert_eq!(
            (origins(&seen), origins(&own)),
            (mark.to_vec(), mark.to_vec())
        );
    }
    // What does not come from below the prefix stays as it is.
    inside
        .unsubscribe("$share/all/+/temperature")
        .await
        .unwrap();
    inside.subscribe("valve", Qos::AtLeastOnce).await.unwrap();
    outside
        .publish("valve", "not for you", Qos::AtLeastOnce)
        .await
        .unwrap();
    outside
        .publish("plant-7/valve", "open", Qos::AtLeastOnce)
        .await
        .unwrap();
    let order = next(&mut heard_inside).await;
    assert_eq!((order.topic(), order.text()), ("valve", Some("open")));
    assert!(origins(&order).is_empty());
}

#[tokio::test]
async fn requests_are_answered_through_it() {
    let (direct, through) = start().await;
    let (outside, mut requests) = Client::connect(&direct, "service").await.unwrap();
    outside
        .subscribe("plant-7/service", Qos::AtLeastOnce)
        .await
        .unwrap();
    let service = tokio::spawn(async move {
        let request = next(&mut requests).await;
        let reply = request.reply("done").unwrap();
        assert!(
            reply
                .message
                .topic()
                .as_str()
                .starts_with("plant-7/responses/")
        );
        outside.send(reply).await.unwrap().await.unwrap();
    });
    let (inside, _messages) = Client::connect(&through, "requester").await.unwrap();
    let answer = inside.request("service", "do it", PATIENCE).await.unwrap();
    assert_eq!(answer.text(), Some("done"));
    service.await.unwrap();
}

#[tokio::test]
async fn a_will_is_below_the_prefix_too_in_both_versions() {
    let (direct, through) = start().await;
    let (outside, mut heard) = Client::connect(&direct, "outside").await.unwrap();
    outside
        .subscribe("plant-7/dead", Qos::AtLeastOnce)
        .await
        .unwrap();
    for version in [ProtocolVersion::V5_0, ProtocolVersion::V3_1_1] {
        let will = Will {
            qos: Qos::AtLeastOnce,
            retain: false,
            properties: Properties::default(),
            topic: TopicName::new("dead").unwrap(),
            payload: Binary::new(b"x").unwrap(),
        };
        let connect = Connect {
            version,
            clean_start: true,
            client_identifier: Text::new("dies").unwrap(),
            will: Some(will),
            ..Connect::default()
        };
        let mut bytes = Vec::new();
        Packet::from(connect).encode(version, &mut bytes).unwrap();
        let address = through.strip_prefix("mqtt://").unwrap();
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket.write_all(&bytes).await.unwrap();
        // The CONNACK.
        assert!(socket.read(&mut [0; 100]).await.unwrap() > 0);
        drop(socket);
        let message = next(&mut heard).await;
        assert_eq!(
            (message.topic(), message.text()),
            ("plant-7/dead", Some("x"))
        );
        let marks = usize::from(version == ProtocolVersion::V5_0);
        assert_eq!(origins(&message).len(), marks);
    }
}

fn frame(packet: impl Into<Packet<'static>>, version: ProtocolVersion) -> Frame {
    let mut bytes = Vec::new();
    packet.into().encode(version, &mut bytes).unwrap();
    Frame::new(Bytes::from(bytes)).unwrap()
}

#[test]
fn a_large_payload_is_not_copied() {
    const PAYLOAD: &[u8] = &[7; 5_000];
    let publish = Publish::new(TopicName::new("camera").unwrap(), PAYLOAD);
    let frame = frame(publish, ProtocolVersion::V5_0);
    let mut out = Segments::new();
    let mut version = Some(ProtocolVersion::V5_0);
    rewriter()
        .to_server(&mut version, &frame, &mut out)
        .unwrap();
    let end = frame.bytes().as_ptr_range().end;
    assert!(
        out.slices()
            .any(|it| it.len() == 5_000 && it.as_ptr_range().end == end)
    );
    let mut written = vec![0; out.remaining()];
    out.copy_to_slice(&mut written);
    let Packet::Publish(changed) = Packet::decode(ProtocolVersion::V5_0, &written).unwrap() else {
        panic!("it is a PUBLISH");
    };
    assert_eq!(
        (changed.topic.unwrap().as_str(), changed.payload),
        ("plant-7/camera", PAYLOAD)
    );
}

/// Whatever the client may send then, the server takes it as it becomes.
#[test]
fn what_grows_on_its_way_is_announced_smaller() {
    let list = [Property::MaximumPacketSize(NonZeroU32::new(200).unwrap())];
    let connack = ConnAck {
        properties: Properties::new(&list).unwrap(),
        ..ConnAck::new(ReasonCode::Success)
    };
    let mut bytes = Vec::new();
    Packet::from(connack)
        .encode(ProtocolVersion::V5_0, &mut bytes)
        .unwrap();
    let mut out = Segments::new();
    let frame = Frame::new(Bytes::from(bytes)).unwrap();
    rewriter()
        .to_client(ProtocolVersion::V5_0, &frame, &mut out)
        .unwrap();
    let mut written = vec![0; out.remaining()];
    out.copy_to_slice(&mut written);
    let Packet::ConnAck(changed) = Packet::decode(ProtocolVersion::V5_0, &written).unwrap() else {
        panic!("it is a CONNACK");
    };
    let announced = changed.properties.maximum_packet_size().unwrap().get() as usize;
    assert!(announced < 200);
    // The largest that the client may send, in every shape of its lengths.
    for response in [false, true] {
        let list = [Property::ResponseTopic(
            TopicName::new("answers/to/me").unwrap(),
        )];
        let list = &list[..usize::from(response)];
        let payload = [0; 200];
        let of = |length: usize| Publish {
            properties: Properties::new(list).unwrap(),
            ..Publish::new(TopicName::new("a").unwrap(), &payload[..length])
        };
        let fits =
            |length: &usize| of(*length).encoded_len(ProtocolVersion::V5_0).unwrap() <= announced;
        let longest = (0..200).rev().find(fits).unwrap();
        let mut bytes = Vec::new();
        of(longest)
            .encode(ProtocolVersion::V5_0, &mut bytes)
            .unwrap();
        let frame = Frame::new(Bytes::from(bytes)).unwrap();
        let mut out = Segments::new();
        rewriter()
            .to_server(&mut Some(ProtocolVersion::V5_0), &frame, &mut out)
            .unwrap();
        assert!(out.len() <= 200, "{}", out.len());
    }
}

/// The gateway's own limit holds where the server, or the client, has none, or a greater one.
#[test]
fn its_own_limit_is_announced_to_both_sides() {
    let limit = NonZeroU32::new(1 << 16);
    let mut out = Segments::new();
    let connack = frame(ConnAck::new(ReasonCode::Success), ProtocolVersion::V5_0);
    rewriter()
        .to_client(ProtocolVersion::V5_0, &connack, &mut out)
        .unwrap();
    let connect = frame(Connect::default(), ProtocolVersion::V5_0);
    let mut up = Segments::new();
    rewriter().to_server(&mut None, &connect, &mut up).unwrap();
    let announced = [out, up].map(|mut it| {
        let mut written = vec![0; it.remaining()];
        it.copy_to_slice(&mut written);
        match Packet::decode(ProtocolVersion::V5_0, &written).unwrap() {
            Packet::ConnAck(it) => it.properties.maximum_packet_size(),
            Packet::Connect(it) => it.properties.maximum_packet_size(),
            other => panic!("{other:?}"),
        }
    });
    assert_eq!(announced, [limit, limit]);
}

#[test]
fn what_is_out_of_turn_ends_the_connection() {
    let ping = frame(Packet::PingReq, ProtocolVersion::V5_0);
    let connect = frame(Connect::default(), ProtocolVersion::V5_0);
    let mut out = Segments::new();
    let mut version = None;
    let first = rewriter().to_server(&mut version, &ping, &mut out);
    assert_eq!(first, Err(RewriteError::Unexpected));
    rewriter()
        .to_server(&mut version, &connect, &mut out)
        .unwrap();
    assert_eq!(version, Some(ProtocolVersion::V5_0));
    let again = rewriter().to_server(&mut version, &connect, &mut out);
    assert_eq!(again, Err(RewriteError::Unexpected));
}

#[test]
fn a_prefix_that_cannot_begin_a_topic_is_refused() {
    let limit = NonZeroU32::MAX;
    for prefix in ["plant/#", "+/", "a\0"] {
        assert!(Rewriter::new(prefix, None, limit).is_err(), "{prefix}");
    }
}
