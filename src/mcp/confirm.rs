//! Before something is removed for good, a person says so.
//!
//! A client that can ask its person is made to: those with a handshake by a request of ours, those of
//! 2026-07-28 by the answer that input is required, whose sealed state fits the same caller, tool and
//! arguments alone and not for long. A client that cannot ask names in `confirm` what is to go.

use super::handler::Handler;
use super::{CallError, Caller, answer};
use crate::clock::Entropy;
use crate::domain::Value;
use crate::tools::Definition;
use rmcp::RoleServer;
use rmcp::model::{
    CallToolRequestParams, ElicitRequest, ElicitRequestParams, ElicitResult, ElicitationAction,
    ElicitationSchema, InputRequest, InputRequests, InputRequiredResult, ProtocolVersion,
    RequestStateCodec, SealOptions,
};
use rmcp::service::RequestContext;
use serde_json::{Map, Value as Json, json};
use std::time::Duration;

/// How long a person may take to say so.
const PATIENCE: Duration = Duration::from_mins(5);
/// What the question is called, and the field of its answer.
const CONFIRM: &str = "confirm";
/// The argument that asks what would be done.
const DRY_RUN: &str = "dryRun";
/// What is sealed: that it was asked.
const ASKED: &[u8] = b"asked";

/// Seals what a client carries between two requests. The key is this process's own.
#[derive(Clone, Debug)]
pub struct Seals(RequestStateCodec);

impl Seals {
    /// With a key that nobody can guess.
    pub fn new(entropy: &dyn Entropy) -> Self {
        let key: Vec<u8> = (0..4).flat_map(|_| entropy.next_u64().to_le_bytes()).collect();
        Self(RequestStateCodec::new_unchecked(key))
    }

    pub(super) fn seal(&self, bound_to: &[u8], patience: Duration) -> String {
        self.0.seal_with(ASKED, &SealOptions::new().associated_data(bound_to).ttl(patience))
    }

    pub(super) fn opens(&self, state: &str, bound_to: &[u8]) -> bool {
        self.0.open_with(state, bound_to).is_ok_and(|payload| payload == ASKED)
    }
}

/// Whether a call may be made.
pub(super) enum Consent {
    /// It may.
    Given,
    /// The client has to ask its person first.
    Ask(Box<InputRequiredResult>),
    /// It may not.
    Refused(CallError),
}

impl Handler {
    /// Whether somebody wants what cannot be brought back. Takes what was said about that out of the
    /// arguments.
    pub(super) async fn consent(
        &self,
        caller: &Caller,
        tool: &Definition,
        request: &mut CallToolRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> Consent {
        if !tool.annotations.destructive {
            return Consent::Given;
        }
        let mut arguments = request.arguments.take().unwrap_or_default();
        let confirmed = arguments.remove(CONFIRM);
        let only_looks = arguments.get(DRY_RUN).and_then(Json::as_bool) == Some(true);
        let question = question(tool, &arguments);
        let bound_to = bound_to(caller, tool, &arguments);
        let what = subject(&arguments);
        request.arguments = Some(arguments);
        if only_looks {
            return Consent::Given;
        }
        let capabilities = context.client_capabilities();
        let elicitation = capabilities.and_then(|capabilities| capabilities.elicitation);
        let can_ask = elicitation.is_some_and(|can| can.form.is_some() || can.url.is_none());
        let version = context.protocol_version();
        let is_modern = version.is_some_and(|version| version >= ProtocolVersion::V_2026_07_28);
        match (can_ask, is_modern) {
            (true, true) => self.asked_before(request, &bound_to, question),
            (true, false) => ask(question, context).await,
            (false, _) => confirmed_by_name(tool, confirmed.as_ref(), &what),
        }
    }

    /// Whether the client comes back with its person's answer; if not, it is to ask.
    fn asked_before(
        &self,
        request: &CallToolRequestParams,
        bound_to: &[u8],
        question: ElicitRequestParams,
    ) -> Consent {
        let answer = request.input_responses.as_ref().and_then(|answers| answers.get(CONFIRM));
        let (Some(state), Some(answer)) = (&request.request_state, answer) else {
            let question = InputRequest::Elicitation(ElicitRequest::new(question));
            let questions = InputRequests::from([(CONFIRM.to_owned(), question)]);
            let state = self.seals().seal(bound_to, PATIENCE);
            return Consent::Ask(Box::new(InputRequiredResult::new(Some(questions), Some(state))));
        };
        if !self.seals().opens(state, bound_to) {
            return Consent::Refused(CallError::of(
                "confirmation_invalid",
                "what was confirmed is not this call, or it was confirmed too long ago; call again \
                 without requestState to be asked anew",
            ));
        }
        match serde_json::from_value::<ElicitResult>(answer.clone()) {
            Ok(answer) => of_answer(&answer),
            Err(_) => declined(),
        }
    }
}

/// Asks the person of a client with a handshake, and waits for the answer.
async fn ask(question: ElicitRequestParams, context: &RequestContext<RoleServer>) -> Consent {
    let asking = context.peer.create_elicitation_with_timeout(question, Some(PATIENCE));
    tokio::select! {
        biased;
        () = context.ct.cancelled() => {
            Consent::Refused(CallError::of("cancelled", "the call was cancelled"))
        }
        answer = asking => match answer {
            Ok(answer) => of_answer(&answer),
            Err(error) => Consent::Refused(CallError::of(
                "confirmation_needed",
                format!("the person could not be asked: {}", answer::harmless(&error.to_string())),
            )),
        },
    }
}

fn of_answer(answer: &ElicitResult) -> Consent {
    let says_so = answer.content.as_ref().and_then(|content| content.get(CONFIRM));
    let is_accepted = answer.action == ElicitationAction::Accept;
    if is_accepted && says_so.and_then(Json::as_bool) == Some(true) {
        Consent::Given
    } else {
        declined()
    }
}

fn declined() -> Consent {
    let message =
        "the person did not confirm it; nothing was done, so do not try again by yourself";
    Consent::Refused(CallError::of("declined", message))
}

/// The same for a program, which can ask nobody: it names what is to go, or only looks.
pub(super) fn by_name(
    tool: &Definition,
    arguments: &mut Map<String, Json>,
) -> Result<(), CallError> {
    if !tool.annotations.destructive {
        return Ok(());
    }
    let confirmed = arguments.remove(CONFIRM);
    if arguments.get(DRY_RUN).and_then(Json::as_bool) == Some(true) {
        return Ok(());
    }
    match confirmed_by_name(tool, confirmed.as_ref(), &subject(arguments)) {
        Consent::Refused(error) => Err(error),
        Consent::Given | Consent::Ask(_) => Ok(()),
    }
}

fn confirmed_by_name(tool: &Definition, confirmed: Option<&Json>, what: &str) -> Consent {
    let named = confirmed.map(text_of);
    if !what.is_empty() && named.as_deref() == Some(what) {
        return Consent::Given;
    }
    Consent::Refused(CallError::of(
        "confirmation_needed",
        format!(
            "{} cannot be taken back. If your person wants it, call again with {CONFIRM}: {what:?}; \
             {DRY_RUN}: true only says what would be done",
            tool.name
        ),
    ))
}

/// What a call is about: its id.
fn subject(arguments: &Map<String, Json>) -> String {
    let named = ["id", "run", "task"].iter().find_map(|name| arguments.get(*name));
    named.map(text_of).unwrap_or_default()
}

fn text_of(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), |text| text.trim().to_owned())
}

