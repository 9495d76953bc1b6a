//! Another model checker counts the same states.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use mqtt5_spec_tests::explore::Exhaustive;
use mqtt5_spec_tests::explore::stateright::WorldModel;

use crate::alternating_bit::{AlternatingBit, Bug, CORRECT, Config, with_bug};

#[test]
fn stateright_counts_the_same_states() {
    let larger = Config {
        messages: 6,
        losses: 3,
        capacity: 4,
        bug: Bug::None,
    };
    for config in [
        CORRECT,
        larger,
        with_bug(Bug::NeverRepeats),
        with_bug(Bug::MonitorAsleep),
    ] {
        let ours = Exhaustive::default().explore::<AlternatingBit>(&config);
        let (states, is_fine) = WorldModel::<AlternatingBit>::new(&config).count(2);
        assert_eq!(states as u64, ours.states, "{config}");
        assert!(is_fine);
    }
}

#[test]
fn stateright_finds_the_same_fault() {
    let (_, is_fine) = WorldModel::<AlternatingBit>::new(&with_bug(Bug::IgnoresBit)).count(2);
    assert!(!is_fine);
}

#[test]
fn the_web_explorer_answers() {
    let address = {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        free.local_addr().unwrap()
    };
    // Ends with the process.
    thread::spawn(move || WorldModel::<AlternatingBit>::new(&CORRECT).serve(address));
    let started = Instant::now();
    let mut stream = loop {
        match TcpStream::connect(address) {
            Ok(stream) => break stream,
            Err(error) => assert!(started.elapsed() < Duration::from_secs(20), "{error}"),
        }
        thread::sleep(Duration::from_millis(20));
    };
    stream.write_all(b"GET /.status HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(
        answer.contains("200 OK") && answer.contains("no monitor objects"),
        "{answer}"
    );
}
