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

pub(super) struct Client {
    connection: Connection<role::Client>,
    session: Session,
}

impl sessions::Client for Client {
    fn new(setup: Setup) -> Self {
        let mut connection = Connection::new(Version::V5_0);
        connection.set_auto_pub_response(true);
        Self {
            connection,
            session: setup.session,
        }
    }

    fn connect(&mut self, wire: &mut Vec<u8>) {
        let mut connect = v5_0::Connect::builder()
            .client_id(CLIENT_ID)
            .expect("a Client Identifier")
            .keep_alive(KEEP_ALIVE)
            .clean_start(self.session == Session::Transient);
        if self.session == Session::Kept {
            let expiry = packet::SessionExpiryInterval::new(SESSION_EXPIRY).expect("an interval");
            connect = connect.props(vec![Property::SessionExpiryInterval(expiry)]);
        }
        let connect = connect.build().expect("a CONNECT");
        for event in self.connection.checked_send(connect) {
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
        let mut publish = v5_0::Publish::builder()
            .topic_name(topic)
            .expect("a Topic Name")
            .payload(payload);
        publish = match qos {
            Qos::AtMostOnce => publish,
            Qos::AtLeastOnce => publish.qos(packet::Qos::AtLeastOnce),
            Qos::ExactlyOnce => publish.qos(packet::Qos::ExactlyOnce),
        };
        if qos != Qos::AtMostOnce {
            publish = publish.packet_id(self.connection.acquire_packet_id().expect("a free one"));
        }
        let publish = publish.build().expect("a PUBLISH");
        for event in self.connection.checked_send(publish) {
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
        let mut connection = Connection::new(match V::VERSION {
            ProtocolVersion::V3_1_1 => Version::V3_1_1,
            _ => Version::V5_0,
        });
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
