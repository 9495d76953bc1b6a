//! See [`mqtt5_fuzz::differential`].
#![cfg_attr(fuzzing, no_main)]

mqtt5_fuzz::target!(differential, packets);
