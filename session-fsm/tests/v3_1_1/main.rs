//! A Server and its Clients that speak MQTT 3.1.1, byte by byte. Sections are those of MQTT 3.1.1.

#[cfg(feature = "persistence")]
mod broker;
mod connect;
mod messages;
mod requests;
mod wire;
