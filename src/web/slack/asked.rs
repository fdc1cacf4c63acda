//! What was clicked or typed, read from what Slack sends.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// More of a text is not taken.
const TEXT_CHARS_MAX: usize = 16_000;
/// No id or address is longer.
const WORD_BYTES_MAX: usize = 1_024;

/// Something that somebody asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// Slack's id of whoever asks.
    pub user: String,
    /// Where they are answered; none where Slack gave none.
    pub response_url: Option<String>,
    /// What.
    pub choice: Choice,
}

/// What somebody asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Choice {
    /// A button was clicked.
    Button {
        /// Which.
        clicked: Clicked,
        /// By it a form can be shown, within three seconds.
        trigger: String,
        /// The message's blocks, with the one that the button is in.
        blocks: Vec<Value>,
        /// The id of that one.
        block: String,
    },
    /// A form was sent.
    Form {
        /// Which button has opened it.
        clicked: Clicked,
        /// What was written.
        text: String,
    },
    /// A command was typed: what follows its name.
    Command(String),
}

/// A button: what it is about, and what it does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clicked {
    /// The task.
    pub task: i64,
    /// The run that left it.
    pub run: String,
    /// Since when it waits; buttons of before do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// What is done.
    pub decision: Decision,
    /// Where whoever sent a form is answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_url: Option<String>,
}

/// What a button does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Approves.
    Approve,
    /// Asks for changes, by a form.
    RequestChanges,
    /// Answers a question, by a form.
    Answer,
    /// Puts it off by a day.
    Snooze,
}

impl Decision {
    /// Its name, as the tool takes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::RequestChanges => "request_changes",
            Self::Answer => "answer",
            Self::Snooze => "snooze",
        }
    }

    /// Whether it needs a text.
    pub fn needs_text(self) -> bool {
        matches!(self, Self::RequestChanges | Self::Answer)
    }
}

impl Asked {
    /// Reads an interaction: `payload`, in a form, is JSON.
    ///
    /// # Errors
    /// What is not understood.
    pub fn of_interaction(body: &[u8]) -> Result<Option<Self>, &'static str> {
        let payload = fields(body).find_map(|(name, value)| (name == "payload").then_some(value));
        let payload = payload.ok_or("there is no payload")?;
        let payload: Value = serde_json::from_str(&payload).map_err(|_| "it is no JSON")?;
        let user = word(&payload["user"]["id"]).ok_or("nobody clicked")?;
        match payload["type"].as_str() {
            Some("block_actions") => Self::of_button(&payload, user),
            Some("view_submission") => Self::of_form(&payload, user).map(Some),
            Some("view_closed") => Ok(None),
            _ => Err("it is of another type"),
        }
    }

    fn of_button(payload: &Value, user: String) -> Result<Option<Self>, &'static str> {
        let action = &payload["actions"][0];
        // Buttons that only lead somewhere are clicked, too.
        let Some(value) = word(&action["value"]) else { return Ok(None) };
        let clicked: Clicked = serde_json::from_str(&value).map_err(|_| "no button of ours")?;
        let clicked = Clicked { response_url: None, ..clicked };
        let blocks = payload["message"]["blocks"].as_array().cloned().unwrap_or_default();
        Ok(Some(Self {
            user,
            response_url: word(&payload["response_url"]),
            choice: Choice::Button {
                clicked,
                trigger: word(&payload["trigger_id"]).unwrap_or_default(),
                blocks,
                block: word(&action["block_id"]).unwrap_or_default(),
            },
        }))
    }

    fn of_form(payload: &Value, user: String) -> Result<Self, &'static str> {
        let view = &payload["view"];
        let kept = view["private_metadata"].as_str().ok_or("no form of ours")?;
        let clicked: Clicked = serde_json::from_str(kept).map_err(|_| "no form of ours")?;
        let text = view["state"]["values"]["said"]["text"]["value"].as_str().unwrap_or_default();
        let text = text.chars().take(TEXT_CHARS_MAX).collect();
        let response_url = clicked.response_url.clone();
        Ok(Self { user, response_url, choice: Choice::Form { clicked, text } })
    }

    /// Reads a command, which is a form.
    ///
    /// # Errors
    /// What is not understood.
    pub fn of_command(body: &[u8]) -> Result<Option<Self>, &'static str> {
        let find =
            |wanted: &str| fields(body).find_map(|(name, value)| (name == wanted).then_some(value));
        if find("ssl_check").is_some() {
            return Ok(None);
        }
        let short =
            |text: String| Some(text).filter(|t| !t.is_empty() && t.len() <= WORD_BYTES_MAX);
        let user = find("user_id").and_then(short).ok_or("nobody typed it")?;
        let text = find("text").unwrap_or_default().chars().take(TEXT_CHARS_MAX).collect();
        let response_url = find("response_url").and_then(short);
        Ok(Some(Self { user, response_url, choice: Choice::Command(text) }))
    }
}

