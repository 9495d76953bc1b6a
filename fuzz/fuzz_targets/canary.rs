//! See [`mqtt5_fuzz::canary`].
#![cfg_attr(fuzzing, no_main)]

mqtt5_fuzz::target!(canary, packets);
