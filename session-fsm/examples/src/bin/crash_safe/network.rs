//! The shells: blocking sockets, and one thread for each process.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::sleep;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mqtt5_session_fsm::Instant;

use super::files::Directory;
use super::publisher::Publisher;
use super::receiver::Receiver;

/// A journal of this size is written anew.
const COMPACT_AT: u64 = 16 * 1024;

/// Unix time at the start, plus the time since then: it is valid after a restart, and does not go
/// back.
struct Clock {
    began: Instant,
    since: std::time::Instant,
}

impl Clock {
    fn new() -> Self {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH);
        let milliseconds = unix.map_or(0, |it| it.as_millis());
        Clock {
            began: Instant::from_millis(u64::try_from(milliseconds).unwrap_or(0)),
            since: std::time::Instant::now(),
        }
    }

    fn now(&self) -> Instant {
        self.began + self.since.elapsed()
    }
}

/// Reads until the next timeout, at most for a moment; `None` if the network connection is over.
fn read(stream: &mut TcpStream, wait: Duration, buffer: &mut [u8]) -> io::Result<Option<usize>> {
    let wait = wait.clamp(Duration::from_millis(1), Duration::from_millis(200));
    stream.set_read_timeout(Some(wait))?;
    match stream.read(buffer) {
        Ok(0) => Ok(None),
        Ok(length) => Ok(Some(length)),
        Err(error) => match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted => {
                Ok(Some(0))
            }
            _ => Ok(None),
        },
    }
}

/// Publishes this many tasks, over any number of restarts, and ends when all of them are done.
pub(crate) fn publish(directory: &str, address: &str, tasks: u64) -> io::Result<()> {
    let clock = Clock::new();
    let mut publisher =
        Publisher::open(Directory::new(directory)?, clock.now(), COMPACT_AT, tasks)?;
    let mut buffer = [0; 4096];
    while !publisher.is_done() {
        let Ok(mut stream) = TcpStream::connect(address) else {
            sleep(Duration::from_millis(20));
            continue;
        };
        stream.set_nodelay(true)?;
        publisher.connect(clock.now())?;
        loop {
            if publisher.is_done() {
                publisher.disconnect(clock.now());
            }
            let wire = publisher.flush(clock.now())?;
            if stream.write_all(&wire).is_err() || publisher.is_over() {
                break;
            }
            let wait = clock.now().until(publisher.next_timeout());
            let Some(length) = read(&mut stream, wait, &mut buffer)? else {
                break;
            };
            publisher.receive(clock.now(), &buffer[..length])?;
        }
        publisher.lost(clock.now());
        publisher.flush(clock.now())?;
    }
    println!("All {tasks} tasks are done.");
    Ok(())
}

/// Carries out the tasks of a publisher, until the process ends.
pub(crate) fn receive(directory: &str, listener: &TcpListener) -> io::Result<()> {
    let clock = Clock::new();
    let mut receiver = Receiver::open(Directory::new(directory)?, clock.now(), COMPACT_AT)?;
    let carried_out = receiver.ledger().tasks.len();
    println!("{carried_out} tasks were carried out before.");
    let mut buffer = [0; 4096];
    loop {
        let (mut stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        receiver.connect(clock.now());
        loop {
            let wire = receiver.flush(clock.now())?;
            if stream.write_all(&wire).is_err() || receiver.is_over() {
                break;
            }
            let wait = clock.now().until(receiver.next_timeout());
            let Some(length) = read(&mut stream, wait, &mut buffer)? else {
                break;
            };
            receiver.receive(clock.now(), &buffer[..length])?;
        }
        receiver.lost(clock.now());
        receiver.flush(clock.now())?;
        let carried_out = receiver.ledger().tasks.len();
        println!("A connection ended; {carried_out} tasks are carried out.");
    }
}
