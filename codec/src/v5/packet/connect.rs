//! CONNECT (section 3.1).

use core::fmt;

use nom::Parser;
use nom::combinator::cond;

use super::Qos;
use super::decode::Parse;
use crate::encode::{Body, encodable};
#[cfg(mqtt5_faults)]
use crate::faults::unchecked_text;
use crate::framing::{FixedHeader, RawPacket};
use crate::sink::Sink;
use crate::text::{binary, text};
use crate::topic::{WILL_TOPIC, topic_name};
use crate::v3_1_1::V3;
use crate::v5::property::{Contains, Properties, property_set, property_set_and_seen, scope};
use crate::wire::{Fault, Parsed, byte, length_prefixed, two_byte_integer};
use crate::{Binary, PacketType, PropertyIdentifier, ProtocolVersion, Text, TopicName, Violation};

/// The properties of a CONNECT.
pub type ConnectProperties<'a> = Properties<'a, scope::Connect>;

/// The Will Properties.
pub type WillProperties<'a> = Properties<'a, scope::Will>;

const PROTOCOL_NAME: &[u8; 4] = b"MQTT";

/// Connect Flags (section 3.1.2.3).
pub(crate) mod flag {
    pub(crate) const RESERVED: u8 = 1;
    pub(crate) const CLEAN_START: u8 = 1 << 1;
    pub(crate) const WILL: u8 = 1 << 2;
    pub(crate) const WILL_QOS_SHIFT: u8 = 3;
    pub(crate) const WILL_RETAIN: u8 = 1 << 5;
    pub(crate) const PASSWORD: u8 = 1 << 6;
    pub(crate) const USER_NAME: u8 = 1 << 7;
}

/// The Client's first packet on a Network Connection (section 3.1).
///
/// The Protocol Name is always `MQTT`, and the Connect Flags follow from the fields. A CONNECT speaks for
/// itself: what reads and writes it goes by its own version, whatever the argument says.
///
/// `Debug` leaves the password out.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Connect<'a> {
    /// The version of the protocol (section 3.1.2.2): the bytes of this CONNECT and of every packet
    /// after it are read and written by it.
    pub version: ProtocolVersion,
    /// Whether to begin with a new Session (section 3.1.2.4). MQTT 3.1.1 calls it Clean Session, and lets
    /// it say at the same time whether the Session ends with the connection:
    /// [`Connect::session_expiry_interval`].
    pub clean_start: bool,
    /// The longest time between two packets of the Client, in seconds; 0 turns the mechanism off
    /// (section 3.1.2.10).
    pub keep_alive: u16,
    /// What the Client supports and wants (section 3.1.2.11). Not in MQTT 3.1.1.
    pub properties: ConnectProperties<'a>,
    /// The ClientID (section 3.1.3.1). If it is empty, the Server assigns one; in MQTT 3.1.1 only with Clean
    /// Session 1, and without telling the Client.
    pub client_identifier: Text<'a>,
    /// The message to be published if the Client is lost (section 3.1.2.5).
    pub will: Option<Will<'a>>,
    /// User Name (section 3.1.3.5).
    pub user_name: Option<Text<'a>>,
    /// Password, or any other credential (section 3.1.3.6); allowed without a User Name, but not in MQTT
    /// 3.1.1.
    pub password: Option<Binary<'a>>,
}

/// The Will Message (section 3.1.2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Will<'a> {
    /// Will QoS (section 3.1.2.6).
    pub qos: Qos,
    /// Will Retain (section 3.1.2.7).
    pub retain: bool,
    /// Will Properties (section 3.1.3.2). Not in MQTT 3.1.1.
    pub properties: WillProperties<'a>,
    /// Will Topic (section 3.1.3.3).
    pub topic: TopicName<'a>,
    /// Will Payload (section 3.1.3.4).
    pub payload: Binary<'a>,
}

