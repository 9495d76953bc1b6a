//! The example server calls nobody silent who is not, and closes who is.

use std::time::Duration;

use mqtt5_session_fsm::codec::{Packet, Qos, ReasonCode};
use tokio::task::spawn_local;
use tokio::time::timeout;

use crate::wire::{PINGREQ, PINGRESP, Wire, connect, decode, publish, reason_code, server};
use crate::{duration_of, simulate, sleep_ms, stop_the_process};

#[test]
fn a_process_that_was_stopped_closes_no_connection() {
    simulate(async {
        let host = server();
        let mut clients = Vec::new();
        for number in 0..12 {
            clients.push(Wire::connect(&host, &format!("c{number}"), 2).await);
        }
        sleep_ms(1_900).await;
        for client in &mut clients {
            client.send(&PINGREQ).await;
        }
        stop_the_process(8).await;
        for client in &mut clients {
            assert_eq!(client.packet().await, PINGRESP);
        }
        // They are heard as before, and so is silence.
        for _ in 0..5 {
            sleep_ms(2_900).await;
            for client in &mut clients {
                client.ping().await;
            }
        }
        let (took, last) = duration_of(clients[0].rest()).await;
        assert!((3_000..4_000).contains(&took), "{took} ms");
        assert_eq!(reason_code(&last[0]), ReasonCode::KeepAliveTimeout);
    });
}

/// The PINGREQs were sent in time, and are still on their way when the process goes on.
#[test]
fn what_is_still_on_its_way_when_the_process_goes_on_is_waited_for() {
    simulate(async {
        let host = server();
        let mut client = Wire::connect(&host, "c", 2).await;
        stop_the_process(8).await;
        sleep_ms(200).await;
        client.ping().await;
    });
}

#[test]
fn a_client_that_reads_slowly_is_not_silent() {
    const MESSAGES: usize = 14;
    const SIZE: usize = 1_000_000;
    simulate(async {
        let host = server();
        let mut slow = Wire::connect(&host, "slow", 2).await;
        slow.subscribe("large", Qos::AtMostOnce).await;
        let mut publisher = Wire::connect(&host, "publisher", 0).await;
        for _ in 0..MESSAGES {
            let answer = publisher
                .publish(Qos::AtLeastOnce, "large", &[7; SIZE])
                .await;
            assert_eq!(answer, ReasonCode::Success);
        }
        // About 80 KB a second, so about three minutes. One PINGREQ every 0.8 seconds.
        let (mut messages, mut asked, mut answered) = (0, 0, 0);
        while messages < MESSAGES || answered < asked {
            if messages < MESSAGES {
                slow.send(&PINGREQ).await;
                asked += 1;
            }
            sleep_ms(800).await;
            assert_ne!(slow.read(64_000).await, 0, "closed after {asked} PINGREQs");
            while let Some(packet) = slow.take() {
                match decode(&packet) {
                    Packet::Publish(message) => {
                        assert_eq!(message.payload.len(), SIZE);
                        messages += 1;
                    }
                    Packet::PingResp => answered += 1,
                    packet => panic!("{packet:?}"),
                }
            }
        }
        assert!(asked > 200, "{asked}");
        slow.ping().await;
    });
}

#[test]
fn a_message_that_comes_a_byte_a_second_is_delivered() {
    simulate(async {
        let host = server();
        let mut subscriber = Wire::connect(&host, "subscriber", 0).await;
        subscriber.subscribe("slow", Qos::AtMostOnce).await;
        let mut publisher = Wire::connect(&host, "publisher", 10).await;
        let packet = publish(Qos::AtLeastOnce, "slow", b"as slow as a modem in a tunnel");
        let sending = publisher.send_slowly(&packet, 1_000);
        let (took, ()) = duration_of(sending).await;
        assert!(took > 30_000, "longer than the Keep Alive allows: {took}");
        let message = subscriber.packet().await;
        assert!(matches!(decode(&message), Packet::Publish(_)));
        assert_eq!(reason_code(&publisher.packet().await), ReasonCode::Success);
    });
}

