//! Who waits, in which order, and what goes together.

use super::super::call::{Call, Parcel, Trouble};
use super::{Answer, Lane};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Calls in one request.
const CALLS_MAX: usize = 50;
/// Bytes of one request, about; one group of calls may be larger.
const BYTES_MAX: usize = 1024 * 1024;
/// What asks for everything that there is.
const HEAVY: &[&str] = &[
    "tickets.getAll",
    "comments.pollComments",
    "timesheets.getAll",
    "calendar.getMyCalendar",
    "goalcanvas.pollGoals",
];
/// More do not wait.
const WAITING_MAX: usize = 10_000;

/// Calls that go together, and who waits for them.
#[derive(Debug)]
pub(super) struct Job {
    lane: Lane,
    parcel: Parcel,
    /// For reads.
    pub(super) key: Option<String>,
    waiting: Vec<oneshot::Sender<Answer>>,
    deadline: Instant,
    pub(super) tries: u8,
}

impl Job {
    pub(super) fn is_read(&self) -> bool {
        self.key.is_some()
    }

    /// Whoever waits for it is not to be held up.
    fn is_urgent(&self) -> bool {
        self.lane == Lane::Claims || !self.is_read()
    }

    /// A question about everything, which may take the server a second and more.
    fn is_heavy(&self) -> bool {
        self.is_read() && self.methods().iter().any(|method| HEAVY.contains(method))
    }

    /// How many replies are its own.
    pub(super) fn calls(&self) -> usize {
        match &self.parcel {
            Parcel::Calls(calls) => calls.len(),
            Parcel::GoalForm(_) => 1,
        }
    }

    pub(super) fn methods(&self) -> Vec<&'static str> {
        match &self.parcel {
            Parcel::Calls(calls) => calls.iter().map(|call| call.method).collect(),
            Parcel::GoalForm(_) => vec!["goalcanvas"],
        }
    }

    pub(super) fn answer(self, answer: &Answer) {
        for one in self.waiting {
            // Whoever does not wait any more needs no answer.
            let _ = one.send(answer.clone());
        }
    }

    fn is_wanted(&self) -> bool {
        self.waiting.iter().any(|one| !one.is_closed())
    }

    fn bytes(&self) -> usize {
        match &self.parcel {
            Parcel::Calls(calls) => calls.iter().map(|call| call.params.to_string().len()).sum(),
            Parcel::GoalForm(_) => BYTES_MAX,
        }
    }
}

/// One request of these.
pub(super) fn pack(jobs: &[Job]) -> Parcel {
    let calls = |job: &Job| -> Vec<Call> {
        match &job.parcel {
            Parcel::Calls(calls) => calls.clone(),
            Parcel::GoalForm(_) => Vec::new(),
        }
    };
    match jobs {
        [Job { parcel: form @ Parcel::GoalForm(_), .. }] => form.clone(),
        jobs => Parcel::Calls(jobs.iter().flat_map(calls).collect()),
    }
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    lanes: [VecDeque<Job>; 3],
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.lanes.iter().all(VecDeque::is_empty)
    }

    /// The lane that is served first; the last one if nobody waits.
    pub(super) fn first_lane(&self) -> Lane {
        let all = [Lane::Claims, Lane::People, Lane::Background];
        let mut waiting = all.into_iter().zip(&self.lanes).filter(|(_, lane)| !lane.is_empty());
        waiting.next().map_or(Lane::Background, |(lane, _)| lane)
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.lanes.iter().flatten().map(|job| job.deadline).min()
    }

    /// Waits for its turn; a read that nobody has sent yet is waited for together.
    pub(super) fn enter(
        &mut self,
        lane: Lane,
        parcel: Parcel,
        key: Option<String>,
        deadline: Instant,
    ) -> oneshot::Receiver<Answer> {
        let (sender, receiver) = oneshot::channel();
        if self.lanes.iter().map(VecDeque::len).sum::<usize>() >= WAITING_MAX {
            let _ = sender.send(Err(Trouble::unsent("too many requests wait for it already")));
            return receiver;
        }
        let own = &mut self.lanes[lane as usize];
        let same = own.iter_mut().find(|job| key.is_some() && job.key == key);
        if let Some(job) = same {
            job.waiting.push(sender);
            job.deadline = job.deadline.max(deadline);
        } else {
            let waiting = vec![sender];
            own.push_back(Job { lane, parcel, key, waiting, deadline, tries: 0 });
        }
        receiver
    }

    /// Those whose time is over are told so; those whom nobody waits for are dropped.
    pub(super) fn give_up(&mut self, now: Instant, wait: Duration) {
        for lane in &mut self.lanes {
            for job in std::mem::take(lane) {
                if !job.is_wanted() {
                    continue;
                }
                if job.deadline <= now {
                    let wait = wait.max(Duration::from_secs(1));
                    job.answer(&Err(Trouble::Limited { wait, limit: None }));
                } else {
                    lane.push_back(job);
                }
            }
        }
    }

    /// As many as fit into one request, down to this lane; one alone for a trial. Claims and writes do
    /// not wait for the answer to a question about everything.
    pub(super) fn take(&mut self, last: Lane, is_trial: bool) -> Vec<Job> {
        let (mut taken, mut calls, mut bytes) = (Vec::new(), 0, 0);
        let (mut is_urgent, mut is_heavy) = (false, false);
        for lane in &mut self.lanes[..=last as usize] {
            while let Some(job) = lane.front() {
                let apart = (is_urgent && job.is_heavy()) || (is_heavy && job.is_urgent());
                let is_form = matches!(job.parcel, Parcel::GoalForm(_));
                let has_room = calls + job.calls() <= CALLS_MAX && bytes + job.bytes() <= BYTES_MAX;
                if !taken.is_empty() && (is_trial || is_form || !has_room || apart) {
                    return taken;
                }
                (is_urgent, is_heavy) = (is_urgent || job.is_urgent(), is_heavy || job.is_heavy());
                (calls, bytes) = (calls + job.calls(), bytes + job.bytes());
                taken.extend(lane.pop_front());
                if is_form {
                    return taken;
                }
            }
        }
        taken
    }

    /// Back to where they were: nothing of them was run.
    pub(super) fn restore(&mut self, jobs: Vec<Job>) {
        for job in jobs.into_iter().rev() {
            self.lanes[job.lane as usize].push_front(job);
        }
    }

    pub(super) fn fail_all(&mut self, trouble: &Trouble) {
        for job in self.lanes.iter_mut().flat_map(std::mem::take) {
            job.answer(&Err(trouble.clone()));
        }
    }
}