impl Will<'_> {
    /// Whether the payload is what the Payload Format Indicator says: with 1 it must be UTF-8
    /// (section 3.1.3.2.3). The sender must ensure it. A receiver may check it and answer 0x99.
    /// Decoding and encoding do not, because it takes time in the payload's length.
    #[must_use]
    pub fn payload_format_is_right(&self) -> bool {
        super::publish::payload_format_is_right(
            self.properties.payload_format_indicator(),
            &self.payload,
        )
    }
}

impl<'a> Parse<'a> for Connect<'a> {
    #[inline]
    fn parse(_: FixedHeader, input: &'a [u8]) -> Parsed<'a, Self> {
        let (rest, version) = protocol(input)?;
        let (rest, flags) = connect_flags(version, rest)?;
        let (rest, keep_alive) = two_byte_integer(rest)?;
        let (rest, properties) = match version {
            ProtocolVersion::V3_1_1 => (rest, Properties::EMPTY),
            ProtocolVersion::V5_0 => connect_properties(rest)?,
        };
        let (rest, client_identifier) = match rest {
            // [MQTT3-3.1.3-3]
            [] if fault!("MQTT-3.1.3-3") => (rest, Text::EMPTY),
            // [MQTT3-3.1.3-4]
            _ => fault!("MQTT-3.1.3-4", text(rest), unchecked_text(rest))?,
        };
        // [MQTT3-3.1.2-9]
        let has_will = flags & flag::WILL != 0 && !fault!("MQTT-3.1.2-9");
        let (rest, will) = cond(has_will, |rest| will(version, flags, rest)).parse(rest)?;
        #[cfg(mqtt5_faults)]
        let flags = crate::faults::mistaken_flags(rest, flags);
        // There if, and only if, the flags say so [MQTT3-3.1.2-18] [MQTT3-3.1.2-19] [MQTT3-3.1.2-20]
        // [MQTT3-3.1.2-21]; the one is text [MQTT3-3.1.3-11].
        let user_name = fault!("MQTT-3.1.3-12", text, unchecked_text);
        let (rest, user_name) = cond(flags & flag::USER_NAME != 0, user_name).parse(rest)?;
        let is_missing = rest.is_empty() && fault!("MQTT-3.1.2-19");
        let has_password = flags & flag::PASSWORD != 0 && !is_missing;
        let (rest, password) = cond(has_password, binary).parse(rest)?;
        Ok((
            rest,
            Connect {
                version,
                clean_start: flags & flag::CLEAN_START != 0,
                keep_alive,
                properties,
                client_identifier,
                will,
                user_name,
                password,
            },
        ))
    }

    fn version_of(body: &[u8]) -> ProtocolVersion {
        match Protocol::read(body) {
            Some(protocol) => protocol.form(),
            None => ProtocolVersion::V5_0,
        }
    }
}

impl fmt::Debug for Connect<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hidden = self.password.map(|_| format_args!("…"));
        formatter
            .debug_struct("Connect")
            .field("version", &self.version)
            .field("clean_start", &self.clean_start)
            .field("keep_alive", &self.keep_alive)
            .field("properties", &self.properties)
            .field("client_identifier", &self.client_identifier)
            .field("will", &self.will)
            .field("user_name", &self.user_name)
            .field("password", &hidden)
            .finish()
    }
}

impl<'a> Connect<'a> {
    /// How long the Session outlives the connection, in seconds; `u32::MAX` for ever. It is the property
    /// Session Expiry Interval, which is 0 if it is absent (section 3.1.2.11.2), and in MQTT 3.1.1 it follows
    /// from Clean Session: 0 if that is set, or else for ever (section 3.1.2.4 there).
    ///
    /// ```
    /// use mqtt5_codec::{Connect, ProtocolVersion};
    ///
    /// let connect = Connect { clean_start: false, ..Connect::default() };
    /// assert_eq!(connect.session_expiry_interval(), 0);
    /// let connect = Connect { version: ProtocolVersion::V3_1_1, ..connect };
    /// assert_eq!(connect.session_expiry_interval(), u32::MAX);
    /// ```
    #[must_use]
    pub fn session_expiry_interval(&self) -> u32 {
        match self.version {
            ProtocolVersion::V3_1_1 if self.clean_start => 0,
            ProtocolVersion::V3_1_1 => u32::MAX,
            ProtocolVersion::V5_0 => self.properties.session_expiry_interval().unwrap_or(0),
        }
    }

