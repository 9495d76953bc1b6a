//! Bytes, notices and answers, carried between a broker and the other ends of its connections.

use mqtt5_session_fsm::broker::{
    Admission, ConnectionKey, Grant, Next, Notice, Question, Step, Verdict,
};
use mqtt5_session_fsm::codec::bytes::BufMut;
use mqtt5_session_fsm::codec::framing::{Frame, Split, split};
use mqtt5_session_fsm::codec::{
    Delivery, Packet, PacketType, ProtocolVersion, PubAck, PubComp, PubRec, PubRel, Qos, ReasonCode,
};

use super::Place;
use crate::broker::people::encode;

impl Place {
    /// Carries bytes until nothing moves.
    pub(crate) fn settle(&mut self) {
        for _ in 0..100_000 {
            let mut moved = false;
            for wire in 0..self.wires.len() {
                moved |= self.offer(wire);
            }
            if self.works {
                while self.broker.work(self.now, &mut 3) {
                    self.collect();
                }
            }
            self.collect();
            while let Some(notice) = self.broker.poll() {
                moved = true;
                match notice {
                    Notice::Ready(key) => self.write(key),
                    other => self.notices.push(other),
                }
                self.collect();
            }
            for wire in 0..self.wires.len() {
                moved |= self.carry(wire);
            }
            if !moved {
                return;
            }
        }
        panic!("it never comes to rest");
    }

    fn offer(&mut self, wire: usize) -> bool {
        let (now, policy) = (self.now, self.policy);
        let Some(key) = self.wires[wire].key else {
            return false;
        };
        let up = core::mem::take(&mut self.wires[wire].up);
        let mut input = &up[..];
        while let Ok(Step::Ask(question)) = self.broker.receive(now, key, &mut input, policy) {
            if self.decides {
                self.decide(&question);
            } else {
                self.questions.push(question);
            }
            self.collect();
        }
        self.collect();
        self.wires[wire].up = input.to_vec();
        input.len() < up.len()
    }

    /// Answers with yes.
    pub(crate) fn decide(&mut self, question: &Question) {
        let now = self.now;
        match question.packet() {
            Packet::Connect(packet) => {
                let mut admission = Admission::of("somebody");
                if let Some(user) = packet.user_name {
                    admission.principal = user.as_str();
                }
                self.assigned += 1;
                let assigned = format!("assigned {}", self.assigned);
                if packet.client_identifier.as_str().is_empty() {
                    admission.assigned = Some(&assigned);
                }
                let verdict = Verdict::Accept(admission);
                let _ = self.broker.answer_connect(now, question, &verdict);
            }
            Packet::Subscribe(packet) => {
                let grants =
                    vec![Grant::UpTo(Qos::ExactlyOnce); packet.subscriptions.iter().count()];
                let _ = self.broker.answer_subscribe(now, question, &grants);
            }
            _ => self.questions.push(question.clone()),
        }
        self.collect();
    }

    /// The host hears that a connection has something to write.
    fn write(&mut self, key: ConnectionKey) {
        let mut room = self.room;
        loop {
            let mut bytes = Vec::new();
            let mut buffer = (&mut bytes).limit(room);
            let Ok(transmitted) = self.broker.transmit(self.now, key, &mut buffer) else {
                return;
            };
            assert!(bytes.len() <= room);
            self.collect();
            assert!(transmitted.depends_on <= self.last_taken);
            let Some(wire) = self.wires.iter_mut().find(|it| it.key == Some(key)) else {
                return;
            };
            wire.held.push_back((transmitted.depends_on, bytes));
            match transmitted.next {
                Next::Nothing => return,
                Next::Room(needed) => room = self.room.max(needed),
                Next::Close(cause) => {
                    wire.closed = Some(cause);
                    wire.key = None;
                    wire.up.clear();
                    return;
                }
            }
        }
    }

    /// Lets go what is stored.
    fn carry(&mut self, wire: usize) -> bool {
        let it = &mut self.wires[wire];
        while let Some((depends_on, bytes)) = it.held.pop_front() {
            if depends_on > self.last_stored {
                it.held.push_front((depends_on, bytes));
                break;
            }
            it.down.extend(bytes);
        }
        let mut moved = false;
        while let Ok(Split::Packet { packet, rest }) = split(&it.down, u32::MAX) {
            // The CONNACK of MQTT 3.1.1, to bytes that look like a CONNECT of it.
            if packet.packet_type() == PacketType::ConnAck && packet.as_bytes().len() == 4 {
                it.version = ProtocolVersion::V3_1_1;
            }
            let frame = Frame::new(packet.as_bytes().to_vec().into()).unwrap();
            it.down = rest.to_vec();
            let answer = match frame.decode(it.version).expect("a good packet") {
                Packet::Publish(publish) => match publish.delivery {
                    Delivery::AtMostOnce => None,
                    Delivery::AtLeastOnce {
                        packet_identifier, ..
                    } => {
                        let packet = PubAck::new(packet_identifier, ReasonCode::Success);
                        Some(encode(&Packet::PubAck(packet)))
                    }
                    Delivery::ExactlyOnce {
                        packet_identifier, ..
                    } => {
                        let packet = PubRec::new(packet_identifier, ReasonCode::Success);
                        Some(encode(&Packet::PubRec(packet)))
                    }
                },
                Packet::PubRec(packet) if !packet.reason_code.is_error() => {
                    let packet = PubRel::new(packet.packet_identifier, ReasonCode::Success);
                    Some(encode(&Packet::PubRel(packet)))
                }
                Packet::PubRel(packet) => {
                    let packet = PubComp::new(packet.packet_identifier, ReasonCode::Success);
                    Some(encode(&Packet::PubComp(packet)))
                }
                _ => None,
            };
            if it.key.is_some() {
                let answers = match it.answers {
                    true => &mut it.up,
                    false => &mut it.unanswered,
                };
                answers.extend(answer.unwrap_or_default());
            }
            it.got.push_back(frame);
            moved = true;
        }
        moved
    }
}
