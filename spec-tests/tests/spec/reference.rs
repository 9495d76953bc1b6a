//! The standard once more: slow, plain and independent of the codec. Written from its tables, to be
//! compared with the codec state by state.

pub(crate) mod framing;
pub(crate) mod short_packets;
pub(crate) mod tables;
pub(crate) mod unicode;
pub(crate) mod variable_byte_integer;
