//! `flowsdk`: its `PortableMqttEngine`, which takes the time as an argument, so
//! that no clock is read.
//!
//! Its limits of packets and events that wait are lifted so far that windows of
//! 65,535 fit.

use std::marker::PhantomData;

use flowsdk::mqtt_client::{MqttClientOptions, MqttEvent, PortableMqttEngine, PublishCommand};
use flowsdk::time::Timestamp;
use mqtt5_codec::ProtocolVersion;

use crate::sessions::{self, CLIENT_ID, KEEP_ALIVE, Qos, SESSION_EXPIRY, Seen, Session, Setup};
use crate::version::{V5, Version};

/// More than there ever is.
const NO_LIMIT: usize = 1 << 20;

pub(super) struct Client<V = V5> {
    engine: PortableMqttEngine,
    version: PhantomData<V>,
}

impl<V: Version> sessions::Client for Client<V> {
    fn new(setup: Setup) -> Self {
        let mut options = MqttClientOptions::builder()
            .mqtt_version(V::VERSION.level())
            .client_id(CLIENT_ID)
            .keep_alive(KEEP_ALIVE)
            .clean_start(setup.session == Session::Transient)
            .max_outgoing_packet_count(NO_LIMIT)
            .max_event_count(NO_LIMIT);
        if setup.session == Session::Kept && V::VERSION == ProtocolVersion::V5_0 {
            options = options.session_expiry_interval(SESSION_EXPIRY);
        }
        Self {
            engine: PortableMqttEngine::new_at(options.build(), Timestamp::ZERO),
            version: PhantomData,
        }
    }

    fn connect(&mut self, wire: &mut Vec<u8>) {
        let connect = self.engine.connect_at(Timestamp::ZERO);
        connect.expect("not connected");
        self.send(wire);
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
        let publish = PublishCommand::simple(topic, payload.to_vec(), qos as u8, false);
        let publish = self.engine.publish_at(publish, Timestamp::ZERO);
        publish.expect("nothing forbidden");
        self.send(wire);
        if qos == Qos::AtMostOnce {
            seen.completed();
        }
    }

    #[inline]
    fn receive(&mut self, bytes: &[u8], wire: &mut Vec<u8>, seen: &mut Seen) {
        let events = self.engine.handle_incoming_at(bytes, Timestamp::ZERO);
        for event in events.expect("time stands still") {
            match event {
                MqttEvent::Published(result) => {
                    assert!(result.is_success());
                    seen.completed();
                }
                MqttEvent::Connected(result) => {
                    assert_eq!(result.reason_code, 0);
                    seen.connected(result.session_present);
                }
                other => panic!("nothing else happens: {other:?}"),
            }
        }
        self.send(wire);
    }

    fn connection_lost(&mut self) {
        let lost = self.engine.handle_connection_lost_at(Timestamp::ZERO);
        lost.expect("time stands still");
        self.engine.take_events();
    }
}

impl<V> Client<V> {
    #[inline]
    fn send(&mut self, wire: &mut Vec<u8>) {
        let bytes = self.engine.take_outgoing_at(Timestamp::ZERO);
        wire.extend_from_slice(&bytes.expect("time stands still"));
    }
}
