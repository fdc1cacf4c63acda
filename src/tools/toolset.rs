//! Toolsets: tools by what they are about, so that a client may ask for some of them only.

/// What a tool is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Toolset {
    /// Finding, adding, changing tasks and subtasks.
    Tasks,
    /// Comments and status updates.
    Comments,
    /// Projects and their status labels.
    Projects,
    /// Timesheets and timers.
    Time,
    /// Milestones.
    Milestones,
    /// Goals and goal boards.
    Goals,
    /// Sprints. Served to clients that name it: those of Leantime's tools know none, and the listing
    /// that everybody pays for stays short.
    Sprints,
    /// Who belongs to which project: changing it. Served to clients that name it: managers set up a team
    /// once.
    Members,
    /// What waits for a person. Served to clients that name it: the listing that everybody pays for
    /// stays short.
    Reviews,
    /// Standup, plans, health, pace, load: what takes several questions and some reckoning. Served to
    /// clients that name it: the listing that everybody pays for stays short.
    Reports,
    /// Events, and tasks whose work is planned.
    Calendar,
    /// Who is on the board.
    People,
    /// Claims, runs and playbooks: looking.
    Records,
    /// Running, stopping, arming, releasing.
    Operate,
    /// The audit log, what became of each wake, what was spent, what could not be told, the daemons there are.
    /// Served to clients that name it.
    Audit,
    /// The files of a run's workspace, what a review notes of them, and checks: for runs alone.
    Code,
    /// What a run alone has.
    Run,
    /// Tokens: from a terminal only. A secret that is shown once must not go through a model.
    Tokens,
    /// Tools of other servers: accepted from a terminal only, by people.
    Upstreams,
}

impl Toolset {
    const ALL: [(Self, &'static str); 19] = [
        (Self::Tasks, "tasks"),
        (Self::Comments, "comments"),
        (Self::Projects, "projects"),
        (Self::Time, "time"),
        (Self::Milestones, "milestones"),
        (Self::Goals, "goals"),
        (Self::Sprints, "sprints"),
        (Self::Members, "members"),
        (Self::Reviews, "reviews"),
        (Self::Reports, "reports"),
        (Self::Calendar, "calendar"),
        (Self::People, "people"),
        (Self::Records, "records"),
        (Self::Operate, "operate"),
        (Self::Audit, "audit"),
        (Self::Code, "code"),
        (Self::Run, "run"),
        (Self::Tokens, "tokens"),
        (Self::Upstreams, "upstreams"),
    ];

    /// Every toolset.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::ALL.iter().map(|(set, _)| *set)
    }

    /// The toolset of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(set, _)| *set)
    }

    /// The names that clients may ask for.
    pub fn names() -> Vec<&'static str> {
        Self::ALL.iter().filter(|(set, _)| set.is_served()).map(|(_, name)| *name).collect()
    }

    /// The toolset that a token's pattern names: `set:tasks`. Only those that are served have one.
    pub fn in_pattern(pattern: &str) -> Option<Self> {
        Self::named(pattern.strip_prefix("set:")?).filter(|set| set.is_served())
    }

    /// Whether a client that names no toolsets is shown it.
    pub fn is_shown_unasked(self) -> bool {
        let hidden = matches!(
            self,
            Self::Sprints | Self::Members | Self::Reviews | Self::Reports | Self::Audit
        );
        self.is_served() && !hidden
    }

    /// Whether clients from outside are offered its tools.
    pub fn is_served(self) -> bool {
        !matches!(self, Self::Code | Self::Run | Self::Tokens | Self::Upstreams)
    }
}
