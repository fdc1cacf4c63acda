//! `rota doctor` on models: is the server there, does it take the key, does it know the model? Nothing
//! is asked that costs anything.

use super::doctor::finding;
use super::open;
use crate::app::house::{Finding, Health};
use crate::config::Config;
use crate::model::{Look, Model, ModelError};

pub(super) async fn examine(config: &Config) -> Vec<Finding> {
    let models = match open::models(config) {
        Ok(models) => models,
        Err(failure) => {
            return vec![finding("models", Health::Fail, failure.message, "mend rota.toml or the script")];
        }
    };
    let looks = models.iter().map(async |(name, model)| look(name, model.as_ref()).await);
    futures::future::join_all(looks).await
}

async fn look(name: &str, model: &dyn Model) -> Finding {
    let what = format!("model {name}");
    let about = model.describe();
    match model.look().await {
        Ok(Look::Ready) => finding(&what, Health::Ok, about, ""),
        Ok(Look::NoList) => {
            finding(&what, Health::Ok, format!("{about}: the server answers, and has no list of models"), "")
        }
        Ok(Look::NotListed) => finding(
            &what,
            Health::Warn,
            format!("{about}: the server does not list this model"),
            "look at `model`; some servers know names that they do not list",
        ),
        Err(error) => {
            let (health, advice) = match &error {
                ModelError::Denied(_) => (Health::Fail, "look at `key`, and whether it may use the model"),
                ModelError::RateLimited { .. } | ModelError::Overloaded { .. } => {
                    (Health::Warn, "nothing; it is tried again")
                }
                ModelError::Unavailable(_) => {
                    (Health::Fail, "look at `url` and `proxy`, and whether the server runs")
                }
                _ => (Health::Fail, "look at `url`"),
            };
            finding(&what, health, format!("{about}: {error}"), advice)
        }
    }
}
