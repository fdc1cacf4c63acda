//! Shapes that several nouns have: edits, and words for small enums.

/// The edits of a noun, one for each field that can change, with what they do.
macro_rules! edits {
    ($(#[$about:meta])* $name:ident of $thing:ident {
        $($(#[$doc:meta])* $variant:ident($kind:ty) => $field:ident,)*
    }) => {
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$doc])* $variant($kind),)* }

        impl $name {
            /// Makes the change. `modified` and `revision` are the board's business.
            pub fn apply(&self, thing: &mut $thing) {
                match self { $(Self::$variant(value) => thing.$field.clone_from(value),)* }
            }

            /// The edit that puts back what this one would change in `thing`.
            #[must_use]
            pub fn inverse(&self, thing: &$thing) -> Self {
                match self { $(Self::$variant(_) => Self::$variant(thing.$field.clone()),)* }
            }
        }
    };
}

/// Words for the variants of a small enum.
macro_rules! words {
    ($name:ident { $($variant:ident => $word:literal),* $(,)? }) => {
        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// As it is written.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = String;
            fn from_str(text: &str) -> Result<Self, String> {
                Self::ALL.iter().copied().find(|one| one.as_str() == text).ok_or_else(|| {
                    let words: Vec<&str> = Self::ALL.iter().map(|one| one.as_str()).collect();
                    format!("expected one of {}", words.join(", "))
                })
            }
        }
    };
}
