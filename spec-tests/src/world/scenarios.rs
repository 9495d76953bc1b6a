//! The configurations of the normal test run and of the long one, and what they have to show
//! together.

use super::config::Config;
use super::monitors::Rule;
use crate::explore::scenarios;
use crate::explore::scenarios::Expected;

/// A configuration of this world with a name.
pub type Named = scenarios::Named<Config>;

/// The normal run: a name and settings in each line.
const NORMAL: &str = "
both-ways                 up=2 down=1 qos=21 cuts=2
up-qos-2                  up=3 qos=2 cuts=2 batches=1
down-qos-1-2              down=3 qos=21 cuts=2 window-down=2
qos-1-0                   up=2 down=2 qos=10 cuts=1
narrow                    up=3 qos=21 window-up=1 cuts=2 waiting=1 room=3
takeover                  up=1 down=1 qos=21 takeovers=1 cuts=1 clean-starts=1
sessions-end              up=2 down=1 qos=21 cuts=1 clean-starts=1 client-expiries=1
server-expiry             up=1 down=1 qos=21 cuts=2 server-expiries=1 batches=1
ends-with-connection      up=2 down=1 qos=21 cuts=1 expiry=0
late-connects             up=1 down=1 qos=21 cuts=2 stale=1 links=3
manual                    up=2 down=1 qos=2 manual=1 refusals=1 cuts=1
manual-down               down=2 qos=21 manual=1 refusals=1 cuts=2 batches=1
manual-ends               up=1 down=1 qos=21 manual=1 cuts=1 clean-starts=1
requests                  up=1 qos=21 subscribes=1 unsubscribes=1 cuts=1
# What is stored knows nothing of them.
requests-stored           up=1 qos=21 subscribes=1 unsubscribes=1 cuts=1 client-crashes=1
early                     up=2 qos=21 subscribes=1 early=2 rejections=1 cuts=1 clean-starts=1
goodbye                   up=1 down=1 qos=21 disconnects=1 rejections=1 cuts=1
fragments                 up=1 down=1 qos=21 fragments=2 cuts=1 batches=1
crashes                   up=1 down=1 qos=21 client-crashes=1 server-crashes=1 cuts=1
crash-of-client           up=2 qos=21 client-crashes=2 cuts=1
crash-of-server           up=2 qos=21 server-crashes=2 cuts=1
crash-undecided           up=2 qos=21 server-crashes=1 manual=1 refusals=1
hostile                   up=1 down=1 qos=21 hostile=1 cuts=1
hostile-manual            up=2 qos=21 hostile=1 manual=1 batches=1
time                      up=1 down=1 qos=21 ticks=2 keep-alive=10 cuts=1
message-expiry            down=2 qos=21 ticks=2 message-expiry=5 window-down=1 cuts=1
packet-size-changes       up=2 qos=21 padding=50 limits=1 cuts=1 client-crashes=1
packet-size-changes-down  down=2 qos=2 padding=50 limits=1 cuts=1 server-crashes=1 client-crashes=1
late-poll                 up=1 down=2 qos=21 lazy=1 batches=1 cuts=1 clean-starts=1 server-expiries=1
limits-change             up=2 qos=21 limits=234 cuts=2
limits-change-crash       up=1 down=1 qos=2 limits=56 retain=1 aliases=1 client-crashes=1 server-crashes=1
aged                      up=2 down=1 qos=2 aged=1 cuts=2 room=3
aged-crash                up=2 qos=2 aged=1 client-crashes=1 server-crashes=1 cuts=1
small-packets             up=1 down=1 qos=21 packet-size=30 cuts=1 persistent=1 in-flight=1
# Hosts that are not quite there, and packets that come in parts: who is accused, and who is left.
no-answer                 ticks=5 keep-alive=10
asleep                    up=1 qos=1 ticks=3 keep-alive=10 sleeps=1
asleep-twice              ticks=4 keep-alive=10 sleeps=2
no-room                   up=1 qos=1 ticks=3 keep-alive=10 blocks=1
no-poll                   up=1 qos=1 ticks=3 keep-alive=10 put-offs=1
reading-put-off           up=1 qos=1 ticks=3 keep-alive=10 unread=1 fragments=1 stall=4 grace=6 rate=1
absences                  ticks=2 keep-alive=10 sleeps=1 blocks=1 put-offs=1 unread=1
slow-bytes                up=1 qos=0 ticks=4 keep-alive=10 fragments=3 padding=10 stall=4 grace=6 rate=1
slow-bytes-keep-alive     ticks=3 keep-alive=10 fragments=2
half-packet               up=1 down=1 qos=0 ticks=2 fragments=2 padding=10 stall=4 grace=6 rate=1
publisher                 up=1 down=2 qos=1 window-down=1 ticks=3 keep-alive=10 message-expiry=6
# Limits that bind: a small message has 7 bytes, a large one 27.
stored-bytes              up=3 qos=21 stored-bytes=40 large=20 cuts=1
stored-drops-qos-0        up=3 qos=20 stored-bytes=40 large=20 when-full=1 cuts=1
stored-drops              down=3 qos=210 stored=2 stored-bytes=50 large=20 when-full=2 cuts=1
waiting-drops             up=3 qos=10 waiting-bytes=30 large=20 when-full=2 window-up=1 cuts=1
waiting-drops-qos-0       down=3 qos=10 waiting-bytes=30 stored=3 large=20 when-full=1 window-down=1 cuts=1
stored-crash              up=3 qos=2 stored-bytes=30 large=20 cuts=1 client-crashes=1
stored-sessions-end       up=2 down=1 qos=21 stored-bytes=30 large=20 cuts=1 clean-starts=1 server-expiries=1
# MQTT 3.1.1, and a Client that comes back with the other version.
older                     mqtt=3 up=2 down=1 qos=21 cuts=1
older-sessions            mqtt=3 up=1 down=1 qos=2 takeovers=1 cuts=1 clean-starts=1
older-requests            mqtt=3 up=1 qos=21 subscribes=1 unsubscribes=1 cuts=1 rejections=1
older-goodbye             mqtt=3 up=1 down=1 qos=21 disconnects=1 cuts=1
older-manual              mqtt=3 up=1 down=1 qos=21 manual=1 refusals=1 cuts=1
older-crashes             mqtt=3 up=1 down=1 qos=21 client-crashes=1 server-crashes=1
older-hostile             mqtt=3 up=1 down=1 qos=21 hostile=1
older-time                mqtt=3 up=1 qos=2 ticks=3 keep-alive=10 cuts=1
both-versions             mqtt=53 up=1 down=1 qos=21 cuts=2
both-versions-qos-2       mqtt=53 up=2 qos=2 cuts=2
both-versions-limits      mqtt=53 up=2 qos=21 limits=2 aliases=1 message-expiry=100 cuts=2
both-versions-crash       mqtt=53 up=1 qos=2 client-crashes=1 server-crashes=1 cuts=1
# The Client has lost its Session, and the Server has not.
lost                      mqtt=3 up=2 down=1 qos=2 losses=1 batches=1
lost-requests             mqtt=3 up=1 qos=2 subscribes=1 losses=1 batches=1
lost-undecided            mqtt=3 up=2 qos=2 manual=1 losses=1 batches=1
lost-crash                mqtt=3 up=2 qos=2 losses=1 client-crashes=1 batches=1
lost-both-versions        mqtt=53 up=2 qos=2 losses=1 cuts=1 batches=1
";

