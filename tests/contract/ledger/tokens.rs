//! Personal tokens and service keys.

use super::{Fixture, at, ledger, on_both_stores};
use rota::domain::{NewToken, PersonId, Role, TokenKind};
use rota::ledger::{Ledger, LedgerError, OVERLAP_MAX, TokenRefusal};
use secrecy::{ExposeSecret, SecretString};
use std::time::Duration;

on_both_stores! {
    a_token_is_known_by_its_secret_only
    a_service_key_has_a_name_that_no_other_has
    a_revoked_or_expired_token_says_so_to_its_holder_only
    a_rotated_token_counts_with_both_secrets_until_the_overlap_ends
    a_secret_is_nowhere_in_the_store
    what_is_done_with_tokens_is_audited
    a_use_is_noted_once_an_hour
    what_was_begun_with_a_secret_ends_with_it
}

fn new(kind: TokenKind, name: &str) -> NewToken {
    NewToken {
        kind,
        name: name.to_owned(),
        person: PersonId(1),
        role: Role::Editor,
        tools: Vec::new(),
        projects: Vec::new(),
        expires: None,
    }
}

async fn refused(ledger: &Ledger, text: &str) -> TokenRefusal {
    ledger.check_token(&SecretString::from(text.to_owned())).await.unwrap_err()
}

async fn a_token_is_known_by_its_secret_only(f: Fixture) {
    let ledger = ledger(&f, "one/a");
    let one = ledger.issue_token(new(TokenKind::Personal, "laptop"), "Ada").await.unwrap();
    let two = ledger.issue_token(new(TokenKind::Personal, "laptop"), "Ada").await.unwrap();
    assert_ne!(one.secret.expose_secret(), two.secret.expose_secret());
    let known = ledger.check_token(&one.secret).await.unwrap();
    assert_eq!((known.id.clone(), known.role), (one.token.id.clone(), Role::Editor));
    let text = one.secret.expose_secret();
    assert!(text.starts_with(&format!("rota_{}_", known.id)) && text.len() > 60, "its shape");
    let other = two.secret.expose_secret().rsplit_once('_').unwrap().1.to_owned();
    let mut longer = text.to_owned();
    longer.push('x');
    for wrong in [
        "",
        "rota_",
        "rota__",
        "lt_",
        "Bearer",
        &text[..text.len() - 1],
        &longer,
        &format!("rota_{}_{other}", known.id),
        &text.replace("rota_", "lt_"),
        &text.to_uppercase(),
        &"x".repeat(100_000),
    ] {
        assert!(matches!(refused(&ledger, wrong).await, TokenRefusal::Unknown));
    }
}

async fn a_service_key_has_a_name_that_no_other_has(f: Fixture) {
    let ledger = ledger(&f, "one/a");
    let ask = || new(TokenKind::Service, "ci_bot");
    let key = ledger.issue_token(ask(), "Ada").await.unwrap();
    assert!(key.secret.expose_secret().starts_with("lt_ci_bot_"));
    assert_eq!(ledger.check_token(&key.secret).await.unwrap().name, "ci_bot");
    let again = ledger.issue_token(ask(), "Ada").await.unwrap_err();
    assert!(matches!(again, LedgerError::Conflict { .. }), "{again:?}");
    ledger.revoke_token("ci_bot", "Ada").await.unwrap();
    let next = ledger.issue_token(ask(), "Ada").await.unwrap();
    assert!(matches!(ledger.check_token(&key.secret).await.unwrap_err(), TokenRefusal::Unknown));
    assert_eq!(ledger.check_token(&next.secret).await.unwrap().id, next.token.id);
    for bad in ["", "Ci", "a b", "ü", "a/b", &"a".repeat(65)] {
        let refused = ledger.issue_token(new(TokenKind::Service, bad), "Ada").await;
        assert!(matches!(refused, Err(LedgerError::Conflict { .. })), "{bad:?}");
    }
}

async fn a_revoked_or_expired_token_says_so_to_its_holder_only(f: Fixture) {
    let ledger = ledger(&f, "one/a");
    let soon = NewToken { expires: Some(at(60)), ..new(TokenKind::Personal, "short") };
    f.clock.step_wall(at(0));
    let short = ledger.issue_token(soon, "Ada").await.unwrap();
    assert!(ledger.check_token(&short.secret).await.is_ok());
    f.clock.step_wall(at(60));
    let expired = ledger.check_token(&short.secret).await.unwrap_err();
    assert!(matches!(&expired, TokenRefusal::Expired { name } if name == "short"), "{expired:?}");
    let gone = ledger.issue_token(new(TokenKind::Personal, "gone"), "Ada").await.unwrap();
    let id = gone.token.id.as_str();
    ledger.revoke_token(id, "Ada").await.unwrap();
    let revoked = ledger.check_token(&gone.secret).await.unwrap_err();
    assert!(matches!(&revoked, TokenRefusal::Revoked { name } if name == "gone"), "{revoked:?}");
    let guessed = refused(&ledger, &format!("rota_{id}_{}", "0".repeat(52))).await;
    assert!(matches!(guessed, TokenRefusal::Unknown));
    assert!(ledger.rotate_token(id, Duration::ZERO, "Ada").await.is_err());
    assert!(ledger.revoke_token("nobody", "Ada").await.is_err());
}

