//! A Client and a Server of this library over a network that breaks again and again. Each connection has
//! limits of its own, wider or narrower than before: Receive Maximum, Maximum Packet Size, Topic Alias
//! Maximum, Request Problem Information.
//!
//! Checked: nobody finds a fault with the other, no packet is larger than allowed, each message arrives with
//! its own topic and has at most one outcome; what is told as delivered was delivered, what is told as not
//! sent was not; QoS 0 and QoS 2 arrive no more than once; what is written does not depend on the room for
//! it.

#[path = "changing_limits/world.rs"]
mod world;

use self::world::World;

const CASES: u64 = 300;

#[test]
fn nothing_is_lost_or_doubled_where_limits_change() {
    let mut delivered = 0;
    for seed in 1..=CASES {
        let mut world = World::new(seed);
        world.run();
        world.judge();
        delivered += world.delivered();
    }
    // Neither so narrow nor so short that nothing is checked.
    assert!(delivered > 50 * CASES, "{delivered}");
}
