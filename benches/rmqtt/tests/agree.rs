//! Both find the same subscriptions.

use mqtt5_benches::subscriptions::mix::{names, subscriptions};
use mqtt5_benches::subscriptions::ours::Ours;
use mqtt5_benches::subscriptions::{Index, filled};
use mqtt5_rmqtt_benches::Rmqtt;

const SIZE: u32 = 5_000;

fn found<I: Index>(index: &I, name: &'static str) -> Vec<u32> {
    let mut found = Vec::new();
    let mut scratch = I::Scratch::default();
    index.matches(&I::topic(name), &mut scratch, |subscriber| {
        found.push(subscriber)
    });
    found.sort_unstable();
    found
}

#[test]
fn both_find_the_same() {
    let all = subscriptions(SIZE);
    let (mut ours, mut peer) = (filled::<Ours>(&all), filled::<Rmqtt>(&all));
    let names = names(SIZE, SIZE);
    for name in &names {
        assert!(!found(&ours, name).is_empty(), "{name}");
        assert_eq!(found(&ours, name), found(&peer, name), "{name}");
    }
    for subscription in all.iter().step_by(3) {
        ours.remove(&subscription.filter, subscription.subscriber);
        peer.remove(&subscription.filter, subscription.subscriber);
    }
    for name in &names {
        assert_eq!(found(&ours, name), found(&peer, name), "{name}");
    }
}
