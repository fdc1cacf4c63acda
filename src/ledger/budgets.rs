//! What runs spend, by playbook and civil day, and what is reserved for those under way: before a run
//! begins the most that it may use is set aside, so that runs side by side cannot use more together than
//! the day allows; when its record ends, what it used takes the place of that.
//!
//! A day is the one on which a run began. What a model's exchange used is noted before its answer is
//! used, so that a crash forgets one exchange at most.

use super::begun::LifeOf;
use super::records::{self, Found, Record, contended};
use super::{Ledger, LedgerError, Result, TRIES_MAX, keys};
use crate::domain::{
    DaemonId, DayBudget, LifeId, PlaybookName, Reason, Run, RunId, RunState, Usage,
};
use crate::store::Batch;
use chrono::{Days, NaiveDate};
use serde::{Deserialize, Serialize};

/// So long the sums of a day are kept.
const KEEP: Days = Days::new(400);
/// So many days that are older are forgotten when a new one begins.
const FORGET: usize = 16;
/// A program's own word counts up to so many times what was set aside for it: a mistake of one must
/// not be everybody's day.
const SAID_TIMES: u64 = 10;
/// More reservations than there ever are at a time.
const RESERVATIONS_MAX: usize = 10_000;

/// Tokens and money.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amount {
    /// Tokens.
    pub tokens: u64,
    /// Money, in millionths.
    pub cost_micros: u64,
}

/// What was used in a day, and what is set aside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaySpent {
    /// By runs that have ended.
    pub spent: Amount,
    /// For runs under way.
    pub reserved: Amount,
}

/// What is set aside for one run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Reservation {
    playbook: PlaybookName,
    day: NaiveDate,
    amount: Amount,
    /// What it is known to have used so far.
    used: Amount,
    /// Whether what it uses is noted as it uses it.
    metered: bool,
    daemon: DaemonId,
    life: LifeId,
}

/// What a run asks for.
#[derive(Clone, Debug)]
pub struct ReserveAsk {
    /// The run that is to begin.
    pub run: RunId,
    /// Its playbook.
    pub playbook: PlaybookName,
    /// The civil day on which it begins.
    pub day: NaiveDate,
    /// The most tokens it may use.
    pub tokens: u64,
    /// The most money it may use; `None`: as much as is left.
    pub cost_micros: Option<u64>,
    /// What all playbooks may use in the day.
    pub team: DayBudget,
    /// What this one may.
    pub own: DayBudget,
    /// Whether what it uses will be noted as it uses it.
    pub metered: bool,
}

impl Amount {
    fn plus(self, other: Self) -> Self {
        Self {
            tokens: self.tokens.saturating_add(other.tokens),
            cost_micros: self.cost_micros.saturating_add(other.cost_micros),
        }
    }

    fn minus(self, other: Self) -> Self {
        Self {
            tokens: self.tokens.saturating_sub(other.tokens),
            cost_micros: self.cost_micros.saturating_sub(other.cost_micros),
        }
    }

    /// At most so many times another; nothing of it is no bound.
    fn at_most(self, times: u64, other: Self) -> Self {
        let bounded =
            |said: u64, of: u64| if of == 0 { said } else { said.min(of.saturating_mul(times)) };
        Self {
            tokens: bounded(self.tokens, other.tokens),
            cost_micros: bounded(self.cost_micros, other.cost_micros),
        }
    }

    fn at_least(self, other: Self) -> Self {
        Self {
            tokens: self.tokens.max(other.tokens),
            cost_micros: self.cost_micros.max(other.cost_micros),
        }
    }
}

impl From<Usage> for Amount {
    fn from(usage: Usage) -> Self {
        let tokens = usage.tokens_in.saturating_add(usage.tokens_out);
        Self { tokens, cost_micros: usage.cost_micros }
    }
}

impl DaySpent {
    /// What of a budget is neither used nor set aside.
    fn left(&self, budget: DayBudget) -> DayBudget {
        let used = self.spent.plus(self.reserved);
        DayBudget {
            tokens: budget.tokens.map(|most| most.saturating_sub(used.tokens)),
            cost_micros: budget.cost_micros.map(|most| most.saturating_sub(used.cost_micros)),
        }
    }
}

