//! Why something was, or was not, done: the closed list of reason codes.
//!
//! A code is stable: it stands in the ledger, in logs, in `rota why` and in `--json`, and is never
//! renamed. `docs/reasons.md` explains each; a test holds that page against this table.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! reasons {
    ($($(#[doc = $group:literal])? $variant:ident = $code:literal, $text:literal;)*) => {
        /// A reason code.
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(into = "&'static str", try_from = "String")]
        pub enum Reason {
            $(
                #[doc = $text]
                $variant,
            )*
        }

        impl Reason {
            /// Every reason, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The stable code.
            pub fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// One line for people.
            pub fn text(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

reasons! {
    // What became of an occurrence, or of a run as a whole.
    Done = "done", "it did what it was to do";
    HandedOver = "handed_over", "the work is done and waits for a person's review";
    SentBack = "sent_back", "the reviewer asked for changes, and the task goes back";
    AlreadyTold = "already_told", "people were told of it already, and are not told again";
    NothingToDo = "nothing_to_do", "no task matched, or there was nothing to report";
    Claimed = "claimed", "the task was claimed";
    Waiting = "waiting", "it waits for a person's answer";
    Proposed = "proposed", "what it would write waits for a person, who applies it or does not";
    TooLate = "too_late", "we got to it later than `on.late` allows";
    CatchUpNone = "catch_up_none", "it passed while the daemon was off or asleep, and `on.catch_up` is none";
    Superseded = "superseded", "a later instant of the same playbook was caught up instead";
    CatchUpMax = "catch_up_max", "more instants were missed than `on.catch_up_max` allows";
    Overlap = "overlap", "the occurrence before it was still running";
    Replaced = "replaced", "a later occurrence took its place";
    OtherEvent = "other_event", "what was told is called otherwise than `on.webhook` names";
    OutsideHours = "outside_hours", "it may only start within `on.hours`";
    Paused = "paused", "the playbook is paused";
    NotArmed = "not_armed", "a person has to arm the playbook first";
    Stopped = "stopped", "everything is stopped (`rota stop-all`)";
    NotThisDaemon = "not_this_daemon", "this daemon has none of the labels in `runs_on`";
    RunsPerDay = "runs_per_day", "the playbook has used its runs of the day";
    BudgetDay = "budget_day", "what is left of the day's tokens or money does not last for another run";
    PausedItself = "paused_itself", "the playbook paused itself after too many failures in a row";
    PlaybookGone = "playbook_gone", "the playbook is no longer there";
    LostLedger = "lost_ledger", "it fell into a gap in the restored ledger";
    Draining = "draining", "the daemon is stopping";
    // Why a task was not taken.
    OtherProject = "other_project", "it is in another project";
    OtherStatus = "other_status", "it has another status";
    MissingTag = "missing_tag", "it lacks a tag that is asked for";
    ExcludedTag = "excluded_tag", "it has a tag that keeps agents off";
    Assigned = "assigned", "it is assigned to somebody";
    OtherAssignee = "other_assignee", "it is not assigned as asked for";
    OtherKind = "other_kind", "it is of another kind";
    OtherDue = "other_due", "its due date is not as asked for";
    ChangedRecently = "changed_recently", "something happened to it within `select.unchanged_for`";
    ConditionFalse = "condition_false", "`select.where` does not hold";
    ConditionFailed = "condition_failed", "`select.where` could not be evaluated for it";
    BeyondLimit = "beyond_limit", "other tasks came first and `select.limit` was reached";
    NoAcceptanceCriteria = "no_acceptance_criteria", "it does not say when it counts as done";
    NoEstimate = "no_estimate", "it has neither points nor planned hours";
    OpenBlockers = "open_blockers", "it is blocked by a task that is not done";
    NoDescription = "no_description", "it has no text";
    Unsuitable = "unsuitable", "a model found that it is not fit to be worked at yet";
    RubricFailed = "rubric_failed", "the model that judges whether it is fit could not be asked";
    NotIndependent = "not_independent", "whoever worked at it is not independent of the reviewer";
    AlreadyClaimed = "already_claimed", "another run holds it";
    NoSlot = "no_slot", "all slots are taken";
    ConcurrentLimit = "concurrent_limit", "the playbook already has `limits.concurrent` runs";
    ReviewQueueFull = "review_queue_full", "`review.waiting_max` tasks already wait for a person";
    AttemptsUsedUp = "attempts_used_up", "every attempt that `limits.attempts` allows has failed";
    BackingOff = "backing_off", "its last attempt failed a short while ago";
    UnknownAgent = "unknown_agent", "the board has no user of the agent's name";
    UnknownStatus = "unknown_status", "its project has no such status";
    UnknownPerson = "unknown_person", "the board has no user whom the playbook names";
    PingPong = "ping_pong", "agents answered each other on it too often without a person";
    DelegationDepth = "delegation_depth", "agents made it for agents, too deep for another to take it";
    LostRace = "lost_race", "somebody else took it at the same moment";
    NotFound = "not_found", "it is not on the board";
    // How a claim or a run ended.
    PersonTookOver = "person_took_over", "a person changed its assignee or status";
    StopTag = "stop_tag", "a person tagged it `AI-Stop`";
    StopComment = "stop_comment", "a person told the agent to stop in a comment";
    ClaimLost = "claim_lost", "the claim ended while the run worked";
    LeaseExpired = "lease_expired", "nobody renewed the claim";
    ForceReleased = "force_released", "an operator took the claim away";
    Interrupted = "interrupted", "the daemon died while it worked";
    Cancelled = "cancelled", "somebody stopped it";
    TimedOut = "timed_out", "it took longer than `limits.time`";
    Stalled = "stalled", "it gave no sign of life for `limits.idle`";
    Unverified = "unverified", "it claimed a success that its journal does not show";
    UnknownOutcome = "unknown_outcome", "it named an outcome that the playbook does not define";
    NoOutcome = "no_outcome", "the work ended without naming an outcome";
    WorkFailed = "work_failed", "the work reported a failure";
    CommandFailed = "command_failed", "the program could not be run or ended in an error";
    ModelFailed = "model_failed", "the model could not be reached or broke off";
    ModelDeclined = "model_declined", "the model declined to work on it";
    RepeatedFailure = "repeated_failure", "it made the same failing call three times";
    WorkspaceFailed = "workspace_failed", "the task's workspace could not be made or used";
    WorkspaceBusy = "workspace_busy", "another run works in the task's workspace";
    WorkspacesFull = "workspaces_full", "workspaces take all the disk that `workspaces.bytes_max` allows";
    SourceRefused = "source_refused", "the repository or branch of the workspace is not allowed, or not there";
    HookFailed = "hook_failed", "a hook of the workspace failed";
    SandboxUnavailable = "sandbox_unavailable", "this machine cannot keep the sandbox that the playbook asks for";
    NoWorkspace = "no_workspace", "the run has no workspace to look into";
    TemplateFailed = "template_failed", "a template could not be filled in";
    GatherFailed = "gather_failed", "data for the run could not be read";
    ToolFailed = "tool_failed", "a tool failed in a way that ends a run";
    BudgetSpent = "budget_spent", "it used all that `limits` allows";
    UnknownEffect = "unknown_effect", "it is not known whether a write of it happened";
    BoardUnavailable = "board_unavailable", "the board could not be reached";
    StoreFailed = "store_failed", "local state could not be read or written";
    AnswerOverdue = "answer_overdue", "nobody answered within `answer_within`";
    ProposalsRejected = "proposals_rejected", "a person decided that what it proposed is not done";
    ProposalsExpired = "proposals_expired", "nobody decided about what it proposed within `review.apply_within`";
    // Why a tool call was refused.
    UnknownTool = "unknown_tool", "there is no such tool";
    ToolNotListed = "tool_not_listed", "the playbook does not list the tool";
    ToolNotAccepted = "tool_not_accepted", "no person has accepted this tool of another server yet";
    ToolChanged = "tool_changed", "another server describes its tool otherwise than it was accepted";
    UpstreamUnavailable = "upstream_unavailable", "the other server could not be reached";
    InvalidArguments = "invalid_arguments", "the arguments are not what the tool takes";
    OutOfScope = "out_of_scope", "it reaches beyond what `scope.write` allows";
    ScopeMax = "scope_max", "the tool was called as often as `scope.max` allows";
    TokenRefused = "token_refused", "the token does not count, or not for this";
    ServiceIsNobody = "service_is_nobody", "a service key belongs to no person, so nothing is theirs";
    RoleTooLow = "role_too_low", "the caller's role on the board does not allow it";
    TrustWindow = "trust_window", "the run may no longer believe its own lease";
    StaleFence = "stale_fence", "a later claim of the task exists";
    RevisionConflict = "revision_conflict", "it was changed since it was read";
    ReviewChanged = "review_changed", "something else waits for a decision there by now";
    Ambiguous = "ambiguous", "the name fits more than one";
    Unsupported = "unsupported", "this board cannot do that";
    AuditBroken = "audit_broken", "what is recorded was changed after it was written";
    RecordedOnly = "recorded_only", "the playbook only records its writes (shadow)";
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl From<Reason> for &'static str {
    fn from(reason: Reason) -> Self {
        reason.code()
    }
}

impl TryFrom<String> for Reason {
    type Error = String;
    fn try_from(code: String) -> Result<Self, String> {
        Self::ALL
            .iter()
            .copied()
            .find(|reason| reason.code() == code)
            .ok_or_else(|| format!("unknown reason code {code:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn codes_are_distinct_and_every_reason_has_a_text() {
        let codes: BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.code()).collect();
        assert_eq!(codes.len(), Reason::ALL.len());
        for reason in Reason::ALL {
            assert!(reason.code().bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
            assert!(reason.text().len() > 10, "{reason} says nothing");
        }
    }

    #[test]
    fn a_reason_survives_json() {
        for reason in Reason::ALL {
            let text = serde_json::to_string(reason).unwrap();
            assert_eq!(serde_json::from_str::<Reason>(&text).unwrap(), *reason);
        }
    }
}
