//! Reads recordings of network traffic (pcap and pcapng files): what did the
//! two ends of each TCP connection send each other, and when?

mod file;
mod tcp;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

pub(crate) use file::CaptureError;
use tcp::{Segment, Stream};

/// What a recording holds.
#[derive(Debug)]
pub(crate) struct Capture {
    /// The TCP connections, in the order of their first segments.
    pub(crate) connections: Vec<Connection>,
    /// How many frames were passed over because they hold no readable TCP
    /// segment: other protocols, fragments of IP packets, unknown link layers.
    pub(crate) skipped_frames: usize,
    /// Whether the file ends inside a record, as it does after the recorder
    /// was killed.
    pub(crate) cut_short: bool,
}

/// One TCP connection.
#[derive(Debug)]
pub(crate) struct Connection {
    /// The end that opened the connection. If the recording does not show that,
    /// the end that sent what looks like a CONNECT packet first, or else the one
    /// with the higher port number.
    pub(crate) client: SocketAddr,
    /// The other end.
    pub(crate) server: SocketAddr,
    /// What the two ends sent, in the order in which it became readable.
    pub(crate) chunks: Vec<Chunk>,
}

/// A run of bytes which one end of a connection sent.
#[derive(Debug, PartialEq)]
pub(crate) struct Chunk {
    /// Who sent the bytes.
    pub(crate) sender: Side,
    /// When the bytes and all bytes before them had been seen, counted from the
    /// start of the recording.
    pub(crate) at: Duration,
    /// The bytes; none at all in a last chunk that only stands for a gap.
    pub(crate) bytes: Vec<u8>,
    /// Whether bytes of the same sender are missing right before this chunk,
    /// because they were not recorded or the recording began too late.
    pub(crate) gap_before: bool,
}

/// An end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The end that opened the connection.
    Client,
    /// The end that was called.
    Server,
}

impl Side {
    fn other(self) -> Self {
        match self {
            Side::Client => Side::Server,
            Side::Server => Side::Client,
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Side::Client => "client",
            Side::Server => "server",
        })
    }
}

/// Reads a whole pcap or pcapng file and puts the TCP connections in it back
/// together.
///
/// The result takes no more memory than a small multiple of the file.
///
/// # Errors
///
/// [`CaptureError`] if the file is neither, is damaged, or was recorded on a
/// kind of network that is unknown here.
pub(crate) fn read(bytes: &[u8]) -> Result<Capture, CaptureError> {
    let mut reassembly = Reassembly::default();
    let mut skipped_frames = 0;
    let mut unknown_link = None;
    let mut start = None;

    let cut_short = file::for_each_frame(bytes, |frame| {
        reassembly.now = frame.at.saturating_sub(*start.get_or_insert(frame.at));
        match frame.tcp_segment() {
            Some(segment) => reassembly.add(&segment),
            None => {
                skipped_frames += 1;
                if !frame.link_is_known() {
                    unknown_link = Some(frame.link);
                }
            }
        }
    })?;

    let connections = reassembly.finish();
    match unknown_link {
        Some(link) if connections.is_empty() => Err(CaptureError::UnknownLink(link.0)),
        _ => Ok(Capture {
            connections,
            skipped_frames,
            cut_short,
        }),
    }
}

/// Sorts segments by connection.
#[derive(Default)]
struct Reassembly<'a> {
    conversations: Vec<Conversation<'a>>,
    /// Where in `conversations` the latest one of each pair of ends is.
    latest: HashMap<(SocketAddr, SocketAddr), usize>,
    now: Duration,
}

impl<'a> Reassembly<'a> {
    fn add(&mut self, segment: &Segment<'a>) {
        let ends = (segment.from.min(segment.to), segment.from.max(segment.to));
        let index = match self.latest.get(&ends) {
            Some(&index) if !self.conversations[index].is_superseded_by(segment) => index,
            _ => {
                self.conversations.push(Conversation::new(segment));
                self.conversations.len() - 1
            }
        };
        self.latest.insert(ends, index);
        self.conversations[index].add(segment, self.now);
    }

