//! The configurations of the normal test run and of the long one: one or two things in each, so that each is explored
//! completely.

use super::config::Config;
use crate::explore::scenarios::{self, Named};

/// The normal run: a name and settings in each line.
const NORMAL: &str = "
messages                  start=1020 publishes=2 qos=210 cuts=1
to-two                    clients=3 start=1020-2010 publishes=1 qos=210 cuts=1
to-oneself                start=0020-1020-0101 publishes=1 publishers=01 qos=12 cuts=1
no-local                  start=0121-1020 publishers=01 publishes=2 qos=1 retain=01
no-local-retained         start=1020 publishers=0 publishes=2 qos=1 retain=1 subscribers=0 subscribes=2 filters=1 granted=1 variants=134
overlap-one-copy          start=1015-1126-1200 publishes=1 qos=12 retain=01 cuts=1
overlap-copy-for-each     start=1015-1126-1200 publishes=1 qos=12 retain=01 cuts=1 overlap=1
clean-starts              start=1020 publishes=1 qos=21 cuts=1 clean-starts=1
takeover                  start=1020 publishes=1 qos=21 cuts=1 takeovers=1
takeover-late             start=1020 publishes=1 qos=1 takeovers=1 late=1
narrow                    start=1020 publishes=3 qos=1 window=1 cuts=1
ends-with-connection      start=1020 publishes=1 qos=21 expiry=0 cuts=1 disconnects=1
session-expiry            start=1020 publishes=1 qos=21 expiry=5 ticks=1 cuts=1
subscriptions-change      start=1020 publishes=1 qos=1 subscribes=1 unsubscribes=1 filters=01 granted=12 variants=02 cuts=1
subscriptions-late        start=1020 publishes=1 qos=1 subscribes=1 filters=12 granted=1 variants=15 late=1 cuts=1
subscriptions-full        subscriptions=1 start=1020 subscribes=2 unsubscribes=1 filters=013 granted=2 publishes=1 qos=1
dollar-topics             start=1120-1910-1200 topics=24 publishes=1 qos=10 subscribes=1 filters=67 granted=2
withdrawn                 start=1020-1120 publishes=2 qos=21 withdrawals=2 window=1 cuts=1
kicked                    start=1020 publishes=1 qos=21 kicks=1 cuts=1
forbidden                 topics=03 start=1120 publishes=2 qos=210 cuts=1
hostile                   start=1020 publishes=1 qos=21 hostile=1 cuts=1
over-budget               start=1020 publishes=2 qos=210 budget=20 window=1 cuts=1
queue-full                start=1020 publishes=2 qos=210 stored=1 window=1 cuts=1
queue-drops-oldest        start=1020 publishes=3 qos=1 stored=2 when-full=2 window=1 cuts=1
small-packets             start=1120-1320 publishes=2 topics=01 qos=10 packet-size=9 kept=1
message-expiry            start=1020 publishes=1 qos=21 message-expiry=5 window=1 cuts=1 ticks=2
message-expiry-waiting    start=1020 publishes=2 qos=1 message-expiry=5 window=1 ticks=1
retained                  start=1022 publishes=2 qos=10 retain=012 cuts=1
retained-handling         kept=2 start=0000 subscribes=2 filters=1 granted=21 variants=034 publishes=1 qos=1 retain=12
retained-narrow           kept=2 start=0000 subscribes=1 unsubscribes=1 filters=12 granted=2 window=1 publishes=1 qos=1 retain=1
retained-full             kept=1 retained=1 retain=12 topics=01 publishes=3 qos=1 start=1020
retained-expires          start=0000 publishes=2 qos=1 retain=1 message-expiry=5 ticks=2 subscribes=1
group                     clients=3 start=1420-2420 publishes=2 qos=21 cuts=1
group-different           clients=3 start=1400-2410 publishes=2 qos=21 cuts=1 window=1
group-ends                clients=3 start=1420-2420 publishes=1 qos=21 cuts=1 clean-starts=1
group-ends-slowly         clients=3 start=0420 publishers=1 publishes=1 qos=10 subscribers=2 subscribes=1 filters=4 granted=1 expiry=0 disconnects=1 slice=1
group-left                clients=3 start=1420-2420 publishes=2 qos=1 unsubscribes=1 subscribers=12 filters=4 cuts=1
group-sticky              clients=3 start=1420-2420 publishes=2 qos=1 policy=2 cuts=1
group-random              clients=3 start=1420-2420 publishes=2 qos=1 policy=1 cuts=1
group-least               clients=3 start=1420-2420 publishes=2 qos=1 policy=3 window=1 cuts=1
group-expires             clients=3 start=1420-2420 publishes=1 qos=21 message-expiry=5 expiry=10 ticks=2 cuts=1
group-and-own             start=1420-1020 publishes=1 qos=210 cuts=1
groups-several            clients=3 start=1420-1520-2820 publishes=1 qos=1 retain=01 unsubscribes=1 filters=45 subscribers=1 cuts=1
group-withdrawn           clients=3 start=1420-2420 publishes=2 qos=1 withdrawals=1 window=1
will                      clients=3 start=1320-2312 publishers= wills=3 will-retain=1 cuts=1 disconnects=1
will-delay                clients=3 start=1320 publishers= wills=1 will-delay=10 cuts=1 clean-starts=1 ticks=2
will-delay-long           start=1320 publishers= wills=1 will-delay=10 expiry=5 cuts=1 disconnects=1 ticks=2
will-takeover             start=1320 publishers= wills=3 takeovers=1 cuts=1
slices                    clients=3 start=0020-1020-2020 publishes=1 qos=21 slice=1 cuts=1
slices-many               clients=3 start=1020-2020 publishers=01 publishes=2 qos=1 slice=1
# Clients of MQTT 3.1.1 beside those of MQTT 5.
older-subscriber          older=1 start=1020 publishes=2 qos=210 cuts=1
older-publisher           older=0 start=1020 publishes=2 qos=210 cuts=1
older-both                older=01 start=1020-0120 publishers=01 publishes=1 qos=12 cuts=1
older-sessions            older=1 start=1020 publishes=1 qos=21 cuts=1 clean-starts=1 takeovers=1
older-subscriptions       older=1 start=1020 publishes=1 qos=1 subscribes=1 unsubscribes=1 filters=01 granted=12 cuts=1
older-refused             older=01 topics=03 start=1120 publishes=2 qos=210 subscriptions=1 subscribes=1 filters=13
older-expiry              older=1 start=1020 publishes=1 qos=21 message-expiry=5 cuts=1 ticks=2
older-retained            older=1 start=1020 publishes=2 qos=10 retain=012 cuts=1
older-group               older=0 clients=3 start=1420-2420 publishes=2 qos=21 cuts=1
older-will                older=0 clients=3 start=1320-2312 publishers= wills=1 will-delay=10 disconnects=1 takeovers=1
older-lost                older=1 start=1020 publishes=1 qos=21 persistent=1 losses=1 clocks=012 compare=1
# From here on a second place keeps what is stored.
stored                    start=1020 publishes=2 qos=21 persistent=1 stores=1
lost                      start=1020 publishes=1 qos=21 persistent=1 losses=1 clocks=012 compare=1
lost-twice                start=1020 publishes=1 qos=1 persistent=1 losses=2
lost-while-stored         start=1020 publishes=1 qos=21 persistent=1 stores=1 losses=1 compare=1
lost-and-cut              start=1020 publishes=1 qos=2 persistent=1 losses=1 cuts=1
lost-unaware              start=1020 publishes=1 qos=21 persistent=1 losses=1 unaware=1
lost-unaware-cut          start=1020 publishes=1 qos=2 persistent=1 losses=1 unaware=1 cuts=1
lost-unaware-while-stored start=1020 publishes=1 qos=21 persistent=1 losses=1 unaware=1 stores=1
lost-clean                start=1020 publishes=1 qos=21 persistent=1 losses=1 clean-starts=1 compare=1
lost-takeover             start=1020 publishes=1 qos=1 persistent=1 losses=1 takeovers=1 late=1
lost-ends-with-connection start=1020 publishes=1 qos=21 persistent=1 losses=1 expiry=0 compare=1
lost-session-expiry       start=1020 publishes=1 qos=1 persistent=1 losses=1 expiry=5 clocks=012 ticks=1 compare=1
lost-message-expiry       start=1020 publishes=1 qos=1 persistent=1 losses=1 message-expiry=5 clocks=012 ticks=1 compare=1
lost-subscribing          start=1020 publishes=1 qos=1 persistent=1 losses=1 stores=1 subscribes=1 unsubscribes=1 filters=0 granted=1
lost-retained             start=0000 publishes=2 qos=1 retain=12 persistent=1 losses=1 subscribes=1 compare=1
lost-retained-cursor      kept=2 start=0000 subscribes=1 filters=1 granted=21 window=1 persistent=1 losses=1 stores=1 compare=1
lost-group                clients=3 start=1420-2420 publishes=1 qos=1 persistent=1 losses=1 compare=1
lost-group-ends           clients=3 start=1420-2420 publishes=1 qos=1 persistent=1 losses=1 clean-starts=1
lost-group-to-0           clients=3 start=1400-2420 publishes=1 qos=21 persistent=1 losses=1 clean-starts=1
lost-group-ends-at-2      clients=3 start=1420-2420 publishes=1 qos=2 persistent=1 losses=1 clean-starts=1
lost-will                 start=1320 publishers= wills=1 will-retain=1 persistent=1 losses=1 clocks=012 cuts=1 ticks=1
lost-will-delay           start=1320 publishers= wills=1 will-delay=10 persistent=1 losses=1 clocks=012 ticks=2 cuts=1 compare=1
lost-will-grace           start=1320 publishers= wills=1 will-delay=10 grace=20 persistent=1 losses=2 clocks=012 ticks=2
lost-slices               clients=3 start=1020-2020 publishes=1 qos=1 slice=1 persistent=1 losses=1
compared                  start=1020 publishes=1 qos=21 persistent=1 cuts=1 takeovers=1 compare=1
compared-queue            start=1020 publishes=2 qos=21 persistent=1 window=1 cuts=1 compare=1
stored-drops              start=1020 publishes=3 qos=1 stored=2 when-full=2 window=1 persistent=1 losses=1
stored-expires            start=1020 publishes=2 qos=1 message-expiry=5 window=1 ticks=2 persistent=1 losses=1
stored-withdrawn          start=1020 publishes=2 qos=2 withdrawals=1 window=1 persistent=1 losses=1 compare=1
stored-withdrawn-late     start=1020 publishes=2 qos=1 withdrawals=1 window=1 persistent=1 stores=1 losses=1
stored-withdrawn-slowly   start=1020-1120 publishes=2 qos=1 withdrawals=1 window=1 persistent=1 losses=1 slice=1
";

