//! The words of the house: plain data that every room speaks in.
//!
//! Nothing here does I/O, reads a clock or rolls dice. Types are nouns of the field; how they are
//! stored, sent or decided upon is the business of the floors above.

#[macro_use]
mod shapes;

mod arrival;
mod calendar;
mod change;
mod claim;
mod comment;
mod cost;
mod decision;
mod effect;
mod filter;
mod finding;
mod fitness;
mod goal;
mod guards;
mod host;
mod hours;
mod ical;
mod id;
mod marker;
mod member;
mod milestone;
mod money;
mod notice;
mod occurrence;
mod person;
mod playbook;
mod project;
mod reason;
mod report;
mod review;
mod rounds;
mod run;
mod source_link;
mod sprint;
mod staging;
mod task;
mod time;
mod timer;
mod timesheet;
mod token;
mod value;
mod work;
mod workspace;

pub use arrival::Arrival;
pub use calendar::{
    CalendarEvent, During, EventEdit, EventQuery, NewEvent, ScheduleQuery, Scheduled, When,
};
pub use change::{Activity, EffectState, Entity, Mark, Stamp, TaskEdit, Written};
pub use claim::{
    Assistant, Before, Claim, ClaimEnd, EndKind, Holder, Parked, Phase, Revoked, Untold, Wrote,
};
pub use comment::{Comment, CommentTarget, NewComment, Rating};
pub use cost::CostBy;
pub use decision::Decision;
pub use effect::{Effect, EffectActor, EffectResult, RUN_CHECK, ToolCall};
pub use filter::{
    ActivityQuery, AssigneeFilter, CommentQuery, Cursor, MilestoneQuery, Page, TaskOrder, TaskQuery,
};
pub use finding::{CODE_COMMENT, Finding, Severity};
pub use fitness::{Fitness, FitnessVerdict};
pub use goal::{
    Goal, GoalBoard, GoalBoardQuery, GoalEdit, GoalQuery, GoalStatus, Metric, NewGoal,
    NewGoalBoard, progress,
};
pub use guards::{Exchange, Guards, MAKES_TASKS, Turn, same_agent};
pub use host::is_loopback;
pub use hours::Hours;
pub use ical::icalendar;
pub use id::{
    ActivityId, BoardName, CommentId, DaemonId, EventId, Fence, GoalBoardId, GoalId, LifeId,
    MilestoneId, OccurrenceId, PersonId, PlaybookName, ProjectId, RunId, SprintId, StatusId,
    TaskId, TimeEntryId, TimerId, TokenId,
};
pub use marker::{MARKER_AHEAD_MAX, MARKER_MARGIN, Marker, NewMarker, Thread};
pub use member::{Member, MemberQuery, role_in};
pub use milestone::{Milestone, MilestoneEdit, NewMilestone};
pub use money::{parse_money, show_money};
pub use notice::{Ask, Body, Channel, Delivery, Mention, Missed, Notice, Receipt, Recipient};
pub use occurrence::{Covers, Occurrence, OccurrenceState, Trigger};
pub use person::{Initiative, NewPerson, Person, PersonKind, Principal, Role};
pub use playbook::{
    AssigneeSelector, BoardEvent, CatchUp, ClaimRules, DayBudget, DueSelector, Fold, Gap, Gate,
    Gather, HandBack, Limits, Mode, On, OrderKey, Outcome, Overlap, Playbook, Review, Reviewer,
    Rubric, Scope, Select, StatusSelector, Suitability, Webhook, WhenUnsuitable, WriteScope,
};
pub use project::{NewProject, Project, ProjectEdit, Status, StatusKind, default_statuses};
pub use reason::Reason;
pub use report::{OnFailure, Report, ReportWhen};
pub use review::{Decided, HandOver, ReviewRules, Verdict, WaitItem, WaitKind, Waiting};
pub use rounds::{
    Author, FINDING_CHARS_MAX, FINDINGS_MAX, ReviewSource, Rounds, blockers, bounded,
    most_severe_first, settled_by,
};
pub use run::{AsLeft, LookedAt, Run, RunState, Usage, WorkedBy};
pub use source_link::{LINK_PARTS, LinkTarget, check_link, link_to};
pub use sprint::{NewSprint, Sprint, SprintEdit, SprintQuery};
pub use staging::{Proposal, ProposalState, Sentence, Staging};
pub use task::{NewTask, Task, TaskKind};
pub use time::{
    Span, StoreTime, Timestamp, from_millis, millis, parse_duration, show_duration, to_delta,
};
pub use timer::{NewTimer, StopTimer, Stopped, Timer, TimerKind, TimerLog, TimerQuery};
pub use timesheet::{
    TimeAmount, TimeChange, TimeEntry, TimeGroup, TimeKey, TimeKind, TimeQuery, TimeSum, Week,
    WeekRow, hours_of_seconds, seconds_of_hours,
};
pub use token::{NewToken, Token, TokenKind};
pub use value::Value;
pub use work::{Permissions, Step, Work};
pub use workspace::{
    Check, HostPort, SandboxLevel, WorkspaceHooks, WorkspaceRules, WorkspaceSource,
    allows_repository, check_reference, check_repository, is_of_workspace,
};
