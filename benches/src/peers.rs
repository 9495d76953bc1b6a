//! The published codecs of MQTT 5.0, and of MQTT 3.1.1 in a module of its own.
//!
//! What a codec leaves unchecked was read in its source, in the version that
//! `Cargo.toml` pins, and tried with the packets of
//! [`malformed`](crate::malformed). Most of it is leniency that does no harm; it
//! is said here because a check that is left out costs no time.

use crate::contender::Contender;

mod flowsdk;
mod mountain_mqtt;
mod mqtt5_protocol;
mod mqtt_proto;
mod mqtt_protocol_core;
mod mqute_codec;
mod rmqtt_codec;
mod rumqttc;
mod v3_1_1;

/// Those that speak MQTT 3.1.1.
pub const OF_V3_1_1: [Contender; 6] = v3_1_1::ALL;

/// All peers.
pub const ALL: [Contender; 8] = [
    rumqttc::CONTENDER,
    rmqtt_codec::CONTENDER,
    mqtt_proto::CONTENDER,
    mqute_codec::CONTENDER,
    mqtt5_protocol::CONTENDER,
    mqtt_protocol_core::CONTENDER,
    flowsdk::CONTENDER,
    mountain_mqtt::CONTENDER,
];
