//! See [`mqtt5_fuzz::world`].
#![cfg_attr(fuzzing, no_main)]

mqtt5_fuzz::target!(world);