    /// The same CONNECT in another version, such as the one that a Server asks for by its refusal.
    ///
    /// From MQTT 5 to 3.1.1 only the version changes: what it needs of properties is none, but for a Session
    /// Expiry Interval that says the same as Clean Session, and may stay. From MQTT 3.1.1 to 5 a CONNECT with
    /// Clean Session 0 must have a Session Expiry Interval, which [`Properties::new`] adds: without one the
    /// Session would end with the connection.
    ///
    /// ```
    /// use mqtt5_codec::{Connect, Properties, Property, ProtocolVersion, Text, Violation};
    ///
    /// let expiry = [Property::SessionExpiryInterval(u32::MAX)];
    /// let connect = Connect {
    ///     clean_start: false,
    ///     client_identifier: Text::new("meter-3")?,
    ///     properties: Properties::new(&expiry)?,
    ///     ..Connect::default()
    /// };
    /// let older = connect.for_version(ProtocolVersion::V3_1_1)?;
    /// assert_eq!(older.session_expiry_interval(), u32::MAX);
    /// assert_eq!(older.for_version(ProtocolVersion::V5_0)?, connect);
    /// # Ok::<(), Violation>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The first thing that the version cannot say: [`Violation::PropertiesNotInVersion`],
    /// [`Violation::SessionExpiryNotInVersion`], [`Violation::PasswordWithoutUserName`],
    /// [`Violation::ClientIdentifierEmptyWithoutCleanSession`].
    pub fn for_version(&self, version: ProtocolVersion) -> Result<Connect<'a>, Violation> {
        let connect = Connect { version, ..*self };
        match version {
            ProtocolVersion::V3_1_1 => V3(&connect).check()?,
            ProtocolVersion::V5_0 => connect.check()?,
        }
        match connect.session_expiry_interval() == self.session_expiry_interval() {
            true => Ok(connect),
            false => Err(Violation::SessionExpiryNotInVersion),
        }
    }

    #[inline]
    fn flags(&self) -> u8 {
        let set = |is_set, flag| if is_set { flag } else { 0 };
        let will = match &self.will {
            Some(will) => {
                flag::WILL
                    | (will.qos as u8) << flag::WILL_QOS_SHIFT
                    | set(will.retain, flag::WILL_RETAIN)
            }
            None => 0,
        };
        will | set(self.clean_start, flag::CLEAN_START)
            | set(self.user_name.is_some(), flag::USER_NAME)
            | set(self.password.is_some(), flag::PASSWORD)
    }
}

/// Protocol Name and Protocol Version. They come before all other rules: a packet of another
/// version looks different behind them.
fn protocol(input: &[u8]) -> Parsed<'_, ProtocolVersion> {
    let (after_name, name) = length_prefixed(input)?;
    if name != PROTOCOL_NAME && !fault!("MQTT-3.1.2-1") {
        let is_older = Protocol::read(input).is_some_and(|protocol| protocol.is_mqtt_3_1());
        return Err(Fault::at(
            input,
            match is_older {
                true => Violation::ProtocolNameOfMqtt31,
                false => Violation::ProtocolName,
            },
        ));
    }
    let (rest, level) = byte(after_name)?;
    match ProtocolVersion::from_level(level) {
        Some(version) => Ok((rest, version)),
        None if fault!("MQTT-3.1.2-2") => Ok((rest, ProtocolVersion::V5_0)),
        None if is_newer(level) => Err(Fault::at(after_name, Violation::ProtocolVersion)),
        None => Err(Fault::at(after_name, Violation::ProtocolLevel)),
    }
}

/// Whether a level is that of a version which may still come. Bridges set the highest bit, to ask a Server
/// for private treatment.
const fn is_newer(level: u8) -> bool {
    matches!(level, 6..0x80)
}