    fn finish(self) -> Vec<Connection> {
        let end = self.now;
        self.conversations
            .into_iter()
            .map(|conversation| conversation.finish(end))
            .collect()
    }
}

/// A connection in the making.
///
/// Until `finish` has found out who is the client, the sender of the first
/// segment is taken for it.
struct Conversation<'a> {
    client: SocketAddr,
    server: SocketAddr,
    client_is_certain: bool,
    /// What each side sent; the client's comes first.
    streams: [Stream<'a>; 2],
    chunks: Vec<Chunk>,
}

impl<'a> Conversation<'a> {
    fn new(first: &Segment<'a>) -> Self {
        Conversation {
            client: first.from,
            server: first.to,
            client_is_certain: false,
            streams: Default::default(),
            chunks: Vec::new(),
        }
    }

    fn sender(&self, segment: &Segment<'a>) -> Side {
        if segment.from == self.client {
            Side::Client
        } else {
            Side::Server
        }
    }

    /// Whether the segment opens another connection between the same ends.
    fn is_superseded_by(&self, segment: &Segment<'a>) -> bool {
        let stream = &self.streams[self.sender(segment) as usize];
        segment.opens && stream.starts_elsewhere(segment.sequence)
    }

    fn add(&mut self, segment: &Segment<'a>, now: Duration) {
        let sender = self.sender(segment);
        if segment.opens && !self.client_is_certain {
            self.client_is_certain = true;
            // Only the answer to an opening acknowledges something.
            if segment.acknowledged.is_some() == (sender == Side::Client) {
                self.swap_sides();
                return self.add(segment, now);
            }
        }
        if let Some(acknowledged) = segment.acknowledged {
            self.streams[sender.other() as usize].acknowledge(acknowledged, segment.opens);
        }
        self.streams[sender as usize].add(segment);
        // What the segment acknowledges came before what it carries.
        self.collect(sender.other(), now);
        self.collect(sender, now);
    }

    fn collect(&mut self, sender: Side, now: Duration) {
        while let Some((bytes, gap_before)) = self.streams[sender as usize].next_run() {
            self.chunks.push(Chunk {
                sender,
                at: now,
                bytes: bytes.to_vec(),
                gap_before,
            });
        }
    }

    fn swap_sides(&mut self) {
        std::mem::swap(&mut self.client, &mut self.server);
        self.streams.swap(0, 1);
        for chunk in &mut self.chunks {
            chunk.sender = chunk.sender.other();
        }
    }

    fn finish(mut self, end: Duration) -> Connection {
        for side in [Side::Client, Side::Server] {
            let tail_is_missing = self.streams[side as usize].give_up_waiting();
            self.collect(side, end);
            if tail_is_missing {
                self.chunks.push(Chunk {
                    sender: side,
                    at: end,
                    bytes: Vec::new(),
                    gap_before: true,
                });
            }
        }
        if !self.client_is_certain {
            let client = [Side::Client, Side::Server]
                .into_iter()
                .find(|&side| self.begins_with_connect(side));
            if client.map_or(self.client.port() < self.server.port(), |side| {
                side == Side::Server
            }) {
                self.swap_sides();
            }
        }
        Connection {
            client: self.client,
            server: self.server,
            chunks: self.chunks,
        }
    }

    fn begins_with_connect(&self, side: Side) -> bool {
        let first = self
            .chunks
            .iter()
            .find(|chunk| chunk.sender == side && !chunk.bytes.is_empty());
        first.is_some_and(|chunk| {
            // The protocol name follows a length of one to four bytes.
            chunk.bytes[0] == 0x10
                && chunk
                    .bytes
                    .get(..11)
                    .is_none_or(|head| head.windows(6).any(|bytes| bytes == b"\0\x04MQTT"))
        })
    }
}
