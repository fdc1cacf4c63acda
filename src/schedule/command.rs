//! Commands to agents in people's comments: `@AI-Agent status`. Pure.

use super::candidates::folded;

/// What every agent is called, besides its own name.
const ANY_AGENT: [&str; 2] = ["agent", "AI-Agent"];
/// A longer word is no command, and talk.
const WORD_CHARS_MAX: usize = 30;

/// What people may tell agents in a comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    /// Whoever works at the task stops, and hands it back.
    Stop,
    /// The claim is taken away from its holder.
    Release,
    /// The playbook that worked at it last works at it again.
    Retry,
    /// What was handed over is accepted.
    Approve,
    /// Says what is going on.
    Status,
}

/// A comment that tells an agent something by one word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told<'a> {
    /// The agent that was named; `None`: whichever it is.
    pub agent: Option<&'a str>,
    /// What it is told; `Err`: a word that is no command.
    pub command: Result<Command, String>,
}

impl Command {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Stop, Self::Release, Self::Retry, Self::Approve, Self::Status];

    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Release => "release",
            Self::Retry => "retry",
            Self::Approve => "approve",
            Self::Status => "status",
        }
    }
}

/// What a comment tells one of these agents: its first line that is not blank is, without regard to case
/// and to `.` or `!` at its end, `@NAME word`, where the name is an agent's, `agent` or `AI-Agent`.
/// Anything more on that line, and it is talk.
pub fn told<'a>(text: &str, agents: &[&'a str]) -> Option<Told<'a>> {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
    let line = folded(line.trim_end_matches(['.', '!']));
    let (whom, word) = line.strip_prefix('@')?.rsplit_once(char::is_whitespace)?;
    let whom = whom.trim_end().trim_end_matches([':', ',']);
    let word = word.trim_start_matches('/');
    let agent = agents.iter().copied().find(|agent| folded(agent) == whom);
    let is_any = ANY_AGENT.iter().any(|name| folded(name) == whom);
    if agent.is_none() && !is_any || word.is_empty() || word.chars().count() > WORD_CHARS_MAX {
        return None;
    }
    let known = Command::ALL.into_iter().find(|command| command.as_str() == word);
    Some(Told { agent, command: known.ok_or_else(|| word.to_owned()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGENTS: [&str; 2] = ["AI Docs Writer", "AI-Worker"];

    #[test]
    fn one_word_to_an_agent_is_a_command_and_anything_more_is_talk() {
        let command = |text: &str| told(text, &AGENTS).map(|told| (told.agent, told.command));
        for (text, agent, expected) in [
            ("@AI-Agent stop", None, Command::Stop),
            ("@agent Status!", None, Command::Status),
            ("\n\n  @ai-worker: retry.\n\nThanks", Some("AI-Worker"), Command::Retry),
            ("@AI Docs Writer, /approve", Some("AI Docs Writer"), Command::Approve),
            ("@AI-Worker\trelease", Some("AI-Worker"), Command::Release),
        ] {
            assert_eq!(command(text), Some((agent, Ok(expected))), "{text:?}");
        }
        assert_eq!(command("@AI-Agent dance"), Some((None, Err("dance".to_owned()))));
        for text in [
            "",
            "@",
            "@AI-Agent",
            "@AI-Agent ",
            "@Ada stop",
            "AI-Agent stop",
            "please @AI-Agent stop",
            "@AI-Agent please stop",
            "Nice.\n@AI-Agent stop",
            "@AI-Agent /",
            "@AI-Agent !!!",
        ] {
            assert_eq!(command(text), None, "{text:?}");
        }
        assert_eq!(command(&format!("@AI-Agent {}", "x".repeat(WORD_CHARS_MAX + 1))), None);
    }
}