fn question(tool: &Definition, arguments: &Map<String, Json>) -> ElicitRequestParams {
    let mut said: String = answer::harmless(&Json::Object(arguments.clone()).to_string());
    said.truncate(said.floor_char_boundary(500));
    let schema = ElicitationSchema::builder()
        .required_bool_property(CONFIRM, |field| {
            field.title("Do it").description("It cannot be taken back.")
        })
        .build_unchecked();
    ElicitRequestParams::FormElicitationParams {
        meta: None,
        message: format!("{}? {} {said}", tool.title, tool.name),
        requested_schema: schema,
    }
}

/// A confirmation is one caller's, for one call.
fn bound_to(caller: &Caller, tool: &Definition, arguments: &Map<String, Json>) -> Vec<u8> {
    // In one order, whatever order the client sends.
    let arguments: Value =
        serde_json::from_value(Json::Object(arguments.clone())).unwrap_or_default();
    let bound = json!([caller.id, caller.principal.key(), tool.name, arguments.to_string()]);
    bound.to_string().into_bytes()
}

/// The arguments of a tool as they are listed: what cannot be taken back may be confirmed or tried.
pub(super) fn with_consent(tool: &Definition, mut input: Map<String, Json>) -> Map<String, Json> {
    if tool.annotations.destructive
        && let Some(Json::Object(properties)) = input.get_mut("properties")
    {
        properties.entry(CONFIRM).or_insert_with(|| json!({ "type": "string" }));
        properties.entry(DRY_RUN).or_insert_with(|| json!({ "type": "boolean" }));
    }
    input
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SeededEntropy;

    #[test]
    fn a_seal_opens_for_what_it_is_bound_to_and_not_for_long() {
        let seals = Seals::new(&SeededEntropy::new(1));
        let state = seals.seal(b"ada, task 7", PATIENCE);
        assert!(seals.opens(&state, b"ada, task 7"));
        assert!(!seals.opens(&state, b"bob, task 7"));
        assert!(!Seals::new(&SeededEntropy::new(2)).opens(&state, b"ada, task 7"), "another key");
        let mut forged = state.clone();
        let last = if forged.pop() == Some('A') { 'B' } else { 'A' };
        forged.push(last);
        assert!(!seals.opens(&forged, b"ada, task 7"));
        let short = seals.seal(b"ada, task 7", Duration::from_millis(1));
        let mut tries = 0_u64;
        while seals.opens(&short, b"ada, task 7") {
            tries += 1;
            assert!(tries < 100_000_000, "it never expires");
        }
    }

    #[test]
    fn whatever_cannot_be_taken_back_names_what_it_is_about() {
        for tool in crate::tools::catalogue().iter().filter(|tool| tool.annotations.destructive) {
            let example: Json = serde_json::from_str(tool.example).unwrap();
            let what = subject(example.as_object().unwrap());
            assert!(!what.is_empty(), "{}: nothing to confirm by", tool.name);
        }
    }
}
