//! The lab as a process: it keeps its word about promises, in both directions.

use std::process::{Command, Output};

use mqtt5_tokio::codec::bytes::BytesMut;
use mqtt5_tokio::codec::framing::{Splitter, SplitterOutput};
use mqtt5_tokio::codec::{Packet, ProtocolVersion, PubAck, ReasonCode};
use mqtt5_tokio::{AllowAll, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

fn lab(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lab"));
    command.args(arguments).args(["--messages", "60"]);
    command
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Every scenario runs, every promise is kept, and the page has all of them.
#[test]
fn every_scenario_keeps_its_promises() {
    let directory = tempfile::tempdir().unwrap();
    let page = directory.path().join("lab.html");
    let output = lab(&["--page", page.to_str().unwrap()]).output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    let list = lab(&["--list"]).output().unwrap();
    let html = std::fs::read_to_string(&page).unwrap();
    for line in text(&list).lines() {
        let name = line.split_whitespace().next().unwrap();
        assert!(html.contains(&format!("<section id=\"{name}\">")), "{name}");
    }
}

/// A broker in which every fifth message for a subscriber vanishes: the lab says that QoS 1 and 2 are broken, and exits
/// with an error.
#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_loses_messages_is_found_out() {
    let server = Server::start(AllowAll).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let honest = listener.local_addr().unwrap();
    tokio::spawn(async move { server.listen(listener).await });
    let liar = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = liar.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((client, _)) = liar.accept().await {
            let server = TcpStream::connect(honest).await.unwrap();
            tokio::spawn(lie(client, server));
        }
    });
    let directory = tempfile::tempdir().unwrap();
    let page = directory.path().join("lab.html");
    let mut command = lab(&["qos", "--qos", "1", "--broker", &address]);
    let output =
        tokio::task::spawn_blocking(move || command.arg("--page").arg(page).output().unwrap());
    let output = output.await.unwrap();
    let text = text(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains("BROKEN: QoS 1 delivers at least once."),
        "{text}"
    );
    assert!(text.contains("promises were broken."), "{text}");
}

/// Forwards, but acknowledges every fifth message itself, instead of the subscriber.
async fn lie(client: TcpStream, server: TcpStream) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let (lies, mut told) = tokio::sync::mpsc::unbounded_channel::<Vec<u8>>();
    let upwards = async {
        let mut buffer = vec![0; 1 << 16];
        loop {
            tokio::select! {
                read = from_client.read(&mut buffer) => match read {
                    Ok(length) if length > 0 => to_server.write_all(&buffer[..length]).await.unwrap(),
                    _ => break,
                },
                Some(lie) = told.recv() => to_server.write_all(&lie).await.unwrap(),
            }
        }
    };
    let downwards = async {
        let mut input = BytesMut::new();
        let mut messages = 0;
        while from_server.read_buf(&mut input).await.unwrap_or(0) > 0 {
            while let SplitterOutput::Ready(frame) =
                Splitter::new(1 << 20).next(&mut input).unwrap()
            {
                if let Packet::Publish(publish) = frame.decode(ProtocolVersion::V5_0).unwrap()
                    && let Some(identifier) = publish.delivery.packet_identifier()
                {
                    messages += 1;
                    if messages % 5 == 0 {
                        let mut lie = Vec::new();
                        let puback: Packet<'_> =
                            PubAck::new(identifier, ReasonCode::Success).into();
                        puback.encode(ProtocolVersion::V5_0, &mut lie).unwrap();
                        lies.send(lie).unwrap();
                        continue;
                    }
                }
                to_client.write_all(frame.bytes()).await.unwrap();
            }
        }
    };
    tokio::select! {
        () = upwards => {}
        () = downwards => {}
    }
}

#[test]
fn what_cannot_be_run_is_said() {
    let unknown = lab(&["nonsense"]).output().unwrap();
    assert_eq!(unknown.status.code(), Some(1));
    assert!(
        text(&unknown).contains("There is no scenario nonsense."),
        "{}",
        text(&unknown)
    );
    let foreign = lab(&["restart", "--broker", "127.0.0.1:1"])
        .output()
        .unwrap();
    assert_eq!(foreign.status.code(), Some(1));
    assert!(
        text(&foreign).contains("needs a broker of the lab's own"),
        "{}",
        text(&foreign)
    );
}
