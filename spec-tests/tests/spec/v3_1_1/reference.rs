//! A second reader and a second writer of MQTT 3.1.1, written from the standard.

use mqtt5_codec::{Connect, Packet, Role, ViolationClass};

use crate::packets::{packet, prefixed};
use crate::reference::tables;
use crate::reference::variable_byte_integer::{Reading, read};

/// Class and place of what is wrong with a packet.
pub(super) type Judgement = Result<(), (ViolationClass, usize)>;

const MALFORMED: ViolationClass = ViolationClass::Malformed;
const PROTOCOL: ViolationClass = ViolationClass::Protocol;

/// Judges one whole packet and nothing else. A CONNECT must not name level 5.
pub(super) fn judge(bytes: &[u8], sender: Option<Role>) -> Judgement {
    let first_byte = bytes[0];
    // Section 2.2.1 and 2.2.2: as in 5.0, so that a splitter need not know the version.
    if !tables::first_byte_is_valid(first_byte) {
        return Err((MALFORMED, 0));
    }
    let Reading::Value { value, length } = read(&bytes[1..]) else {
        return Err((MALFORMED, 1));
    };
    assert_eq!(1 + length + value as usize, bytes.len(), "one packet");
    let packet_type = first_byte >> 4;
    if packet_type == 15 {
        return Err((MALFORMED, 0));
    }
    let may_send = match sender {
        None => true,
        Some(Role::Client) => !matches!(packet_type, 2 | 9 | 11 | 13),
        Some(Role::Server) => !matches!(packet_type, 1 | 8 | 10 | 12 | 14),
    };
    if !may_send {
        return Err((PROTOCOL, 0));
    }
    let mut fields = Fields {
        bytes,
        at: 1 + length,
    };
    fields.body(first_byte)?;
    match fields.at < bytes.len() {
        true => Err((MALFORMED, fields.at)),
        false => Ok(()),
    }
}

