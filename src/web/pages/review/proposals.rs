//! Proposed writes: each with its number, what it changes, and room to choose and to edit.

use crate::domain::Value;
use crate::web::pages::shown::{chip, filled, int, list, text};
use maud::{Markup, html};

/// To be looked at only.
pub(super) fn shown(proposals: &Value) -> Markup {
    html! {
        ol.proposals {
            @for item in list(proposals, "items") { li { (one(item)) } }
        }
    }
}

/// To choose from. What is edited is written as the tool's arguments.
pub(super) fn choose(proposals: &Value) -> Markup {
    // Other proposals have other boxes: nothing that was typed for these is taken over into them.
    let run = text(proposals, "run");
    html! {
        fieldset.proposals {
            // The form is about what is proposed, also where nothing of it is chosen.
            input type="hidden" name="proposals" value="yes";
            legend { "Proposed writes" }
            ol {
                @for item in list(proposals, "items") {
                    @let number = int(item, "number").unwrap_or_default();
                    li {
                        label.choice {
                            input type="checkbox" name="only" value=(number) checked;
                            (one(item))
                        }
                        details {
                            summary { "Edit number " (number) }
                            label for={ "edit-" (run) "-" (number) } { "Arguments of " (text(item, "tool")) " (JSON)" }
                            textarea.code id={ "edit-" (run) "-" (number) } name={ "edit-" (number) } rows="6"
                                spellcheck="false" { (written(item)) }
                        }
                    }
                }
            }
        }
    }
}

fn one(item: &Value) -> Markup {
    html! {
        span.proposal {
            span.number { (int(item, "number").unwrap_or_default()) }
            " " strong { (text(item, "tool")) } " " span.quiet { (text(item, "entity")) }
            @if let Some(state) = filled(item, "state").filter(|state| *state != "open") {
                " " (chip(state)) " " (text(item, "why"))
            }
            @for change in list(item, "changes") {
                span.change { (change) }
            }
        }
    }
}

/// A proposal's arguments as they stand in their box.
pub(super) fn written(item: &Value) -> String {
    let args = item.get("args").cloned().unwrap_or_default();
    serde_json::to_string_pretty(&args).unwrap_or_default()
}
