//! Versions of the protocol.

/// The version of MQTT that a Network Connection speaks.
///
/// The CONNECT names it: [`Connect::version`](crate::Connect::version). Everything else that reads or
/// writes the bytes of a packet takes it as its first argument, because the bytes do not say it:
/// `30 08 00 03 61 2F 62 00 68 69` is a PUBLISH with two bytes of payload in MQTT 5, and one with four
/// in MQTT 3.1.1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
#[non_exhaustive]
pub enum ProtocolVersion {
    /// MQTT 5.0.
    #[default]
    V5_0 = 5,
}
