//! Who has spoken when: what a side of a connection may know of the other's life, by an account of the bytes alone.
//!
//! Nothing here asks a machine. Bytes count when they reach the socket of a host, whether or not it reads them.

use std::collections::VecDeque;

use mqtt5_session_fsm::{Awaited, ClientConfig, Instant, PacketTimeouts, ServerConfig};

use super::Verdict;
use crate::world::application::Side;
use crate::world::config::Config;

/// What a peer gets when a host was away: not more than that, says the contract.
const CHANCE: u64 = 1_000;
/// What is taken to lie in the buffer of a host that cannot send, in bytes.
const HOST_BUFFER: u64 = 1 << 16;

/// Of one side of one connection. It stands still if time does.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Hearing {
    /// When the connection began at the Server, or the CONNECT was written; not kept longer than it matters.
    pub(crate) opened: Instant,
    /// CONNECT and CONNACK were exchanged.
    pub(crate) established: bool,
    /// When bytes arrived last.
    arrived: Instant,
    /// When the host read last.
    heard: Instant,
    /// How many bytes of the pipe have arrived, and are not read.
    pub(crate) socket: usize,
    /// Since when the first of them lies there.
    lying: Instant,
    /// They came when the peer could already be taken for dead.
    late: bool,
    /// The host said that they lie there.
    told: bool,
    /// When the packet began of which a part was read, and the length of that part.
    begun: Instant,
    part: usize,
    /// When each PINGREQ was written that is not answered.
    pings: VecDeque<Instant>,
    /// Since when the network takes nothing of what there is to send.
    pub(crate) stuck: Instant,
    /// When the host was back last, after it had slept or not read.
    pub(crate) came_back: Instant,
}

impl Default for Hearing {
    fn default() -> Self {
        Hearing {
            opened: Instant::NEVER,
            established: false,
            arrived: Instant::ORIGIN,
            heard: Instant::ORIGIN,
            socket: 0,
            lying: Instant::NEVER,
            late: false,
            told: false,
            begun: Instant::NEVER,
            part: 0,
            pings: VecDeque::new(),
            stuck: Instant::NEVER,
            came_back: Instant::ORIGIN,
        }
    }
}

/// NEVER stays NEVER.
pub(crate) fn later(since: Instant, milliseconds: u64) -> Instant {
    match since {
        Instant::NEVER => Instant::NEVER,
        since => Instant::from_millis(since.as_millis() + milliseconds),
    }
}

impl Hearing {
    /// A connection begins. The CONNECT is not written yet.
    pub(crate) fn of_client(now: Instant) -> Self {
        Hearing {
            arrived: now,
            heard: now,
            ..Hearing::default()
        }
    }

    /// The CONNECT has its time from now on.
    pub(crate) fn of_server(now: Instant) -> Self {
        Hearing {
            opened: now,
            arrived: now,
            heard: now,
            ..Hearing::default()
        }
    }

    /// Bytes reach the socket.
    pub(crate) fn arrive(&mut self, now: Instant, bytes: usize, side: Side, config: &Config) {
        if self.socket == 0 {
            self.late |= self.dues(side, config).iter().any(|(_, due)| *due <= now);
            self.lying = now;
        }
        self.arrived = now;
        self.socket += bytes;
    }

    /// The host says that bytes lie in the socket.
    pub(crate) fn tell(&mut self) {
        self.told = true;
    }

    /// The host reads from the socket; `left` of what it has read is a part of a packet.
    pub(crate) fn read(&mut self, now: Instant, bytes: usize, complete: bool, left: usize) {
        self.socket -= bytes.min(self.socket);
        self.heard = now;
        self.late = false;
        self.told &= self.socket > 0;
        self.part = left;
        self.begun = match self.begun {
            _ if left == 0 => Instant::NEVER,
            Instant::NEVER => now,
            _ if complete => now,
            // The peer could do no more while the rest lay here.
            begun => later(begun, now.as_millis() - self.lying.min(now).as_millis()),
        };
        if self.socket == 0 {
            self.lying = Instant::NEVER;
        }
    }

    pub(crate) fn sent_pingreq(&mut self, now: Instant) {
        self.pings.push_back(now);
    }

    pub(crate) fn received_pingresp(&mut self) {
        self.pings.pop_front();
    }

    /// From when on the peer may be taken for dead, and for what.
    pub(crate) fn dues(&self, side: Side, config: &Config) -> Vec<(Awaited, Instant)> {
        let mut dues = vec![
            (
                Awaited::RestOfPacket,
                self.packet_due(side, Instant::ORIGIN, config),
            ),
            (Awaited::Room, self.room_due(config)),
        ];
        match (side, self.established) {
            (Side::Client, false) if self.opened != Instant::NEVER => {
                let since = self.opened.max(self.arrived);
                dues.push((Awaited::ConnAck, later(since, connack_timeout())));
            }
            (Side::Client, true) if !self.pings.is_empty() => {
                let since = self.pings[0].max(self.arrived);
                dues.push((Awaited::PingResp, later(since, pingresp_timeout())));
            }
            (Side::Server, false) => {
                dues.push((Awaited::Connect, later(self.opened, connect_timeout())));
            }
            (Side::Server, true) if config.keep_alive > 0 => {
                dues.push((Awaited::KeepAlive, later(self.arrived, patience(config))));
            }
            _ => {}
        }
        dues
    }

    /// Whether a timer is due now, for a host that did not see what lies in its socket.
    pub(crate) fn is_just_due(&self, now: Instant, side: Side, config: &Config) -> bool {
        let seen = Hearing {
            arrived: self.heard,
            ..self.clone()
        };
        seen.dues(side, config).iter().any(|(_, due)| *due == now)
    }

