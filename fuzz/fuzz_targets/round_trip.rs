//! See [`mqtt5_fuzz::round_trip`].
#![cfg_attr(fuzzing, no_main)]

mqtt5_fuzz::target!(round_trip);
