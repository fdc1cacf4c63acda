//! Agents that keep each other busy: who wrote what on which task, how often it changed hands between
//! them since a person acted, and what is refused then.

use super::dispatcher::Dispatcher;
use super::hear::Trouble;
use super::parts::Parts;
use super::warnings;
use crate::domain::{
    Activity, Exchange, Mark, Occurrence, OccurrenceState, Person, PersonKind, Playbook,
    PlaybookName, Reason, RunId, TaskId, Trigger, Turn, same_agent,
};
use crate::ledger::Ledger;
use crate::schedule::{told_deep, told_of};
use std::collections::{BTreeMap, BTreeSet};

/// An agent that wrote.
#[derive(Clone, Debug)]
pub(super) struct Writer {
    playbook: PlaybookName,
    agent: String,
    /// A reviewer asked for its run.
    is_rework: bool,
    /// The playbooks that it sends back to.
    reviews: BTreeSet<PlaybookName>,
}

impl Writer {
    /// Whether a playbook would be woken by what its own agent wrote.
    pub(super) fn is_own(&self, playbook: &Playbook) -> bool {
        self.playbook == playbook.name || same_agent(&self.agent, &playbook.agent)
    }
}

/// What one look at the board's news knows of who wrote.
#[derive(Debug)]
pub(super) struct News {
    people: Vec<Person>,
    runs: BTreeMap<RunId, Option<Writer>>,
}

impl News {
    pub(super) async fn new(parts: &Parts) -> Result<Self, Trouble> {
        Ok(Self { people: parts.board.people().await?, runs: BTreeMap::new() })
    }

    /// The names of the agents on the board.
    pub(super) fn agents(&self) -> Vec<&str> {
        let agents = self.people.iter().filter(|person| person.kind == PersonKind::Agent);
        agents.map(|person| person.name.as_str()).collect()
    }

    /// The agent who made a change; `None`: a person did, or whoever a person lets act for them.
    pub(super) async fn writer(
        &mut self,
        parts: &Parts,
        row: &Activity,
    ) -> Result<Option<Writer>, Trouble> {
        if let Some(Mark { run, .. }) = &row.mark {
            if !self.runs.contains_key(run) {
                let writer = writer_of(parts, run).await?;
                self.runs.insert(run.clone(), writer);
            }
            if let Some(Some(writer)) = self.runs.get(run) {
                return Ok(Some(writer.clone()));
            }
        }
        // What an agent's user wrote without a run of ours: by an assistant, or another daemon.
        let agent = self.people.iter().find(|person| Some(person.id) == row.actor);
        Ok(agent.filter(|person| person.kind == PersonKind::Agent).map(|person| Writer {
            playbook: PlaybookName::new(""),
            agent: person.name.clone(),
            is_rework: false,
            reviews: BTreeSet::new(),
        }))
    }
}

async fn writer_of(parts: &Parts, run: &RunId) -> Result<Option<Writer>, Trouble> {
    let run = match parts.ledger.run(run.as_str()).await {
        Err(error) if error.is_of_newer() => None,
        run => run?,
    };
    let Some(run) = run else { return Ok(None) };
    let occurrence = match parts.ledger.occurrence(&run.occurrence).await {
        Err(error) if error.is_of_newer() => None,
        occurrence => occurrence?,
    };
    let playbook = parts.playbook(&run.playbook);
    let outcomes = playbook.iter().flat_map(|playbook| playbook.outcomes.values());
    Ok(Some(Writer {
        reviews: outcomes.filter_map(|outcome| outcome.rework.clone()).collect(),
        agent: playbook.map_or_else(|| run.playbook.to_string(), |p| p.agent.clone()),
        is_rework: occurrence.is_some_and(|o| o.trigger == Trigger::Rework),
        playbook: run.playbook,
    }))
}