/// The long run has these beside the normal ones. Each of them comes to its end.
const LONG: &str = "
long-messages             clients=3 start=1020-2010 publishes=3 qos=21 cuts=1
long-cuts                 start=1020 publishes=3 qos=21 cuts=2
long-subscriptions        start=1020 publishes=2 qos=1 subscribes=2 unsubscribes=1 filters=01 granted=1 variants=01 cuts=1
long-takeovers            start=1020 publishes=1 qos=21 takeovers=2 cuts=1 clean-starts=1
long-queue                start=1020 publishes=3 qos=210 stored=2 when-full=2 window=1 cuts=1
long-hostile              start=1020 publishes=1 qos=21 hostile=2 kicks=1
long-retained             start=0020 publishes=2 qos=21 retain=012 subscribes=1 filters=01 granted=1 variants=03 cuts=1
long-group                clients=3 start=1420-2420 publishes=2 qos=21 cuts=2 clean-starts=1
long-group-expires        clients=3 start=1420-2420 publishes=1 qos=21 message-expiry=5 expiry=10 ticks=2 cuts=2
long-slices               clients=3 start=0020-1020-2020 publishes=2 qos=1 slice=1 cuts=1
long-lost                 start=1020 publishes=2 qos=21 persistent=1 losses=1 cuts=1
long-lost-twice           start=1020 publishes=1 qos=21 persistent=1 losses=2 cuts=1 clocks=012
long-lost-unaware         start=1020 publishes=2 qos=21 persistent=1 losses=1 unaware=1 stores=1
long-lost-group           clients=3 start=1420-2420 publishes=1 qos=21 persistent=1 losses=1 cuts=1
long-compared             start=1020 publishes=3 qos=21 persistent=1 window=1 cuts=1 compare=1
long-subscriptions-qos-2  start=1020 publishes=1 qos=21 subscribes=1 unsubscribes=1 filters=01 granted=12 variants=02 cuts=1
long-withdrawn-slowly     start=1020-1120 publishes=2 qos=1 withdrawals=1 window=1 persistent=1 stores=1 losses=1 slice=1
long-lost-slices          clients=3 start=0020-1020-2020 publishes=1 qos=1 slice=1 persistent=1 losses=1
long-withdrawn            start=1020 publishes=2 qos=21 withdrawals=1 window=1 persistent=1 losses=1 compare=1
long-older-subscriptions  older=1 start=1020 publishes=1 qos=21 subscribes=1 unsubscribes=1 filters=01 granted=12 cuts=1
";

