//! Copies one item once and only once, whatever happens meanwhile.
//!
//! Each item is written under a mark of its own, which the target remembers: a write whose answer
//! was lost, or whose process ended, is asked for by its mark. Where the target cannot tell, what it
//! made is looked for. Then the link is kept. An item that has a link is written again only where its
//! source changed since, and only if the target did not change as well: what people wrote there stays.

use super::engine::{Engine, Outcome, Pass, locked};
use super::links::Link;
use super::noun::{Card, Digests, Key, Kind, Noun, digest, digests, is_blank};
use super::patience::Halt;
use crate::board::{BoardError, Result};
use crate::domain::{EffectState, Mark, RunId, Stamp};
use std::sync::atomic::Ordering;

/// Writes under one name of which nobody knows what became.
const UNSURE_MAX: u32 = 20;

/// Fields that cannot be carried over, and why.
type Lacks = Vec<(&'static str, String)>;

/// Whether an item was written under a mark before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sure {
    No,
    Perhaps,
    Yes,
}

/// What making an item came to.
enum Made {
    /// It would be made.
    Planned(Lacks),
    /// It was there.
    Met { link: Link, differs: Option<String> },
    /// It was made.
    Whole { link: Link, lacks: Lacks },
    /// It is there, and what of it was written is to be looked at.
    Partly(Link),
}

/// What a change came to.
struct Renewed {
    link: Link,
    wrote: bool,
    kept: Vec<&'static str>,
    lacks: Lacks,
}

/// The board says no, to this.
fn is_refusal(error: &BoardError) -> bool {
    matches!(error, BoardError::Malformed(_) | BoardError::Unsupported(_) | BoardError::Conflict(_))
}

