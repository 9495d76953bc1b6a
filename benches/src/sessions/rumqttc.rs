//! `rumqttc`: `MqttState` of its `v5` module, driven as its event loop does.
//!
//! The event loop owns the socket; what it does with the state is done here:
//! packets are read from and written to a `BytesMut`, events are popped after
//! each packet, and what `clean` returns after a connection was lost is sent
//! again after the next CONNACK. The state stores messages whether or not the
//! session is to be kept, reads the clock for every packet, and does not set DUP
//! when it sends again.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use rumqttc::Outgoing;
use rumqttc::v5::mqttbytes::v5::{
    Connect, ConnectProperties, ConnectReturnCode, Packet, PubAckReason, PubCompReason, Publish,
};
use rumqttc::v5::mqttbytes::{Error, QoS};
use rumqttc::v5::{Event, MqttState, Request};

use crate::sessions::{self, CLIENT_ID, KEEP_ALIVE, Qos, SESSION_EXPIRY, Seen, Session, Setup};

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
            keep_alive: KEEP_ALIVE,
            client_id: CLIENT_ID.to_owned(),
            clean_start: self.session == Session::Transient,
            properties: (self.session == Session::Kept).then(|| ConnectProperties {
                session_expiry_interval: Some(SESSION_EXPIRY),
                ..ConnectProperties::new()
            }),
        };
        self.send(Some(Packet::Connect(connect, None, None)), wire);
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
        let publish = Publish::new(topic, qos, Bytes::copy_from_slice(payload), None);
        self.request(Request::Publish(publish), wire, seen);
    }

    #[inline]
    fn receive(&mut self, bytes: &[u8], wire: &mut Vec<u8>, seen: &mut Seen) {
        self.input.extend_from_slice(bytes);
        loop {
            match Packet::read(&mut self.input, None) {
                Ok(packet) => {
                    let answer = self.state.handle_incoming_packet(packet);
                    self.send(answer.expect("nothing unexpected"), wire);
                    self.events(wire, seen);
                }
                Err(Error::InsufficientBytes(_)) => return,
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
        self.events(wire, seen);
    }

    #[inline]
    fn send(&mut self, packet: Option<Packet>, wire: &mut Vec<u8>) {
        if let Some(packet) = packet {
            packet.write(&mut self.output, None).expect("it fits");
            wire.extend_from_slice(&self.output);
            self.output.clear();
        }
    }

    #[inline]
    fn events(&mut self, wire: &mut Vec<u8>, seen: &mut Seen) {
        while let Some(event) = self.state.events.pop_front() {
            match event {
                Event::Outgoing(Outgoing::Publish(0)) => seen.completed(),
                Event::Incoming(Packet::PubAck(puback)) => {
                    assert_eq!(puback.reason, PubAckReason::Success);
                    seen.completed();
                }
                Event::Incoming(Packet::PubComp(pubcomp)) => {
                    assert_eq!(pubcomp.reason, PubCompReason::Success);
                    seen.completed();
                }
                Event::Incoming(Packet::ConnAck(connack)) => {
                    assert_eq!(connack.code, ConnectReturnCode::Success);
                    seen.connected(connack.session_present);
                    while let Some(request) = self.pending.pop_front() {
                        self.request(request, wire, seen);
                    }
                }
                _ => {}
            }
        }
    }
}