/// The normal run.
#[must_use]
pub fn normal() -> Vec<Named<Config>> {
    scenarios::read(NORMAL).collect()
}

/// The long run: the normal one, and larger configurations.
#[must_use]
pub fn long() -> Vec<Named<Config>> {
    normal().into_iter().chain(scenarios::read(LONG)).collect()
}

/// Where the numbers of the normal run are kept, beside `Cargo.toml`.
pub const COUNTS: &str = "explored-broker.txt";

/// Everything that can go wrong among three clients, in one configuration: too much for an exhaustive exploration.
///
/// # Panics
///
/// Never: its settings are right.
#[must_use]
pub fn everything() -> Config {
    let settings = "clients=3 start=1020-1115-2420-0402 publishers=012 subscribers=012 publishes=40 topics=0123 \
         qos=012 retain=012 kept=2 subscribes=10 unsubscribes=6 filters=0123456789 granted=012 variants=0123456 \
         withdrawals=2 kicks=2 cuts=8 takeovers=3 clean-starts=3 disconnects=3 losses=3 unaware=1 clocks=012 \
         stores=1 persistent=1 ticks=8 hostile=2 late=1 expiry=100 wills=3 will-delay=5 window=2 slice=2";
    settings.parse().expect("a good configuration")
}

/// Configurations to be simulated, with the number of runs, and of steps with faults and without.
///
/// # Panics
///
/// Never: their settings are right.
#[must_use]
pub fn simulations() -> Vec<(u64, usize, usize, Config)> {
    let few = [
        "clients=3 publishers=012 subscribers=012 publishes=60 topics=0123 qos=012 retain=012 subscribes=12 \
         unsubscribes=6 filters=0123456789 granted=012 variants=0123456 cuts=12 takeovers=3 clean-starts=3 window=2",
        "clients=3 start=1020-2020-1420-2420 publishes=60 qos=21 persistent=1 stores=1 losses=5 unaware=1 clocks=012 \
         cuts=8 takeovers=2 slice=1",
        "clients=3 start=1020-2012-0301 publishes=40 qos=210 message-expiry=20 wills=7 will-delay=5 expiry=30 ticks=20 \
         cuts=8 disconnects=4 persistent=1 losses=3 clocks=012 retain=01 kept=2",
        "clients=3 start=1020-2020-1520-2520 publishes=60 qos=21 stored=3 when-full=2 window=1 cuts=8 policy=3 \
         overlap=1 hostile=4 kicks=4",
    ];
    let many = [
        "clients=200 start=0020 publishers=01 subscribers=0123456789 publishes=300 topics=0123 qos=012 retain=012 \
         subscribes=400 unsubscribes=100 filters=0123456789 granted=012 variants=0123456 cuts=200 takeovers=30 \
         clean-starts=20 disconnects=30 wills=3 will-delay=5 ticks=20 window=3 slice=7",
        "clients=200 start=0020 publishers=01 subscribers=0123456789 publishes=1000 topics=012 qos=12 subscribes=300 \
         filters=0134568 granted=12 persistent=1 stores=1 losses=6 unaware=1 clocks=012 cuts=100 ticks=5 window=3",
    ];
    let parsed = |settings: &str| settings.parse().expect("a good configuration");
    let mut all = vec![(300, 300, 10_000, everything())];
    all.extend(few.map(|settings| (100, 300, 10_000, parsed(settings))));
    all.extend(many.map(|settings| (3, 5_000, 200_000, parsed(settings))));
    all
}
