//! `mqtt-protocol-core`: its `Connection` in the roles of client and server, the
//! way its examples use it.
//!
//! Responses are automatic, packets are built with their builders and passed to
//! `checked_send`, and a packet that is to be sent is appended from the
//! `IoSlice`s that it offers for a vectored write. Timers that are to be set or
//! cancelled are ignored. Its default features are on.

use std::marker::PhantomData;

use mqtt_protocol_core::mqtt::common::Cursor;
use mqtt_protocol_core::mqtt::connection::{Connection, Event, Version, role};
use mqtt_protocol_core::mqtt::packet::{self, GenericPacketTrait, Packet, Property, v3_1_1, v5_0};
use mqtt_protocol_core::mqtt::result_code::{
    ConnectReasonCode, ConnectReturnCode, PubcompReasonCode,
};
use mqtt5_codec::ProtocolVersion;

use crate::sessions::{self, CLIENT_ID, KEEP_ALIVE, Qos, SESSION_EXPIRY, Seen, Session, Setup};
use crate::version::V5;

/// Sends a PUBLISH. The builders of both versions have the same methods, but no trait that says so.
macro_rules! send_publish {
    ($version:ident, $connection:expr, $qos:ident, $topic:ident, $payload:ident) => {{
        let mut publish = $version::Publish::builder()
            .topic_name($topic)
            .expect("a Topic Name")
            .payload($payload);
        publish = match $qos {
            Qos::AtMostOnce => publish,
            Qos::AtLeastOnce => publish.qos(packet::Qos::AtLeastOnce),
            Qos::ExactlyOnce => publish.qos(packet::Qos::ExactlyOnce),
        };
        if $qos != Qos::AtMostOnce {
            publish = publish.packet_id($connection.acquire_packet_id().expect("a free one"));
        }
        $connection.checked_send(publish.build().expect("a PUBLISH"))
    }};
}

pub(super) struct Client<V = V5> {
    connection: Connection<role::Client>,
    session: Session,
    version: PhantomData<V>,
}

impl<V: crate::version::Version> sessions::Client for Client<V> {
    fn new(setup: Setup) -> Self {
        let mut connection = Connection::new(version::<V>());
        connection.set_auto_pub_response(true);
        Self {
            connection,
            session: setup.session,
            version: PhantomData,
        }
    }

    fn connect(&mut self, wire: &mut Vec<u8>) {
        let is_clean = self.session == Session::Transient;
        let events = match V::VERSION {
            ProtocolVersion::V3_1_1 => {
                let connect = v3_1_1::Connect::builder()
                    .client_id(CLIENT_ID)
                    .expect("a Client Identifier")
                    .keep_alive(KEEP_ALIVE)
                    .clean_session(is_clean)
                    .build();
                self.connection.checked_send(connect.expect("a CONNECT"))
            }
            _ => {
                let mut connect = v5_0::Connect::builder()
                    .client_id(CLIENT_ID)
                    .expect("a Client Identifier")
                    .keep_alive(KEEP_ALIVE)
                    .clean_start(is_clean);
                if !is_clean {
                    let expiry = packet::SessionExpiryInterval::new(SESSION_EXPIRY);
                    let expiry = expiry.expect("an interval");
                    connect = connect.props(vec![Property::SessionExpiryInterval(expiry)]);
                }
                let connect = connect.build();
                self.connection.checked_send(connect.expect("a CONNECT"))
            }
        };
        for event in events {
            sent(event, wire);
        }
    }

    #[inline]
    fn publish(
        &mut self,
        qos: Qos,
        topic: &str,
        payload: &[u8],
        wire: &mut Vec<u8>,
        seen: &mut Seen,
    ) {
        let events = match V::VERSION {
            ProtocolVersion::V3_1_1 => send_publish!(v3_1_1, self.connection, qos, topic, payload),
            _ => send_publish!(v5_0, self.connection, qos, topic, payload),
        };
        for event in events {
            sent(event, wire);
        }
        if qos == Qos::AtMostOnce {
            seen.completed();
        }
    }

