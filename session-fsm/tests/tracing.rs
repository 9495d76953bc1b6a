//! The feature `tracing`: one line for each packet and each decision, and nothing that a packet says.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::{Debug, Write};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Once;

use mqtt5_session_fsm::codec::{
    Binary, Connect, ConnectProperties, Message, Properties, Property, ProtocolVersion, Publish,
    Qos, ReasonCode, Text, TopicName, UserProperty, Will,
};
use mqtt5_session_fsm::{
    Client, ClientConfig, Event, Instant, Publication, Server, ServerConfig, Session,
    SessionConfig, WaitingLimits,
};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Metadata, Subscriber};

const NOW: Instant = Instant::from_millis(1);

thread_local! {
    static LINES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Collects the lines of each thread: level, message, fields.
struct Lines;

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "mqtt5_session_fsm"
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        let level = event.metadata().level();
        let line = format!("{level} {}{}", line.message, line.fields);
        LINES.with_borrow_mut(|lines| lines.push(line));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        } else {
            write!(self.fields, " {}={value:?}", field.name()).unwrap();
        }
    }
}

/// The lines of what `run` does.
fn lines(run: impl FnOnce()) -> Vec<String> {
    // One for all tests: which lines are wanted is remembered for all threads, too.
    static ONCE: Once = Once::new();
    ONCE.call_once(|| tracing::subscriber::set_global_default(Lines).unwrap());
    LINES.take();
    run();
    LINES.take()
}

/// A Client and a Server, and the bytes on their way.
struct Pair {
    client: Client,
    server: Server,
}

impl Pair {
    /// Connects with this CONNECT.
    fn connect(connect: &Connect<'_>, client: SessionConfig) -> Self {
        let session = Session::of_client(client);
        let mut pair = Pair {
            client: Client::new(ClientConfig::default(), session),
            server: Server::new(NOW, ServerConfig::default()),
        };
        pair.client.connect(NOW, connect).unwrap();
        while pair.carry() {}
        pair
    }

    /// What one side has for the other, in both directions; whether there was anything.
    fn carry(&mut self) -> bool {
        let (mut up, mut down) = (Vec::new(), Vec::new());
        while self.client.poll(NOW, &mut up).is_some() {}
        let mut input = &up[..];
        while let Some(event) = self.server.receive(NOW, &mut input) {
            if let Event::Connect(connect) = event {
                let method = connect.properties.authentication_method().is_some();
                let data = Binary::new(b"challenge").unwrap();
                if method {
                    let properties = [Property::AuthenticationData(data)];
                    self.server.authenticate(&properties).unwrap();
                } else {
                    self.server.accept(NOW, None, &[]).unwrap();
                }
            } else if let Event::Authentication(_) = event {
                self.server.accept(NOW, None, &[]).unwrap();
            }
        }
        while self.server.poll(NOW, &mut down).is_some() {}
        let mut input = &down[..];
        let mut answers = false;
        while let Some(event) = self.client.receive(NOW, &mut input) {
            answers |= matches!(event, Event::Authentication(_));
        }
        if answers {
            let data = Binary::new(b"response").unwrap();
            let properties = [Property::AuthenticationData(data)];
            self.client.authenticate(&properties).unwrap();
        }
        !up.is_empty() || !down.is_empty()
    }
}

fn pump() -> Connect<'static> {
    Connect {
        client_identifier: Text::new("pump").unwrap(),
        ..Connect::default()
    }
}

#[test]
fn an_exchange_at_qos_2_is_eight_packets_and_one_decision() {
    let mut pair = Pair::connect(&pump(), SessionConfig::default());
    let lines = lines(|| {
        let publication = Publication::of("a/b", b"open", Qos::ExactlyOnce).unwrap();
        pair.client.publish(NOW, publication).unwrap();
        while pair.carry() {}
    });
    let publish = "packet=PUBLISH packet_identifier=1 qos=2 duplicate=false retain=false size=14";
    let answer =
        |packet| format!("packet={packet} packet_identifier=1 reason_code=0x00 Success size=4");
    assert_eq!(
        lines,
        [
            "DEBUG a message is in flight token=1 packet_identifier=1".to_owned(),
            format!("TRACE sent {publish}"),
            format!("TRACE received {publish}"),
            format!("TRACE sent {}", answer("PUBREC")),
            format!("TRACE received {}", answer("PUBREC")),
            format!("TRACE sent {}", answer("PUBREL")),
            format!("TRACE received {}", answer("PUBREL")),
            format!("TRACE sent {}", answer("PUBCOMP")),
            format!("TRACE received {}", answer("PUBCOMP")),
        ]
    );
}

