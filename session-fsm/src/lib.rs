//! Sans-IO MQTT 5.0 session and Quality of Service state machines.
//!
//! This release re-exports the [`codec`]; the machines follow.
#![no_std]

pub use mqtt5_codec as codec;
