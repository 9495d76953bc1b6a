//! A planted bug: proof that fuzzing finds what it shall find.
//!
//! The wrapper below does to one rare packet what shipped decoders do: it mixes up *absent* and
//! *zero*. If fuzzing this target does not fail within seconds, then something is wrong with the
//! seeds, the dictionary or the build.

use mqtt5_codec::{DecodeError, Packet, ProtocolVersion};

use crate::rebuild::encoded;

/// Decodes, re-encodes and compares, as [`decode`](crate::decode) does, but through a decoder with
/// a bug.
///
/// # Panics
///
/// As soon as the bug is found: that is its purpose.
pub fn check(data: &[u8]) {
    if let Ok(packet) = decode_with_bug(data) {
        let again = encoded(ProtocolVersion::V5_0, &packet);
        assert_eq!(
            Packet::decode(ProtocolVersion::V5_0, &again),
            Packet::decode(ProtocolVersion::V5_0, data),
            "found the bug that was planted"
        );
    }
}

/// Drops Session Expiry Interval 0 from a DISCONNECT, with which the Client ends its Session.
fn decode_with_bug(bytes: &[u8]) -> Result<Packet<'_>, DecodeError> {
    let packet = Packet::decode(ProtocolVersion::V5_0, bytes)?;
    if let Packet::Disconnect(mut disconnect) = packet
        && disconnect.properties.session_expiry_interval() == Some(0)
    {
        disconnect.properties = Default::default();
        return Ok(Packet::Disconnect(disconnect));
    }
    Ok(packet)
}
