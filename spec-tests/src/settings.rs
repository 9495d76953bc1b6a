//! Configurations of worlds, which can be written as a line of `key=value` words.

/// Declares `Config`: each setting with its meaning, its type and its default.
macro_rules! settings {
    ($($(#[doc = $doc:literal])* $name:ident: $type:ty = $default:expr,)*) => {
        /// Sizes, variants and budgets of a world. As text, one line of `key=value` words; what is at
        /// its default is left out.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub struct Config {
            $($(#[doc = $doc])* pub $name: $type,)*
        }

        impl Config {
            /// No messages and no faults: to be changed where it matters.
            pub const DEFAULT: Config = Config { $($name: $default,)* };

            /// Every setting with its meaning and its default, one a line.
            #[must_use]
            pub fn help() -> String {
                let mut help = String::new();
                $(
                    let meaning = [$($doc),*].concat();
                    let name = stringify!($name).replace('_', "-");
                    let default = Config::DEFAULT.$name;
                    help.push_str(&format!("  {name:<20} {} ({default})\n", meaning.trim()));
                )*
                help
            }

            /// Sets what is called `name`.
            ///
            /// # Errors
            ///
            /// If there is no such setting, or the value is not a number that it can have.
            pub fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
                match name.replace('-', "_").as_str() {
                    $(stringify!($name) => {
                        self.$name = value
                            .parse()
                            .map_err(|_| format!("{name} cannot be {value}"))?;
                    })*
                    _ => return Err(format!("there is no setting {name}")),
                }
                Ok(())
            }
        }

        impl std::fmt::Display for Config {
            fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let mut words = Vec::new();
                $(if self.$name != Config::DEFAULT.$name {
                    words.push(format!(
                        "{}={}", stringify!($name).replace('_', "-"), self.$name
                    ));
                })*
                out.write_str(&words.join(" "))
            }
        }

        impl std::str::FromStr for Config {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                let mut config = Config::DEFAULT;
                for word in text.split_whitespace() {
                    let (name, value) = word
                        .split_once('=')
                        .ok_or_else(|| format!("{word} is not key=value"))?;
                    config.set(name, value)?;
                }
                Ok(config)
            }
        }
    };
}

pub(crate) use settings;