impl ReserveAsk {
    /// What is set aside, or why that is more than is left.
    fn amount(&self, team: &DaySpent, own: &DaySpent) -> std::result::Result<Amount, String> {
        let mut amount = Amount { tokens: self.tokens, cost_micros: self.cost_micros.unwrap_or(0) };
        let all = [
            (team.left(self.team), "the team's [budget]"),
            (own.left(self.own), "the playbook's [limits]"),
        ];
        let mut money_left: Option<u64> = None;
        for (left, whose) in all {
            if let Some(left) = left.tokens.filter(|left| *left < self.tokens) {
                return Err(format!(
                    "a run may use {} tokens, and of {whose} {left} are left for {}",
                    self.tokens, self.day
                ));
            }
            let Some(left) = left.cost_micros else { continue };
            if left < self.cost_micros.unwrap_or(1) {
                let needs = self.cost_micros.map_or("money".to_owned(), money);
                let left = money(left);
                return Err(format!(
                    "a run may use {needs}, and of {whose} {left} is left for {}",
                    self.day
                ));
            }
            money_left = Some(money_left.map_or(left, |least| least.min(left)));
        }
        if self.cost_micros.is_none() {
            amount.cost_micros = money_left.unwrap_or(0);
        }
        Ok(amount)
    }
}

fn money(micros: u64) -> String {
    format!("{}.{:02}", micros / 1_000_000, micros / 10_000 % 100)
}