/// Counts a change on a task: a person's ends what agents did there by themselves. What the task has
/// come to by then.
pub(super) async fn count(
    parts: &Parts,
    task: TaskId,
    row: &Activity,
    writer: Option<&Writer>,
) -> Result<Option<Exchange>, Trouble> {
    let before = match parts.ledger.exchange(task).await {
        Err(error) if error.is_of_newer() => {
            return Ok(writer.map(|_| Ledger::uncounted(row.id, row.at)));
        }
        before => before?,
    };
    let Some(writer) = writer else {
        if before.is_some_and(|before| before.row < row.id) {
            parts.ledger.end_exchange(task).await?;
        }
        return Ok(None);
    };
    let reviews_it = before.as_ref().is_some_and(|b| writer.reviews.contains(&b.playbook));
    let turn = Turn {
        agent: &writer.agent,
        playbook: &writer.playbook,
        is_review: writer.is_rework || reviews_it,
        row: row.id,
        at: row.at,
    };
    let after = Exchange::after(before.as_ref(), &turn);
    let stays = before.as_ref().is_some_and(|before| {
        before.count == after.count
            && before.playbook == after.playbook
            && same_agent(&before.agent, &after.agent)
    });
    if !stays {
        parts.ledger.put_exchange(task, &after).await?;
    }
    Ok(Some(after))
}

impl Dispatcher {
    /// Whether there are agents here who could answer each other.
    pub(super) fn has_several_agents(&self) -> bool {
        let mut agents = self.beliefs.books.values().map(|book| &book.playbook.agent);
        agents.next().is_some_and(|first| agents.any(|other| !same_agent(first, other)))
    }

    /// Why an agent's change on a task does not wake a playbook, where it would.
    pub(super) async fn is_far_enough(
        &self,
        playbook: &Playbook,
        task: TaskId,
        exchange: Option<&Exchange>,
    ) -> Result<Option<(Reason, String)>, Trouble> {
        let guards = self.parts.settings.guards;
        // A person's change wakes it all the same.
        let Some(exchange) = exchange else { return Ok(None) };
        if exchange.stops(&playbook.agent, guards) {
            return Ok(Some((Reason::PingPong, told_of(exchange))));
        }
        let depth = self.parts.ledger.depth(task).await?;
        let is_deep = depth > guards.delegation_depth_max;
        Ok(is_deep.then(|| (Reason::DelegationDepth, told_deep(depth))))
    }

    /// Records that a playbook was not woken, and why.
    pub(super) async fn refuse_to_wake(
        &self,
        playbook: &Playbook,
        task: TaskId,
        occurrence: Occurrence,
        (reason, detail): (Reason, &str),
    ) -> Result<(), Trouble> {
        let state = OccurrenceState::Skipped { reason };
        self.parts.ledger.put_occurrence(&Occurrence { state, ..occurrence }).await?;
        tracing::info!(playbook = %playbook.name, %task, %reason, %detail, "not woken");
        self.decide(&playbook.name, Some(task), reason, detail).await;
        if reason == Reason::PingPong {
            self.tell_ping_pong(&playbook.name, task, detail).await;
        }
        Ok(())
    }

    /// People are told once of agents that answer each other, until a person has acted on the task.
    pub(super) async fn tell_ping_pong(&self, playbook: &PlaybookName, task: TaskId, detail: &str) {
        let Some(playbook) = self.parts.playbook(playbook) else { return };
        let ledger = &self.parts.ledger;
        let exchange = match ledger.exchange(task).await {
            Ok(Some(exchange)) if !exchange.told => exchange,
            Ok(_) => return,
            // Whoever counted it tells of it.
            Err(error) if error.is_of_newer() => return,
            Err(error) => return tracing::warn!(%task, %error, "nobody is told of it yet"),
        };
        let notices = warnings::of_ping_pong(&self.parts, &playbook, task, &exchange, detail);
        // Told first, then noted: after a crash in between the same key is not told again.
        let told = match ledger.enqueue(notices).await {
            Ok(()) => ledger.exchange_told(task).await.map(|_| ()),
            Err(error) => Err(error),
        };
        if let Err(error) = told {
            tracing::error!(%task, %error, "the notice of it could not be stored");
        }
    }
}
