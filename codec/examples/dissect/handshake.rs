//! How a connection is turned into a WebSocket: a request and an answer of HTTP (RFC 6455, section 4).

use mqtt5_codec::Role;

use crate::capture::{Moment, Stream};
use crate::protocol::Note;

/// Longer heads are not looked at.
const LONGEST_HEAD: usize = 1 << 14;
const MOST_HEADERS: usize = 64;

/// An opening handshake.
#[derive(Debug, Default)]
pub(crate) struct Handshake {
    request: Head,
    response: Head,
}

/// What is needed of a request or a response.
#[derive(Debug, Default)]
struct Head {
    /// What is asked for.
    path: String,
    /// What the server answers: a status code and its name.
    status: Option<(u16, String)>,
    /// Its size, unless a part of it was not recorded.
    length: Option<usize>,
    upgrade: Option<String>,
    subprotocol: Option<String>,
    extensions: String,
}

impl Handshake {
    /// The handshake at the start of a connection, if there is one.
    pub(crate) fn find(client: &Stream<'_>, server: &Stream<'_>) -> Option<Self> {
        let request = Head::of_request(&client.head(LONGEST_HEAD))?;
        let response = Head::of_response(&server.head(LONGEST_HEAD));
        let is_websocket = |head: &Head| {
            let upgrade = head.upgrade.as_deref();
            upgrade.is_some_and(|name| name.eq_ignore_ascii_case("websocket"))
        };
        // Of a head that was cut off the part that matters may be missing.
        let may_be =
            |head: &Head| is_websocket(head) || head.length.is_none() && head.upgrade.is_none();
        let agreed = response
            .status
            .as_ref()
            .is_some_and(|(code, _)| *code == 101);
        let found = is_websocket(&request) || agreed && may_be(&request) && may_be(&response);
        found.then_some(Handshake { request, response })
    }

    /// Whether frames follow. A server whose answer was not recorded agreed, if anything follows.
    pub(crate) fn succeeded(&self) -> bool {
        match &self.response.status {
            Some((code, _)) => *code == 101,
            None => true,
        }
    }

    /// The offset of the first frame, unless the handshake was cut off.
    pub(crate) fn length(&self, sender: Role) -> Option<usize> {
        match sender {
            Role::Client => self.request.length,
            Role::Server => self.response.length,
        }
    }

    /// Whether the sender compresses every message on its own (RFC 7692, section 7.1.1).
    pub(crate) fn forgets_context(&self, sender: Role) -> bool {
        self.response.extensions.contains(match sender {
            Role::Client => "client_no_context_takeover",
            Role::Server => "server_no_context_takeover",
        })
    }

    /// Whether one of the sides names MQTT as what is to be spoken.
    pub(crate) fn names_mqtt(&self) -> bool {
        let names = [&self.request.subprotocol, &self.response.subprotocol];
        names
            .into_iter()
            .flatten()
            .any(|names| names.contains("mqtt"))
    }

    /// Whether the sides agreed to compress, as far as the recording shows.
    pub(crate) fn may_compress(&self) -> bool {
        let Head {
            extensions, length, ..
        } = &self.response;
        length.is_none() || extensions.contains("permessage-deflate")
    }

    /// What the handshake says.
    pub(crate) fn notes(&self, client: &Stream<'_>, server: &Stream<'_>) -> Vec<Note> {
        let mut notes = Vec::new();
        if self.request.path.is_empty() {
            // It was not recorded.
            return notes;
        }
        let mut note = |stream: &Stream<'_>, sender, text: String, is_violation| {
            let seen = stream
                .pieces
                .first()
                .map_or(Moment::default(), |piece| piece.seen);
            notes.push(Note {
                seen,
                sender,
                text,
                is_violation,
            });
        };
        let offered = self.request.subprotocol.as_deref();
        let mut text = format!("WebSocket handshake, GET {}", self.request.path);
        if let Some(offered) = offered {
            text.push_str(&format!(", subprotocol {offered}"));
        }
        note(client, Role::Client, text, false);
        let names_mqtt = |names: &str| names.split(',').any(|name| name.trim() == "mqtt");
        if self.request.length.is_some() && !offered.is_some_and(names_mqtt) {
            let text = "the client does not offer the subprotocol mqtt (MQTT-6.0.0-3)";
            note(client, Role::Client, text.to_owned(), true);
        }
        let Some((code, reason)) = &self.response.status else {
            return notes;
        };
        let chosen = self.response.subprotocol.as_deref();
        let mut text = format!("WebSocket handshake, {code} {reason}")
            .trim_end()
            .to_owned();
        if let Some(chosen) = chosen {
            text.push_str(&format!(", subprotocol {chosen}"));
        }
        note(server, Role::Server, text, false);
        if *code == 101 && self.response.length.is_some() && chosen != Some("mqtt") {
            let text = "the server does not select the subprotocol mqtt (MQTT-6.0.0-4)";
            note(server, Role::Server, text.to_owned(), true);
        }
        notes
    }
}

impl Head {
    /// Nothing if it is no GET request.
    fn of_request(bytes: &[u8]) -> Option<Self> {
        if !bytes.starts_with(b"GET ") {
            return None;
        }
        let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        let parsed = request.parse(bytes).ok()?;
        let mut head = Head {
            path: request.path.unwrap_or_default().to_owned(),
            ..Head::default()
        };
        head.finish(parsed, request.headers);
        Some(head)
    }

    fn of_response(bytes: &[u8]) -> Self {
        let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        let mut head = Head::default();
        if let Ok(parsed) = response.parse(bytes) {
            let reason = response.reason.unwrap_or_default().to_owned();
            head.status = response.code.map(|code| (code, reason));
            head.finish(parsed, response.headers);
        }
        head
    }

    fn finish(&mut self, parsed: httparse::Status<usize>, headers: &[httparse::Header<'_>]) {
        if let httparse::Status::Complete(length) = parsed {
            self.length = Some(length);
        }
        for header in headers {
            let value = String::from_utf8_lossy(header.value).trim().to_owned();
            match &*header.name.to_ascii_lowercase() {
                "upgrade" => self.upgrade = Some(value),
                "sec-websocket-extensions" => self.extensions.push_str(&value),
                "sec-websocket-protocol" => match &mut self.subprotocol {
                    Some(names) => names.push_str(&format!(", {value}")),
                    none => *none = Some(value),
                },
                _ => {}
            }
        }
    }
}
