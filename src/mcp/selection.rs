//! Which tools a client wants to see: all, some toolsets, only those that look.

use crate::tools::{Definition, ToolKind, Toolset};
use std::collections::BTreeSet;

/// Which tools a client asked to see; a call to another is refused like an unknown one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Only these; empty: all that are shown unasked.
    sets: BTreeSet<Toolset>,
    /// Only those that change nothing.
    readonly: bool,
}

/// A name that no toolset has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no toolset {name:?}; there are {}, and readonly", Toolset::names().join(", "))]
pub struct SelectionError {
    /// What was asked for.
    pub name: String,
}

impl Selection {
    /// Reads names joined by commas: `tasks,comments,readonly`. `all` stands for what is shown unasked,
    /// too.
    ///
    /// # Errors
    /// Names the first that is unknown: silence would show a client fewer tools than it asked for.
    pub fn parse(text: &str) -> Result<Self, SelectionError> {
        let mut selection = Self::default();
        let mut all = false;
        for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            match name.to_ascii_lowercase().as_str() {
                "all" => all = true,
                "readonly" => selection.readonly = true,
                other => {
                    let set = Toolset::named(other).filter(|set| set.is_served());
                    let shown = || name.chars().filter(|c| !c.is_control()).take(40).collect();
                    let set = set.ok_or_else(|| SelectionError { name: shown() })?;
                    selection.sets.insert(set);
                }
            }
        }
        if all {
            let unasked = Toolset::all().filter(|set| set.is_shown_unasked());
            if selection.sets.iter().all(|set| set.is_shown_unasked()) {
                selection.sets.clear();
            } else {
                selection.sets.extend(unasked);
            }
        }
        Ok(selection)
    }

    /// What both ask for.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        self.readonly |= other.readonly;
        if self.sets.is_empty() {
            self.sets.clone_from(&other.sets);
        } else if !other.sets.is_empty() {
            self.sets.retain(|set| other.sets.contains(set));
            // Nothing in common shows nothing; `Tokens` is never served.
            if self.sets.is_empty() {
                self.sets.insert(Toolset::Tokens);
            }
        }
        self
    }

    /// Whether a program that names no toolsets may call the tool, also one that is not shown unasked.
    pub fn reaches(&self, tool: &Definition) -> bool {
        let in_set = self.sets.is_empty() || self.sets.contains(&tool.set);
        tool.set.is_served() && in_set && (!self.readonly || tool.kind == ToolKind::Read)
    }

    /// Whether the tool is among them.
    pub fn shows(&self, tool: &Definition) -> bool {
        let in_set = if self.sets.is_empty() {
            tool.set.is_shown_unasked()
        } else {
            self.sets.contains(&tool.set)
        };
        tool.set.is_served() && in_set && (!self.readonly || tool.kind == ToolKind::Read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_without_regard_to_case_and_blanks() {
        let some = Selection::parse(" Tasks, comments ,,").unwrap();
        assert_eq!(some.sets, BTreeSet::from([Toolset::Tasks, Toolset::Comments]));
        assert!(!some.readonly);
        assert!(Selection::parse("readonly").unwrap().readonly);
        assert_eq!(Selection::parse("tasks,all").unwrap(), Selection::default());
        assert_eq!(Selection::parse("").unwrap(), Selection::default());
    }

    #[test]
    fn sprints_are_shown_to_whoever_names_them_alone_or_beside_all() {
        let shown = |asked: &str, name: &str| {
            let tool = crate::tools::catalogue().iter().find(|tool| tool.name == name).unwrap();
            Selection::parse(asked).unwrap().shows(tool)
        };
        for (asked, sprints, tasks) in [
            ("", false, true),
            ("all", false, true),
            ("tasks", false, true),
            ("sprints", true, false),
            ("tasks,sprints", true, true),
            ("all,sprints", true, true),
        ] {
            let seen = (shown(asked, "addSprint"), shown(asked, "addTask"));
            assert_eq!(seen, (sprints, tasks), "{asked:?}");
        }
        assert!(
            shown("sprints,readonly", "findSprints") && !shown("sprints,readonly", "addSprint")
        );
    }

    #[test]
    fn an_unknown_name_is_refused_with_those_there_are() {
        let error = Selection::parse("tasks,taskz").unwrap_err().to_string();
        assert!(error.contains("\"taskz\"") && error.contains("tasks, "), "{error}");
        assert!(Selection::parse("tokens").is_err(), "not served");
    }

    #[test]
    fn two_selections_show_what_both_show() {
        let one = Selection::parse("tasks,people").unwrap();
        let other = Selection::parse("people,readonly").unwrap();
        let both = one.clone().and(&other);
        assert_eq!(both, Selection::parse("people,readonly").unwrap());
        assert_eq!(Selection::default().and(&one), one);
        let nothing = one.and(&Selection::parse("projects").unwrap());
        assert!(!crate::tools::catalogue().iter().any(|tool| nothing.shows(tool)));
    }
}
