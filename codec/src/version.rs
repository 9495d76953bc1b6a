//! Versions of the protocol.

use core::fmt;

/// The version of MQTT that a Network Connection speaks.
///
/// The CONNECT names it: [`Connect::version`](crate::Connect::version). Everything else that reads or
/// writes the bytes of a packet takes it as its first argument, because the bytes do not say it:
/// `30 08 00 03 61 2F 62 00 68 69` is a PUBLISH with two bytes of payload in MQTT 5, and one with four
/// in MQTT 3.1.1.
///
/// Both versions share one family of packets, that of MQTT 5. What MQTT 3.1.1 lacks has its empty value in
/// a packet that was decoded, and is an error in one that is to be encoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
#[non_exhaustive]
pub enum ProtocolVersion {
    /// MQTT 3.1.1.
    V3_1_1 = 4,
    /// MQTT 5.0.
    #[default]
    V5_0 = 5,
}

impl ProtocolVersion {
    /// Every version, the oldest first.
    pub const ALL: &'static [ProtocolVersion] = &[ProtocolVersion::V3_1_1, ProtocolVersion::V5_0];

    /// The version with this number, which MQTT 3.1.1 calls Protocol Level and MQTT 5 Protocol Version.
    ///
    /// ```
    /// use mqtt5_codec::ProtocolVersion;
    ///
    /// assert_eq!(ProtocolVersion::from_level(4), Some(ProtocolVersion::V3_1_1));
    /// assert_eq!(ProtocolVersion::from_level(3), None);
    /// ```
    #[must_use]
    pub const fn from_level(level: u8) -> Option<ProtocolVersion> {
        match level {
            4 => Some(ProtocolVersion::V3_1_1),
            5 => Some(ProtocolVersion::V5_0),
            _ => None,
        }
    }

    /// The number that a CONNECT names (sections 3.1.2.2 of both standards).
    #[must_use]
    pub const fn level(self) -> u8 {
        self as u8
    }
}

impl fmt::Display for ProtocolVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            ProtocolVersion::V3_1_1 => "MQTT 3.1.1",
            ProtocolVersion::V5_0 => "MQTT 5.0",
        })
    }
}
