//! A Server that may not write reads on until 1 MiB of answers waits, and no further.

use mqtt5_session_fsm::{Instant, Server, ServerConfig};

use crate::machines::{connected_server, named};

const NOW: Instant = Instant::ORIGIN;
const PINGREQ: [u8; 2] = [0xC0, 0];
/// The answers that wait, 2 bytes each.
const ANSWERS: usize = (1 << 20) / 2;

fn connected() -> Server {
    connected_server(ServerConfig::default(), NOW, &named("c"))
}

/// Whole packets at the limit are left, and taken after `poll` has written.
#[test]
fn the_packet_at_the_limit_is_left() {
    let mut server = connected();
    let all = PINGREQ.repeat(ANSWERS + 3);
    let mut input = &all[..];
    assert_eq!(server.receive(NOW, &mut input), None);
    assert_eq!(input.len(), 3 * PINGREQ.len());
    let mut wire = Vec::new();
    assert_eq!(server.poll(NOW, &mut wire), None);
    assert_eq!(wire.len(), 1 << 20);
    assert_eq!(server.receive(NOW, &mut input), None);
    assert!(input.is_empty());
}

/// What was written in part counts no more.
#[test]
fn room_for_some_answers_is_room_for_as_many_packets() {
    let mut server = connected();
    let all = PINGREQ.repeat(ANSWERS + 10);
    let mut input = &all[..];
    assert_eq!(server.receive(NOW, &mut input), None);
    let mut room = [0_u8; 8];
    assert!(server.poll(NOW, &mut &mut room[..]).is_some());
    assert_eq!(room, [0xD0, 0, 0xD0, 0, 0xD0, 0, 0xD0, 0]);
    assert_eq!(server.receive(NOW, &mut input), None);
    assert_eq!(input.len(), 6 * PINGREQ.len());
}
