//! Daemons whose board is a Leantime, played by the fake.

mod race;

use crate::support::playbooks::WORKER;

/// What a Leantime just installed has instead.
const LABELS: &[(&str, &str)] = &[("Ready for Review", "Waiting for Approval")];
