//! The MCP server at a pipe.

use super::Session;
use crate::app::failure::{Failure, FailureKind};
use crate::app::house::Place;
use crate::cli::args::outside::McpArgs;
use crate::cli::pipe::Pipe;
use crate::clock::{SystemClock, SystemEntropy};
use crate::domain::{Initiative, Person, PersonId, PersonKind, Principal, Role};
use crate::mcp::stdio::PipeError;
use crate::mcp::{self, Caller, Handler, Seals, Selection};
use std::sync::Arc;

impl Session<'_> {
    /// `rota mcp`. The configuration is read; everything else waits for the first call.
    pub(super) async fn mcp(&self, args: &McpArgs) -> Result<u8, Failure> {
        let token = args.token()?;
        let asked =
            Selection::parse(&args.toolsets).map_err(|error| Failure::usage(error.to_string()))?;
        let configured = self.house.at_pipe(&self.place)?;
        if configured.wants_http {
            return Err(Failure::usage(
                "HTTP is configured ([mcp] transport, or MCP_TRANSPORT), and `rota mcp` speaks at a pipe",
            )
            .hint("`rota serve` serves HTTP at /mcp; for a pipe set the transport to stdio"));
        }
        // The team's zone, where it has one: its members are not all where this process is.
        let zone = configured.zone.or_else(|| self.place.zone.clone());
        let place = Place { zone, ..configured.place.unwrap_or_else(|| self.place.clone()) };
        let zone = place.zone.as_deref().and_then(|zone| zone.parse().ok());
        let caller = at_the_pipe(zone.unwrap_or(chrono_tz::UTC), asked.and(&configured.selection));
        let pipe = Arc::new(Pipe::new(Arc::clone(&self.house), place, token));
        let clock = SystemClock::shared();
        let seals = Seals::new(&SystemEntropy);
        let calls = Arc::clone(&pipe) as _;
        let handler = Handler::for_pipe(calls, caller, clock, seals, configured.limits);
        let served = mcp::stdio::serve(handler).await;
        pipe.close().await;
        served.map(|()| 0).map_err(|error| match error {
            PipeError::Handshake(_) => Failure::new(FailureKind::Refused, error.to_string())
                .hint("an MCP client starts `rota mcp` and speaks first; see docs/mcp.md"),
            PipeError::BrokeOff(_) => Failure::internal("the pipe was not served").because(&error),
        })
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
    let (tools, projects) = Default::default();
    Caller { id: "pipe".to_owned(), principal, zone, tools, projects, selection, run: None }
}