/// The fields of a packet, one after the other.
struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], (ViolationClass, usize)> {
        let Some(field) = self.rest().get(..length) else {
            return Err((MALFORMED, self.at));
        };
        self.at += length;
        Ok(field)
    }

    fn byte(&mut self) -> Result<u8, (ViolationClass, usize)> {
        Ok(self.take(1)?[0])
    }

    /// A field with its length before it; what runs past the end is wrong from its beginning.
    fn prefixed(&mut self) -> Result<&'a [u8], (ViolationClass, usize)> {
        let start = self.at;
        let length = self.take(2)?;
        let length = u16::from_be_bytes([length[0], length[1]]);
        self.take(usize::from(length))
            .map_err(|(class, _)| (class, start))
    }

    /// Section 1.5.3; and in what is a string, what else is wrong with it, at this place.
    fn string(&mut self, wrong: impl Fn(&[u8]) -> Option<usize>) -> Judgement {
        let start = self.at;
        let field = self.prefixed()?;
        let ill_formed = std::str::from_utf8(field).err();
        let ill_formed = ill_formed.map(|error| error.valid_up_to());
        let null = field.iter().position(|&byte| byte == 0);
        let first = ill_formed.into_iter().chain(null).min();
        match first.or_else(|| wrong(field)) {
            Some(place) => Err((MALFORMED, start + 2 + place)),
            None => Ok(()),
        }
    }

    /// Section 4.7.3: at least one character. An empty one is wrong where its length stands.
    fn topic(&mut self, wrong: impl Fn(&[u8]) -> Option<usize>) -> Judgement {
        let start = self.at;
        let end = self.rest().get(..2).map(|length| length == [0, 0]);
        if end == Some(true) {
            return Err((MALFORMED, start));
        }
        self.string(wrong)
    }

    fn packet_identifier(&mut self) -> Judgement {
        let start = self.at;
        match self.take(2)? {
            [0, 0] => Err((PROTOCOL, start)),
            _ => Ok(()),
        }
    }

    fn something(&self) -> Judgement {
        match self.rest().is_empty() {
            true => Err((PROTOCOL, self.at)),
            false => Ok(()),
        }
    }

    fn body(&mut self, first_byte: u8) -> Judgement {
        match first_byte >> 4 {
            1 => self.connect(),
            2 => self.connack(),
            3 => {
                self.topic(first_wildcard)?;
                if first_byte & 0b0110 != 0 {
                    self.packet_identifier()?;
                }
                self.at = self.bytes.len();
                Ok(())
            }
            4..=7 | 11 => self.packet_identifier(),
            8 => self.filters(true),
            9 => {
                self.packet_identifier()?;
                self.something()?;
                while !self.rest().is_empty() {
                    if !matches!(self.byte()?, 0 | 1 | 2 | 0x80) {
                        return Err((PROTOCOL, self.at - 1));
                    }
                }
                Ok(())
            }
            10 => self.filters(false),
            _ => Ok(()),
        }
    }

    /// Sections 3.8.3 and 3.10.3.
    fn filters(&mut self, with_qos: bool) -> Judgement {
        self.packet_identifier()?;
        self.something()?;
        while !self.rest().is_empty() {
            self.topic(wrong_in_filter)?;
            if with_qos && self.byte()? > 2 {
                return Err((MALFORMED, self.at - 1));
            }
        }
        Ok(())
    }

    /// Section 3.2.2.
    fn connack(&mut self) -> Judgement {
        let flags = self.byte()?;
        if flags > 1 {
            return Err((MALFORMED, self.at - 1));
        }
        let code = self.byte()?;
        if code > 5 {
            return Err((PROTOCOL, self.at - 1));
        }
        match flags == 1 && code != 0 {
            true => Err((PROTOCOL, self.at - 2)),
            false => Ok(()),
        }
    }

    /// Section 3.1: Protocol Name, Protocol Level, Connect Flags, the other fields.
    fn connect(&mut self) -> Judgement {
        let start = self.at;
        if self.prefixed()? != b"MQTT" {
            return Err((PROTOCOL, start));
        }
        if self.byte()? != 4 {
            return Err((PROTOCOL, self.at - 1));
        }
        let flags = self.byte()?;
        let is_set = |bit: u8| flags & bit != 0;
        let will_qos = flags >> 3 & 0b11;
        let will_is_right = match is_set(0x04) {
            true => will_qos < 3,
            false => will_qos == 0 && !is_set(0x20),
        };
        let password_only = is_set(0x40) && !is_set(0x80);
        if is_set(0x01) || !will_is_right || password_only {
            return Err((MALFORMED, self.at - 1));
        }
        self.take(2)?;
        self.string(|_| None)?;
        if is_set(0x04) {
            self.topic(first_wildcard)?;
            self.prefixed()?;
        }
        if is_set(0x80) {
            self.string(|_| None)?;
        }
        if is_set(0x40) {
            self.prefixed()?;
        }
        Ok(())
    }
}

/// A Topic Name has no wildcards [MQTT3-4.7.1-1], [MQTT3-3.3.2-2].
fn first_wildcard(topic: &[u8]) -> Option<usize> {
    topic.iter().position(|byte| matches!(byte, b'+' | b'#'))
}

/// `#` fills the last level and `+` any [MQTT3-4.7.1-2], [MQTT3-4.7.1-3]. `$share` is nothing special.
pub(super) fn wrong_in_filter(filter: &[u8]) -> Option<usize> {
    let mut start = 0;
    for level in filter.split(|&byte| byte == b'/') {
        let is_last = start + level.len() == filter.len();
        for (at, byte) in level.iter().enumerate() {
            let fills = level.len() == 1;
            let right = match byte {
                b'#' => fills && is_last,
                b'+' => fills,
                _ => true,
            };
            if !right {
                return Some(start + at);
            }
        }
        start += level.len() + 1;
    }
    None
}

/// Whether a filter that begins with `$share/` is no Shared Subscription of 5.0 (section 4.8.2 of 5.0).
pub(super) fn is_bad_share(filter: &str) -> bool {
    let Some(rest) = filter.strip_prefix("$share/") else {
        return false;
    };
    match rest.split_once('/') {
        Some((name, filter)) => name.is_empty() || name.contains(['+', '#']) || filter.is_empty(),
        None => true,
    }
}

