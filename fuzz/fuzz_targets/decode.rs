//! See [`mqtt5_fuzz::decode`].
#![cfg_attr(fuzzing, no_main)]

mqtt5_fuzz::target!(decode, packets);
