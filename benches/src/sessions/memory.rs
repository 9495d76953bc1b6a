//! How much memory idle sessions take.
//!
//! Here it is what the operating system counts as resident, so it includes what
//! the allocator adds. The binary `session_memory` counts bytes and allocations
//! instead; it replaces the allocator, which would slow down what is measured in
//! other binaries.

use std::io::{Error, Result};

use crate::sessions::contender::{Contender, Idle};
use crate::sessions::{CLIENTS, OURS, PAIRS, RIVAL, Setup};

/// How many sessions are created.
pub const SESSIONS: usize = 100_000;

/// How many messages each of them makes room for, if it does so in advance.
pub const WINDOW: u16 = 16;

/// One side of a contender.
pub struct Side {
    /// The contender's name.
    pub name: &'static str,
    /// The side's name.
    pub side: &'static str,
    idle: fn(&Contender, Setup, usize) -> Idle,
    contender: &'static Contender,
    count: usize,
}

impl Side {
    /// Everyone of interest.
    pub fn all() -> Vec<Self> {
        let side = |contender: &'static Contender, side, idle, count| Self {
            name: contender.name,
            side,
            idle,
            contender,
            count,
        };
        let mut sides = Vec::new();
        for pair in PAIRS
            .iter()
            .filter(|pair| [OURS, RIVAL].contains(&pair.name))
        {
            sides.push(side(pair, "client", Contender::idle_clients, SESSIONS));
            sides.push(side(pair, "server", Contender::idle_servers, SESSIONS));
        }
        for client in CLIENTS {
            // These take so much that fewer have to do.
            if ["rumqttc", "flowsdk"].contains(&client.name) {
                sides.push(side(
                    client,
                    "client",
                    Contender::idle_clients,
                    SESSIONS / 10,
                ));
            }
        }
        sides
    }

    /// How many sessions there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The sessions, which would be kept if their connections were lost.
    pub fn idle(&self) -> Idle {
        (self.idle)(self.contender, Setup::kept(WINDOW), self.count)
    }

    /// How many bytes per session become resident when they are created. Only
    /// right in a process that has done nothing else.
    ///
    /// # Errors
    ///
    /// Returns an error if the operating system is not Linux.
    pub fn resident(&self) -> Result<usize> {
        let before = resident()?;
        let sessions = self.idle();
        let after = resident()?;
        drop(sessions);
        Ok(after.saturating_sub(before) / self.count)
    }
}

/// How many bytes of this process are resident.
fn resident() -> Result<usize> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let kibibytes = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"))
        .and_then(|kibibytes| kibibytes.trim().parse::<usize>().ok())
        .ok_or_else(|| Error::other("no VmRSS in /proc/self/status"))?;
    Ok(kibibytes << 10)
}