/// The fields of a card that are carried over with a new item.
fn first_fields<N: Noun>(card: &Card, lacks: &Lacks) -> Digests {
    let waits = |(field, value): &&(&'static str, _)| N::LATE.contains(field) && !is_blank(value);
    let lacking = |field: &str| lacks.iter().any(|(lacking, _)| *lacking == field);
    card.iter()
        .filter(|field| !waits(field) && !lacking(field.0))
        .map(|(field, value)| ((*field).to_owned(), digest(value)))
        .collect()
}

/// Whether edits change anything about a field.
fn moves<N: Noun>(was: &N, field: &str, edits: &[N::Edit]) -> bool {
    let mut after = was.clone();
    for edit in edits {
        N::apply(edit, &mut after);
    }
    let value = |of: &N| of.card().into_iter().find(|(name, _)| *name == field);
    value(was) != value(&after)
}

impl Engine {
    fn stamp(&self, mark: Mark) -> Stamp {
        Stamp { mark: Some(mark), ..Stamp::by(self.way.writer) }
    }

    /// The mark for the next write of an item, and whether one was written under this name before.
    async fn mark(&self, kind: Kind, key: Key, turn: Option<u32>) -> Result<(Mark, Sure)> {
        let run = RunId::new(self.links().pair.run_of(kind, key, turn));
        let mut sure = Sure::No;
        for seq in 1..=UNSURE_MAX {
            let mark = Mark { run: run.clone(), seq };
            match self.way.target.effect_of(&mark).await? {
                EffectState::Absent => return Ok((mark, sure)),
                EffectState::Applied(_) => return Ok((mark, Sure::Yes)),
                EffectState::Unknown => sure = Sure::Perhaps,
            }
        }
        let what = format!("it is not known what became of {UNSURE_MAX} tries to write it");
        Err(BoardError::Conflict(what))
    }

    /// What became of an item that could not be written.
    async fn failed(
        &self,
        tries: u32,
        error: BoardError,
    ) -> std::result::Result<Option<Outcome>, Halt> {
        let is_worse = matches!(error, BoardError::Denied(_) | BoardError::Unusable { .. });
        if !error.is_transient() && !is_worse {
            return Ok(Some(Outcome::Left(error.to_string())));
        }
        if error.is_transient() && self.breathe(tries, &error).await {
            return Ok(None);
        }
        self.gave_up(error).map(Some)
    }

    pub(super) async fn make<N: Noun>(&self, item: &N) -> std::result::Result<Outcome, Halt> {
        let mut tries = 0;
        let made = loop {
            match self.make_once(item).await {
                Ok(made) => break made,
                Err(error) => {
                    if let Some(outcome) = self.failed(tries, error).await? {
                        return Ok(outcome);
                    }
                }
            }
            tries += 1;
        };
        self.failed.store(0, Ordering::Relaxed);
        self.linked(item, made).await
    }

    async fn make_once<N: Noun>(&self, item: &N) -> Result<Made> {
        let (mark, sure) = self.mark(N::KIND, item.key(), None).await?;
        if sure == Sure::No
            && let Some(twin) = item.twin(&self.way).await?
        {
            let (target, of_target) = (twin.key(), digests(&twin.card()));
            let of_source = digests(&item.card());
            let link = Link { target, of_source, of_target, ..Link::default() };
            return Ok(Made::Met { link, differs: item.differs(&twin) });
        }
        if sure == Sure::Perhaps {
            if let Some(link) = self.look(item).await? {
                return Ok(Made::Partly(link));
            }
            // It may be under way still.
            self.patience.settle().await;
            if let Some(link) = self.look(item).await? {
                return Ok(Made::Partly(link));
            }
        }
        if let Some(why) = item.refusal(&self.way) {
            return Err(BoardError::Unsupported(why));
        }
        let (edits, lacks) = self.wishes(item);
        if self.options.dry_run {
            return Ok(Made::Planned(lacks));
        }
        let stamp = self.stamp(mark);
        match item.add(&self.way, &stamp, &edits).await {
            Ok(after) => {
                let of_source = first_fields::<N>(&item.card(), &lacks);
                let (target, of_target) = (after.key(), digests(&after.card()));
                let link = Link { target, of_source, of_target, ..Link::default() };
                Ok(Made::Whole { link, lacks })
            }
            // Something of it is refused: the rest is written field by field.
            Err(error) if is_refusal(&error) && !edits.is_empty() => {
                let after = item.add(&self.way, &stamp, &[]).await?;
                Ok(Made::Partly(Link { target: after.key(), ..Link::default() }))
            }
            Err(error) => Err(error),
        }
    }

    /// What an earlier write of this item may have made.
    async fn look<N: Noun>(&self, item: &N) -> Result<Option<Link>> {
        let _held = self.looking.lock().await;
        let found = item.alike(&self.way).await?;
        let own = found.into_iter().find(|one| !self.links().is_taken(N::KIND, one.key()));
        let link = own.map(|own| Link { target: own.key(), ..Link::default() });
        if let Some(link) = &link {
            // Nobody else is to take it for theirs.
            self.links().remember(N::KIND, item.key(), link.clone());
        }
        Ok(link)
    }

    /// The edits of a new item, and which fields cannot be.
    fn wishes<N: Noun>(&self, item: &N) -> (Vec<N::Edit>, Lacks) {
        let (mut edits, mut lacks) = (Vec::new(), Lacks::new());
        for (field, value) in item.card() {
            if N::LATE.contains(&field) || is_blank(&value) {
                continue;
            }
            match item.wish(field, None, &self.way) {
                Ok(found) => edits.extend(found),
                Err(why) => lacks.push((field, why)),
            }
        }
        (edits, lacks)
    }

    fn tell_lacks<N: Noun>(&self, item: &N, lacks: &Lacks) {
        for (field, why) in lacks {
            self.leave(item, format!("{field}: {why}"));
        }
    }

    async fn linked<N: Noun>(&self, item: &N, made: Made) -> std::result::Result<Outcome, Halt> {
        let (kind, key) = (N::KIND, item.key());
        match made {
            Made::Planned(lacks) => {
                self.tell_lacks(item, &lacks);
                self.links().plan(kind, key);
                Ok(Outcome::New)
            }
            Made::Met { link, differs } => {
                self.keep(kind, key, link).await?;
                if let Some(differs) = differs {
                    self.leave(item, differs);
                }
                Ok(Outcome::Met)
            }
            Made::Whole { link, lacks } => {
                self.tell_lacks(item, &lacks);
                self.keep(kind, key, link).await?;
                locked(&self.fresh).insert((kind, key));
                Ok(Outcome::New)
            }
            Made::Partly(link) => {
                self.keep(kind, key, link.clone()).await?;
                locked(&self.fresh).insert((kind, key));
                match self.renew(item, link, Pass::First).await? {
                    Outcome::Left(why) => self.leave(item, why),
                    Outcome::Kept(fields) => self.leave(item, kept(&fields)),
                    _ => {}
                }
                Ok(Outcome::New)
            }
        }
    }

    async fn keep(&self, kind: Kind, key: Key, link: Link) -> std::result::Result<(), Halt> {
        if self.options.dry_run {
            self.links().remember(kind, key, link);
            return Ok(());
        }
        Ok(self.links().put(kind, key, link).await?)
    }

    /// Carries over what changed since the last copy.
    pub(super) async fn renew<N: Noun>(
        &self,
        item: &N,
        link: Link,
        pass: Pass,
    ) -> std::result::Result<Outcome, Halt> {
        let changed: Vec<&'static str> = item
            .card()
            .iter()
            .filter(|(field, _)| N::LATE.contains(field) == (pass == Pass::Late))
            .filter(|(field, value)| link.of_source.get(*field) != Some(&digest(value)))
            .map(|(field, _)| *field)
            .collect();
        if changed.is_empty() || link.is_planned {
            return Ok(Outcome::Same);
        }
        let mut tries = 0;
        let renewed = loop {
            match self.renew_once(item, &link, &changed).await {
                Ok(Some(renewed)) => break renewed,
                Ok(None) => return Ok(Outcome::Left("it was removed there".to_owned())),
                Err(error) => {
                    if let Some(outcome) = self.failed(tries, error).await? {
                        return Ok(outcome);
                    }
                }
            }
            tries += 1;
        };
        self.failed.store(0, Ordering::Relaxed);
        self.tell_lacks(item, &renewed.lacks);
        if renewed.link != link {
            self.keep(N::KIND, item.key(), renewed.link).await?;
        }
        match (renewed.wrote, renewed.kept.is_empty()) {
            (true, is_all) => {
                if !is_all {
                    self.leave(item, kept(&renewed.kept));
                }
                Ok(Outcome::Changed)
            }
            (false, false) => Ok(Outcome::Kept(renewed.kept)),
            (false, true) => Ok(Outcome::Same),
        }
    }

    /// `None`: it is not on the target any more.
    async fn renew_once<N: Noun>(
        &self,
        item: &N,
        link: &Link,
        changed: &[&'static str],
    ) -> Result<Option<Renewed>> {
        let Some(was) = item.get(&self.way, link.target).await? else { return Ok(None) };
        let mut link = link.clone();
        let now = digests(&was.card());
        let (mark, is_again) = self.free_mark(N::KIND, item.key(), &mut link.turn).await?;
        if is_again {
            // What is there now was, or may have been, written by us.
            link.of_target.clone_from(&now);
        }
        let mut plan: Vec<(&'static str, Vec<N::Edit>)> = Vec::new();
        let (mut kept, mut lacks) = (Vec::new(), Lacks::new());
        let mut done = Vec::new();
        for field in changed {
            let edits = match item.wish(field, Some(&was), &self.way) {
                Ok(edits) => edits,
                Err(why) => {
                    lacks.push((*field, why));
                    continue;
                }
            };
            let known = link.of_target.get(*field);
            if !moves(&was, field, &edits) {
                done.push(*field);
            } else if known.is_none_or(|known| now.get(*field) == Some(known)) {
                plan.push((*field, edits));
            } else {
                kept.push(*field);
            }
        }
        let wrote = !plan.is_empty();
        let mut after = was;
        if wrote && !self.options.dry_run {
            after = self.write(item, after, mark, plan, (&mut link, &mut done, &mut lacks)).await?;
        }
        let card = digests(&after.card());
        let of_source = digests(&item.card());
        for field in &done {
            for (known, values) in [(&mut link.of_source, &of_source), (&mut link.of_target, &card)]
            {
                known.extend(values.get_key_value(*field).map(|(k, v)| (k.clone(), v.clone())));
            }
        }
        Ok(Some(Renewed { link, wrote, kept, lacks }))
    }

    /// All at once, or field by field where something of it is refused.
    async fn write<N: Noun>(
        &self,
        item: &N,
        was: N,
        mark: Mark,
        plan: Vec<(&'static str, Vec<N::Edit>)>,
        (link, done, lacks): (&mut Link, &mut Vec<&'static str>, &mut Lacks),
    ) -> Result<N> {
        let all: Vec<N::Edit> = plan.iter().flat_map(|(_, edits)| edits.clone()).collect();
        match item.edit(&self.way, &self.stamp(mark), &was, &all).await {
            Ok(after) => {
                link.turn += 1;
                done.extend(plan.iter().map(|(field, _)| *field));
                return Ok(after);
            }
            Err(error) if !is_refusal(&error) => return Err(error),
            Err(_) => {}
        }
        let mut after = was;
        for (field, edits) in plan {
            let (mark, _) = self.free_mark(N::KIND, item.key(), &mut link.turn).await?;
            match item.edit(&self.way, &self.stamp(mark), &after, &edits).await {
                Ok(written) => {
                    after = written;
                    link.turn += 1;
                    done.push(field);
                }
                Err(error) if is_refusal(&error) => lacks.push((field, error.to_string())),
                Err(error) => return Err(error),
            }
        }
        Ok(after)
    }

    /// A mark under which nothing was done, from this turn on; and whether there was one before.
    async fn free_mark(&self, kind: Kind, key: Key, turn: &mut u32) -> Result<(Mark, bool)> {
        let mut is_again = false;
        loop {
            let (mark, sure) = self.mark(kind, key, Some(*turn)).await?;
            is_again |= sure != Sure::No;
            if sure != Sure::Yes {
                return Ok((mark, is_again));
            }
            *turn += 1;
        }
    }
}

/// What is said of fields that changed on both sides.
pub(super) fn kept(fields: &[&str]) -> String {
    format!("{} changed on both sides: left as it is there", fields.join(", "))
}