/// What a CONNECT says it is (sections 3.1.2.1 and 3.1.2.2 of both standards): found by
/// [`RawPacket::protocol`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Protocol<'a> {
    /// The Protocol Name: `MQTT`, or `MQIsdp` in MQTT 3.1, or anything.
    pub name: &'a [u8],
    /// The Protocol Level, which MQTT 5 calls Protocol Version.
    pub level: u8,
}

impl<'a> Protocol<'a> {
    fn read(body: &'a [u8]) -> Option<Self> {
        let (rest, name) = length_prefixed(body).ok()?;
        let (_, level) = byte(rest).ok()?;
        Some(Protocol { name, level })
    }

    /// Reads them off the beginning of a CONNECT, of which the rest may not have come: a Server that refuses one
    /// for its size looks here which answer its sender understands. `None` if it is another packet, or if they are not there.
    ///
    /// ```
    /// use mqtt5_codec::Protocol;
    ///
    /// let begun = b"\x10\xFF\xFF\xFF\x7F\x00\x04MQTT\x05";
    /// assert_eq!(Protocol::peek(begun).expect("a CONNECT").level, 5);
    /// assert_eq!(Protocol::peek(&begun[..11]), None);
    /// ```
    #[must_use]
    pub fn peek(input: &'a [u8]) -> Option<Self> {
        let header = FixedHeader::peek(input).ok()??;
        match header.packet_type() {
            PacketType::Connect => Protocol::read(&input[header.length()..]),
            _ => None,
        }
    }

    /// The version, if it is one that this crate knows.
    #[must_use]
    pub fn version(self) -> Option<ProtocolVersion> {
        match self.name == PROTOCOL_NAME {
            true => ProtocolVersion::from_level(self.level),
            false => None,
        }
    }

    fn is_mqtt_3_1(self) -> bool {
        self.name == b"MQIsdp" && self.level == 3
    }

    /// The version in whose form its sender understands a CONNACK.
    fn form(self) -> ProtocolVersion {
        let is_old = self.name == PROTOCOL_NAME && self.level != 5 && !is_newer(self.level);
        match is_old || self.is_mqtt_3_1() {
            true => ProtocolVersion::V3_1_1,
            false => ProtocolVersion::V5_0,
        }
    }
}

impl<'a> RawPacket<'a> {
    /// The Protocol Name and Level of a CONNECT, whatever follows them. `None` if it is another packet, or ends
    /// before.
    ///
    /// ```
    /// use mqtt5_codec::framing::RawPacket;
    ///
    /// let packet = RawPacket::whole(b"\x10\x09\x00\x06MQIsdp\x03")?;
    /// let protocol = packet.protocol().expect("a CONNECT");
    /// assert_eq!((protocol.name, protocol.level), (&b"MQIsdp"[..], 3));
    /// assert_eq!(protocol.version(), None);
    /// # Ok::<(), mqtt5_codec::DecodeError>(())
    /// ```
    #[must_use]
    pub fn protocol(&self) -> Option<Protocol<'a>> {
        match self.packet_type() {
            PacketType::Connect => Protocol::read(self.body()),
            _ => None,
        }
    }
}

/// MQTT 3.1.1 has no password without a User Name [MQTT3-3.1.2-22].
#[cold]
fn has_password_only(flags: u8) -> bool {
    let login = flags & (flag::PASSWORD | flag::USER_NAME);
    login == flag::PASSWORD && !fault!("MQTT3-3.1.2-22")
}

#[inline]
fn connect_flags(version: ProtocolVersion, input: &[u8]) -> Parsed<'_, u8> {
    let (rest, flags) = byte(input)?;
    let will_qos = flags >> flag::WILL_QOS_SHIFT & 0b11;
    // Without a Will there is nothing of it [MQTT3-3.1.2-11].
    let violation = if flags & flag::RESERVED != 0 && !fault!("MQTT-3.1.2-3") {
        Violation::ConnectFlagReserved
    } else if flags & flag::WILL == 0 && will_qos != 0 && !fault!("MQTT-3.1.2-11") {
        Violation::WillQosWithoutWill
    } else if flags & flag::WILL == 0 && flags & flag::WILL_RETAIN != 0 && !fault!("MQTT-3.1.2-13")
    {
        Violation::WillRetainWithoutWill
    } else if will_qos == 3 && !fault!("MQTT-3.1.2-12") {
        Violation::WillQos3
    } else if version == ProtocolVersion::V3_1_1 && has_password_only(flags) {
        Violation::PasswordWithoutUserName
    } else {
        return Ok((rest, flags));
    };
    Err(Fault::at(input, violation))
}

