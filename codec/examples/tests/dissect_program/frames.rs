//! Recordings, made up.

use etherparse::PacketBuilder;

use mqtt5_codec::Role;

/// Ethernet, IPv4 and TCP without options, in bytes.
pub(crate) const HEADERS: usize = 54;

pub(crate) const CONNECT: &[u8] = b"\x10\x0d\0\x04MQTT\x05\x02\0<\0\0\0";
pub(crate) const CONNACK: &[u8] = b"\x20\x03\0\0\0";
pub(crate) const PINGREQ: &[u8] = b"\xc0\0";

/// A PUBLISH packet of QoS 1 with this Packet Identifier.
pub(crate) fn publish(identifier: u8, payload: &[u8]) -> Vec<u8> {
    let mut body = b"\0\x03a/b\0".to_vec();
    body.push(identifier);
    body.push(0);
    body.extend(payload);
    let mut packet = vec![0x32];
    let mut length = body.len();
    loop {
        let more = if length > 127 { 0x80 } else { 0 };
        packet.push((length % 128) as u8 | more);
        length /= 128;
        if length == 0 {
            break;
        }
    }
    packet.extend(body);
    packet
}

/// One connection that is recorded.
#[derive(Clone)]
pub(crate) struct Recorder {
    client_port: u16,
    /// The sequence numbers of the client and of the server.
    next: [u32; 2],
    pub(crate) frames: Vec<Frame>,
    /// The largest payload of a segment.
    pub(crate) segment: usize,
}

/// A frame, and how much of it is recorded.
#[derive(Clone)]
pub(crate) struct Frame {
    pub(crate) bytes: Vec<u8>,
    pub(crate) recorded: usize,
}

impl Recorder {
    /// A connection whose opening is recorded.
    pub(crate) fn new() -> Self {
        let mut recorder = Recorder::in_the_middle();
        recorder.next = [999, 4999];
        recorder.frame(Role::Client, b"", |tcp| tcp.syn());
        recorder.next[0] += 1;
        let next = recorder.next[0];
        recorder.frame(Role::Server, b"", |tcp| tcp.syn().ack(next));
        recorder.next[1] += 1;
        recorder
    }

    /// A connection that has been there before.
    pub(crate) fn in_the_middle() -> Self {
        Recorder {
            client_port: 50_000,
            next: [1000, 5000],
            frames: Vec::new(),
            segment: 1448,
        }
    }

    /// Bytes that one side sends.
    pub(crate) fn send(&mut self, sender: Role, bytes: &[u8]) -> &mut Self {
        for segment in bytes.chunks(self.segment) {
            self.frame(sender, segment, |tcp| tcp);
            self.next[sender as usize] += segment.len() as u32;
        }
        self
    }

    pub(crate) fn client(&mut self, bytes: &[u8]) -> &mut Self {
        self.send(Role::Client, bytes)
    }

    pub(crate) fn server(&mut self, bytes: &[u8]) -> &mut Self {
        self.send(Role::Server, bytes)
    }

    /// Bytes that one side sends, and nobody records.
    pub(crate) fn unseen(&mut self, sender: Role, bytes: &[u8]) -> &mut Self {
        self.next[sender as usize] += bytes.len() as u32;
        self
    }

    /// Both sides close the connection.
    pub(crate) fn close(&mut self) -> &mut Self {
        for sender in [Role::Client, Role::Server] {
            self.frame(sender, b"", |tcp| tcp.fin());
        }
        self
    }

    fn frame(
        &mut self,
        sender: Role,
        payload: &[u8],
        flag: impl FnOnce(
            etherparse::PacketBuilderStep<etherparse::TcpHeader>,
        ) -> etherparse::PacketBuilderStep<etherparse::TcpHeader>,
    ) {
        let mut hosts = [([10, 0, 0, 1], self.client_port), ([10, 0, 0, 2], 1883)];
        if sender == Role::Server {
            hosts.reverse();
        }
        let [(from, from_port), (to, to_port)] = hosts;
        let tcp = PacketBuilder::ethernet2([2; 6], [4; 6])
            .ipv4(from, to, 64)
            .tcp(from_port, to_port, self.next[sender as usize], 1000);
        let mut bytes = Vec::new();
        flag(tcp).write(&mut bytes, payload).unwrap();
        let recorded = bytes.len();
        self.frames.push(Frame { bytes, recorded });
    }

    /// Cuts each frame off after this many bytes.
    pub(crate) fn snap(&mut self, length: usize) -> &mut Self {
        for frame in &mut self.frames {
            frame.recorded = frame.bytes.len().min(length);
        }
        self
    }

    /// The recording as a pcap file. The frames are a millisecond apart.
    pub(crate) fn file(&self) -> Vec<u8> {
        pcap(&self.frames)
    }
}

/// A pcap file of Ethernet frames, a millisecond apart.
pub(crate) fn pcap(frames: &[Frame]) -> Vec<u8> {
    let mut file = Vec::new();
    for number in [0xA1B2_C3D4, 0x0004_0002, 0, 0, 65_535, 1] {
        file.extend(u32::to_le_bytes(number));
    }
    for (frame, microseconds) in frames.iter().zip((0..).step_by(1000)) {
        let lengths = [frame.recorded as u32, frame.bytes.len() as u32];
        for number in [1_000_000, microseconds, lengths[0], lengths[1]] {
            file.extend(u32::to_le_bytes(number));
        }
        file.extend(&frame.bytes[..frame.recorded]);
    }
    file
}
