//! restoring
