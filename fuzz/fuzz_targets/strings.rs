//! See [`mqtt5_fuzz::strings`].
#![cfg_attr(fuzzing, no_main)]

mqtt5_fuzz::target!(strings);
