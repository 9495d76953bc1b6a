//! `rumqttc`: the `MqttState` of MQTT 3.1.1, driven as its event loop does.
//!
//! It is another type than that of MQTT 5, with packets of other types, and no trait is common to both. What
//! the documentation of the other one says holds here as well, but for CONNACK: the event loop does not pass
//! it to this state.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use rumqttc::{
    Connect, ConnectReturnCode, Event, MqttState, Outgoing, Packet, Protocol, Publish, QoS, Request,
};

use crate::sessions::{self, CLIENT_ID, KEEP_ALIVE, Qos, Seen, Session, Setup};

/// Packets may be as large as they are.
const NO_LIMIT: usize = usize::MAX;

pub(super) struct Client {
    state: MqttState,
    session: Session,
    pending: VecDeque<Request>,
    input: BytesMut,
    output: BytesMut,
}

impl sessions::Client for Client {
    fn new(setup: Setup) -> Self {
        Self {
            state: MqttState::new(setup.window, false),
            session: setup.session,
            pending: VecDeque::new(),
            input: BytesMut::new(),
            output: BytesMut::new(),
        }
    }

    fn connect(&mut self, wire: &mut Vec<u8>) {
        let connect = Connect {
            protocol: Protocol::V4,
            keep_alive: KEEP_ALIVE,
            client_id: CLIENT_ID.to_owned(),
            clean_session: self.session == Session::Transient,
            last_will: None,
            login: None,
        };
        self.send(Some(Packet::Connect(connect)), wire);
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
        let qos = match qos {
            Qos::AtMostOnce => QoS::AtMostOnce,
            Qos::AtLeastOnce => QoS::AtLeastOnce,
            Qos::ExactlyOnce => QoS::ExactlyOnce,
        };
        let publish = Publish::from_bytes(topic, qos, Bytes::copy_from_slice(payload));
        self.request(Request::Publish(publish), wire, seen);
    }

    #[inline]
    fn receive(&mut self, bytes: &[u8], wire: &mut Vec<u8>, seen: &mut Seen) {
        self.input.extend_from_slice(bytes);
        loop {
            match Packet::read(&mut self.input, NO_LIMIT) {
                Ok(Packet::ConnAck(connack)) => {
                    assert_eq!(connack.code, ConnectReturnCode::Success);
                    seen.connected(connack.session_present);
                    while let Some(request) = self.pending.pop_front() {
                        self.request(request, wire, seen);
                    }
                }
                Ok(packet) => {
                    let answer = self.state.handle_incoming_packet(packet);
                    self.send(answer.expect("nothing unexpected"), wire);
                    self.events(seen);
                }
                Err(rumqttc::mqttbytes::Error::InsufficientBytes(_)) => return,
                Err(error) => panic!("packet decodes: {error}"),
            }
        }
    }

    fn connection_lost(&mut self) {
        self.pending.extend(self.state.clean());
        self.input.clear();
    }
}

impl Client {
    #[inline]
    fn request(&mut self, request: Request, wire: &mut Vec<u8>, seen: &mut Seen) {
        let packet = self.state.handle_outgoing_packet(request);
        self.send(packet.expect("nothing forbidden"), wire);
        self.events(seen);
    }

    #[inline]
    fn send(&mut self, packet: Option<Packet>, wire: &mut Vec<u8>) {
        if let Some(packet) = packet {
            packet.write(&mut self.output, NO_LIMIT).expect("it fits");
            wire.extend_from_slice(&self.output);
            self.output.clear();
        }
    }

    #[inline]
    fn events(&mut self, seen: &mut Seen) {
        while let Some(event) = self.state.events.pop_front() {
            match event {
                Event::Outgoing(Outgoing::Publish(0))
                | Event::Incoming(Packet::PubAck(_) | Packet::PubComp(_)) => seen.completed(),
                _ => {}
            }
        }
    }
}
