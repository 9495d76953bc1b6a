//! What a restart must not forget: whatever keeps a Packet Identifier from being used, or a message from being
//! delivered twice or never, is part of the stored Session (sections 2.2.1, 4.1, 4.3.3).
#![cfg(feature = "persistence")]

#[path = "restart/clock.rs"]
mod clock;
#[path = "restart/ends.rs"]
mod ends;
#[path = "restart/link.rs"]
mod link;
#[path = "restart/lost.rs"]
mod lost;
#[path = "restart/order.rs"]
mod order;
#[path = "restart/received.rs"]
mod received;
