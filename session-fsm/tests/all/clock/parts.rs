//! A packet comes in parts, or a message in pieces.

use mqtt5_session_fsm::Publication;
use mqtt5_session_fsm::codec::bytes::BytesMut;
use mqtt5_session_fsm::codec::framing::{LARGEST_PACKET, SplitterOutput, StreamSplitter};
use mqtt5_session_fsm::codec::{ProtocolVersion, Qos};

use super::{START, client, client_config, connect_packet, large, offer, seconds};
use crate::machines::{self, settle};

/// A packet in parts: it has its grace and the time of its bytes from its beginning, and each silence is limited.
#[test]
fn a_packet_in_parts_has_its_time() {
    let mut client = client(0);
    let at = |second: u64| START + seconds(second);
    offer(&mut client, at(0), 1_000);
    // 20 s of silence at most.
    assert_eq!(client.next_timeout(), at(20));
    // The same bytes again are no news: the silence goes on.
    offer(&mut client, at(15), 1_000);
    let mut silent = client.clone();
    silent.handle_timeout(at(20));
    assert!(!silent.is_connected());
    // One more byte every 15 seconds: it must be complete 50 s after it began, and 3 s for its bytes.
    for (second, bytes) in [(15, 2_000), (30, 2_500), (45, 3_000)] {
        offer(&mut client, at(second), bytes);
    }
    let mut now = at(45);
    while client.is_connected() {
        now = client.next_timeout();
        client.handle_timeout(now);
        while client.poll(now, &mut Vec::new()).is_some() {}
    }
    assert_eq!(now, at(53));
}

/// A message in pieces has the time of its bytes, too, and no more than the longest.
#[test]
fn a_message_in_pieces_has_the_time_of_its_bytes() {
    let mut client = client(0);
    let mut splitter = StreamSplitter::new(LARGEST_PACKET, 100);
    let all = large();
    let mut input = BytesMut::new();
    let mut rest = &all[..];
    for second in [0, 15, 30, 45] {
        let (part, after) = rest.split_at(9_000);
        rest = after;
        input.extend_from_slice(part);
        while let Ok(SplitterOutput::Ready(piece)) =
            splitter.next(ProtocolVersion::V5_0, &mut input)
        {
            let _ = client
                .handle_piece(START + seconds(second), &piece)
                .unwrap();
        }
    }
    // 50 s and 36 s for the bytes, but no more than 60 s; and 20 s after the last ones.
    assert_eq!(client.next_timeout(), START + seconds(60));
}

/// The time of a packet begins when the packet before it is complete.
#[test]
fn each_packet_in_parts_has_its_own_time() {
    let mut client = client(0);
    for _ in 0..2 {
        let publication = Publication::of("a", b"on", Qos::ExactlyOnce).unwrap();
        client.publish(START, publication).unwrap();
    }
    settle(&mut client, START);
    // PUBREC, and the beginning of another one.
    let packets: [&[u8]; 4] = [&[0x50], &[0x50, 2, 0, 1, 0x50], &[0x50, 2], &[0x50, 2, 0]];
    for (second, packet) in [0, 15, 30, 45].into_iter().zip(packets) {
        let now = START + seconds(second);
        assert_eq!(client.receive(now, &mut &packet[..]), None);
        settle(&mut client, now);
    }
    // 20 s after the last byte, which is less than 50 s after the second packet began.
    assert_eq!(client.next_timeout(), START + seconds(65));
}

/// After a message in pieces, the beginning of a packet is heard, though it has fewer bytes.
#[test]
fn a_part_behind_a_message_in_pieces_is_heard() {
    let mut client = client(0);
    client.ping().unwrap();
    settle(&mut client, START);
    let mut splitter = StreamSplitter::new(LARGEST_PACKET, 100);
    let mut input = BytesMut::from(&large()[..]);
    input.extend_from_slice(&[0; 3]);
    while let Ok(SplitterOutput::Ready(piece)) = splitter.next(ProtocolVersion::V5_0, &mut input) {
        assert!(client.handle_piece(START, &piece).unwrap().is_some());
    }
    assert!(input.is_empty());
    let later = START + seconds(9);
    assert_eq!(client.receive(later, &mut &[0xD0][..]), None);
    assert_eq!(client.next_timeout(), later + seconds(10));
}

/// Half a CONNACK shows that the Server is there.
#[test]
fn a_part_of_the_connack_is_heard() {
    let config = client_config();
    let mut client = machines::client(config);
    machines::connect(&mut client, START, &connect_packet(0, &[]));
    let later = START + seconds(5);
    assert_eq!(client.receive(later, &mut &[0x20, 3][..]), None);
    assert_eq!(client.next_timeout(), later + config.connack_timeout);
}