    fn packet_due(&self, side: Side, not_before: Instant, config: &Config) -> Instant {
        // A CONNECT has a time of its own.
        let is_connect = side == Side::Server && !self.established;
        if self.begun == Instant::NEVER || is_connect {
            return Instant::NEVER;
        }
        let limits = config.packet_timeouts();
        let transfer = self.part as u64 * 1_000 / u64::from(limits.minimum_rate);
        let whole = limits.grace.as_millis() as u64 + transfer;
        let stall = later(
            self.arrived.max(not_before),
            limits.stall.as_millis() as u64,
        );
        stall.min(later(self.begun.max(not_before), whole))
    }

    fn room_due(&self, config: &Config) -> Instant {
        let limits = config.packet_timeouts();
        let transfer = HOST_BUFFER * 1_000 / u64::from(limits.minimum_rate);
        later(self.stuck, limits.stall.as_millis() as u64 + transfer)
    }

    /// When a host that is there has closed, if the peer says nothing more.
    pub(crate) fn bound(&self, side: Side, config: &Config) -> Instant {
        if self.stuck != Instant::NEVER {
            return self.room_due(config);
        }
        let back = self.came_back;
        let since = self.arrived.max(back);
        let silence = match (side, self.established) {
            (Side::Client, false) if self.opened == Instant::NEVER => Instant::NEVER,
            (Side::Client, false) => later(since.max(self.opened), connack_timeout()),
            (Side::Server, false) => later(back.max(self.opened), connect_timeout()),
            (_, true) if config.keep_alive == 0 => Instant::NEVER,
            // It has asked by then, and waits.
            (Side::Client, true) => later(since, keep_alive(config) + pingresp_timeout()),
            (Side::Server, true) => later(since, patience(config)),
        };
        let bound = silence.min(self.packet_due(side, back, config));
        match back {
            Instant::ORIGIN => bound,
            _ => later(bound, CHANCE),
        }
    }

    /// [`Rule::Silence`](super::Rule::Silence): a host that is there leaves a peer that says nothing.
    pub(crate) fn silence(&self, now: Instant, side: Side, config: &Config) -> Verdict {
        match self.bound(side, config) {
            Instant::NEVER => Verdict::Idle,
            bound => Verdict::holds(now < bound, || {
                let name = side.name();
                format!("the {name} keeps a connection on which nobody speaks")
            }),
        }
    }

    /// [`Rule::Accusation`](super::Rule::Accusation): a side says that the other did not do this in time.
    pub(crate) fn accusation(
        &self,
        side: Side,
        awaited: Awaited,
        now: Instant,
        config: &Config,
    ) -> Verdict {
        let wrong = |why: &str| {
            let name = side.name();
            Verdict::Broken(format!("the {name} waits no more for {awaited:?}: {why}"))
        };
        if self.late {
            return Verdict::Armed;
        }
        // A CONNECT has its time from the beginning of the connection, whatever the host does with its bytes.
        let counts = match awaited {
            Awaited::Room => false,
            Awaited::Connect => !self.told,
            _ => true,
        };
        if self.socket > 0 && counts {
            return wrong("bytes lie in its socket that came in time");
        }
        let mut dues = self.dues(side, config).into_iter();
        match dues.find(|(it, _)| *it == awaited) {
            Some((_, due)) if due <= now => Verdict::Armed,
            Some((_, Instant::NEVER)) | None => wrong("that was not owed"),
            Some((_, due)) => {
                let early = due.as_millis() - now.as_millis();
                wrong(&format!("{early} ms too early"))
            }
        }
    }

    /// [`Rule::Accusation`](super::Rule::Accusation): the Server says Keep Alive timeout, so no packet was completed for
    /// that long (section 3.1.2.10).
    pub(crate) fn keep_alive_timeout(&self, now: Instant, config: &Config) -> Verdict {
        let due = later(self.arrived.min(self.begun), patience(config));
        let is_just = config.keep_alive > 0 && (due <= now || self.late);
        Verdict::holds(is_just, || "0x8D to a client that spoke in time".to_owned())
    }
}

/// [`Rule::KeepAlive`](super::Rule::KeepAlive): a Client that is there has sent something lately.
pub(crate) fn keep_alive_gap(now: Instant, last: Instant, config: &Config) -> Verdict {
    let gap = now.as_millis() - last.as_millis();
    Verdict::holds(gap <= keep_alive(config), || {
        format!("the client has been silent for {gap} ms")
    })
}

impl Config {
    /// How long a packet may take.
    pub(crate) fn packet_timeouts(&self) -> PacketTimeouts {
        PacketTimeouts {
            stall: std::time::Duration::from_secs(self.stall.into()),
            grace: std::time::Duration::from_secs(self.grace.into()),
            minimum_rate: self.rate,
            ..PacketTimeouts::default()
        }
    }
}

fn connack_timeout() -> u64 {
    ClientConfig::default().connack_timeout.as_millis() as u64
}

fn pingresp_timeout() -> u64 {
    ClientConfig::default().pingresp_timeout.as_millis() as u64
}

fn connect_timeout() -> u64 {
    ServerConfig::default().connect_timeout.as_millis() as u64
}

fn keep_alive(config: &Config) -> u64 {
    u64::from(config.keep_alive) * 1_000
}

/// One and a half times the Keep Alive.
fn patience(config: &Config) -> u64 {
    u64::from(config.keep_alive) * 1_500
}
