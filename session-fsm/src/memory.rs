//! The memory of a machine: every container, its limit, and what happens at the limit.
//!
//! A peer or the application chooses the sizes; the configuration limits them. Bytes are those of
//! [`Message::size`](crate::codec::Message::size), of Topic Names, or of packets. Collections may
//! take up to twice as much while they grow.
//!
//! | container | bound | at the bound |
//! | --- | --- | --- |
//! | messages in flight | [`in_flight`](crate::SessionConfig::in_flight), Receive Maximum of the peer; with those that wait: [`stored`](crate::SessionConfig::stored), in messages and bytes | a message waits, or as below |
//! | messages that wait | [`waiting`](crate::SessionConfig::waiting), and `stored` | [`WhenFull`](crate::WhenFull): others are dropped if that helps, or [`PublishError::Busy`](crate::PublishError::Busy); [`Event::Room`](crate::Event::Room) follows |
//! | outcomes and other events for `poll` | `publish`: the number of `stored`, and 64; `receive`: one | `publish` returns `Busy`; `receive` returns the event before it reads the next packet |
//! | changes for `poll` | twice the number of `stored`, and 128, the messages in them as many bytes as `stored`; four for each Packet Identifier by what comes in | `publish` returns `Busy`; the peer has used up the Receive Maximum |
//! | numbers of forgotten messages | twice the number of `stored`, and 64; none is left after [`take_forgotten_body`](crate::Session::take_forgotten_body) returned `None` | `publish` returns `Busy` |
//! | packets to be written | 1 MiB, and one packet | `receive` reads no further, `subscribe` and `unsubscribe` return [`SendError::Busy`](crate::SendError::Busy), until `poll` was called |
//! | requests of a Client without an answer | 65,535 Packet Identifiers | [`SendError::NoIdentifier`](crate::SendError::NoIdentifier) |
//! | requests of a Client before the CONNACK | number and bytes of `waiting` | [`SendError::Busy`](crate::SendError::Busy) |
//! | requests to a Server without an answer | [`unanswered_requests`](crate::ServerConfig::unanswered_requests) | SUBACK with 0x97, UNSUBACK with 0x83 |
//! | received messages without a decision | the Receive Maximum that this side announces; at QoS 2, 65,535 over all connections | the connection is closed with 0x93 |
//! | decided acknowledgements of a Client that wait for their turn | 1 MiB of properties, together with the packets to be written | Reason String and User Properties are left out |
//! | states of the peer's Packet Identifiers | 65,535; 96 bytes each, 32 KiB in all | no further identifier exists |
//! | Topic Aliases of the peer | Topic Alias Maximum of this side; [`topic_alias_bytes`](crate::ServerConfig::topic_alias_bytes) | the connection is closed with 0x94, or with 0x97 |
//! | Topic Aliases of this side | [`TopicAliases`](crate::TopicAliases), Topic Alias Maximum of the peer; [`topic_alias_bytes`](crate::ServerConfig::topic_alias_bytes) | the least recently used is replaced, or the Topic Name is sent |
//! | a CONNECT that waits for a decision | [`maximum_connect_size`](crate::ServerConfig::maximum_connect_size) | it is refused with 0x95 |
//! | an authentication | the Authentication Method: 65,535 bytes, as part of the CONNECT | it is refused with the CONNECT |
//! | a Will Message | part of the CONNECT | it is refused with the CONNECT |
//!
//! [`broker`](crate::broker#bounds) lists what a Server has beside the Sessions and connections of its Clients.
//!
//! Bytes that have not been read are in a buffer of the caller. It needs room for one packet of the
//! announced Maximum Packet Size, or, in a [`Server`](crate::Server) before the CONNACK, of
//! `maximum_connect_size`; a packet that is not allowed at this point is refused at its first byte.

/// Returns how many places a full collection of `used` messages gets more: an eighth, which is less
/// than collections add by themselves, because the memory for each message is promised.
pub(crate) const fn growth_step(used: usize) -> usize {
    match used / 8 {
        0 => 1,
        eighth => eighth,
    }
}
