//! The blocks we use, and the message that holds them.

use serde::{Serialize, Serializer};

/// The most blocks a message may have.
pub const MESSAGE_BLOCKS_MAX: usize = 50;
/// The most characters the blocks of a message may have together, as JSON.
pub const MESSAGE_CHARS_MAX: usize = 10_000;
/// The most characters of a message's fallback text.
pub const FALLBACK_CHARS_MAX: usize = 3_000;
/// The most characters of a header.
pub const HEADER_CHARS_MAX: usize = 150;
/// The most characters of a section's text.
pub const SECTION_CHARS_MAX: usize = 3_000;
/// The most characters of a field, and of an element of a context.
pub const FIELD_CHARS_MAX: usize = 2_000;
/// The most fields of a section.
pub const FIELDS_MAX: usize = 10;
/// The most elements of a context.
pub const CONTEXT_ELEMENTS_MAX: usize = 10;

/// Why something is no part of a Slack message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// A text is too long.
    #[error("a {what} has {chars} characters, at most {max} are allowed")]
    TooLong {
        /// Which part.
        what: &'static str,
        /// Its length.
        chars: usize,
        /// The limit.
        max: usize,
    },
    /// A text is blank, or a list empty.
    #[error("a {0} must not be empty")]
    Empty(&'static str),
    /// A list is too long.
    #[error("there are {count} {what}, at most {max} are allowed")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many.
        count: usize,
        /// The limit.
        max: usize,
    },
}

macro_rules! bounded_text {
    ($(#[doc = $doc:literal] $name:ident($what:literal, $max:expr);)*) => { $(
        #[doc = $doc]
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name(String);

        impl $name {
            /// The most characters it may have.
            pub const CHARS_MAX: usize = $max;

            /// The text, if it is neither blank nor too long.
            pub fn new(text: impl Into<String>) -> Result<Self, BlockError> {
                let text = text.into();
                let chars = text.chars().count();
                if text.trim().is_empty() {
                    return Err(BlockError::Empty($what));
                }
                if chars > $max {
                    return Err(BlockError::TooLong { what: $what, chars, max: $max });
                }
                Ok(Self(text))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
    )* };
}

bounded_text! {
    /// The text of a header, shown as it is.
    Header("header", HEADER_CHARS_MAX);
    /// The text of a section, in mrkdwn.
    Mrkdwn("section", SECTION_CHARS_MAX);
    /// One of a section's short texts in two columns, in mrkdwn.
    Field("field", FIELD_CHARS_MAX);
    /// One of the small texts of a context, in mrkdwn.
    Element("context element", FIELD_CHARS_MAX);
    /// What notifications and screen readers show instead of a message's blocks.
    PlainText("fallback text", FALLBACK_CHARS_MAX);
}

/// `{"type": "mrkdwn", …}`; `verbatim` keeps Slack from making links and mentions by itself.
fn text_object(text: &str) -> impl Serialize {
    #[derive(Serialize)]
    struct Object<'a> {
        r#type: &'static str,
        text: &'a str,
        verbatim: bool,
    }
    Object { r#type: "mrkdwn", text, verbatim: true }
}

macro_rules! mrkdwn_object {
    ($($name:ident)*) => { $(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                text_object(&self.0).serialize(serializer)
            }
        }
    )* };
}
mrkdwn_object!(Mrkdwn Field Element);

impl Serialize for Header {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Object<'a> {
            r#type: &'static str,
            text: &'a str,
            emoji: bool,
        }
        Object { r#type: "plain_text", text: &self.0, emoji: false }.serialize(serializer)
    }
}

impl Serialize for PlainText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// A block of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Block {
    /// A heading.
    Header {
        /// Its text.
        text: Header,
    },
    /// A paragraph.
    Section {
        /// Its text.
        text: Mrkdwn,
    },
    /// Short texts in two columns.
    #[serde(rename = "section")]
    Fields {
        /// The texts, by rows.
        fields: Few<Field, FIELDS_MAX>,
    },
    /// Small print.
    Context {
        /// The texts.
        elements: Few<Element, CONTEXT_ELEMENTS_MAX>,
    },
    /// A line.
    Divider,
}

/// From one to `MAX` of something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Few<T, const MAX: usize>(Vec<T>);

impl<T, const MAX: usize> Few<T, MAX> {
    /// The list, if it is neither empty nor too long.
    pub fn new(items: Vec<T>) -> Result<Self, BlockError> {
        match items.len() {
            0 => Err(BlockError::Empty("list")),
            count if count > MAX => Err(BlockError::TooMany { what: "items", count, max: MAX }),
            _ => Ok(Self(items)),
        }
    }

    /// The items.
    pub fn items(&self) -> &[T] {
        &self.0
    }
}

impl Block {
    /// How much of [`MESSAGE_CHARS_MAX`] it takes.
    pub fn weight(&self) -> usize {
        serde_json::to_string(self).map_or(usize::MAX, |json| json.chars().count() + 1)
    }
}

/// A message: the body of an incoming webhook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Message {
    text: PlainText,
    blocks: Vec<Block>,
    /// Previews of the evidence would bury the message.
    unfurl_links: bool,
    unfurl_media: bool,
    #[serde(skip)]
    weight: usize,
}

impl Message {
    /// A message without blocks.
    pub fn new(fallback: PlainText) -> Self {
        Self {
            text: fallback,
            blocks: Vec::new(),
            unfurl_links: false,
            unfurl_media: false,
            weight: 0,
        }
    }

    /// Adds a block; gives it back when the message is full.
    pub fn push(&mut self, block: Block) -> Result<(), Block> {
        let weight = self.weight.saturating_add(block.weight());
        if self.blocks.len() >= MESSAGE_BLOCKS_MAX || weight > MESSAGE_CHARS_MAX {
            return Err(block);
        }
        self.weight = weight;
        self.blocks.push(block);
        Ok(())
    }

    /// Its blocks.
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// Its fallback text.
    pub fn fallback(&self) -> &PlainText {
        &self.text
    }

    /// The body to post.
    pub fn to_json(&self) -> String {
        // Strings and booleans under fixed keys: there is nothing that could fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}
