//! What is particular to MQTT 5.0: its Control Packets, their properties and their Reason Codes.

pub(crate) mod packet;
pub(crate) mod property;
pub(crate) mod reason_code;
