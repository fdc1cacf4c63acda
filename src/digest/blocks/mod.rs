//! Slack messages, right by construction: every text knows its limit, every message its blocks,
//! and [`fit`] makes as many messages as a document needs.
//!
//! Lengths are counted in Unicode code points. The limits are those of Slack's Block Kit pages,
//! except [`MESSAGE_CHARS_MAX`]: Slack refuses messages whose blocks are too long together
//! (`msg_blocks_too_long`) without saying where that begins; senders report 11,300 to 13,200
//! characters (slackapi/bolt-js issues 2509 and 2867).

mod fit;
mod kinds;
mod split;

pub use fit::{fit, is_directive};
pub use kinds::{
    Block, BlockError, CONTEXT_ELEMENTS_MAX, Element, FALLBACK_CHARS_MAX, FIELDS_MAX, Field,
    HEADER_CHARS_MAX, Header, MESSAGE_BLOCKS_MAX, MESSAGE_CHARS_MAX, Message, Mrkdwn, PlainText,
};
pub use split::{plain, split};
