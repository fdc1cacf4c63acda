//! `rota doctor` on models: is the server there, does it take the key, does it know the model? Nothing
//! is asked that costs anything, unless somebody wants each model to say a word.

use super::doctor::finding;
use super::open;
use crate::app::house::{Finding, Health};
use crate::config::Config;
use crate::model::{Exchange, Look, Message, Model, ModelError};

/// The most tokens of the word: models that think first need some.
const WORD_TOKENS_MAX: u64 = 256;

pub(super) async fn examine(config: &Config, asks: bool) -> Vec<Finding> {
    let models = match open::models(config) {
        Ok(models) => models,
        Err(failure) => {
            let advice = "mend rota.toml or the script";
            return vec![finding("models", Health::Fail, failure.message, advice)];
        }
    };
    let looks = models.iter().map(async |(name, model)| {
        let found = look(name, model.as_ref()).await;
        // A script has no word for us.
        let is_script = model.describe().starts_with("scripted:");
        if asks && found.health != Health::Fail && !is_script {
            ask(name, model.as_ref()).await
        } else {
            found
        }
    });
    futures::future::join_all(looks).await
}

async fn ask(name: &str, model: &dyn Model) -> Finding {
    let (what, about) = (format!("model {name}"), model.describe());
    let exchange = Exchange {
        messages: vec![Message::User("Answer with the word ready.".to_owned())],
        tools: Vec::new(),
        tokens_max: WORD_TOKENS_MAX,
        turn: 0,
    };
    match model.exchange(&exchange, &|| ()).await {
        Ok(reply) => {
            let (sent, came) = (reply.usage.tokens_in, reply.usage.tokens_out);
            let found = format!("{about}: answers ({sent} tokens in, {came} out)");
            finding(&what, Health::Ok, found, "")
        }
        Err(error) => troubled(&what, &about, &error),
    }
}

async fn look(name: &str, model: &dyn Model) -> Finding {
    let (what, about) = (format!("model {name}"), model.describe());
    match model.look().await {
        Ok(Look::Ready) => finding(&what, Health::Ok, about, ""),
        Ok(Look::NoList) => {
            let found = format!("{about}: the server answers, and has no list of models");
            finding(&what, Health::Ok, found, "`rota doctor --ask-models` asks it for a word")
        }
        Ok(Look::NotListed) => finding(
            &what,
            Health::Warn,
            format!("{about}: the server does not list this model"),
            "look at `model`; some servers know names that they do not list",
        ),
        Err(error) => troubled(&what, &about, &error),
    }
}

fn troubled(what: &str, about: &str, error: &ModelError) -> Finding {
    let (health, advice) = match error.cause() {
        ModelError::Denied(_) => (Health::Fail, "look at `key`, and whether it may use the model"),
        ModelError::RateLimited { .. } | ModelError::Overloaded { .. } => {
            (Health::Warn, "nothing; a run tries again")
        }
        ModelError::Unavailable(_) => {
            (Health::Fail, "look at `url` and `proxy`, and whether the server runs")
        }
        _ => (Health::Fail, "look at `url` and `model`"),
    };
    finding(what, health, format!("{about}: {error}"), advice)
}
