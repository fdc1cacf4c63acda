//! The address of somebody's own calendar, for calendar programs.

use super::operate::desk_error;
use crate::domain::{Role, Value};
use crate::tools::arguments::IdOrName;
use crate::tools::definition::{Definition, Words};
use crate::tools::registry::Parts;
use crate::tools::resolve::Directory;
use crate::tools::{Context, ToolError, show};
use schemars::JsonSchema;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};

pub(super) fn tools() -> Vec<Definition> {
    vec![Definition::operate::<GetICalUrl, CalendarAddress>(
        Words {
            name: "getICalUrl",
            title: "Get the address of your calendar",
            description: "A secret address at which calendar programs read your calendar; told once. \
                Example: {\"renew\": true}.",
            example: r#"{"renew": true}"#,
        },
        Role::Readonly,
        false,
        |parts, context, args| Box::pin(address(parts, context, args)),
    )]
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct GetICalUrl {
    /// A new one; ends the one before.
    #[serde(default)]
    renew: bool,
    /// Ends it.
    #[serde(default)]
    revoke: bool,
}

#[derive(Serialize, JsonSchema)]
struct CalendarAddress {
    /// Told once: whoever has it reads the calendar.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    /// Since when there is an address.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    /// What to do with it, or instead.
    note: &'static str,
}

async fn address(parts: &Parts, context: &Context, args: GetICalUrl) -> Result<Value, ToolError> {
    let me = Directory::read(parts, context).await?.person(&IdOrName::Id(0))?;
    let by = &context.principal.person.name;
    let feeds = parts.feeds()?;
    let told = |url, since, note| Ok(show::value(&CalendarAddress { url, since, note }));
    if args.revoke {
        let ended = feeds.end(me, by).await.map_err(desk_error)?;
        let note = if ended { "it reads nothing any more" } else { "there was none" };
        return told(None, None, note);
    }
    let since = feeds.since(me).await.map_err(desk_error)?;
    if let Some(since) = since.filter(|_| !args.renew) {
        let note =
            "it was told when it was made, and is not kept; renew makes another, and ends it";
        return told(None, Some(since.to_rfc3339()), note);
    }
    let secret = feeds.make(me, by).await.map_err(desk_error)?;
    let url = format!("{}/calendar/{}.ics", parts.address(), secret.expose_secret());
    let now = parts.clock.wall().to_rfc3339();
    let note = "give it to a calendar program as a subscription; who has it reads the calendar";
    told(Some(url), Some(now), note)
}
