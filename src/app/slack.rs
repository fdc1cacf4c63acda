//! What people click and type in Slack, carried out: as the person of the board that they are, by the
//! same tools as everywhere.

use super::outside::Outside;
use crate::app::failure::{Failure, FailureKind};
use crate::clock::Clock;
use crate::config::{Config, SlackApp};
use crate::domain::{Initiative, Person, PersonKind, Principal, Timestamp, Value};
use crate::ledger::{Coming, Ledger};
use crate::notify::{ResponseAddress, Slack, SlackWay};
use crate::tools::{Context, Progress, ToolError, ToolKind};
use crate::web::slack::{
    Asked, Choice, Clicked, Clicks, Decision, Once, Refusal, Signatures, blocks_for, form, reply,
    router,
};
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};

/// So much is under way at one time; more is refused.
const UNDER_WAY_MAX: usize = 32;
/// An answer is told for so long at most: Slack's addresses for answers hold for half an hour.
const ANSWER_TIME: Duration = Duration::from_mins(25);
/// Whoever starts a run hears of its end if it comes so soon.
const RUN_TIME: Duration = Duration::from_mins(24);
/// A run that has not begun by then waits for something.
const BEGINS_WITHIN: Duration = Duration::from_secs(2);
/// The time limit of a call to Slack.
const TIME_LIMIT: Duration = Duration::from_secs(20);

const HELP: &str = "/rota status | why TASK or PLAYBOOK | run PLAYBOOK [TASK] | stop RUN | stop all \
                    [REASON]";

/// What stands behind the routes.
#[derive(Clone)]
struct Desk {
    outside: Arc<Outside>,
    /// Names or addresses of people of the board, by Slack's ids.
    people: Arc<BTreeMap<String, String>>,
    /// The Web API, where there is a token: for forms, and for addresses of people.
    slack: Option<Arc<Slack>>,
    answers: Arc<ResponseAddress>,
    places: Arc<Semaphore>,
}

/// The routes, where `[slack]` says by which secret Slack signs.
pub(super) fn routes(
    config: &Config,
    outside: &Arc<Outside>,
    clock: &Arc<dyn Clock>,
) -> Result<axum::Router, Failure> {
    let SlackApp { signing_secret: Some(secret), people, .. } = &config.slack_app else {
        return Ok(axum::Router::new());
    };
    let faulty = |fault: String| Failure::new(FailureKind::Config, format!("[slack] {fault}"));
    let slack = web_api(config, clock).map_err(faulty)?;
    let is_local = slack.as_ref().is_some_and(|slack| slack.is_local());
    let answers = ResponseAddress::new(is_local, TIME_LIMIT, Arc::clone(clock)).map_err(faulty)?;
    let desk = Desk {
        outside: Arc::clone(outside),
        people: Arc::new(people.clone()),
        slack,
        answers: Arc::new(answers),
        places: Arc::new(Semaphore::new(UNDER_WAY_MAX)),
    };
    let once = Arc::new(Kept(Arc::clone(&outside.ledger)));
    let signatures = Signatures::new(secret.clone(), Arc::clone(clock), once);
    Ok(router(signatures, Arc::new(desk)))
}

/// What came is remembered with everything else that must not be forgotten.
struct Kept(Arc<Ledger>);

#[async_trait]
impl Once for Kept {
    async fn first(&self, signature: &str, until: Timestamp) -> Result<(), Refusal> {
        match self.0.request_comes(&format!("slack {signature}"), until).await {
            Ok(Coming::First) => Ok(()),
            Ok(Coming::Again) => Err(Refusal::Repeated),
            Ok(Coming::TooMany) => Err(Refusal::TooMany),
            Err(error) => {
                tracing::error!(%error, "whether a request came before cannot be told");
                Err(Refusal::Unknown)
            }
        }
    }
}

/// The Web API by the token of the destination that is told what waits, else of any other.
fn web_api(config: &Config, clock: &Arc<dyn Clock>) -> Result<Option<Arc<Slack>>, String> {
    let named = config.slack_app.reviews.iter().filter_map(|name| config.slack.get(name));
    for way in named.chain(config.slack.values()) {
        if let SlackWay::WebApi { api, token, .. } = way {
            let slack = Slack::new(api, token.clone(), TIME_LIMIT, Arc::clone(clock))?;
            return Ok(Some(Arc::new(slack)));
        }
    }
    Ok(None)
}

impl Clicks for Desk {
    fn begin(&self, asked: Asked) -> bool {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else { return false };
        let desk = self.clone();
        self.outside.calls.spawn(async move {
            if tokio::time::timeout(ANSWER_TIME, desk.answer(asked)).await.is_err() {
                tracing::warn!("an answer in Slack took too long");
            }
            drop(place);
        });
        true
    }
}

