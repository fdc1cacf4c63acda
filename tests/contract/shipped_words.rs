//! The names that the shipped playbooks may use: all tools of the house, and its agents.

use rota::playbook::Vocabulary;
use rota::tools::{ToolKind, catalogue};

pub fn vocabulary() -> Vocabulary {
    let mut words = super::playbooks::vocabulary();
    let tools = catalogue().iter().filter(|tool| tool.kind != ToolKind::Operate);
    words.tools.extend(tools.map(|tool| (tool.name.to_owned(), tool.kind != ToolKind::Read)));
    let agents = ["AI-Planner", "AI-Timekeeper"].map(str::to_owned);
    words.agents.iter_mut().for_each(|known| known.extend(agents.clone()));
    words
}
