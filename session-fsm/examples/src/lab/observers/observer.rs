//! Between a client and a server: forwards bytes, reads them, and cuts.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mqtt5_tokio::codec::bytes::BytesMut;
use mqtt5_tokio::codec::framing::{Frame, Splitter, SplitterOutput};
use mqtt5_tokio::codec::{PacketType, ProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, tcp};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::recording::{Direction, Entry, Happening, Recording, version_of};
use crate::lab::Result;

/// Stands between clients and a server. Clients connect to it as to the server.
#[derive(Debug)]
pub struct Observer {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    start: Instant,
    server: String,
    recording: Mutex<Recording>,
    connections: AtomicU32,
    /// How many connections there are.
    open: watch::Sender<usize>,
    /// Goes up with each cut.
    cut: watch::Sender<u64>,
    is_down: AtomicBool,
    traps: Mutex<Vec<Trap>>,
}

/// Cuts a connection before a packet: the packet is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trap {
    /// Where the packet goes.
    pub direction: Direction,
    /// Its type.
    pub packet_type: PacketType,
}

impl Observer {
    /// Starts an observer in front of a server. Its times are counted from `start`.
    ///
    /// # Errors
    ///
    /// The system has no port.
    pub async fn before(server: impl Into<String>, start: Instant) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            start,
            server: server.into(),
            recording: Mutex::default(),
            connections: AtomicU32::new(0),
            open: watch::Sender::new(0),
            cut: watch::Sender::new(0),
            is_down: AtomicBool::new(false),
            traps: Mutex::default(),
        });
        let task = tokio::spawn(accept(listener, shared.clone()));
        Ok(Observer {
            address,
            shared,
            task,
        })
    }

    /// The address for clients.
    #[must_use]
    pub fn address(&self) -> String {
        format!("mqtt://{}", self.address)
    }

    /// Cuts all connections: both ends see the end of the stream, and what was on its way is lost.
    pub fn cut(&self) {
        self.shared.cut.send_modify(|cuts| *cuts += 1);
    }

    /// While the network is down, connections that are opened end at once. Cuts those that there are.
    pub fn set_down(&self, is_down: bool) {
        self.shared.is_down.store(is_down, Ordering::Relaxed);
        if is_down {
            self.cut();
        }
    }

    /// Sets traps. Each is sprung once, in this order.
    pub fn set_traps(&self, traps: impl IntoIterator<Item = Trap>) {
        *locked(&self.shared.traps) = traps.into_iter().collect();
    }

    /// What was seen until now.
    #[must_use]
    pub fn recording(&self) -> Recording {
        locked(&self.shared.recording).clone()
    }

    /// Looks at what was seen until now.
    pub fn look<R>(&self, look: impl FnOnce(&Recording) -> R) -> R {
        look(&locked(&self.shared.recording))
    }

    /// Waits until all connections have ended, at most a second, so that everything was seen.
    pub async fn settled(&self) {
        let mut open = self.shared.open.subscribe();
        let none = open.wait_for(|open| *open == 0);
        let _ = tokio::time::timeout(Duration::from_secs(1), none).await;
    }

    /// Forgets what was seen until now.
    pub fn forget(&self) {
        locked(&self.shared.recording).entries.clear();
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.task.abort();
        self.cut();
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn note(&self, connection: u32, what: Happening) {
        let at = self.start.elapsed();
        locked(&self.recording).entries.push(Entry {
            at,
            connection,
            what,
        });
    }

    /// Whether the connection is cut before this packet.
    fn springs(&self, packet: &Happening) -> bool {
        let Happening::Packet {
            direction,
            packet_type,
            ..
        } = *packet
        else {
            return false;
        };
        let this = Trap {
            direction,
            packet_type,
        };
        let mut traps = locked(&self.traps);
        let springs = traps.first() == Some(&this);
        if springs {
            traps.remove(0);
        }
        springs
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        if !shared.is_down.load(Ordering::Relaxed) {
            tokio::spawn(forward(client, shared.clone()));
        }
    }
}

/// How a connection ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Closed,
    Cut,
}

async fn forward(client: TcpStream, shared: Arc<Shared>) {
    let mut cut = shared.cut.subscribe();
    let Ok(server) = TcpStream::connect(&shared.server).await else {
        return;
    };
    let _ = client.set_nodelay(true);
    let _ = server.set_nodelay(true);
    let connection = shared.connections.fetch_add(1, Ordering::Relaxed);
    shared.note(connection, Happening::Opened);
    shared.open.send_modify(|open| *open += 1);
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    // Known when the CONNECT has passed.
    let version = watch::Sender::new(ProtocolVersion::V5_0);
    let pump = |direction, from, to| Pump {
        shared: &shared,
        version: &version,
        connection,
        direction,
        from,
        to,
    };
    let upwards = pump(Direction::ToServer, from_client, to_server);
    let downwards = pump(Direction::ToClient, from_server, to_client);
    let end = tokio::select! {
        end = upwards.run() => end,
        end = downwards.run() => end,
        _ = cut.changed() => Ok(End::Cut),
    };
    shared.note(
        connection,
        match end {
            Ok(End::Cut) => Happening::Cut,
            _ => Happening::Closed,
        },
    );
    shared.open.send_modify(|open| *open -= 1);
}

/// One direction of a connection.
struct Pump<'a> {
    shared: &'a Shared,
    version: &'a watch::Sender<ProtocolVersion>,
    connection: u32,
    direction: Direction,
    from: tcp::OwnedReadHalf,
    to: tcp::OwnedWriteHalf,
}

/// Larger than any packet of the lab.
const MAXIMUM_PACKET_SIZE: u32 = 1 << 24;

impl Pump<'_> {
    async fn run(mut self) -> io::Result<End> {
        let splitter = Splitter::new(MAXIMUM_PACKET_SIZE);
        let mut buffer = BytesMut::new();
        let mut out = Vec::new();
        loop {
            if self.from.read_buf(&mut buffer).await? == 0 {
                return Ok(End::Closed);
            }
            let end = loop {
                match splitter.next(&mut buffer) {
                    Ok(SplitterOutput::Ready(frame)) => {
                        if !self.note(&frame) {
                            break Some(End::Cut);
                        }
                        out.extend_from_slice(frame.bytes());
                    }
                    Ok(_) => break None,
                    Err(_) => {
                        locked(&self.shared.recording).unreadable += buffer.len();
                        out.extend_from_slice(&buffer.split());
                        break None;
                    }
                }
            };
            self.to.write_all(&out).await?;
            out.clear();
            if let Some(end) = end {
                return Ok(end);
            }
        }
    }

    /// Notes a packet. Returns whether it goes on.
    fn note(&self, frame: &Frame) -> bool {
        let version = *self.version.borrow();
        let Ok(packet) = frame.decode(version) else {
            locked(&self.shared.recording).unreadable += frame.bytes().len();
            return true;
        };
        if let Some(version) = version_of(&packet) {
            self.version.send_replace(version);
        }
        let mut what = Happening::packet(self.direction, &packet, frame.bytes().len());
        let springs = self.shared.springs(&what);
        if let Happening::Packet { lost, .. } = &mut what {
            *lost = springs;
        }
        self.shared.note(self.connection, what);
        !springs
    }
}