#[test]
fn decisions_have_a_line_each() {
    let waiting = WaitingLimits {
        messages: 1,
        ..WaitingLimits::default()
    };
    let config = SessionConfig {
        in_flight: 1,
        waiting,
        ..SessionConfig::default()
    };
    let lines = lines(|| {
        let mut pair = Pair::connect(&pump(), config);
        for number in 0..3 {
            let publication = Publication::of("a/b", b"open", Qos::AtLeastOnce).unwrap();
            let published = pair.client.publish(NOW, publication);
            assert_eq!(published.is_err(), number == 2);
        }
        while pair.carry() {}
        // A PUBACK with a reserved bit.
        let _ = pair.client.receive(NOW, &mut &[0x41, 2, 0, 1][..]);
        while pair.carry() {}
        pair.server.connection_lost(NOW);
    });
    for expected in [
        "DEBUG a Network Connection begins resumed=false expiry_interval=0",
        "DEBUG a message is in flight token=1 packet_identifier=1",
        "DEBUG a message waits token=2 window=1 in_flight=1",
        "DEBUG a publication is refused error=there is no room for another message now",
        "DEBUG a message is in flight token=2 packet_identifier=2",
        "DEBUG the peer broke a rule",
        "DEBUG the Network Connection ends cause=",
        "DEBUG the Session ended",
    ] {
        assert!(
            lines.iter().any(|line| line.starts_with(expected)),
            "{expected}: {lines:#?}"
        );
    }
}

#[test]
fn no_line_has_text_or_bytes_of_a_packet() {
    const SECRETS: [&str; 12] = [
        "pump",
        "admin",
        "hunter2",
        "SCRAM",
        "client-first",
        "challenge",
        "response",
        "wills/",
        "last words",
        "valves/",
        "payload",
        "note",
    ];
    let properties = [
        Property::AuthenticationMethod(Text::new("SCRAM").unwrap()),
        Property::AuthenticationData(Binary::new(b"client-first").unwrap()),
        Property::SessionExpiryInterval(60),
    ];
    let connect = Connect {
        user_name: Some(Text::new("admin").unwrap()),
        password: Some(Binary::new(b"hunter2").unwrap()),
        will: Some(Will {
            qos: Qos::AtMostOnce,
            retain: false,
            properties: Properties::EMPTY,
            topic: TopicName::new("wills/pump").unwrap(),
            payload: Binary::new(b"last words").unwrap(),
        }),
        properties: ConnectProperties::new(&properties).unwrap(),
        ..pump()
    };
    let lines = lines(|| {
        let mut pair = Pair::connect(&connect, SessionConfig::default());
        assert!(pair.client.is_connected());
        for qos in [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce] {
            let note = UserProperty::new("note", "note").unwrap();
            let properties = [Property::UserProperty(note)];
            let publish = Publish {
                properties: Properties::new(&properties).unwrap(),
                ..Publish::new(TopicName::new("valves/1").unwrap(), b"payload")
            };
            let message = Message::new(&publish).unwrap();
            pair.client
                .publish(NOW, Publication::new(qos, message))
                .unwrap();
        }
        pair.client
            .subscribe_to("valves/+", Qos::AtLeastOnce)
            .unwrap();
        while pair.carry() {}
        let reason = [Property::ReasonString(Text::new("note").unwrap())];
        let code = ReasonCode::ServerBusy;
        pair.server.disconnect(NOW, code, &reason).unwrap();
        while pair.carry() {}
        // Malformed: its Topic Name has a wildcard character.
        let mut server = Server::new(NOW, ServerConfig::default());
        let mut bytes = Vec::new();
        pump().encode(ProtocolVersion::V5_0, &mut bytes).unwrap();
        assert!(server.receive(NOW, &mut &bytes[..]).is_some());
        server.accept(NOW, None, &[]).unwrap();
        let _ = server.receive(NOW, &mut &b"\x30\x12\x00\x08valves/+\x00payload"[..]);
    });
    assert!(lines.len() > 20, "{lines:#?}");
    for line in &lines {
        // The only word of a line that is a secret elsewhere.
        let line = line.replace("payload_length", "");
        for secret in SECRETS {
            assert!(!line.contains(secret), "{secret}: {line}");
        }
    }
}

#[test]
fn the_guide_lists_every_decision() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let guide = fs::read_to_string(root.join("docs/tracing.md")).unwrap();
    let mut decisions = BTreeSet::new();
    for file in sources(&root.join("src")) {
        let source = fs::read_to_string(file).unwrap();
        for call in source.split("trace_decision!(").skip(1) {
            let call = call.split(");").next().unwrap();
            decisions.insert(call.split('"').rev().nth(1).unwrap().to_owned());
        }
    }
    assert!(decisions.len() > 15, "{decisions:#?}");
    for decision in decisions {
        assert!(
            guide.contains(&format!("`{decision}`")),
            "not in the guide: {decision}"
        );
    }
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries.fold(Vec::new(), |mut files, path| {
        match path.is_dir() {
            true => files.extend(sources(&path)),
            false => files.push(path),
        }
        files
    })
}