impl Ledger {
    /// Sets the most aside that a run may use, all or nothing; asking again for the same run answers as
    /// the first time. The inner error says why there is not enough left.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn reserve(&self, ask: &ReserveAsk) -> Result<std::result::Result<Amount, String>> {
        let key = keys::reservation(&ask.run);
        let _turn = self.spending.lock().await;
        for _ in 0..TRIES_MAX {
            if let Some(found) = self.read::<Reservation>(&key).await? {
                return Ok(Ok(found.value.amount));
            }
            let (team, own) = self.days(&ask.playbook, ask.day).await?;
            let of = |day: &Option<Record<DaySpent>>| {
                day.as_ref().map(|day| day.value).unwrap_or_default()
            };
            let amount = match ask.amount(&of(&team), &of(&own)) {
                Ok(amount) => amount,
                Err(why) => return Ok(Err(why)),
            };
            let new = Reservation {
                playbook: ask.playbook.clone(),
                day: ask.day,
                amount,
                used: Amount::default(),
                metered: ask.metered,
                daemon: self.options.daemon.clone(),
                life: self.options.life.clone(),
            };
            let mut batch = records::create(Batch::new(), &key, &new)?;
            for (day, of_whom) in [(&team, None), (&own, Some(&ask.playbook))] {
                let mut sum = of(day);
                sum.reserved = sum.reserved.plus(amount);
                let key = keys::spent(of_whom, ask.day);
                batch = records::replace(batch, &key, &sum, day.as_ref())?;
                if day.is_none() {
                    batch = self.forget_days(batch, of_whom, ask.day).await?;
                }
            }
            if self.try_commit(batch).await? {
                return Ok(Ok(amount));
            }
        }
        Err(contended(key))
    }

    /// Why a run could not begin now; `None`: there is enough left.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn no_budget(&self, ask: &ReserveAsk) -> Result<Option<String>> {
        let (team, own) = match self.days(&ask.playbook, ask.day).await {
            Err(error) if error.is_of_newer() => {
                return Ok(Some("what the day has used was written by a newer Rota".to_owned()));
            }
            days => days?,
        };
        let of = |day: Option<Record<DaySpent>>| day.map(|day| day.value).unwrap_or_default();
        Ok(ask.amount(&of(team), &of(own)).err())
    }

    /// What was used in a day, by one playbook or by all.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn spent(&self, playbook: Option<&PlaybookName>, day: NaiveDate) -> Result<DaySpent> {
        let found: Option<Record<DaySpent>> = self.read_known(&keys::spent(playbook, day)).await?;
        Ok(found.map(|found| found.value).unwrap_or_default())
    }

    /// Notes what a run has used just now.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn meter(&self, run: &RunId, used: Usage) -> Result<()> {
        let key = keys::reservation(run);
        for _ in 0..TRIES_MAX {
            let Some(found) = self.read::<Reservation>(&key).await? else { return Ok(()) };
            let mut wanted = found.value.clone();
            wanted.used = wanted.used.plus(used.into());
            let batch = records::replace(Batch::new(), &key, &wanted, Some(&found))?;
            if self.try_commit(batch).await? {
                return Ok(());
            }
        }
        Err(contended(key))
    }

    /// A run that something was set aside for did not begin after all.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn give_back_budget(&self, run: &RunId) -> Result<()> {
        let key = keys::reservation(run);
        let _turn = self.spending.lock().await;
        for _ in 0..TRIES_MAX {
            let Some(found) = self.read::<Reservation>(&key).await? else { return Ok(()) };
            let used = found.value.used;
            let batch = self.settled(Batch::new(), &key, &found, used).await?;
            if self.try_commit(batch).await? {
                return Ok(());
            }
        }
        Err(contended(key))
    }

    /// Gives back what an earlier life of this daemon set aside for runs that never began.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn give_back_left_over(&self) -> Result<usize> {
        let own = self.own_life();
        self.give_back_of(|whose| whose.daemon == own.daemon && whose.life != own.life).await
    }

    /// The same of daemons that are gone.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn give_back_of(&self, is_gone: impl Fn(&LifeOf) -> bool) -> Result<usize> {
        let all: Vec<(String, Record<Reservation>)> =
            records::scan_all(self.store.as_ref(), keys::RESERVATION, RESERVATIONS_MAX).await?;
        let mut given_back = 0;
        for (key, found) in all {
            let Reservation { daemon, life, .. } = found.value;
            let is_left_over = is_gone(&LifeOf { daemon, life });
            let Some(run) = key.strip_prefix(keys::RESERVATION).filter(|_| is_left_over) else {
                continue;
            };
            let run = RunId::new(run);
            let record: Option<Record<Run>> = match self.read(&keys::run(&run)).await {
                // Whoever began it sees to what it used.
                Err(error) if error.is_of_newer() => continue,
                record => record?,
            };
            if record.is_none_or(|record| record.value.ended.is_some()) {
                self.give_back_budget(&run).await?;
                given_back += 1;
            }
        }
        Ok(given_back)
    }

    /// Adds to the commit that ends a run's record what it used, in the place of what was set aside.
    pub(super) async fn settle_budget(&self, batch: Batch, run: &Run) -> Result<Batch> {
        let key = keys::reservation(&run.id);
        let Some(found) = self.read::<Reservation>(&key).await? else { return Ok(batch) };
        let said = Amount::from(run.usage);
        // A program that ended before it could say what it used may have used all it might.
        let has_told = matches!(
            run.state,
            RunState::Succeeded
                | RunState::NothingToDo
                | RunState::Waiting
                | RunState::Failed
                | RunState::Unverified
                | RunState::Refused
        ) && run.reason != Some(Reason::CommandFailed);
        let Reservation { metered, amount, used, .. } = found.value;
        let used = match metered {
            true => said.at_least(used),
            false if said == Amount::default() && !has_told => amount,
            false => said.at_most(SAID_TIMES, amount).at_least(used),
        };
        self.settled(batch, &key, &found, used).await
    }

    async fn settled(
        &self,
        batch: Batch,
        key: &str,
        found: &Record<Reservation>,
        used: Amount,
    ) -> Result<Batch> {
        let mut batch = records::remove(batch, key, found);
        let Reservation { playbook, day, amount, .. } = &found.value;
        for of_whom in [None, Some(playbook)] {
            let key = keys::spent(of_whom, *day);
            let old: Option<Record<DaySpent>> = match self.find(&key).await? {
                Found::Known(old) => Some(old),
                Found::Nothing => None,
                // The sum is a newer Rota's; that a run has ended does not wait for it.
                Found::Newer => continue,
            };
            let mut sum = old.as_ref().map(|old| old.value).unwrap_or_default();
            sum.reserved = sum.reserved.minus(*amount);
            sum.spent = sum.spent.plus(used);
            batch = records::replace(batch, &key, &sum, old.as_ref())?;
        }
        Ok(batch)
    }

    async fn days(
        &self,
        playbook: &PlaybookName,
        day: NaiveDate,
    ) -> Result<(Option<Record<DaySpent>>, Option<Record<DaySpent>>)> {
        let team = self.read(&keys::spent(None, day)).await?;
        Ok((team, self.read(&keys::spent(Some(playbook), day)).await?))
    }

    /// Sums of days that are long past go when a new day begins.
    async fn forget_days(
        &self,
        batch: Batch,
        playbook: Option<&PlaybookName>,
        day: NaiveDate,
    ) -> std::result::Result<Batch, LedgerError> {
        let Some(before) = day.checked_sub_days(KEEP) else { return Ok(batch) };
        let oldest = keys::spent(playbook, before);
        let rows = self.store.scan(&keys::spent_prefix(playbook), None, FORGET).await?;
        let mut batch = batch;
        for row in rows.into_iter().filter(|row| row.key < oldest) {
            if !records::is_marked(self.store.as_ref(), &row).await? {
                batch = batch.delete(row.key);
            }
        }
        Ok(batch)
    }
}