async fn a_rotated_token_counts_with_both_secrets_until_the_overlap_ends(f: Fixture) {
    let ledger = ledger(&f, "one/a");
    f.clock.step_wall(at(0));
    let old = ledger.issue_token(new(TokenKind::Service, "ci"), "Ada").await.unwrap();
    let new = ledger.rotate_token("ci", Duration::from_secs(30), "Ada").await.unwrap();
    assert_eq!(old.token.id, new.token.id);
    for secret in [&old.secret, &new.secret] {
        assert!(ledger.check_token(secret).await.is_ok());
    }
    f.clock.step_wall(at(30));
    assert!(matches!(ledger.check_token(&old.secret).await, Err(TokenRefusal::Unknown)));
    assert!(ledger.check_token(&new.secret).await.is_ok());
    let at_once = ledger.rotate_token("ci", Duration::ZERO, "Ada").await.unwrap();
    assert!(ledger.check_token(&new.secret).await.is_err());
    ledger.rotate_token("ci", Duration::from_hours(1), "Ada").await.unwrap();
    ledger.revoke_token("ci", "Ada").await.unwrap();
    assert!(ledger.check_token(&at_once.secret).await.is_err(), "a revocation ends the overlap");
    let too_long = OVERLAP_MAX + Duration::from_secs(1);
    assert!(ledger.rotate_token("ci", too_long, "Ada").await.is_err());
}

async fn a_secret_is_nowhere_in_the_store(f: Fixture) {
    let ledger = ledger(&f, "one/a");
    let issued = ledger.issue_token(new(TokenKind::Service, "ci"), "Ada").await.unwrap();
    let rotated = ledger.rotate_token("ci", Duration::from_hours(1), "Ada").await.unwrap();
    let rows = f.store.scan("", None, 1_000).await.unwrap();
    assert!(rows.len() >= 3, "{}", rows.len());
    for issued in [&issued, &rotated] {
        let secret = issued.secret.expose_secret().rsplit_once('_').unwrap().1;
        for row in &rows {
            assert!(!row.key.contains(secret));
            assert!(!String::from_utf8_lossy(&row.value).contains(secret));
        }
        assert!(!format!("{issued:?}").contains(secret));
    }
}

async fn what_is_done_with_tokens_is_audited(f: Fixture) {
    let ledger = ledger(&f, "one/a");
    ledger.issue_token(new(TokenKind::Service, "ci"), "Ada").await.unwrap();
    ledger.rotate_token("ci", Duration::ZERO, "Bob").await.unwrap();
    ledger.revoke_token("ci", "Eve").await.unwrap();
    let log = ledger.audit_log(10, None).await.unwrap();
    let told: Vec<_> = log.iter().map(|e| (e.who.as_str(), e.what.as_str())).collect();
    assert_eq!(told, [("Eve", "revoke-token"), ("Bob", "rotate-token"), ("Ada", "create-token")]);
}

async fn a_use_is_noted_once_an_hour(f: Fixture) {
    let ledger = ledger(&f, "one/a");
    f.clock.step_wall(at(0));
    let issued = ledger.issue_token(new(TokenKind::Personal, "laptop"), "Ada").await.unwrap();
    let last = || async { ledger.tokens().await.unwrap()[0].last_used };
    assert_eq!(last().await, None);
    for (second, noted) in [(5, 5), (60, 5), (3_604, 5), (3_605, 3_605)] {
        f.clock.step_wall(at(second));
        ledger.check_token(&issued.secret).await.unwrap();
        assert_eq!(last().await, Some(at(noted)), "at {second}");
    }
}

async fn what_was_begun_with_a_secret_ends_with_it(f: Fixture) {
    let ledger = ledger(&f, "one/a");
    f.clock.step_wall(at(0));
    let issued = ledger.issue_token(new(TokenKind::Personal, "laptop"), "Ada").await.unwrap();
    let by = Some((&issued.token.id, &issued.secret));
    let session = ledger.begin_page_session(PersonId(1), by, "Ada").await.unwrap();
    let (session, _) = ledger.page_session(&session).await.unwrap().unwrap();
    let counts = async || {
        let hash = session.token_hash.as_deref().unwrap();
        ledger.token_with_secret(&issued.token.id, hash).await.unwrap().is_some()
    };
    assert!(counts().await);
    assert_eq!(ledger.tokens().await.unwrap()[0].last_used, Some(at(0)), "it is used by that");
    let id = issued.token.id.as_str();
    ledger.rotate_token(id, Duration::from_mins(1), "Ada").await.unwrap();
    assert!(counts().await, "the secret before counts for a minute");
    f.clock.step_wall(at(60));
    assert!(!counts().await);
    let hash = "0".repeat(64);
    assert!(ledger.token_with_secret(&issued.token.id, &hash).await.unwrap().is_none());
}
