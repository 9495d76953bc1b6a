//! The example client takes no server for dead that is not, and leaves one that is.

use mqtt5_session_fsm::codec::Qos;
use mqtt5_session_fsm::reconnect::{ReconnectPolicy, ReconnectSettings};
use tokio::io::duplex;
use tokio::sync::mpsc;
use tokio::task::spawn_local;

use crate::load::{Load, SIZE};
use crate::wire::{PINGREQ, PINGRESP, Wire};
use crate::{client, duration_of, simulate, sleep_ms, stop_the_process};

const CONNACK: [u8; 5] = [0x20, 3, 0, 0, 0];

/// The server's ends of the connections that a client opens, one after the other.
struct Connections(mpsc::UnboundedReceiver<Wire>);

impl Connections {
    fn of_a_client(keep_alive: u16) -> Self {
        Connections::of(Load {
            keep_alive,
            messages: 0,
        })
    }

    fn of(mut load: Load) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        spawn_local(async move {
            let policy = ReconnectPolicy::new(ReconnectSettings::default(), ["here"]);
            let open = async |_: &str| {
                let (here, there) = duplex(1 << 16);
                // The test may be over.
                let _ = sender.send(Wire::new(there));
                Ok(here)
            };
            let end = client::run(policy.expect("a server"), &mut load, open).await;
            panic!("it does not end: {end:?}");
        });
        Connections(receiver)
    }

    /// The next connection, accepted.
    async fn accept(&mut self) -> Wire {
        let mut wire = self.0.recv().await.expect("a connection");
        let connect = wire.packet().await;
        assert_eq!(connect[0], 0x10);
        wire.send(&CONNACK).await;
        wire
    }

    fn is_only_one(&self) -> bool {
        self.0.is_empty()
    }
}

/// Answers this many PINGREQs.
async fn answer(wire: &mut Wire, pings: usize) {
    for _ in 0..pings {
        assert_eq!(wire.packet().await, PINGREQ);
        wire.send(&PINGRESP).await;
    }
}

#[test]
fn a_process_that_was_stopped_does_not_accuse_the_server() {
    simulate(async {
        // Before the answer can be read, and while nothing is asked.
        for pause in [0, 500] {
            let mut connections = Connections::of_a_client(2);
            let mut wire = connections.accept().await;
            answer(&mut wire, 2).await;
            if pause > 0 {
                sleep_ms(pause).await;
            }
            stop_the_process(8).await;
            answer(&mut wire, 10).await;
            assert!(connections.is_only_one());
        }
    });
}

/// The answer is still on its way when the process goes on.
#[test]
fn an_answer_that_is_on_its_way_when_the_process_goes_on_is_waited_for() {
    simulate(async {
        let mut connections = Connections::of_a_client(2);
        let mut wire = connections.accept().await;
        assert_eq!(wire.packet().await, PINGREQ);
        stop_the_process(30).await;
        sleep_ms(200).await;
        wire.send(&PINGRESP).await;
        answer(&mut wire, 10).await;
        assert!(connections.is_only_one());
    });
}

#[test]
fn a_message_that_comes_a_byte_a_second_shows_that_the_server_is_there() {
    simulate(async {
        let mut connections = Connections::of_a_client(2);
        let mut wire = connections.accept().await;
        let packet = crate::wire::publish(Qos::AtMostOnce, "slow", &[7; 60]);
        let (took, ()) = duration_of(wire.send_slowly(&packet, 1_000)).await;
        assert!(took > 60_000, "{took} ms");
        // The PINGREQs that were sent meanwhile have no answer yet.
        answer(&mut wire, 40).await;
        assert!(connections.is_only_one());
    });
}

#[test]
fn a_server_that_reads_slowly_is_not_left() {
    const MESSAGES: usize = 14;
    simulate(async {
        let mut connections = Connections::of(Load {
            keep_alive: 2,
            messages: MESSAGES,
        });
        let mut wire = connections.accept().await;
        // 80 KB a second: three minutes.
        let mut messages = 0;
        while messages < MESSAGES {
            sleep_ms(800).await;
            assert_ne!(wire.read(64_000).await, 0, "left after {messages} messages");
            while let Some(packet) = wire.take() {
                if packet == PINGREQ {
                    wire.send(&PINGRESP).await;
                } else {
                    assert!(packet.len() > SIZE);
                    messages += 1;
                }
            }
        }
        answer(&mut wire, 3).await;
        assert!(connections.is_only_one());
    });
}

#[test]
fn a_server_that_does_not_answer_is_left() {
    simulate(async {
        let mut connections = Connections::of_a_client(2);
        let mut wire = connections.accept().await;
        answer(&mut wire, 3).await;
        let (took, last) = duration_of(wire.rest()).await;
        assert_eq!(last[0], PINGREQ);
        assert!((2_000..40_000).contains(&took), "{took} ms");
        // And tried again.
        answer(&mut connections.accept().await, 3).await;
    });
}

#[test]
fn a_server_that_stalls_in_a_packet_is_left() {
    simulate(async {
        let mut connections = Connections::of_a_client(0);
        let mut wire = connections.accept().await;
        wire.send(&[0x30, 100, 0, 1, b'a']).await;
        let (took, _) = duration_of(wire.rest()).await;
        assert_eq!(took, 30_000);
        connections.accept().await;
    });
}

#[test]
fn a_server_that_never_accepts_is_left() {
    simulate(async {
        let mut connections = Connections::of_a_client(0);
        let mut wire = connections.0.recv().await.expect("a connection");
        let (took, last) = duration_of(wire.rest()).await;
        assert_eq!(last.len(), 1, "the CONNECT");
        assert!((1_000..60_000).contains(&took), "{took} ms");
        connections.accept().await;
    });
}
