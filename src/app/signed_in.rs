//! Who is signed in to the pages, and what is done in their name.

use super::outside::Outside;
use crate::clock::Clock;
use crate::daemon::control::{AnswerError, Answered};
use crate::domain::{Initiative, PersonId, PersonKind, Principal, Reason, TokenKind, Value};
use crate::ledger::{LINK_LIFE, LedgerError};
use crate::mcp::{CallError, Called, Caller, Denied};
use crate::tools::Context;
use crate::web::pages::{Household, Known, SignInError};
use async_trait::async_trait;
use secrecy::{ExposeSecret as _, SecretString};
use std::sync::Arc;

/// The id of a caller who came by a link begins so.
const SESSION: &str = "session ";

#[async_trait]
impl Household for Outside {
    async fn begin(&self, token: &SecretString) -> Result<SecretString, SignInError> {
        let token = self.ledger.check_token(token).await.map_err(super::outside::denied)?;
        if token.kind == TokenKind::Service {
            return Err(SignInError::NotAPersons);
        }
        let id = token.id.clone();
        let person = self.caller_of(token).await?.principal.person;
        if person.kind != PersonKind::Person {
            return Err(SignInError::NotAPersons);
        }
        let whose = (person.id, Some(id));
        self.ledger.begin_page_session(whose, &person.name).await.map_err(unkept)
    }

    async fn begin_by_link(
        &self,
        link: &SecretString,
    ) -> Result<Option<SecretString>, SignInError> {
        let Some(id) = self.ledger.take_page_link(link).await.map_err(unkept)? else {
            return Ok(None);
        };
        let Some(person) = self.person(id).await? else { return Ok(None) };
        let whose = (id, None);
        let begun = self.ledger.begin_page_session(whose, &person.person.name).await;
        Ok(Some(begun.map_err(unkept)?))
    }

    async fn known(&self, secret: &SecretString) -> Result<Option<Known>, SignInError> {
        let Some((session, next)) = self.ledger.page_session(secret).await.map_err(unkept)? else {
            return Ok(None);
        };
        let caller = if let Some(id) = &session.token {
            let token = self.ledger.counting_token(id).await.map_err(unkept)?;
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

    async fn end_all(&self, caller: &Caller) -> Result<usize, SignInError> {
        let person = &caller.principal.person;
        self.ledger.end_page_sessions_of(person.id, &person.name).await.map_err(unkept)
    }

    async fn still_counts(&self, session: &str) -> bool {
        let Ok(Some(session)) = self.ledger.page_session_named(session).await else { return false };
        match &session.token {
            Some(token) => matches!(self.ledger.token_counts(token).await, Ok(true)),
            None => matches!(self.person(session.person).await, Ok(Some(_))),
        }
    }

    async fn call(&self, caller: &Caller, tool: &str, args: Value) -> Result<Called, CallError> {
        if !caller.may_reach(tool) {
            let message = format!("the token that you signed in with does not reach {tool}");
            return Err(CallError::of(Reason::TokenRefused.code(), message));
        }
        let context = Context::person(caller.principal.clone(), caller.zone)
            .limited_to(caller.projects.clone())
            .by_hand();
        self.carry_out(context, tool, args).await
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock)
    }
}

impl Outside {
    /// Somebody of the board who signs in by themselves; no agent does.
    async fn person(&self, id: PersonId) -> Result<Option<Principal>, SignInError> {
        let people = self.board.people().await;
        let people = people.map_err(|error| Denied::Unavailable(Box::new(error)))?;
        let mut people = people.into_iter();
        let person = people.find(|person| person.id == id && person.kind == PersonKind::Person);
        Ok(person.map(|person| Principal { person, by: Initiative::Person }))
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

fn unkept(error: LedgerError) -> SignInError {
    SignInError::Denied(Denied::Unavailable(Box::new(error)))
}
