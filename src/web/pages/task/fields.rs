//! The boxes of a form about a task: the same where one is added and where it is edited.

use super::TEXT_MAX;
use crate::domain::Value;
use crate::web::pages::form::Form;
use crate::web::pages::shown::{int, text};
use maud::{Markup, html};

/// The priorities, most urgent first.
const PRIORITIES: [&str; 5] = ["critical", "high", "medium", "low", "lowest"];

/// What stands in the boxes, and what may be chosen.
pub(in crate::web::pages) struct Fields<'a> {
    /// How the names of boxes begin in the page: it may have more than one such form.
    pub ids: &'a str,
    pub said: &'a Form,
    pub statuses: &'a [Value],
    /// Everybody.
    pub people: &'a [Value],
}

impl Fields<'_> {
    pub(in crate::web::pages) fn shown(&self) -> Markup {
        html! {
            div.fields {
                div.wide {
                    (self.label("headline", "Headline"))
                    input id=(self.id("headline")) name="headline" maxlength="250" required value=(self.said.text("headline"));
                }
                (self.chosen("status", "Status", None, &self.statuses()))
                (self.chosen("assignee", "Assigned to", Some("nobody"), &self.people()))
                (self.chosen("priority", "Priority", Some("none"), &priorities()))
                div {
                    (self.label("due", "Due"))
                    input id=(self.id("due")) type="date" name="due" value=(self.said.text("due"));
                }
                div.wide {
                    (self.label("tags", "Tags, with commas between them"))
                    input id=(self.id("tags")) name="tags" value=(self.said.text("tags"));
                }
                (self.long("description", "Description", 8))
                (self.long("criteria", "Done when", 4))
            }
        }
    }

    fn id(&self, name: &str) -> String {
        format!("{}{name}", self.ids)
    }

    fn label(&self, name: &str, title: &str) -> Markup {
        html! { label for=(self.id(name)) { (title) } }
    }

    fn long(&self, name: &str, title: &str, rows: u8) -> Markup {
        html! {
            div.wide {
                (self.label(name, title))
                textarea id=(self.id(name)) name=(name) rows=(rows) maxlength=(TEXT_MAX) {
                    // A browser takes the first line end away.
                    "\n" (self.said.text(name))
                }
            }
        }
    }

    /// A choice, with a word for nothing where that may be chosen. What somebody sent that is not among it
    /// stands there as they sent it.
    fn chosen(
        &self,
        name: &str,
        title: &str,
        nothing: Option<&str>,
        options: &[(String, String)],
    ) -> Markup {
        let said = self.said.text(name);
        let is_known = said.is_empty() || options.iter().any(|(value, _)| value == said);
        html! {
            div {
                (self.label(name, title))
                select id=(self.id(name)) name=(name) {
                    @if !is_known { option value=(said) selected { (said) } }
                    @if let Some(nothing) = nothing { option value="" selected[said.is_empty()] { (nothing) } }
                    @for (value, word) in options {
                        option value=(value) selected[value == said] { (word) }
                    }
                }
            }
        }
    }

    fn statuses(&self) -> Vec<(String, String)> {
        self.statuses.iter().map(|own| (number(own), text(own, "label").to_owned())).collect()
    }

    /// Agents are called so.
    fn people(&self) -> Vec<(String, String)> {
        let named = self.people.iter().map(|person| {
            let mark = if text(person, "kind") == "agent" { " (agent)" } else { "" };
            (number(person), format!("{}{mark}", text(person, "name")))
        });
        named.collect()
    }
}

fn priorities() -> Vec<(String, String)> {
    let all = (1..).zip(PRIORITIES);
    all.map(|(number, word): (u8, _)| (number.to_string(), format!("{number} {word}"))).collect()
}

fn number(value: &Value) -> String {
    int(value, "id").unwrap_or_default().to_string()
}

/// Tags as they are typed.
pub(in crate::web::pages) fn tags(said: &str) -> Vec<&str> {
    said.split(',').map(str::trim).filter(|tag| !tag.is_empty()).collect()
}
