//! A digest as a message.

use super::{Digest, Fill, ReportError, report};
use crate::domain::{Body, Value};

/// The template of the shipped digest, in all formats.
pub const DIGEST_TEMPLATE: &str = "digest.hbs";

/// Fills a template with a digest.
pub fn render(digest: &Digest, fill: &dyn Fill, template: &str) -> Result<Body, ReportError> {
    report(fill, template, &digest.to_value())
}

impl Digest {
    /// The model that templates see; every text is one line.
    pub fn to_value(&self) -> Value {
        todo!()
    }
}