/// The bytes of what MQTT 3.1.1 can say of a packet: properties, Reason Codes and options are left out. `None` if it
/// has no such packet, or no such return code.
pub(super) fn write(of: &Packet<'_>) -> Option<Vec<u8>> {
    let identifier = of
        .packet_identifier()
        .map(|it| it.get().to_be_bytes().to_vec());
    let body = match of {
        Packet::Connect(connect) => connect_body(connect),
        Packet::ConnAck(connack) => {
            let code = match connack.reason_code.to_byte() {
                0x00 => 0,
                0x84 => 1,
                0x85 => 2,
                0x88 => 3,
                0x86 => 4,
                0x87 => 5,
                _ => return None,
            };
            vec![u8::from(connack.session_present), code]
        }
        Packet::Publish(publish) => {
            let topic = prefixed(publish.topic?.as_bytes());
            [
                topic,
                identifier.unwrap_or_default(),
                publish.payload.to_vec(),
            ]
            .concat()
        }
        Packet::Subscribe(subscribe) => {
            let mut body = identifier?;
            for subscription in subscribe.subscriptions.iter() {
                body.extend(prefixed(subscription.filter.as_bytes()));
                body.push(subscription.options.maximum_qos as u8);
            }
            body
        }
        Packet::SubAck(suback) => {
            let codes = suback.reason_codes.iter().map(|code| match code.to_byte() {
                code @ 0..=2 => code,
                _ => 0x80,
            });
            identifier?.into_iter().chain(codes).collect()
        }
        Packet::Unsubscribe(unsubscribe) => {
            let filters = unsubscribe.filters.iter();
            let filters = filters.flat_map(|filter| prefixed(filter.as_bytes()));
            identifier?.into_iter().chain(filters).collect()
        }
        Packet::Auth(_) => return None,
        _ => identifier.unwrap_or_default(),
    };
    Some(packet(first_byte(of), &body))
}

fn first_byte(of: &Packet<'_>) -> u8 {
    match of {
        Packet::Publish(publish) => {
            let duplicate = u8::from(publish.delivery.duplicate());
            let qos = publish.delivery.qos() as u8;
            0x30 | duplicate << 3 | qos << 1 | u8::from(publish.retain)
        }
        Packet::Connect(_) => 0x10,
        Packet::ConnAck(_) => 0x20,
        Packet::PubAck(_) => 0x40,
        Packet::PubRec(_) => 0x50,
        Packet::PubRel(_) => 0x62,
        Packet::PubComp(_) => 0x70,
        Packet::Subscribe(_) => 0x82,
        Packet::SubAck(_) => 0x90,
        Packet::Unsubscribe(_) => 0xA2,
        Packet::UnsubAck(_) => 0xB0,
        Packet::PingReq => 0xC0,
        Packet::PingResp => 0xD0,
        Packet::Disconnect(_) => 0xE0,
        Packet::Auth(_) => 0xF0,
    }
}

fn connect_body(connect: &Connect<'_>) -> Vec<u8> {
    let will_flags = connect.will.map_or(0, |will| {
        0x04 | (will.qos as u8) << 3 | u8::from(will.retain) << 5
    });
    let flags = will_flags
        | u8::from(connect.clean_start) << 1
        | u8::from(connect.user_name.is_some()) << 7
        | u8::from(connect.password.is_some()) << 6;
    let mut body = b"\x00\x04MQTT\x04".to_vec();
    body.push(flags);
    body.extend(connect.keep_alive.to_be_bytes());
    body.extend(prefixed(connect.client_identifier.as_bytes()));
    if let Some(will) = connect.will {
        body.extend(prefixed(will.topic.as_bytes()));
        body.extend(prefixed(will.payload.as_bytes()));
    }
    let user_name = connect.user_name.as_ref().map(|it| it.as_bytes());
    let password = connect.password.as_ref().map(|it| it.as_bytes());
    for field in [user_name, password].into_iter().flatten() {
        body.extend(prefixed(field));
    }
    body
}
