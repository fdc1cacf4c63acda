//! The names of what is kept of people at the pages.

use super::segment;

pub(in crate::ledger) const PAGE_SESSION: &str = "page-session/";
pub(in crate::ledger) const PAGE_LINK: &str = "page-link/";

/// Somebody who is signed in.
pub(in crate::ledger) fn page_session(id: &str) -> String {
    format!("{PAGE_SESSION}{}", segment(id))
}

/// A link by which somebody signs in once.
pub(in crate::ledger) fn page_link(id: &str) -> String {
    format!("{PAGE_LINK}{}", segment(id))
}
