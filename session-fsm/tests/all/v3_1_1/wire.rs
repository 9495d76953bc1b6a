//! A Server, what it writes, and what it reports.

use mqtt5_session_fsm::codec::ReasonCode;
use mqtt5_session_fsm::{
    Acknowledgement, Cause, Event, Instant, Output, Receipt, Server, ServerConfig, Session,
    SessionConfig,
};

pub(crate) const NOW: Instant = Instant::from_millis(1_000_000);

/// The bytes of a line such as `20 02 00 00`.
pub(crate) fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(|it| !it.is_ascii_whitespace()).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    let digits: Vec<String> = bytes.iter().map(|it| format!("{it:02X}")).collect();
    digits.join(" ")
}

/// A CONNECT with ClientID `c`, Keep Alive 60 and these Connect Flags, which need no more fields.
pub(crate) fn connect(flags: u8) -> String {
    format!("10 0D 0004 4D515454 04 {flags:02X} 003C 0001 63")
}

pub(crate) struct Wire {
    pub(crate) now: Instant,
    pub(crate) server: Server,
    pub(crate) receipts: Vec<Receipt>,
    pub(crate) events: Vec<String>,
    pub(crate) closed: Option<Cause>,
}

impl Wire {
    pub(crate) fn new(config: ServerConfig) -> Self {
        Wire {
            now: NOW,
            server: Server::new(NOW, config),
            receipts: Vec::new(),
            events: Vec::new(),
            closed: None,
        }
    }

    /// A Server that has accepted a CONNECT with these flags.
    pub(crate) fn accepted(flags: u8) -> Self {
        let mut wire = Wire::new(manual());
        assert_eq!(wire.send(&connect(flags)), "");
        wire.server.accept(NOW, None, &[]).unwrap();
        assert_eq!(wire.written(), "20 02 00 00");
        wire.events.clear();
        wire
    }

    /// A connection whose Client has a Session.
    pub(crate) fn resumed(session: Session, flags: u8) -> Self {
        let mut wire = Wire::new(manual());
        assert_eq!(wire.send(&connect(flags)), "");
        wire.server.accept(NOW, Some(session), &[]).unwrap();
        wire
    }

    /// Offers bytes, and returns what is written.
    pub(crate) fn send(&mut self, line: &str) -> String {
        let input = bytes(line);
        let mut input = &input[..];
        loop {
            let event = self.server.receive(self.now, &mut input);
            let Some(event) = event else { break };
            if let Event::Message(delivered) = &event {
                self.receipts.extend(delivered.receipt);
            }
            self.events.push(name(&event));
        }
        self.written()
    }

    /// What is written now.
    pub(crate) fn written(&mut self) -> String {
        let mut out = Vec::new();
        while let Some(output) = self.server.poll(self.now, &mut out) {
            match output {
                Output::Event(event) => self.events.push(name(&event)),
                Output::Close(cause) => self.closed = Some(cause),
                _ => {}
            }
        }
        hex(&out)
    }

    pub(crate) fn refuse(&mut self, code: ReasonCode) -> String {
        self.server.refuse(self.now, code, &[]).unwrap();
        self.written()
    }
}

pub(crate) fn manual() -> ServerConfig {
    ServerConfig {
        session: SessionConfig {
            acknowledgement: Acknowledgement::Manual,
            ..SessionConfig::default()
        },
        ..ServerConfig::default()
    }
}

/// The kind of an event, and what counts of it here.
fn name(event: &Event<'_>) -> String {
    match event {
        Event::Message(it) => {
            let topic = it.publish.topic.map_or("", |topic| topic.as_str());
            let payload = String::from_utf8_lossy(it.publish.payload).into_owned();
            format!("message {topic} {payload}")
        }
        Event::Will(will) => format!("will {}", will.message.topic().as_str()),
        other => {
            let text = format!("{other:?}");
            let end = text.find(|it: char| !it.is_alphanumeric());
            text[..end.unwrap_or(text.len())].to_lowercase()
        }
    }
}
