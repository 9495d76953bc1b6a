//! See [`mqtt5_fuzz::split`].
#![cfg_attr(fuzzing, no_main)]

mqtt5_fuzz::target!(split);