fn fields(body: &[u8]) -> impl Iterator<Item = (String, String)> {
    form_urlencoded::parse(body).map(|(name, value)| (name.into_owned(), value.into_owned()))
}

fn word(value: &Value) -> Option<String> {
    let text = value.as_str()?;
    (!text.is_empty() && text.len() <= WORD_BYTES_MAX).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn form(payload: &Value) -> Vec<u8> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("payload", &payload.to_string());
        form.finish().into_bytes()
    }

    #[test]
    fn a_button_says_what_it_is_about_and_where_it_stands() {
        let value = r#"{"task":7,"run":"r-1","decision":"approve","response_url":"https://evil"}"#;
        let payload = json!({
            "type": "block_actions", "user": {"id": "U1"}, "trigger_id": "t",
            "response_url": "https://hooks.slack.com/actions/x",
            "actions": [{"action_id": "a", "block_id": "b", "value": value}],
            "message": {"blocks": [{"type": "divider", "block_id": "b"}]}
        });
        let asked = Asked::of_interaction(&form(&payload)).unwrap().unwrap();
        let Choice::Button { clicked, blocks, block, .. } = asked.choice else { panic!() };
        assert_eq!((clicked.task, clicked.decision), (7, Decision::Approve));
        assert_eq!((clicked.response_url, blocks.len(), block.as_str()), (None, 1, "b"));
    }

    #[test]
    fn what_is_not_ours_is_not_understood() {
        let button = |value: Value| json!({"type": "block_actions", "user": {"id": "U1"}, "actions": [{"value": value}]});
        for payload in [
            json!({}),
            json!({"type": "block_actions"}),
            json!({"type": "shortcut", "user": {"id": "U1"}}),
            button(json!("{}")),
            button(json!("{\"task\":7,\"run\":\"r\",\"decision\":\"delete\"}")),
            json!({"type": "view_submission", "user": {"id": "U1"}, "view": {}}),
        ] {
            assert!(Asked::of_interaction(&form(&payload)).is_err(), "{payload}");
        }
        assert_eq!(Asked::of_interaction(&form(&button(Value::Null))), Ok(None));
        assert!(Asked::of_interaction(b"payload=%7B").is_err());
        assert!(Asked::of_interaction(b"\xff\xfe").is_err());
    }

    #[test]
    fn a_command_is_what_follows_its_name() {
        let body = b"command=%2Frota&text=why+7&user_id=U1&response_url=https%3A%2F%2Fx";
        let asked = Asked::of_command(body).unwrap().unwrap();
        assert_eq!(asked.choice, Choice::Command("why 7".into()));
        assert_eq!(asked.response_url.as_deref(), Some("https://x"));
        assert_eq!(Asked::of_command(b"ssl_check=1&token=x"), Ok(None));
        assert!(Asked::of_command(b"text=status").is_err());
    }
}
