//! Rendering: one handlebars registry for each way of escaping.

use super::{Escape, TemplateError, helpers, lint, work};
use crate::domain::Value;
use crate::fault::shown;
use handlebars::{Handlebars, RenderError, RenderErrorReason};
use std::io::{self, Write};

/// The registries of one set of templates.
pub(super) struct Engine {
    text: Handlebars<'static>,
    markdown: Handlebars<'static>,
    slack: Handlebars<'static>,
}

impl Engine {
    pub(super) fn new(templates: lint::Parsed) -> Self {
        let mut engine = Self {
            text: registry(handlebars::no_escape),
            markdown: registry(markdown),
            slack: registry(slack),
        };
        for (name, mut template) in templates {
            template.name = Some(name.clone());
            let template = work::counted(template);
            engine.text.register_template(&name, template.clone());
            engine.markdown.register_template(&name, template.clone());
            engine.slack.register_template(&name, template);
        }
        engine
    }

    pub(super) fn render(
        &self,
        name: &str,
        escape: Escape,
        context: &Value,
        nonce: &str,
        bytes_max: usize,
    ) -> Result<String, TemplateError> {
        let registry = match escape {
            Escape::Text => &self.text,
            Escape::Markdown => &self.markdown,
            Escape::Slack => &self.slack,
        };
        let mut out = Bounded::new(bytes_max);
        helpers::with_nonce(nonce, || registry.render_to_write(name, context, &mut out))
            .map_err(|error| explain(name, &error, bytes_max))?;
        out.into_text(name)
    }
}

/// A registry that knows no template yet.
pub(super) fn registry(escape: fn(&str) -> String) -> Handlebars<'static> {
    let mut registry = Handlebars::new();
    registry.set_strict_mode(true);
    registry.set_prevent_indent(true);
    registry.register_escape_fn(escape);
    helpers::register(&mut registry);
    registry
}

/// An error of handlebars in our words; never a value.
pub(super) fn explain(name: &str, error: &RenderError, bytes_max: usize) -> TemplateError {
    use RenderErrorReason as R;
    let message = match error.reason() {
        R::MissingVariable(Some(path)) => format!("there is no `{}`", shown(path)),
        R::MissingVariable(None) => "a name has no value".to_owned(),
        R::TemplateNotFound(_) => "there is no such template".to_owned(),
        R::PartialNotFound(partial) => format!("there is no partial `{}`", shown(partial)),
        R::HelperNotFound(helper) => format!("there is no helper `{}`", shown(helper)),
        R::ParamNotFoundForIndex(helper, index) => {
            format!("argument {} of `{helper}` is missing", index + 1)
        }
        R::IOError(_) => format!("text is longer than {} KiB", bytes_max / 1024),
        R::Other(message) => shown(message),
        _ => "template cannot be filled in".to_owned(),
    };
    TemplateError {
        template: error.template_name.clone().unwrap_or_else(|| name.to_owned()),
        line: error.line_no.unwrap_or(1),
        column: error.column_no.unwrap_or(1),
        message,
    }
}

/// Takes so many bytes and no more.
#[derive(Debug)]
pub(super) struct Bounded {
    bytes: Vec<u8>,
    bytes_max: usize,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.bytes_max {
            return Err(io::Error::other("text is too long"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Bounded {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { bytes: Vec::new(), bytes_max }
    }

    pub(super) fn into_text(self, name: &str) -> Result<String, TemplateError> {
        String::from_utf8(self.bytes).map(|text| text.trim_end().to_owned()).map_err(|_| {
            let message = "text is not UTF-8".to_owned();
            TemplateError { template: name.to_owned(), line: 1, column: 1, message }
        })
    }
}

/// Escapes what formats or links in Slack's mrkdwn; mentions written out do not ping.
fn slack(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let mut out = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        out.push(c);
        let rest = &text[at + c.len_utf8()..];
        let begins = |word: &&str| {
            rest.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word))
        };
        if c == '@' && ["channel", "here", "everyone"].iter().any(begins) {
            out.push('\u{200b}');
        }
    }
    out
}

/// Escapes what Markdown would take for a mark, and nothing that reads worse for it.
fn markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let chars: Vec<char> = text.chars().collect();
    let mut line_start = true;
    for (index, &c) in chars.iter().enumerate() {
        let inside_word = index > 0
            && chars[index - 1].is_alphanumeric()
            && chars.get(index + 1).is_some_and(|next| next.is_alphanumeric());
        let digits = || chars[..index].iter().rev().take_while(|c| c.is_ascii_digit()).count();
        let mark = match c {
            '\\' | '`' | '*' | '[' | ']' | '<' | '>' | '|' | '~' => true,
            '_' => !inside_word,
            '#' | '+' | '-' | '=' => line_start,
            // `1.` and `1)` at the beginning of a line begin a list.
            '.' | ')' => {
                let digits = digits();
                digits > 0
                    && chars[..index - digits]
                        .iter()
                        .rev()
                        .take_while(|c| **c != '\n')
                        .all(|c| c.is_whitespace())
            }
            _ => false,
        };
        if mark {
            out.push('\\');
        }
        out.push(c);
        line_start = c == '\n' || (line_start && c.is_whitespace());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slack_text_neither_formats_nor_pings() {
        assert_eq!(slack("a & <!here> @channel"), "a &amp; &lt;!here&gt; @\u{200b}channel");
        assert_eq!(slack("@Here @EVERYONE"), "@\u{200b}Here @\u{200b}EVERYONE");
    }

    #[test]
    fn markdown_text_reads_as_it_was_written() {
        assert_eq!(markdown("fix *all* snake_case_names"), "fix \\*all\\* snake_case_names");
        assert_eq!(markdown("x\n# no heading\n 1. no list"), "x\n\\# no heading\n 1\\. no list");
        assert_eq!(markdown("version 1.2 - ok"), "version 1.2 - ok");
        assert_eq!(markdown("_this_ [a](b) <i>"), "\\_this\\_ \\[a\\](b) \\<i\\>");
    }
}
