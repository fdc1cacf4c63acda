//! Secrets: read from the environment or a file, never shown.

use crate::fault::shown;
use crate::fault::table::{Table, Written};
use secrecy::SecretString;
use std::path::Path;

/// The longest secret, in bytes.
const SECRET_BYTES_MAX: usize = 64 * 1024;

/// The secret under a key: `{ env = "NAME" }`, `{ file = "path" }`, `"${NAME}"`, or (with a
/// warning) the secret itself. A missing or empty one is a fault that names the key.
pub(super) fn secret(
    table: &Table<'_, '_>,
    key: &'static str,
    folder: &Path,
    env: &dyn Fn(&str) -> Option<String>,
) -> Option<SecretString> {
    secret_if(table, key, folder, env, |_| true)
}

/// The same of something that only may hold a secret: a text that holds none may stand in the file.
pub(super) fn secret_if(
    table: &Table<'_, '_>,
    key: &'static str,
    folder: &Path,
    env: &dyn Fn(&str) -> Option<String>,
    is_secret: impl Fn(&str) -> bool,
) -> Option<SecretString> {
    if !table.has(key) {
        let fault = table.own_fault(format!("`{key}` is missing in [{}]", table.path()));
        table.add(fault.with_help(format!("write `{key} = {{ env = \"NAME\" }}`")));
        table.mention(key);
        return None;
    }
    let found = if table.is_table(key) {
        from_table(&table.table(key), folder, env)
    } else {
        from_text(table, key, env, is_secret)
    };
    match found {
        Ok(Some(value)) if value.trim().is_empty() => {
            table.add(table.secret_fault(key, format!("the secret of `{key}` is empty")));
            None
        }
        Ok(value) => value.map(|value| SecretString::from(value.trim().to_owned())),
        Err(message) => {
            table.add(table.secret_fault(key, format!("`{key}`: {message}")));
            None
        }
    }
}

/// Secrets under names that people choose. A text may hold variables among other words
/// (`"Bearer ${NAME}"`), and is no secret where it holds none.
pub(super) fn named_secrets(
    table: &Table<'_, '_>,
    folder: &Path,
    env: &dyn Fn(&str) -> Option<String>,
) -> Vec<(String, SecretString)> {
    let mut out = Vec::new();
    for (name, written) in table.secrets() {
        let found = match written {
            Written::Text(text) => with_variables(&text, env).map(Some),
            Written::Table(table) => from_table(&table, folder, env),
            Written::Other(kind) => Err(format!("must be a string, found {kind}")),
        };
        match found {
            Ok(Some(value)) if value.trim().is_empty() => {
                table.add(table.secret_fault(&name, format!("`{}` is empty", shown(&name))));
            }
            Ok(value) => {
                out.extend(value.map(|value| (name, SecretString::from(value.trim().to_owned()))));
            }
            Err(message) => {
                table.add(table.secret_fault(&name, format!("`{}`: {message}", shown(&name))));
            }
        }
    }
    out
}

/// A text with the values of the variables that it names.
fn with_variables(text: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, after) = after.split_once('}').ok_or("a `${` has no `}`")?;
        out.push_str(before);
        out.push_str(variable(name, env)?.unwrap_or_default().trim());
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

fn variable(name: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<Option<String>, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || name.len() > 128 || !name.chars().all(fits) {
        return Err("expected the name of an environment variable".to_owned());
    }
    match env(name) {
        Some(value) if !value.trim().is_empty() => Ok(Some(value)),
        Some(_) => Err(format!("environment variable {name} is empty")),
        None => Err(format!("environment variable {name} is not set")),
    }
}

fn from_text(
    table: &Table<'_, '_>,
    key: &'static str,
    env: &dyn Fn(&str) -> Option<String>,
    is_secret: impl Fn(&str) -> bool,
) -> Result<Option<String>, String> {
    let Some(text) = table.secret_text(key) else { return Ok(None) };
    if let Some(name) = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')) {
        return variable(name, env);
    }
    if !is_secret(&text) {
        return Ok(Some(text));
    }
    let fault = table.secret_fault(key, format!("`{key}` stands in the file itself"));
    let help = format!("write `{key} = {{ env = \"NAME\" }}` or `{{ file = \"…\" }}`");
    table.add(fault.with_help(help).as_warning());
    Ok(Some(text))
}

fn from_table(
    table: &Table<'_, '_>,
    folder: &Path,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Option<String>, String> {
    let (name, file) = (table.secret_text("env"), table.secret_text("file"));
    table.finish(|_| None);
    match (name, file) {
        (Some(name), None) => variable(&name, env),
        (None, Some(file)) => {
            let path = folder.join(file);
            crate::fault::read_text(&path, SECRET_BYTES_MAX).map(Some)
        }
        (None, None) if !table.has("env") && !table.has("file") => {
            Err("expected { env = \"NAME\" } or { file = \"…\" }".to_owned())
        }
        (Some(_), Some(_)) => Err("write `env` or `file`, not both".to_owned()),
        _ => Ok(None),
    }
}
