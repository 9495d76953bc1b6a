//! A client and a server that know nothing but the packets of these benchmarks,
//! and copy prepared bytes: the floor under all others, and the server for
//! clients without one.

use std::marker::PhantomData;

use mqtt5_codec::ProtocolVersion;

use crate::framing::fixed_header;
use crate::sessions::{self, Qos, Seen, Session, Setup};
use crate::version::{V5, Version};

/// The properties of a packet that has none.
const fn no_properties<V: Version>() -> &'static [u8] {
    match V::VERSION {
        ProtocolVersion::V3_1_1 => &[],
        _ => &[0],
    }
}

/// A server that answers without remembering anything but that the session
/// exists.
#[derive(Debug)]
pub struct Server<V = V5> {
    received: Packets,
    session: Session,
    known: bool,
    version: PhantomData<V>,
}

impl<V: Version> sessions::Server for Server<V> {
    fn new(setup: Setup) -> Self {
        Self {
            received: Packets::default(),
            session: setup.session,
            known: false,
            version: PhantomData,
        }
    }

    #[inline]
    fn receive(&mut self, bytes: &[u8], wire: &mut Vec<u8>, seen: &mut Seen) {
        let Self {
            received,
            session,
            known,
            ..
        } = self;
        received.each(bytes, |packet| match packet[0] >> 4 {
            3 => {
                let (topic, rest) = string(&packet[2..]);
                let (answer, id, properties) = match packet[0] >> 1 & 3 {
                    0 => (None, [0; 2], rest),
                    1 => (Some(0x40), [rest[0], rest[1]], &rest[2..]),
                    _ => (Some(0x50), [rest[0], rest[1]], &rest[2..]),
                };
                let payload = properties.strip_prefix(no_properties::<V>());
                seen.delivered(topic, payload.expect("a PUBLISH without properties"));
                if let Some(first_byte) = answer {
                    wire.extend_from_slice(&[first_byte, 2, id[0], id[1]]);
                }
            }
            6 => wire.extend_from_slice(&[0x70, 2, packet[2], packet[3]]),
            1 => {
                let len = 2 + no_properties::<V>().len();
                wire.extend_from_slice(&[0x20, len as u8, u8::from(*known), 0]);
                wire.extend_from_slice(no_properties::<V>());
                *known = *session == Session::Kept;
            }
            other => panic!("packet of type {other}"),
        });
    }

    fn connection_lost(&mut self) {
        self.received = Packets::default();
    }
}

/// A client that remembers only the identifier that it used last.
#[derive(Debug)]
pub struct Client<V = V5> {
    received: Packets,
    session: Session,
    id: u16,
    version: PhantomData<V>,
}

impl<V: Version> sessions::Client for Client<V> {
    const RESUMES: bool = false;

    fn new(setup: Setup) -> Self {
        Self {
            received: Packets::default(),
            session: setup.session,
            id: 0,
            version: PhantomData,
        }
    }

    fn connect(&mut self, wire: &mut Vec<u8>) {
        match V::VERSION {
            ProtocolVersion::V3_1_1 => {
                let clean_session = u8::from(self.session == Session::Transient) << 1;
                wire.extend_from_slice(b"\x10\x11\0\x04MQTT\x04");
                wire.push(clean_session);
                wire.extend_from_slice(b"\0\x3c\0\x05bench");
            }
            _ => wire.extend_from_slice(b"\x10\x12\0\x04MQTT\x05\x02\0\x3c\0\0\x05bench"),
        }
    }

    #[inline]
    fn publish(
        &mut self,
        qos: Qos,
        topic: &str,
        payload: &[u8],
        wire: &mut Vec<u8>,
        seen: &mut Seen,
    ) {
        let id_len = if qos == Qos::AtMostOnce { 0 } else { 2 };
        let properties = no_properties::<V>();
        let remaining_len = 2 + topic.len() + id_len + properties.len() + payload.len();
        assert!(remaining_len < 128, "a Remaining Length of one byte");
        wire.extend_from_slice(&[0x30 | (qos as u8) << 1, remaining_len as u8]);
        wire.extend_from_slice(&(topic.len() as u16).to_be_bytes());
        wire.extend_from_slice(topic.as_bytes());
        if qos == Qos::AtMostOnce {
            seen.completed();
        } else {
            self.id = self.id.checked_add(1).unwrap_or(1);
            wire.extend_from_slice(&self.id.to_be_bytes());
        }
        wire.extend_from_slice(properties);
        wire.extend_from_slice(payload);
    }

    #[inline]
    fn receive(&mut self, bytes: &[u8], wire: &mut Vec<u8>, seen: &mut Seen) {
        self.received.each(bytes, |packet| match packet[0] >> 4 {
            4 | 7 => seen.completed(),
            5 => wire.extend_from_slice(&[0x62, 2, packet[2], packet[3]]),
            2 => seen.connected(packet[2] & 1 != 0),
            other => panic!("packet of type {other}"),
        });
    }

    fn connection_lost(&mut self) {}
}

#[inline]
fn string(bytes: &[u8]) -> (&[u8], &[u8]) {
    let (len, rest) = bytes.split_first_chunk().expect("a length");
    rest.split_at(u16::from_be_bytes(*len).into())
}

/// Takes a stream apart into packets.
#[derive(Debug, Default)]
struct Packets {
    /// The beginning of a packet.
    partial: Vec<u8>,
}

impl Packets {
    #[inline]
    fn each(&mut self, bytes: &[u8], each: impl FnMut(&[u8])) {
        if self.partial.is_empty() {
            let rest = split(bytes, each);
            self.partial.extend_from_slice(rest);
        } else {
            self.partial.extend_from_slice(bytes);
            let rest = split(&self.partial, each).len();
            self.partial.drain(..self.partial.len() - rest);
        }
    }
}

/// Passes all whole packets on and returns the rest.
#[inline]
fn split(mut bytes: &[u8], mut each: impl FnMut(&[u8])) -> &[u8] {
    while let Some(header) = fixed_header(bytes)
        && let Some((packet, rest)) = bytes.split_at_checked(header.len + header.remaining_len)
    {
        each(packet);
        bytes = rest;
    }
    bytes
}
