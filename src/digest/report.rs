//! Any notice from templates: one model, the formats its templates make, and a [`Body`].

use super::blocks::{self, BlockError, Message};
use super::dress::mrkdwn;
use super::{Format, dress};
use crate::domain::{Body, Value};
use crate::notify::text::{printable, without_unseen};

/// The longest text a template may make, in bytes.
pub const FILLED_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Fills templates. Implementations are strict (an unknown name is an error) and must not escape
/// anything: what they are given is escaped for the template's format already.
pub trait Fill: Send + Sync {
    /// Fills the template of this name; the error is a text for people, without a full stop.
    fn fill(&self, template: &str, data: &Value) -> Result<String, String>;

    /// Whether there is a template of this name.
    fn has(&self, template: &str) -> bool;
}

/// Why there is no message.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// No template of this name, in any format.
    #[error(
        "there is no template {0:?}; expected NAME.hbs (for NAME.txt.hbs, NAME.md.hbs and \
         NAME.slack.hbs) or one of these by its own name"
    )]
    NoTemplate(String),
    /// A template could not be filled in.
    #[error("template {template:?} could not be filled in: {fault}")]
    Fill {
        /// Its name.
        template: String,
        /// What is wrong, with line and column where known.
        fault: String,
    },
    /// A template made more than anybody reads.
    #[error("template {0:?} makes more than {FILLED_BYTES_MAX} bytes")]
    TooLong(String),
    /// What the template made is no Slack message.
    #[error("template {template:?} makes no Slack message")]
    Blocks {
        /// Its name.
        template: String,
        /// What is wrong.
        #[source]
        source: BlockError,
    },
}

/// Makes a message from a template and a model.
///
/// `digest.hbs` stands for `digest.txt.hbs`, `digest.md.hbs` and `digest.slack.hbs`, as far as they
/// exist (at least one must); a name with one of these endings stands for itself. Where no
/// template makes the plain text, the Slack or the Markdown template's output is read as such;
/// where none makes the Slack message, the plain text is sent. When every output is blank, so is
/// the body: there is nothing to tell.
pub fn report(fill: &dyn Fill, template: &str, data: &Value) -> Result<Body, ReportError> {
    let text = filled(fill, template, Format::Text, data)?;
    let markdown = filled(fill, template, Format::Markdown, data)?;
    let slack = filled(fill, template, Format::Slack, data)?;
    let text = match (text, &slack, &markdown) {
        (Some(text), ..) => text,
        (None, Some(slack), _) => blocks::plain(slack),
        (None, None, Some(markdown)) => markdown.clone(),
        (None, None, None) => return Err(ReportError::NoTemplate(template.to_owned())),
    };
    let document = slack.unwrap_or_else(|| mrkdwn(&text));
    let messages = blocks::fit(&document, &opening(&text))
        .map_err(|source| ReportError::Blocks { template: template.to_owned(), source })?;
    Ok(Body {
        text,
        markdown: markdown.unwrap_or_default(),
        slack: messages.iter().map(Message::to_json).collect(),
        ..Body::default()
    })
}

/// A plain text as Slack payloads: as it reads, without markup of its own.
pub fn slack_of_text(text: &str) -> Result<Vec<Message>, BlockError> {
    blocks::fit(&mrkdwn(&without_unseen(&printable(text))), &opening(text))
}

/// What the template of a format makes, if there is one.
fn filled(
    fill: &dyn Fill,
    template: &str,
    format: Format,
    data: &Value,
) -> Result<Option<String>, ReportError> {
    let Some(name) = name_in(fill, template, format) else { return Ok(None) };
    let text = fill
        .fill(&name, &dress(data, format))
        .map_err(|fault| ReportError::Fill { template: name.clone(), fault })?;
    if text.len() > FILLED_BYTES_MAX {
        return Err(ReportError::TooLong(name));
    }
    Ok(Some(text.trim_matches('\n').trim_end().to_owned()))
}

/// The template of a format that a name stands for, if there is one.
fn name_in(fill: &dyn Fill, template: &str, format: Format) -> Option<String> {
    let own = Format::ALL.into_iter().find(|format| template.ends_with(format.suffix()));
    let name = match own {
        Some(own) if own == format => template.to_owned(),
        Some(_) => return None,
        None => {
            let stem = template.strip_suffix(".hbs").unwrap_or(template);
            format!("{stem}{}", format.suffix())
        }
    };
    fill.has(&name).then_some(name)
}

/// The first two lines that say something: what a notification shows.
fn opening(text: &str) -> String {
    text.lines().filter(|line| !line.trim().is_empty()).take(2).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// Templates that are a text with `{}` for the member `text`.
    struct Fixed(BTreeMap<&'static str, &'static str>);

    impl Fill for Fixed {
        fn fill(&self, template: &str, data: &Value) -> Result<String, String> {
            let text = data.get("text").and_then(Value::as_text).ok_or("text is not given")?;
            Ok(self.0[template].replace("{}", text))
        }
        fn has(&self, template: &str) -> bool {
            self.0.contains_key(template)
        }
    }

    fn body(templates: &[(&'static str, &'static str)], name: &str) -> Result<Body, ReportError> {
        let fill = Fixed(templates.iter().copied().collect());
        report(&fill, name, &Value::map([("text", "a <b> *c*")]))
    }

    #[test]
    fn each_format_is_escaped_its_own_way() {
        let all = [("x.txt.hbs", "t {}"), ("x.md.hbs", "m {}"), ("x.slack.hbs", "s {}")];
        let body = body(&all, "x.hbs").unwrap();
        assert_eq!(body.text, "t a <b> *c*");
        assert_eq!(body.markdown, "m a \\<b\\> \\*c\\*");
        let slack = body.slack[0].replace(crate::notify::text::BREAKER, "·");
        assert!(slack.contains("\"text\":\"s a &lt;b&gt; ·*·c·*·\""), "{slack}");
        assert!(slack.contains("\"text\":\"t a &lt;b&gt; ·*·c·*·\""), "{slack}");
    }

    #[test]
    fn a_lone_template_serves_every_channel() {
        let lone = body(&[("x.slack.hbs", "# T\n{}")], "x.slack.hbs").unwrap();
        assert_eq!(lone.text, "T\na <b> *c*");
        let text = body(&[("x.txt.hbs", "# T\n{}")], "x").unwrap();
        assert!(!text.slack[0].contains("header"), "a text's lines are no directives");
        let markdown = body(&[("x.md.hbs", "{}")], "x.hbs").unwrap();
        assert_eq!(markdown.text, markdown.markdown);
    }

    #[test]
    fn an_ending_chooses_one_template() {
        let two = [("x.txt.hbs", "t"), ("x.slack.hbs", "s")];
        assert_eq!(body(&two, "x.slack.hbs").unwrap().text, "s");
        assert_eq!(body(&two, "x.hbs").unwrap().text, "t");
    }

    #[test]
    fn a_missing_template_is_named() {
        assert!(
            matches!(body(&[], "x.hbs"), Err(ReportError::NoTemplate(name)) if name == "x.hbs")
        );
        assert!(matches!(body(&[], "x.md.hbs"), Err(ReportError::NoTemplate(_))));
    }

    #[test]
    fn nothing_to_tell_is_an_empty_body() {
        assert_eq!(body(&[("x.txt.hbs", " \n")], "x").unwrap(), Body::default());
    }
}