/// What came of it, for whoever asked; and whether it is decided now, for everybody.
struct Outcome {
    text: String,
    is_decided: bool,
}

impl From<String> for Outcome {
    fn from(text: String) -> Self {
        Self { text, is_decided: false }
    }
}

impl Desk {
    async fn answer(&self, asked: Asked) {
        let Asked { user, response_url, choice } = asked;
        if let Choice::Button { clicked, trigger, .. } = &choice
            && clicked.decision.needs_text()
        {
            let clicked = Clicked { response_url: response_url.clone(), ..clicked.clone() };
            return self.ask_for_text(&clicked, trigger, response_url.as_deref()).await;
        }
        let outcome = match self.person(&user).await {
            Err(refusal) => refusal.into(),
            Ok(person) => match &choice {
                Choice::Button { clicked, .. } => self.decide(person, clicked, "").await,
                Choice::Form { clicked, text } => self.decide(person, clicked, text).await,
                Choice::Command(text) => {
                    self.command(person, text, response_url.as_deref()).await.into()
                }
            },
        };
        let shown = match &choice {
            Choice::Button { blocks, block, .. } if outcome.is_decided => {
                blocks_for(blocks, block, &outcome.text)
            }
            _ => None,
        };
        let shown = shown.unwrap_or_else(|| reply(&outcome.text));
        self.tell(response_url.as_deref(), &shown).await;
    }

    /// Opens the form; where that cannot be done, says what to do instead.
    async fn ask_for_text(&self, clicked: &Clicked, trigger: &str, response_url: Option<&str>) {
        let task = clicked.task;
        let instead = match clicked.decision {
            Decision::Answer => format!("`rota review answer {task} --text …`"),
            _ => format!("`rota review reject {task} --comment …`"),
        };
        let why = match &self.slack {
            None => "this needs a bot token in rota.toml (docs/slack.md)".to_owned(),
            Some(slack) => match slack.open_view(trigger, &form(clicked)).await {
                Ok(()) => return,
                Err(error) => {
                    tracing::warn!(%error, "a form could not be shown in Slack");
                    error.to_string()
                }
            },
        };
        let text = format!("The form cannot be shown: {why}. Meanwhile: {instead}");
        self.tell(response_url, &reply(&text)).await;
    }

    async fn tell(&self, response_url: Option<&str>, what: &serde_json::Value) {
        let Some(url) = response_url else { return };
        if let Err(error) = self.answers.tell(url, what).await {
            tracing::warn!(%error, "somebody in Slack could not be answered");
        }
    }

    /// Who a user of Slack is on the board. Whoever is nobody there is told what to do.
    async fn person(&self, user: &str) -> Result<Person, String> {
        let email = match (self.people.get(user), &self.slack) {
            (Some(_), _) | (None, None) => None,
            (None, Some(slack)) => slack.email_of(user).await.unwrap_or_else(|error| {
                tracing::warn!(%error, "who somebody in Slack is cannot be looked up");
                None
            }),
        };
        let wanted = self.people.get(user).cloned().or(email);
        let unknown = || {
            format!(
                "Nobody on the board is known to be you, so nothing was done. Ask whoever runs Rota to \
                 write your Slack id into rota.toml: [slack.people] {user} = \"your name on the board\""
            )
        };
        let wanted = wanted.ok_or_else(unknown)?;
        let people = self.outside.board.people().await.map_err(|error| {
            tracing::warn!(%error, "who somebody in Slack is cannot be looked up");
            "The board does not answer; nothing was done. Try again later.".to_owned()
        })?;
        let is_meant = |person: &&Person| {
            let email = person.email.as_deref();
            person.kind == PersonKind::Person
                && (same(&person.name, &wanted) || email.is_some_and(|email| same(email, &wanted)))
        };
        let mut found = people.iter().filter(is_meant);
        match (found.next(), found.next()) {
            (Some(person), None) => Ok(person.clone()),
            _ => Err(unknown()),
        }
    }