/// The long run has these beside the normal ones.
const LONG: &str = "
long-cuts                 up=2 down=2 qos=21 cuts=3
long-both-ways            up=3 down=2 qos=21 cuts=2
long-crashes              up=2 down=1 qos=21 client-crashes=1 server-crashes=1 cuts=1
long-manual               up=2 down=2 qos=21 manual=1 refusals=1 cuts=1
long-time                 up=1 down=1 qos=21 ticks=5 keep-alive=10 cuts=1
long-hostile              up=2 down=1 qos=21 hostile=2 cuts=1
long-sessions             up=2 down=1 qos=21 cuts=2 takeovers=1 clean-starts=1 server-expiries=1 stale=1 links=3
long-limits-change-crash  up=1 down=1 qos=2 limits=56 retain=1 aliases=1 cuts=1 client-crashes=1 server-crashes=1
long-older                mqtt=3 up=2 down=1 qos=21 cuts=2
long-publisher            up=1 down=2 qos=1 window-down=1 ticks=4 keep-alive=10 message-expiry=6
long-packet-size-changes  up=2 qos=21 padding=50 limits=1 cuts=2 client-crashes=1
long-lost                 mqtt=3 up=2 down=1 qos=21 losses=1 batches=1
long-older-sessions       mqtt=3 up=1 down=1 qos=21 takeovers=1 cuts=1 clean-starts=1
";

fn named(name: &'static str, settings: &str, expects: Expected) -> Named {
    Named {
        name,
        config: settings.parse().expect("a good configuration"),
        expects,
    }
}

/// The normal run.
#[must_use]
pub fn normal() -> Vec<Named> {
    scenarios::read(NORMAL).chain(holes()).collect()
}

/// The long run: the normal one, and larger configurations.
#[must_use]
pub fn long() -> Vec<Named> {
    normal().into_iter().chain(scenarios::read(LONG)).collect()
}

