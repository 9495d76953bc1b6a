//! A Server, and a Client, whose peer speaks MQTT 3.1.1, byte by byte. Sections are those of MQTT 3.1.1.

mod adopted;
#[cfg(feature = "persistence")]
mod broker;
mod change_of_version;
mod client;
mod client_messages;
mod client_wire;
mod connect;
mod messages;
mod requests;
mod wire;