    async fn decide(&self, person: Person, clicked: &Clicked, text: &str) -> Outcome {
        // A button is about one run's work: where something else waits by now, nobody who clicks has
        // seen that.
        let mut args = vec![
            ("task", Value::from(clicked.task)),
            ("decision", clicked.decision.as_str().into()),
            ("run", clicked.run.as_str().into()),
            ("since", clicked.since.as_deref().into()),
        ];
        if clicked.decision.needs_text() {
            args.push(("comment", text.into()));
        }
        if clicked.decision == Decision::Snooze {
            args.push(("until", "+1d".into()));
        }
        let name = person.name.clone();
        match self.call(person, "decideReview", Value::map(args)).await {
            Err(refusal) => refusal.into(),
            Ok((value, text)) => {
                let said = |key: &str| value.get(key).and_then(Value::as_text);
                let what = said("what").unwrap_or(&text);
                let task = clicked.task;
                if value.get("repeated").and_then(Value::as_bool) == Some(true) {
                    let first = said("answer").map(|answer| format!("the answer was: {answer}"));
                    let first = first.unwrap_or_else(|| what.to_owned());
                    return format!("Task {task} was decided before: {first}").into();
                }
                let text = match clicked.decision {
                    Decision::Approve => format!("{name} approved task {task}: {what}"),
                    Decision::RequestChanges => {
                        format!("{name} asked for changes of task {task}: {what}")
                    }
                    Decision::Answer => format!("{name} answered the question about task {task}."),
                    Decision::Snooze => format!("{name} put task {task} off by a day."),
                };
                Outcome { text, is_decided: clicked.decision != Decision::Snooze }
            }
        }
    }

    async fn command(&self, person: Person, text: &str, response_url: Option<&str>) -> String {
        let mut words = text.split_whitespace();
        let (verb, first) = (words.next().unwrap_or_default(), words.next());
        let rest: Vec<&str> = words.collect();
        let call = match (verb, first) {
            ("status", None) => ("getStatus", Value::map::<&str, Value>([])),
            ("why", Some(subject)) => ("whyNot", Value::map([("subject", subject)])),
            ("run", Some(playbook)) => {
                let mut args = vec![("playbook", Value::from(playbook))];
                match rest.first().map(|task| task.trim_start_matches('#').parse::<i64>()) {
                    Some(Ok(task)) => args.push(("task", task.into())),
                    Some(Err(_)) => return HELP.to_owned(),
                    None => {}
                }
                return self.run(person, Value::map(args), response_url).await;
            }
            ("stop", Some("all")) => ("stopAll", Value::map([("reason", rest.join(" "))])),
            ("stop", Some(run)) => ("stopRun", Value::map([("run", run)])),
            _ => return HELP.to_owned(),
        };
        match self.call(person, call.0, call.1).await {
            Ok((_, text)) => text,
            Err(refusal) => refusal,
        }
    }

    /// Starts a run; says at once that it has begun, and returns what it came to.
    async fn run(&self, person: Person, args: Value, response_url: Option<&str>) -> String {
        let (tell, mut begun) = mpsc::channel(1);
        let running = self.call_told(person, "runPlaybook", args, Progress::to(tell));
        let (soon, late) = (tokio::time::sleep(BEGINS_WITHIN), tokio::time::sleep(RUN_TIME));
        tokio::pin!(running, soon, late);
        let (mut has_begun, mut is_slow) = (false, false);
        loop {
            let meanwhile = tokio::select! {
                biased;
                // Of several tasks the first.
                Some(line) = begun.recv(), if !has_begun => {
                    has_begun = true;
                    format!("{line} What comes of it is told here.")
                }
                ended = &mut running => {
                    return ended.map_or_else(|refusal| refusal, |(_, text)| text);
                }
                () = &mut soon, if !has_begun && !is_slow => {
                    is_slow = true;
                    "It waits for its turn. What comes of it is told here.".to_owned()
                }
                () = &mut late => {
                    return "It goes on. Slack takes no answer so late: `rota runs list` shows what \
                            comes of it."
                        .to_owned();
                }
            };
            self.tell(response_url, &reply(&meanwhile)).await;
        }
    }

    async fn call(
        &self,
        person: Person,
        tool: &'static str,
        args: Value,
    ) -> Result<(Value, String), String> {
        self.call_told(person, tool, args, Progress::default()).await
    }

    /// Calls a tool as a person who clicked themselves. What changes something is never dropped
    /// half-way.
    async fn call_told(
        &self,
        person: Person,
        tool: &'static str,
        args: Value,
        progress: Progress,
    ) -> Result<(Value, String), String> {
        let principal = Principal { person, by: Initiative::Person };
        let context = Context::person(principal, self.outside.zone).by_hand();
        let context = Context { progress, ..context };
        let tools = Arc::clone(&self.outside.tools);
        let is_short = tools.kind(tool) == Some(ToolKind::Read);
        let calling = async move { tools.call(tool, args, &context).await };
        let called = if is_short {
            calling.await
        } else {
            match self.outside.calls.spawn(calling).await {
                Ok(called) => called,
                Err(_) => return Err("It broke off; look at `rota status`.".to_owned()),
            }
        };
        called.map(|result| (result.value, result.text)).map_err(|error| told(&error))
    }
}

fn told(error: &ToolError) -> String {
    format!("This was not done: {error}")
}

fn same(one: &str, other: &str) -> bool {
    one.trim().to_lowercase() == other.trim().to_lowercase()
}
