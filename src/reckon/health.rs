//! How a project is doing, by rules that anybody can check.

use super::effort::hours_text;

/// Red, yellow or green.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Light {
    /// As planned.
    #[default]
    Green,
    /// At risk.
    Yellow,
    /// In trouble.
    Red,
}

impl Light {
    /// As people read it, and as a status update takes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Green => "green",
            Self::Yellow => "yellow",
            Self::Red => "red",
        }
    }
}

/// What the rules look at.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Tasks that are not done.
    pub open: u64,
    /// Of these, those that were due.
    pub overdue: u64,
    /// Of these, those that cannot go on.
    pub blocked: u64,
    /// Milestones that are not reached.
    pub milestones: Vec<MilestoneFacts>,
    /// Minutes that were spent.
    pub spent: i64,
    /// Minutes that may be spent; `None`: nobody said.
    pub budget: Option<i64>,
    /// How much of the work is done, in hundredths, by tasks.
    pub done_percent: u64,
}

/// A milestone that is not reached.
#[derive(Clone, Debug)]
pub struct MilestoneFacts {
    /// Its one line.
    pub headline: String,
    /// Whole days until its deadline; below 0: it has passed.
    pub days_left: i64,
    /// How many of its tasks are done, in hundredths.
    pub done_percent: u64,
}

/// A rule that applies, with the numbers that it applies to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// What it makes of the project.
    pub light: Light,
    /// Why.
    pub why: String,
}

/// The rules, in words: what a report states.
pub const RULES: [&str; 7] = [
    "red: a milestone's deadline has passed and it is not reached",
    "red: a quarter of the open tasks or more are overdue",
    "red: more hours are spent than the budget has",
    "yellow: a task is overdue, or cannot go on",
    "yellow: a milestone is due within 7 days and less than half of its tasks are done",
    "yellow: 80 % of the budget or more is spent, and less than that of the tasks is done",
    "green: none of these",
];

/// A milestone is near when it is due within so many days.
const NEAR_DAYS: i64 = 7;
/// So much of the budget is much, in hundredths.
const MUCH_PERCENT: i64 = 80;

/// How a project is doing, and which rules say so, the worst first.
pub fn health(facts: &Facts) -> (Light, Vec<Ruling>) {
    let mut found = Vec::new();
    let mut rule = |light, why: String| found.push(Ruling { light, why });
    for milestone in &facts.milestones {
        let (name, days, done) = (&milestone.headline, milestone.days_left, milestone.done_percent);
        if days < 0 {
            rule(Light::Red, format!("the deadline of {name} passed {} ago", days_text(-days)));
        } else if days <= NEAR_DAYS && done < 50 {
            let when =
                if days == 0 { "today".to_owned() } else { format!("in {}", days_text(days)) };
            rule(
                Light::Yellow,
                format!("{name} is due {when}, and {done} % of its tasks are done"),
            );
        }
    }
    if facts.overdue > 0 {
        let is_much = facts.overdue * 4 >= facts.open;
        let light = if is_much { Light::Red } else { Light::Yellow };
        rule(light, format!("{} of {} open tasks overdue", facts.overdue, facts.open));
    }
    if facts.blocked > 0 {
        let tasks = if facts.blocked == 1 { "task" } else { "tasks" };
        rule(Light::Yellow, format!("{} {tasks} cannot go on", facts.blocked));
    }
    if let Some(budget) = facts.budget.filter(|budget| *budget > 0) {
        let (spent, all) = (hours_text(facts.spent), hours_text(budget));
        let percent = facts.spent.saturating_mul(100) / budget;
        let done = i64::try_from(facts.done_percent).unwrap_or(100);
        if facts.spent > budget {
            rule(Light::Red, format!("{spent} are spent of a budget of {all}"));
        } else if percent >= MUCH_PERCENT && done < percent {
            let text =
                format!("{percent} % of the budget is spent, and {done} % of the tasks are done");
            rule(Light::Yellow, text);
        }
    }
    found.sort_by_key(|ruling| std::cmp::Reverse(ruling.light));
    (found.iter().map(|ruling| ruling.light).max().unwrap_or_default(), found)
}

fn days_text(days: i64) -> String {
    if days == 1 { "1 day".to_owned() } else { format!("{days} days") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        Facts { open: 10, done_percent: 50, ..Facts::default() }
    }

    fn milestone(days_left: i64, done_percent: u64) -> Vec<MilestoneFacts> {
        vec![MilestoneFacts { headline: "Launch".into(), days_left, done_percent }]
    }

    #[test]
    fn each_rule_says_its_colour_and_its_numbers() {
        let cases: [(Facts, Light, &str); 10] = [
            (facts(), Light::Green, ""),
            (Facts { overdue: 2, ..facts() }, Light::Yellow, "2 of 10 open tasks overdue"),
            (Facts { overdue: 3, ..facts() }, Light::Red, "3 of 10 open tasks overdue"),
            (Facts { blocked: 1, ..facts() }, Light::Yellow, "1 task cannot go on"),
            (
                Facts { milestones: milestone(-1, 90), ..facts() },
                Light::Red,
                "the deadline of Launch passed 1 day ago",
            ),
            (
                Facts { milestones: milestone(7, 49), ..facts() },
                Light::Yellow,
                "Launch is due in 7 days, and 49 % of its tasks are done",
            ),
            (Facts { milestones: milestone(7, 50), ..facts() }, Light::Green, ""),
            (Facts { milestones: milestone(8, 0), ..facts() }, Light::Green, ""),
            (
                Facts { spent: 80 * 60, budget: Some(100 * 60), ..facts() },
                Light::Yellow,
                "80 % of the budget is spent, and 50 % of the tasks are done",
            ),
            (
                Facts { spent: 101 * 60, budget: Some(100 * 60), ..facts() },
                Light::Red,
                "101 h are spent of a budget of 100 h",
            ),
        ];
        for (facts, light, why) in cases {
            let (found, rulings) = health(&facts);
            assert_eq!(found, light, "{facts:?}");
            let said: Vec<_> = rulings.into_iter().map(|ruling| ruling.why).collect();
            assert_eq!(said.join("; "), why);
        }
        let worst = Facts { blocked: 1, milestones: milestone(-3, 0), ..facts() };
        let (light, rulings) = health(&worst);
        assert_eq!((light, rulings[0].light, rulings.len()), (Light::Red, Light::Red, 2));
    }
}
