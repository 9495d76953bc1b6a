//! Two messages of 100 MB, one with QoS 1 and one with QoS 2, go from a depot over a relay into
//! another depot, all of them in files. The connections are cut again and again, and the receiver
//! starts anew after each cut. Nothing is lost, and receiving takes no more memory than a piece.
//!
//! ```sh
//! cargo run --release --bin large_messages          # 100 MB
//! cargo run --release --bin large_messages -- 5     # 5 MB
//! ```

mod depot;
mod files;

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use mqtt5_session_fsm::Instant;
use mqtt5_session_fsm::codec::{Message, Publish, Qos, TopicName};

use self::depot::{Depot, Receiver, Sender};
use self::files::Files;

/// Packets up to this size are read whole.
const WHOLE: usize = 1 << 16;
/// How long the other side may be silent.
const PATIENCE: Duration = Duration::from_secs(10);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let megabytes = std::env::args()
        .nth(1)
        .map_or(Ok(100), |text| text.parse())?;
    let folder = std::env::temp_dir().join(format!("large_messages-{}", std::process::id()));
    let result = run(&folder, megabytes * 1_000_000);
    std::fs::remove_dir_all(&folder)?;
    println!("{}", result?);
    Ok(())
}

/// Sends two messages of this size over the relay. Returns the report.
fn run(folder: &Path, size: usize) -> Result<String, Box<dyn std::error::Error>> {
    let names = ["source", "relay", "destination"];
    let folders = names.map(|name| folder.join(name));
    let payload: Vec<u8> = (0..size).map(|place| (place / 251) as u8).collect();
    let message = Message::new(&Publish::new(TopicName::new("video/1")?, &payload))?;
    let mut source = Depot::open(Files::open(&folders[0])?)?;
    source.put(Qos::AtLeastOnce, &message)?;
    source.put(Qos::ExactlyOnce, &message)?;
    drop((source, message));

    let mut connections = 0;
    for (from, to) in [(0, 1), (1, 2)] {
        connections += transfer(names[from], &folders[from], &folders[to], size)?;
    }

    let mut destination = Depot::open(Files::open(&folders[2])?)?;
    let mut came = [0; 3];
    for number in destination.first..destination.next {
        let (qos, message) = destination.get(number)?;
        if message.payload() != payload {
            return Err(format!("message {number} was damaged").into());
        }
        came[qos as usize] += 1;
    }
    let [_, at_least_once, exactly_once] = came;
    if at_least_once == 0 || exactly_once != 1 {
        return Err("a promise was broken".into());
    }
    let times = match at_least_once {
        1 => "once".to_owned(),
        times => format!("{times} times, which QoS 1 allows"),
    };
    Ok(format!(
        "QoS 1: the message of {size} bytes came {times}. QoS 2: it came once. All bytes were right, over \
         {connections} connections."
    ))
}

/// Sends all messages from one folder to another; the connection is cut at several places. Returns
/// how many connections it took.
fn transfer(
    name: &str,
    from: &Path,
    to: &Path,
    size: usize,
) -> Result<u32, Box<dyn std::error::Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let to = PathBuf::from(to);
    // The task ends with this process.
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            if let Err(error) = receive(&to, stream) {
                println!("The receiver starts anew: {error}.");
            }
        }
    });
    let mut depot = Depot::open(Files::open(from)?)?;
    let mut sender = Sender::new(name);
    // In the middle of the first message, near its end, and at the start of the second one.
    let mut cuts = [size / 3, size - 1, size + 200].into_iter();
    let mut connections = 0;
    while depot.first < depot.next {
        connections += 1;
        let stream = TcpStream::connect(address)?;
        // An error means that the connection was cut.
        let _ = send(&mut sender, &mut depot, stream, cuts.next());
        sender.lost(now());
    }
    Ok(connections)
}

/// The receiving side of a connection. It has no state beside the disk.
fn receive(folder: &Path, mut stream: TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut depot = Depot::open(Files::open(folder)?)?;
    let mut receiver = Receiver::new(now(), WHOLE);
    let mut bytes = vec![0; 1 << 16];
    loop {
        let length = stream.read(&mut bytes)?;
        if length == 0 {
            return Ok(());
        }
        let mut output = Vec::new();
        let is_open = receiver.received(now(), &mut depot, &bytes[..length], &mut output)?;
        stream.write_all(&output)?;
        if !is_open {
            return Ok(());
        }
    }
}

/// The sending side of a connection, which is cut after this many bytes.
fn send(
    sender: &mut Sender,
    depot: &mut Depot<Files>,
    mut stream: TcpStream,
    mut cut_after: Option<usize>,
) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let (mut bytes, mut output) = (vec![0; 1 << 16], Vec::new());
    sender.connect(now(), &mut output)?;
    loop {
        if let Some(left) = &mut cut_after {
            let length = output.len().min(*left);
            output.truncate(length);
            *left -= length;
        }
        stream.write_all(&output)?;
        if cut_after == Some(0) {
            return stream.shutdown(Shutdown::Both);
        }
        output.clear();
        if depot.first == depot.next {
            return Ok(());
        }
        let length = stream.read(&mut bytes)?;
        if length == 0 || !sender.received(now(), depot, &bytes[..length], &mut output)? {
            return Ok(());
        }
    }
}

/// Sessions outlive the process, so the origin of the clock must, too.
fn now() -> Instant {
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    Instant::ORIGIN + since
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_megabytes_arrive() {
        let folder =
            std::env::temp_dir().join(format!("large_messages-test-{}", std::process::id()));
        let result = run(&folder, 2_000_000).map_err(|error| error.to_string());
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(result.unwrap().ends_with("over 8 connections."));
    }
}
