//! By what costs are told.

/// What a line of a report of costs stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CostBy {
    /// A playbook.
    Playbook,
    /// A board user whom playbooks act as.
    Agent,
    /// A model of `rota.toml`, or the sort of program.
    Model,
    /// A task.
    Task,
    /// A project.
    Project,
    /// A milestone.
    Milestone,
    /// A goal that the task's milestone counts towards; several of one milestone together.
    Goal,
    /// A civil day of the team's zone.
    Day,
}

impl CostBy {
    /// What can be asked for, by name.
    pub const ALL: [Self; 8] = [
        Self::Playbook,
        Self::Agent,
        Self::Model,
        Self::Task,
        Self::Project,
        Self::Milestone,
        Self::Goal,
        Self::Day,
    ];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Playbook => "playbook",
            Self::Agent => "agent",
            Self::Model => "model",
            Self::Task => "task",
            Self::Project => "project",
            Self::Milestone => "milestone",
            Self::Goal => "goal",
            Self::Day => "day",
        }
    }

    /// Whether each task is in one line.
    pub fn is_of_tasks(self) -> bool {
        matches!(self, Self::Task | Self::Project | Self::Milestone | Self::Goal)
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|by| by.as_str() == name)
    }

    /// What to say where something else was asked for.
    pub fn expected() -> String {
        format!("expected one of {}", Self::ALL.map(Self::as_str).join(", "))
    }
}
