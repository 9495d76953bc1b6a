//! A Client, what it writes, and what it reports.

use mqtt5_session_fsm::codec::{Connect, Message, ProtocolVersion, Publish, Qos, Text, TopicName};
use mqtt5_session_fsm::{
    Acknowledgement, Cause, Client, ClientConfig, Event, Instant, Outcome, Output, Publication,
    Receipt, Session, SessionConfig, Token,
};

use super::wire::{NOW, bytes, hex};

/// A CONNECT of MQTT 3.1.1 with ClientID `c` and Keep Alive 60.
pub(crate) fn packet(clean_start: bool) -> Connect<'static> {
    Connect {
        version: ProtocolVersion::V3_1_1,
        clean_start,
        keep_alive: 60,
        client_identifier: Text::new("c").unwrap(),
        ..Connect::default()
    }
}

pub(crate) struct ClientWire {
    pub(crate) now: Instant,
    pub(crate) client: Client,
    pub(crate) receipts: Vec<Receipt>,
    events: Vec<String>,
    pub(crate) closed: Option<Cause>,
}

impl ClientWire {
    pub(crate) fn new() -> Self {
        let config = SessionConfig {
            acknowledgement: Acknowledgement::Manual,
            ..SessionConfig::default()
        };
        ClientWire::with(ClientConfig::default(), Session::of_client(config))
    }

    pub(crate) fn with(config: ClientConfig, session: Session) -> Self {
        ClientWire {
            now: NOW,
            client: Client::new(config, session),
            receipts: Vec::new(),
            events: Vec::new(),
            closed: None,
        }
    }

    /// A Client that a Server without a Session for it has accepted.
    pub(crate) fn accepted(clean_start: bool) -> Self {
        let mut wire = ClientWire::new();
        wire.connect(clean_start);
        assert_eq!(wire.receive("20 02 00 00"), "");
        assert_eq!(wire.take_events(), ["connected"]);
        wire
    }

    pub(crate) fn connect(&mut self, clean_start: bool) -> String {
        self.client.connect(self.now, &packet(clean_start)).unwrap();
        self.poll()
    }

    pub(crate) fn publish(&mut self, qos: Qos, payload: &str) -> Token {
        let publish = Publish::new(TopicName::new("t").unwrap(), payload.as_bytes());
        let message = Message::new(&publish).unwrap();
        let publication = Publication::new(qos, message);
        self.client.publish(self.now, publication).unwrap()
    }

    /// Bytes come from the Server. Returns what the Client writes.
    pub(crate) fn receive(&mut self, line: &str) -> String {
        let input = bytes(line);
        let mut input = &input[..];
        while let Some(event) = self.client.receive(self.now, &mut input) {
            if let Event::Message(delivered) = &event {
                self.receipts.extend(delivered.receipt);
            }
            self.events.push(name(&event));
        }
        self.poll()
    }

    /// What the Client writes now.
    pub(crate) fn poll(&mut self) -> String {
        let mut out = Vec::new();
        while let Some(output) = self.client.poll(self.now, &mut out) {
            match output {
                Output::Event(event) => self.events.push(name(&event)),
                Output::Close(cause) => self.closed = Some(cause),
                _ => {}
            }
        }
        hex(&out)
    }

    /// What was reported since the last call.
    pub(crate) fn take_events(&mut self) -> Vec<String> {
        core::mem::take(&mut self.events)
    }
}

/// The kind of an event, and what counts of it here.
fn name(event: &Event<'_>) -> String {
    match event {
        Event::Refused(connack) => format!("refused {}", connack.reason_code),
        Event::Outcome(_, Outcome::SubAck(suback)) => {
            let codes: Vec<_> = suback.reason_codes.iter().map(|it| it.to_byte()).collect();
            format!("suback {codes:?}")
        }
        Event::Outcome(_, Outcome::UnsubAck(unsuback)) => {
            let codes: Vec<_> = unsuback
                .reason_codes
                .iter()
                .map(|it| it.to_byte())
                .collect();
            format!("unsuback {codes:?}")
        }
        Event::Outcome(_, outcome) => format!("outcome {}", kind(outcome)),
        other => kind(other),
    }
}

fn kind(value: &impl core::fmt::Debug) -> String {
    let text = format!("{value:?}");
    let end = text.find(|it: char| !it.is_alphanumeric());
    text[..end.unwrap_or(text.len())].to_lowercase()
}
