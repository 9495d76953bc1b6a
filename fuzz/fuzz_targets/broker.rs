//! See [`mqtt5_fuzz::broker`].
#![cfg_attr(fuzzing, no_main)]

mqtt5_fuzz::target!(broker);