    #[inline]
    fn receive(&mut self, bytes: &[u8], wire: &mut Vec<u8>, seen: &mut Seen) {
        let mut cursor = Cursor::new(bytes);
        while cursor.position() < bytes.len() as u64 {
            for event in self.connection.recv(&mut cursor) {
                match event {
                    Event::NotifyPacketReceived(Packet::V5_0Puback(puback)) => {
                        assert!(puback.reason_code().is_none(), "success");
                        seen.completed();
                    }
                    Event::NotifyPacketReceived(Packet::V5_0Pubcomp(pubcomp)) => {
                        let reason = pubcomp.reason_code();
                        assert!(reason.is_none_or(|code| code == PubcompReasonCode::Success));
                        seen.completed();
                    }
                    Event::NotifyPacketReceived(Packet::V5_0Connack(connack)) => {
                        assert_eq!(connack.reason_code(), ConnectReasonCode::Success);
                        seen.connected(connack.session_present());
                    }
                    Event::NotifyPacketReceived(
                        Packet::V3_1_1Puback(_) | Packet::V3_1_1Pubcomp(_),
                    ) => seen.completed(),
                    Event::NotifyPacketReceived(Packet::V3_1_1Connack(connack)) => {
                        assert_eq!(connack.return_code(), ConnectReturnCode::Accepted);
                        seen.connected(connack.session_present());
                    }
                    event => sent(event, wire),
                }
            }
        }
    }

    fn connection_lost(&mut self) {
        self.connection.notify_closed();
    }
}

pub(super) struct Server<V = V5> {
    connection: Connection<role::Server>,
    known: bool,
    version: PhantomData<V>,
}

impl<V: crate::version::Version> sessions::Server for Server<V> {
    fn new(_setup: Setup) -> Self {
        let mut connection = Connection::new(version::<V>());
        connection.set_auto_pub_response(true);
        Self {
            connection,
            known: false,
            version: PhantomData,
        }
    }

    #[inline]
    fn receive(&mut self, bytes: &[u8], wire: &mut Vec<u8>, seen: &mut Seen) {
        let mut cursor = Cursor::new(bytes);
        while cursor.position() < bytes.len() as u64 {
            for event in self.connection.recv(&mut cursor) {
                match event {
                    Event::NotifyPacketReceived(Packet::V5_0Publish(publish)) => {
                        let payload = publish.payload().as_slice();
                        seen.delivered(publish.topic_name().as_bytes(), payload);
                    }
                    Event::NotifyPacketReceived(Packet::V3_1_1Publish(publish)) => {
                        let payload = publish.payload().as_slice();
                        seen.delivered(publish.topic_name().as_bytes(), payload);
                    }
                    Event::NotifyPacketReceived(Packet::V5_0Connect(connect)) => {
                        self.accept(connect.clean_start(), wire);
                    }
                    Event::NotifyPacketReceived(Packet::V3_1_1Connect(connect)) => {
                        self.accept(connect.clean_session(), wire);
                    }
                    event => sent(event, wire),
                }
            }
        }
    }

    fn connection_lost(&mut self) {
        self.connection.notify_closed();
    }
}

impl<V: crate::version::Version> Server<V> {
    fn accept(&mut self, is_clean: bool, wire: &mut Vec<u8>) {
        let session_present = self.known && !is_clean;
        self.known = !is_clean;
        let events = match V::VERSION {
            ProtocolVersion::V3_1_1 => {
                let connack = v3_1_1::Connack::builder()
                    .return_code(ConnectReturnCode::Accepted)
                    .session_present(session_present)
                    .build();
                self.connection.checked_send(connack.expect("a CONNACK"))
            }
            _ => {
                let connack = v5_0::Connack::builder()
                    .reason_code(ConnectReasonCode::Success)
                    .session_present(session_present)
                    .build();
                self.connection.checked_send(connack.expect("a CONNACK"))
            }
        };
        for event in events {
            sent(event, wire);
        }
    }
}

fn version<V: crate::version::Version>() -> Version {
    match V::VERSION {
        ProtocolVersion::V3_1_1 => Version::V3_1_1,
        _ => Version::V5_0,
    }
}

/// Handles all events but those of interest to the application.
#[inline]
fn sent(event: Event, wire: &mut Vec<u8>) {
    match event {
        Event::RequestSendPacket { packet, .. } => {
            for slice in packet.to_buffers() {
                wire.extend_from_slice(&slice);
            }
        }
        Event::NotifyError(error) => panic!("no errors here: {error:?}"),
        Event::RequestClose => panic!("nobody closes here"),
        _ => {}
    }
}
