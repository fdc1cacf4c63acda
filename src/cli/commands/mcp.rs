//! The MCP server at a pipe.

use super::Session;
use crate::app::failure::Failure;
use crate::cli::pipe::Pipe;
use crate::clock::SystemClock;
use crate::domain::{Initiative, Person, PersonId, PersonKind, Principal, Role};
use crate::mcp::{self, Caller, Handler, Limits, Selection};
use secrecy::SecretString;
use std::sync::Arc;

impl Session<'_> {
    /// `rota mcp`.
    pub(super) async fn mcp(
        &self,
        token: Option<SecretString>,
        toolsets: &str,
    ) -> Result<u8, Failure> {
        let selection =
            Selection::parse(toolsets).map_err(|error| Failure::usage(error.to_string()))?;
        let pipe = Arc::new(Pipe::new(Arc::clone(&self.house), self.place.clone(), token));
        let zone = self.place.zone.as_deref().and_then(|zone| zone.parse().ok());
        let caller = at_the_pipe(zone.unwrap_or(chrono_tz::UTC), selection);
        let clock = SystemClock::shared();
        let limits = Limits::default();
        let handler = Handler::for_pipe(Arc::clone(&pipe) as _, caller, clock, limits);
        let served = mcp::stdio::serve(handler).await;
        pipe.close().await;
        served.map_err(|error| Failure::internal("the pipe was not served").because(&error))?;
        Ok(0)
    }
}

/// Whoever started this process. Who that is on the board is known only when the house is reached,
/// which checks every call; until then all tools are listed.
fn at_the_pipe(zone: chrono_tz::Tz, selection: Selection) -> Caller {
    let person = Person {
        id: PersonId(0),
        name: String::new(),
        email: None,
        kind: PersonKind::Person,
        role: Role::Owner,
    };
    let principal = Principal { person, by: Initiative::Person };
    Caller { id: "pipe".to_owned(), principal, zone, tools: Vec::new(), selection }
}