#[test]
fn a_silent_client_is_disconnected() {
    simulate(async {
        let host = server();
        for keep_alive in [1_u16, 2, 10] {
            let mut client = Wire::connect(&host, "c", keep_alive).await;
            let (took, last) = duration_of(client.rest()).await;
            assert_eq!(took, 1_500 * u64::from(keep_alive));
            assert_eq!(last.len(), 1);
            assert_eq!(reason_code(&last[0]), ReasonCode::KeepAliveTimeout);
        }
    });
}

#[test]
fn half_a_packet_that_stalls_is_closed() {
    simulate(async {
        let host = server();
        let packet = publish(Qos::AtMostOnce, "t", &[0; 1_000]);
        for (keep_alive, expected) in [
            (0, ReasonCode::UnspecifiedError),
            (2, ReasonCode::KeepAliveTimeout),
            (60, ReasonCode::UnspecifiedError),
        ] {
            let mut client = Wire::connect(&host, "c", keep_alive).await;
            client.send(&packet[..500]).await;
            let (took, last) = duration_of(client.rest()).await;
            assert!(took <= 30_000, "{keep_alive} s: {took} ms");
            assert_eq!(last.len(), 1);
            assert_eq!(reason_code(&last[0]), expected, "{keep_alive} s");
        }
    });
}

#[test]
fn a_client_without_a_connect_is_disconnected() {
    simulate(async {
        let host = server();
        let connect = connect("c", 0, &[]);
        for sent in [0, 1, connect.len() - 1] {
            let mut client = Wire::open(&host);
            client.send(&connect[..sent]).await;
            let (took, last) = duration_of(client.rest()).await;
            assert_eq!(took, 10_000, "{sent} bytes");
            assert!(last.is_empty(), "nothing may be sent before the CONNACK");
        }
        // Nor does it help to send it slowly.
        let mut client = Wire::open(&host);
        let (took, last) = duration_of(async {
            client.send_slowly(&connect[..9], 1_000).await;
            client.rest().await
        })
        .await;
        assert_eq!((took, last.len()), (10_000, 0));
    });
}

/// A client that takes nothing is closed in the end, and takes nobody's messages with it.
#[test]
fn a_client_that_takes_nothing_blocks_no_other() {
    simulate(async {
        let host = server();
        let mut deaf = Wire::connect(&host, "deaf", 0).await;
        deaf.subscribe("t", Qos::AtMostOnce).await;
        let mut good = Wire::connect(&host, "good", 0).await;
        good.subscribe("t", Qos::AtMostOnce).await;
        let received = spawn_local(async move {
            let mut count = 0;
            while let Packet::Publish(_) = decode(&good.packet().await) {
                count += 1;
                if count == 100 {
                    break;
                }
            }
            count
        });
        let mut publisher = Wire::connect(&host, "publisher", 0).await;
        for _ in 0..100 {
            publisher.publish(Qos::AtLeastOnce, "t", &[7; 10_000]).await;
            sleep_ms(1_000).await;
        }
        assert_eq!(received.await.expect("no panic"), 100);
        sleep_ms(200_000).await;
        assert!(host.look(|broker| broker.session_of("deaf").is_none()));
    });
}

/// Nothing is read from a client that takes no answers: what it sends piles up on its own side.
#[test]
fn a_client_that_takes_no_answers_is_not_read() {
    simulate(async {
        let host = server();
        let mut deaf = Wire::connect(&host, "deaf", 0).await;
        let pings = PINGREQ.repeat(1_000_000);
        let sending = timeout(Duration::from_secs(10), deaf.send(&pings));
        assert!(sending.await.is_err(), "2 MB were taken");
        // It is not held against it.
        for _ in 0..10_000 {
            assert_eq!(deaf.packet().await, PINGRESP);
        }
    });
}