/// Authentication Data is of an Authentication Method (section 3.1.2.11.10).
#[inline]
fn authentication_method(properties: &impl Contains) -> Result<(), Violation> {
    if properties.contains(PropertyIdentifier::AuthenticationData)
        && !properties.contains(PropertyIdentifier::AuthenticationMethod)
    {
        return Err(Violation::AuthenticationDataWithoutMethod);
    }
    Ok(())
}

fn connect_properties(input: &[u8]) -> Parsed<'_, ConnectProperties<'_>> {
    let (rest, (properties, seen)) = property_set_and_seen(input)?;
    // What is wrong with the set is seen at its end.
    Fault::place(authentication_method(&seen), rest)?;
    Ok((rest, properties))
}

fn will(version: ProtocolVersion, flags: u8, input: &[u8]) -> Parsed<'_, Will<'_>> {
    let (at_topic, properties) = match version {
        ProtocolVersion::V3_1_1 => (input, Properties::EMPTY),
        ProtocolVersion::V5_0 => property_set(input)?,
    };
    // [MQTT3-3.1.3-10]
    let (rest, topic) = fault!(
        "MQTT-3.1.3-11",
        topic_name(at_topic, &WILL_TOPIC),
        crate::faults::unchecked_topic_name(at_topic)
    )?;
    let (rest, payload) = binary(rest)?;
    let (Some(qos), Some(topic)) = (Qos::from_bits(flags >> flag::WILL_QOS_SHIFT & 0b11), topic)
    else {
        return Err(Fault::at(at_topic, Violation::TopicNameEmpty));
    };
    Ok((
        rest,
        Will {
            qos,
            retain: flags & flag::WILL_RETAIN != 0,
            properties,
            topic,
            payload,
        },
    ))
}

impl<'a> Body<'a> for Connect<'a> {
    #[inline]
    fn packet_type(&self) -> PacketType {
        PacketType::Connect
    }

    #[inline]
    fn version(&self, _: ProtocolVersion) -> ProtocolVersion {
        self.version
    }

    fn check(&self) -> Result<(), Violation> {
        authentication_method(&self.properties)
    }

    fn write<S: Sink>(&self, sink: &mut S) {
        self.write_head(sink);
        self.properties.write(sink);
        sink.length_prefixed(self.client_identifier.as_bytes());
        if let Some(will) = &self.will {
            will.properties.write(sink);
            sink.length_prefixed(will.topic.as_bytes());
            sink.length_prefixed(will.payload.as_bytes());
        }
        self.write_login(sink);
    }
}

/// What is the same in both versions.
impl Connect<'_> {
    /// All fields before the properties.
    #[inline]
    pub(crate) fn write_head<S: Sink>(&self, sink: &mut S) {
        let [keep_alive_high, keep_alive_low] = self.keep_alive.to_be_bytes();
        let [m, q, t, u] = *PROTOCOL_NAME;
        let name_length = PROTOCOL_NAME.len() as u8;
        sink.array(&[
            0,
            name_length,
            m,
            q,
            t,
            u,
            self.version as u8,
            self.flags(),
            keep_alive_high,
            keep_alive_low,
        ]);
    }

    /// User Name and Password.
    #[inline]
    pub(crate) fn write_login<S: Sink>(&self, sink: &mut S) {
        let user_name = self.user_name.as_ref().map(|it| it.as_bytes());
        let password = self.password.as_ref().map(|it| it.as_bytes());
        // [MQTT3-3.1.3-1]
        let fields = fault!("MQTT-3.1.3-1", [user_name, password], [password, user_name]);
        for field in fields.into_iter().flatten() {
            sink.length_prefixed(field);
        }
    }
}

encodable!(Connect);