/// What no statement of the standard forbids and nobody wants. A shortest way into each is kept in a file of its name.
#[must_use]
pub fn holes() -> [Named; 3] {
    let hole = |name, settings, rule: Rule| named(name, settings, Expected::Objection(rule.name()));
    [
        // With session expiry allowed, a message with QoS 2 can come twice.
        hole(
            "double-delivery",
            "up=1 cuts=2 server-expiries=1 ever=1",
            Rule::Ever,
        ),
        // A CONNECT of a connection that the Client has given up reaches the broker after that of a later one, and takes
        // the Session over.
        hole("late-connect", "up=1 cuts=1 stale=1 ever=1", Rule::Ever),
        // The other face of the first: a message with QoS 2 is taken for one of the Session that has ended, and is lost,
        // with a success for an outcome.
        hole(
            "silent-loss",
            "down=2 window-down=1 cuts=2 server-expiries=1 ever=1",
            Rule::NotLost,
        ),
    ]
}

/// Everything that can go wrong, in one configuration: too much for an exhaustive exploration.
#[must_use]
pub fn everything() -> Config {
    let settings = "up=20 down=20 qos=210 window-up=3 window-down=2 waiting=4 manual=1 refusals=4 \
         subscribes=3 unsubscribes=3 disconnects=3 rejections=2 clean-starts=2 cuts=8 takeovers=3 \
         client-crashes=2 server-crashes=2 client-expiries=1 server-expiries=1 fragments=8 batches=1 \
         ticks=6 keep-alive=10 links=3 stale=1 limits=12345 padding=50 retain=1 aliases=2 lazy=1 \
         sleeps=2 blocks=2 put-offs=2 unread=2 stored=8 stored-bytes=400 large=20 when-full=2";
    settings.parse().expect("a good configuration")
}

/// The same for connections of both versions of MQTT, and a Client that loses everything. Without expiry: a Session that
/// ends at the Server alone is a hole in the protocol, which MQTT 3.1.1 has no Reason Code for.
#[must_use]
pub fn both_versions() -> Config {
    let settings = "mqtt=53 up=30 down=30 qos=210 window-up=4 window-down=3 cuts=8 takeovers=3 batches=1 fragments=8 \
         losses=1 clean-starts=2 client-crashes=2 server-crashes=2 disconnects=3 rejections=2 subscribes=3 \
         unsubscribes=3 limits=2 aliases=2 retain=1 lazy=1 manual=1 refusals=4 ticks=6 keep-alive=10 sleeps=2 \
         blocks=2 put-offs=2 unread=2 stored=8 stored-bytes=400 large=20 when-full=2";
    settings.parse().expect("a good configuration")
}

/// Configurations to be simulated, and how many runs of each.
#[must_use]
pub fn simulations() -> Vec<(u64, Config)> {
    let more = [
        // Identifiers are used again.
        "up=60 down=60 qos=210 window-up=4 window-down=3 cuts=10 batches=1 fragments=10 takeovers=3",
        "up=40 down=40 qos=21 manual=1 refusals=10 cuts=10 batches=1",
        "up=40 down=40 qos=21 client-crashes=5 server-crashes=5 cuts=5 batches=1",
        "up=30 down=30 qos=21 hostile=10 cuts=5 batches=1",
        "up=30 down=30 qos=210 ticks=20 keep-alive=10 message-expiry=20 cuts=5 waiting=3",
        "up=30 down=30 qos=210 ticks=40 keep-alive=10 sleeps=5 blocks=5 put-offs=5 unread=5 fragments=10 \
         stall=4 grace=6 rate=1 cuts=5",
        "up=30 down=30 qos=210 ticks=40 keep-alive=3 sleeps=5 blocks=5 put-offs=5 unread=5 fragments=10 cuts=5 \
         disconnects=3 takeovers=3 clean-starts=2 client-crashes=2 server-crashes=2 subscribes=3 manual=1 \
         refusals=3",
        "up=40 down=40 qos=210 stored=6 stored-bytes=90 waiting-bytes=60 large=20 when-full=1 cuts=10 \
         takeovers=3 client-crashes=3 server-crashes=3 batches=1",
        "up=40 down=40 qos=210 stored=6 stored-bytes=90 waiting-bytes=60 large=20 when-full=2 cuts=10 \
         clean-starts=3 manual=1 refusals=10",
    ];
    let mut all = vec![(2_000, everything()), (2_000, both_versions())];
    all.extend(more.map(|settings| (1_000, settings.parse().expect("a good configuration"))));
    all
}

/// Where the numbers of the normal run are kept, beside `Cargo.toml`.
pub const COUNTS: &str = "explored.txt";
