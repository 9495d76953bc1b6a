//! What a restart must not forget: whatever keeps a Packet Identifier from being used, or a message from being
//! delivered twice or never, is part of the stored Session (sections 2.2.1, 4.1, 4.3.3).
#![cfg(feature = "persistence")]

mod clock;
mod ends;
mod link;
mod lost;
mod order;
mod received;
