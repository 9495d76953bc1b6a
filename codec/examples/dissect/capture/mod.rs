//! Reads recordings of network traffic (pcap and pcapng files): what did the two ends of each TCP
//! connection send each other, and when?

mod file;
mod frame;
mod stream;
mod tcp;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;

use mqtt5_codec::Role;

pub(crate) use file::{CaptureError, Ending, is_capture};
pub(crate) use frame::{Frame, PassedOver};
pub(crate) use stream::{Content, Moment, Piece, Stream};
use tcp::{Half, Segment};

/// What a recording holds.
#[derive(Debug)]
pub(crate) struct Capture<'a> {
    /// The TCP connections, in the order of their first segments.
    pub(crate) connections: Vec<Connection<'a>>,
    /// How many frames were recorded.
    pub(crate) frames: usize,
    /// How many of them hold no TCP segment that can be read, by reason.
    pub(crate) passed_over: BTreeMap<PassedOver, usize>,
    /// Of how many TCP segments a part was cut off.
    pub(crate) cut_segments: usize,
    /// How the files end, if not as they should.
    pub(crate) endings: Vec<Ending>,
}

/// One TCP connection.
#[derive(Debug)]
pub(crate) struct Connection<'a> {
    /// The end that opened the connection. If the recording does not show that, the end that sent
    /// what looks like a CONNECT packet or an HTTP request first, or else the one with the higher
    /// port number.
    pub(crate) client: SocketAddr,
    /// The other end.
    pub(crate) server: SocketAddr,
    /// What the client sent.
    pub(crate) from_client: Stream<'a>,
    /// What the server sent.
    pub(crate) from_server: Stream<'a>,
    /// How many frames belong to the connection.
    pub(crate) frames: usize,
}

/// Reads whole pcap or pcapng files and puts the TCP connections in them back together. Several
/// files are parts of one recording, and their frames are taken in the order of time.
///
/// The result takes no more memory than a small multiple of the files.
///
/// # Errors
///
/// [`CaptureError`] if a file is neither, or is damaged at its first record.
pub(crate) fn read<'a>(files: &[&'a [u8]]) -> Result<Capture<'a>, CaptureError> {
    let mut parts = Vec::new();
    let mut endings = Vec::new();
    for bytes in files {
        let (frames, ending) = file::frames(bytes)?;
        parts.push(frames);
        if ending != Ending::Whole {
            endings.push(ending);
        }
    }
    let mut capture = of_frames(in_order(parts));
    capture.endings = endings;
    Ok(capture)
}

/// Puts the TCP connections back together whose frames these are.
pub(crate) fn of_frames<'a>(frames: impl IntoIterator<Item = Frame<'a>>) -> Capture<'a> {
    let mut reassembly = Reassembly::default();
    let mut passed_over = BTreeMap::new();
    let mut cut_segments = 0;
    let mut start = None;
    for frame in frames {
        reassembly.now.frame += 1;
        reassembly.now.at = frame.at.saturating_sub(*start.get_or_insert(frame.at));
        match frame.segment() {
            Ok(segment) => {
                cut_segments += usize::from(segment.payload.len() < segment.length);
                reassembly.add(&segment);
            }
            Err(reason) => *passed_over.entry(reason).or_default() += 1,
        }
    }
    Capture {
        frames: reassembly.now.frame,
        connections: reassembly.finish(),
        passed_over,
        cut_segments,
        endings: Vec::new(),
    }
}

/// Merges recordings by time; the frames of each stay in their order.
fn in_order(parts: Vec<Vec<Frame<'_>>>) -> impl Iterator<Item = Frame<'_>> {
    let mut parts: Vec<_> = parts
        .into_iter()
        .map(|frames| frames.into_iter().peekable())
        .collect();
    std::iter::from_fn(move || {
        let next = parts
            .iter_mut()
            .enumerate()
            .filter_map(|(index, frames)| Some((frames.peek()?.at, index)))
            .min();
        next.and_then(|(_, index)| parts[index].next())
    })
}

/// Sorts segments by connection.
#[derive(Default)]
struct Reassembly<'a> {
    conversations: Vec<Conversation<'a>>,
    /// Where in `conversations` the latest one of each pair of ends is.
    latest: HashMap<(SocketAddr, SocketAddr), usize>,
    now: Moment,
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

    fn finish(self) -> Vec<Connection<'a>> {
        let conversations = self.conversations.into_iter();
        conversations.map(Conversation::finish).collect()
    }
}

/// A connection in the making.
///
/// Until `finish` has found out who is the client, the sender of the first segment is taken for it.
struct Conversation<'a> {
    client: SocketAddr,
    server: SocketAddr,
    client_is_certain: bool,
    from_client: Half<'a>,
    from_server: Half<'a>,
    frames: usize,
}

impl<'a> Conversation<'a> {
    fn new(first: &Segment<'a>) -> Self {
        Conversation {
            client: first.from,
            server: first.to,
            client_is_certain: false,
            from_client: Half::default(),
            from_server: Half::default(),
            frames: 0,
        }
    }

    fn sender(&self, segment: &Segment<'a>) -> Role {
        if segment.from == self.client {
            Role::Client
        } else {
            Role::Server
        }
    }

    /// Whether the segment opens another connection between the same ends.
    fn is_superseded_by(&self, segment: &Segment<'a>) -> bool {
        let half = match self.sender(segment) {
            Role::Client => &self.from_client,
            Role::Server => &self.from_server,
        };
        segment.opens && half.starts_elsewhere(segment.sequence)
    }

    fn add(&mut self, segment: &Segment<'a>, now: Moment) {
        if segment.opens && !self.client_is_certain {
            self.client_is_certain = true;
            // Only the answer to an opening acknowledges something.
            if segment.acknowledged.is_some() == (self.sender(segment) == Role::Client) {
                self.swap_sides();
            }
        }
        let (own, other) = match self.sender(segment) {
            Role::Client => (&mut self.from_client, &mut self.from_server),
            Role::Server => (&mut self.from_server, &mut self.from_client),
        };
        if let Some(acknowledged) = segment.acknowledged {
            other.acknowledge(acknowledged, segment.opens, now);
        }
        own.add(segment, now);
        self.frames += 1;
    }

    fn swap_sides(&mut self) {
        std::mem::swap(&mut self.client, &mut self.server);
        std::mem::swap(&mut self.from_client, &mut self.from_server);
    }

    fn finish(self) -> Connection<'a> {
        let mut connection = Connection {
            client: self.client,
            server: self.server,
            from_client: self.from_client.finish(),
            from_server: self.from_server.finish(),
            frames: self.frames,
        };
        if !self.client_is_certain {
            let server_calls = if calls(&connection.from_client) {
                false
            } else {
                calls(&connection.from_server)
                    || connection.client.port() < connection.server.port()
            };
            if server_calls {
                std::mem::swap(&mut connection.client, &mut connection.server);
                std::mem::swap(&mut connection.from_client, &mut connection.from_server);
            }
        }
        connection
    }
}

/// Whether a stream begins as a client does.
fn calls(stream: &Stream<'_>) -> bool {
    let head = stream.head(16);
    head.starts_with(b"GET ") || crate::protocol::protocol_level(&head).is_some()
}
