//! Request Problem Information (section 3.1.2.11.7).

use mqtt5_session_fsm::codec::{Property, ReasonCode};

use super::driver::Driver;
use super::make::{Hello, auth, explanation, manual, text};
use crate::session::driver::{Lines, publication};
use crate::session::make;

crate::check::checks! { "problem_information":
    server {
        Domain none_on_the_packets_that_may_not_have_it,
        Example still_on_connack_disconnect_and_publish,
        Example none_on_what_was_decided_before,
    }
}

/// Asked with 1, not at all, with 0; whether explanations may be given.
fn hellos() -> [(Hello, bool); 3] {
    let hello = Hello::lasting().with(Property::AuthenticationMethod(text("m")));
    let asking = |asks| {
        hello
            .clone()
            .with(Property::RequestProblemInformation(asks))
    };
    [
        (asking(true), true),
        (hello.clone(), true),
        (asking(false), false),
    ]
}

/// Where the explanations are sent.
fn explained() -> String {
    explanation()
        .map(|property| format!(" {property:?}"))
        .concat()
}

/// A packet without explanations, and how it comes about.
type Case = (&'static str, fn(&mut Driver) -> Lines);

fn acknowledged(driver: &mut Driver, qos: u8, code: ReasonCode) -> Lines {
    let _ = driver.feed(&make::publish(qos, 1, "a", ""));
    let receipt = driver.receipts[0];
    driver
        .try_acknowledge(receipt, code, &explanation())
        .unwrap();
    driver.settle()
}

/// [MQTT-3.1.2-29]: PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK, UNSUBACK, AUTH; with 1 or absent they have it.
fn none_on_the_packets_that_may_not_have_it() -> u64 {
    let cases: [Case; 7] = [
        (
            "> AUTH ContinueAuthentication AuthenticationMethod(\"m\")",
            |driver| driver.authenticate(&explanation()).unwrap(),
        ),
        ("> PUBACK #1 QuotaExceeded", |driver| {
            acknowledged(driver, 1, ReasonCode::QuotaExceeded)
        }),
        ("> PUBACK #1", |driver| {
            acknowledged(driver, 1, ReasonCode::Success)
        }),
        ("> PUBREC #1 QuotaExceeded", |driver| {
            acknowledged(driver, 2, ReasonCode::QuotaExceeded)
        }),
        ("> SUBACK #3 [NotAuthorized]", |driver| {
            let _ = driver.feed(&make::subscribe(3, &["a"]));
            driver
                .acknowledge_subscribe(3, &[ReasonCode::NotAuthorized], &explanation())
                .unwrap()
        }),
        ("> UNSUBACK #4 [NotAuthorized]", |driver| {
            let _ = driver.feed(&make::unsubscribe(4, &["a"]));
            driver
                .acknowledge_unsubscribe(4, &[ReasonCode::NotAuthorized], &explanation())
                .unwrap()
        }),
        ("> AUTH Success AuthenticationMethod(\"m\")", |driver| {
            let _ = driver.feed(&auth(ReasonCode::ReAuthenticate, "m", b""));
            driver
                .machine
                .finish_re_authentication(&explanation())
                .unwrap();
            driver.settle()
        }),
    ];
    for (hello, allowed) in hellos() {
        for (packet, run) in &cases {
            let mut driver = Driver::deciding(manual(), &hello);
            if !packet.contains("Continue") {
                driver.accept_client(&[]).expect("a good CONNECT");
            }
            let said = run(&mut driver);
            let mut words: Vec<_> = said[0].split(' ').collect();
            words.sort_unstable();
            let explained = if allowed { explained() } else { String::new() };
            let expected = format!("{packet}{explained}");
            let mut expected: Vec<_> = expected.split(' ').collect();
            expected.sort_unstable();
            assert_eq!(words, expected, "{packet}, {allowed}");
        }
        // The Server itself explains nothing.
        let mut driver = Driver::with(manual(), &hello);
        let said = driver.feed(&make::pubrec(9));
        assert_eq!(said.last().unwrap(), "> PUBREL #9 PacketIdentifierNotFound");
        let said = driver.feed(&make::pubrel(9));
        assert_eq!(
            said.last().unwrap(),
            "> PUBCOMP #9 PacketIdentifierNotFound"
        );
    }
    27
}

/// [MQTT-3.1.2-29]: with 0, too, a Server may return them on CONNACK and DISCONNECT; a PUBLISH has its own.
fn still_on_connack_disconnect_and_publish() -> u64 {
    let list = explanation();
    let explained = explained();
    for (hello, _) in hellos() {
        let mut driver = Driver::deciding(manual(), &hello);
        let said = driver.clone().refuse_client(ReasonCode::Banned, &list);
        assert_eq!(said.unwrap()[0], format!("> CONNACK Banned{explained}"));
        let said = driver.accept_client(&list).expect("a good CONNECT");
        for property in &list {
            assert!(said[0].contains(&format!("{property:?}")), "{said:?}");
        }
        let said = driver.publish_with(publication(1, "a", "", &list[1..]));
        assert_eq!(said, [format!("> PUBLISH q1 #1 a \"\" {:?}", list[1])]);
        let said = driver.disconnect(ReasonCode::ServerBusy, &list);
        assert_eq!(said[0], format!("> DISCONNECT ServerBusy{explained}"));
    }
    12
}

/// [MQTT-3.1.2-29]: the CONNECT of the Network Connection on which the packet leaves counts.
fn none_on_what_was_decided_before() {
    let mut driver = Driver::with(manual(), &Hello::lasting());
    let _ = driver.feed(&make::publish(2, 7, "a", "two"));
    driver.machine.connection_lost(driver.now);
    let result = driver.try_acknowledge(driver.receipts[0], ReasonCode::Success, &explanation());
    assert_eq!(result, Ok(()));
    let _ = driver.lose();
    let _ = driver.again(&Hello::lasting().with(Property::RequestProblemInformation(false)));
    let said = driver.feed(&make::publish_with(2, 7, true, "a", "two", &[]));
    assert_eq!(said, ["> PUBREC #7"]);
}
