//! Who is signed in to the pages, and what is done in their name.

use super::outside::{Outside, context_of};
use crate::clock::Clock;
use crate::daemon::control::{AnswerError, Answered};
use crate::domain::{
    Initiative, Person, PersonId, PersonKind, Principal, Reason, Token, TokenId, TokenKind, Value,
};
use crate::ledger::{LINK_LIFE, LedgerError, PageSession};
use crate::mcp::{CallError, Called, Caller, Denied};
use crate::web::pages::{Household, Known, SignInError};
use async_trait::async_trait;
use futures::FutureExt as _;
use secrecy::{ExposeSecret as _, SecretString};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

/// The id of a caller who came by a link begins so.
const SESSION: &str = "session ";
/// So long a page waits for one answer.
const CALL_TIME: Duration = Duration::from_secs(30);

#[async_trait]
impl Household for Outside {
    async fn begin(&self, secret: &SecretString) -> Result<SecretString, SignInError> {
        let token = self.ledger.check_token(secret).await.map_err(super::outside::denied)?;
        if token.kind == TokenKind::Service {
            return Err(SignInError::NotAPersons);
        }
        let id = token.id.clone();
        let person = self.caller_of(token).await?.principal.person;
        if person.kind != PersonKind::Person {
            return Err(SignInError::NotAPersons);
        }
        let by = Some((&id, secret));
        self.ledger.begin_page_session(person.id, by, &person.name).await.map_err(unkept)
    }

    async fn begin_by_link(
        &self,
        link: &SecretString,
    ) -> Result<Option<SecretString>, SignInError> {
        let Some(id) = self.ledger.take_page_link(link).await.map_err(unkept)? else {
            return Ok(None);
        };
        let Some(person) = self.person(id).await? else { return Ok(None) };
        let begun = self.ledger.begin_page_session(id, None, &person.person.name).await;
        Ok(Some(begun.map_err(unkept)?))
    }

    async fn known(&self, secret: &SecretString) -> Result<Option<Known>, SignInError> {
        let Some((session, next)) = self.ledger.page_session(secret).await.map_err(unkept)? else {
            return Ok(None);
        };
        let caller = if let Some(id) = &session.token {
            let token = self.token_of(id, &session).await.map_err(unkept)?;
            let Some(token) = token else { return Ok(None) };
            match self.caller_of(token).await {
                Ok(caller) => caller,
                Err(Denied::NoUser { .. }) => return Ok(None),
                Err(denied) => return Err(denied.into()),
            }
        } else {
            let Some(principal) = self.person(session.person).await? else { return Ok(None) };
            self.as_caller(format!("{SESSION}{}", session.id), principal)
        };
        Ok(Some(Known { caller, session: session.id, mark: session.mark, next }))
    }

    async fn end(&self, secret: &SecretString) -> Result<(), SignInError> {
        self.ledger.end_page_session(secret).await.map_err(unkept)
    }

    async fn again(&self, session: &str, before: &Caller) -> Option<Caller> {
        let session = self.ledger.page_session_named(session).await.ok()??;
        if let Some(id) = &session.token {
            let token = self.token_of(id, &session).await.ok()??;
            return self.by_now(token, before).await;
        }
        let Some(people) = self.people_lately().await else { return Some(before.clone()) };
        let principal = signs_in(session.person, people.iter())?;
        Some(self.as_caller(before.id.clone(), principal))
    }

    async fn call(&self, caller: &Caller, tool: &str, args: Value) -> Result<Called, CallError> {
        if !caller.may_reach(tool) {
            let message = format!("the token that you signed in with does not reach {tool}");
            return Err(CallError::of(Reason::TokenRefused.code(), message));
        }
        let context = context_of(caller).by_hand();
        within_bounds(tool, self.carry_out(context, tool, args)).await
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock)
    }
}

/// Somebody of these who signs in by themselves; no agent does.
fn signs_in<'a>(id: PersonId, mut people: impl Iterator<Item = &'a Person>) -> Option<Principal> {
    let person = people.find(|person| person.id == id && person.kind == PersonKind::Person)?;
    Some(Principal { person: person.clone(), by: Initiative::Person })
}

impl Outside {
    async fn person(&self, id: PersonId) -> Result<Option<Principal>, SignInError> {
        let people = self.board.people().await;
        let people = people.map_err(|error| Denied::Unavailable(Box::new(error)))?;
        Ok(signs_in(id, people.iter()))
    }

    /// The token of a session, if it counts with the secret by which they signed in: whoever rotates a token
    /// that leaked ends what was begun with it.
    async fn token_of(
        &self,
        id: &TokenId,
        session: &PageSession,
    ) -> Result<Option<Token>, LedgerError> {
        let hash = session.token_hash.as_deref().unwrap_or_default();
        self.ledger.token_with_secret(id, hash).await
    }

    /// A link by which whoever asks signs in once.
    pub(super) async fn link(&self, principal: &Principal) -> Result<Answered, AnswerError> {
        let refused = |message: String| AnswerError::rejected(Reason::Unsupported, message);
        let Some(address) = self.tools.address() else {
            let message = "no daemon serves the pages: start one with `rota serve`, then ask again";
            return Err(refused(message.to_owned()));
        };
        let person = &principal.person;
        let made = self.ledger.make_page_link(person.id, &person.name).await;
        let secret = made.map_err(|error| {
            let message = format!("a link cannot be made: {error}");
            AnswerError::rejected(Reason::StoreFailed, message)
        })?;
        let url = format!("{address}/open/{}", secret.expose_secret());
        let minutes = LINK_LIFE.as_secs() / 60;
        let text = format!("{url}\nfor {}, once, within {minutes} minutes", person.name);
        let minutes = i64::try_from(minutes).unwrap_or_default();
        let value = Value::map([
            ("url", Value::from(url)),
            ("person_name", person.name.as_str().into()),
            ("minutes", minutes.into()),
        ]);
        Ok(Answered { value, text })
    }
}

/// Nobody waits for ever for a page, and a fault of ours breaks off one call and no more. What changes
/// something goes on, however long nobody waits for it.
async fn within_bounds(
    tool: &str,
    call: impl Future<Output = Result<Called, CallError>>,
) -> Result<Called, CallError> {
    let call = AssertUnwindSafe(call).catch_unwind();
    match tokio::time::timeout(CALL_TIME, call).await {
        Ok(Ok(called)) => called,
        Ok(Err(_)) => {
            tracing::error!(tool, "the tool broke off: a fault of the program");
            let message = "the tool broke off: a fault of the program, see its log";
            Err(CallError::of("tool_failed", message))
        }
        Err(_) => {
            let seconds = CALL_TIME.as_secs();
            let message = format!(
                "{tool} took longer than {seconds} s; what it began may go on, so look before you repeat it"
            );
            Err(CallError { retryable: true, ..CallError::of("timed_out", message) })
        }
    }
}

fn unkept(error: LedgerError) -> SignInError {
    SignInError::Denied(Denied::Unavailable(Box::new(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn code(call: impl Future<Output = Result<Called, CallError>>) -> String {
        within_bounds("getTicket", call).await.map(|_| ()).unwrap_err().code
    }

    #[tokio::test(start_paused = true)]
    async fn no_call_of_a_page_is_without_bounds() {
        let answer = |text: String| Called { value: Value::from(text), text: String::new() };
        let fine = within_bounds("getTicket", async { Ok(answer("x".to_owned())) }).await;
        assert_eq!(fine.unwrap().value, Value::from("x"));
        assert_eq!(code(std::future::pending()).await, "timed_out");
        assert_eq!(code(async { panic!("a fault of ours") }).await, "tool_failed");
    }
}
