//! The digest, for whoever asks for it: nothing is sent, and no window is used up.

use super::parts::Parts;
use crate::digest::{self, AgentWork, CollectError, DigestRequest};
use crate::domain::{PlaybookName, Reason, Value};
use crate::tools::desk::{DeskError, DigestAsk};

/// The name in the window of a digest that nobody sends.
const ASKED: &str = "(asked)";

/// What happened since then, and what is coming.
pub(super) async fn digest(parts: &Parts, ask: &DigestAsk) -> Result<Value, DeskError> {
    let now = ask.now.unwrap_or_else(|| parts.clock.wall());
    let playbook = PlaybookName::new(ASKED);
    let request = DigestRequest {
        playbook,
        now,
        zone: ask.zone,
        since: ask.since,
        projects: ask.projects.clone(),
        links: parts.settings.links.clone(),
        agents: AgentWork::default(),
    };
    let agents = super::agent_work::agent_work(parts, &request).await;
    let agents = agents.map_err(|what| DeskError::Failed { what, source: None })?;
    let request = DigestRequest { agents, ..request };
    let collected = digest::collect(parts.board.as_ref(), &request).await;
    let digest = collected.map_err(|error| match error {
        error @ CollectError::UnknownProject(_) => DeskError::NotFound(error.to_string()),
        error @ CollectError::TooMany(_) => {
            DeskError::Refused { reason: Reason::InvalidArguments, message: error.to_string() }
        }
        error => DeskError::Failed {
            what: "the digest could not be made".to_owned(),
            source: Some(Box::new(error)),
        },
    })?;
    let mut value = digest.to_value();
    if let Value::Map(map) = &mut value {
        // It is the key of a message that is sent once; this is none.
        map.remove("window");
    }
    Ok(value)
}
