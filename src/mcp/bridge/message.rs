//! A JSON-RPC message, looked into as far as its way depends on it. Its text is passed on as it is.

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use std::fmt;

/// Where a request of the revision without a handshake says which revision it is.
const VERSION_KEY: &str = "io.modelcontextprotocol/protocolVersion";

/// What can be told of a message.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Message {
    #[serde(default, deserialize_with = "present")]
    id: Option<Value>,
    pub method: Option<String>,
    #[serde(default)]
    pub params: Params,
    #[serde(default, deserialize_with = "present")]
    result: Option<IgnoredAny>,
    #[serde(default, deserialize_with = "present")]
    error: Option<IgnoredAny>,
}

/// What sort of message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Request,
    Notification,
    Response,
    Nonsense,
}

/// A member that is there, whatever it holds: `null` counts.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

impl Message {
    /// Looks into a text.
    pub fn read(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    pub fn kind(&self) -> Kind {
        let has_id = self.id.as_ref().is_some_and(|id| id.is_string() || id.is_number());
        match (&self.method, &self.id, self.result.is_some(), self.error.is_some()) {
            (Some(_), Some(_), false, false) if has_id => Kind::Request,
            (Some(_), None, false, false) => Kind::Notification,
            (None, Some(_), true, false) if has_id => Kind::Response,
            (None, _, false, true) => Kind::Response,
            _ => Kind::Nonsense,
        }
    }

    /// Its id; `null` where it has none.
    pub fn id(&self) -> Value {
        self.id.clone().unwrap_or_default()
    }

    pub fn method(&self) -> &str {
        self.method.as_deref().unwrap_or_default()
    }

    /// The revision without a handshake in which it is asked, if it is.
    pub fn modern(&self) -> Option<&str> {
        self.params.meta_version.as_deref()
    }

    /// What the header `Mcp-Name` repeats.
    pub fn name(&self) -> Option<&str> {
        let Params { name, uri, task, .. } = &self.params;
        match self.method() {
            "tools/call" | "prompts/get" => name.as_deref(),
            "resources/read" | "resources/subscribe" | "resources/unsubscribe" => uri.as_deref(),
            "tasks/get" | "tasks/update" | "tasks/cancel" => task.as_deref(),
            _ => None,
        }
    }
}

/// The few parameters that matter on the way. Whatever else they are, they are nobody's business here.
#[derive(Debug, Default)]
pub(super) struct Params {
    pub name: Option<String>,
    pub uri: Option<String>,
    pub task: Option<String>,
    pub request_id: Option<Value>,
    meta_version: Option<String>,
}

impl<'de> Deserialize<'de> for Params {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ParamsVisitor)
    }
}

/// A text, or something else that is passed over.
struct Text(Option<String>);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Named(&[])).map(|found| Self(found.text))
    }
}

#[derive(Default)]
struct Found {
    text: Option<String>,
    id: Option<Value>,
    members: Vec<(String, Option<String>)>,
}

/// Reads a text, a number, or the texts of an object under these names; passes over all else.
struct Named(&'static [&'static str]);

macro_rules! passed_over {
    ($($name:ident: $type:ty),*) => {
        $(fn $name<E>(self, _: $type) -> Result<Self::Value, E> { Ok(Self::Value::default()) })*
    };
}

impl<'de> Visitor<'de> for Named {
    type Value = Found;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_str<E>(self, text: &str) -> Result<Found, E> {
        Ok(Found { text: Some(text.to_owned()), id: Some(text.into()), ..Found::default() })
    }

    fn visit_u64<E>(self, number: u64) -> Result<Found, E> {
        Ok(Found { id: Some(number.into()), ..Found::default() })
    }

    fn visit_i64<E>(self, number: i64) -> Result<Found, E> {
        Ok(Found { id: Some(number.into()), ..Found::default() })
    }

    fn visit_f64<E>(self, number: f64) -> Result<Found, E> {
        Ok(Found { id: Some(number.into()), ..Found::default() })
    }

    passed_over!(visit_bool: bool);

    fn visit_unit<E>(self) -> Result<Found, E> {
        Ok(Found::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Found, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Found::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Found, A::Error> {
        let mut found = Found::default();
        while let Some(key) = map.next_key::<String>()? {
            if self.0.contains(&key.as_str()) {
                found.members.push((key, map.next_value::<Text>()?.0));
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

struct ParamsVisitor;

impl<'de> Visitor<'de> for ParamsVisitor {
    type Value = Params;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    passed_over!(visit_str: &str, visit_u64: u64, visit_i64: i64, visit_f64: f64, visit_bool: bool);

    fn visit_unit<E>(self) -> Result<Params, E> {
        Ok(Params::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Params, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Params::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Params, A::Error> {
        let mut params = Params::default();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "name" => params.name = map.next_value::<Text>()?.0,
                "uri" => params.uri = map.next_value::<Text>()?.0,
                "taskId" => params.task = map.next_value::<Text>()?.0,
                "requestId" => params.request_id = map.next_value_seed(Seed(&[]))?.id,
                "_meta" => {
                    let members = map.next_value_seed(Seed(&[VERSION_KEY]))?.members;
                    params.meta_version = members.into_iter().find_map(|(_, version)| version);
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(params)
    }
}

struct Seed(&'static [&'static str]);

impl<'de> serde::de::DeserializeSeed<'de> for Seed {
    type Value = Found;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Found, D::Error> {
        from.deserialize_any(Named(self.0))
    }
}

/// The revision that an answer to `initialize` settles on.
pub(super) fn settled_version(text: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Answer {
        result: Hello,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Hello {
        protocol_version: String,
    }
    let version = serde_json::from_str::<Answer>(text).ok()?.result.protocol_version;
    is_version(&version).then_some(version)
}

/// Whether it is written as revisions are: `2025-11-25`.
pub(super) fn is_version(text: &str) -> bool {
    text.len() == 10
        && text.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}

/// The tools of a listing, and whether a second call of each does no harm by the server's own word.
pub(super) fn repeatable_tools(text: &str) -> Vec<(String, bool)> {
    #[derive(Deserialize)]
    struct Answer {
        result: Listing,
    }
    #[derive(Deserialize)]
    struct Listing {
        tools: Vec<Tool>,
    }
    #[derive(Deserialize)]
    struct Tool {
        name: String,
        #[serde(default)]
        annotations: Option<Hints>,
    }
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Hints {
        #[serde(default)]
        read_only_hint: Option<bool>,
        #[serde(default)]
        idempotent_hint: Option<bool>,
    }
    let Ok(answer) = serde_json::from_str::<Answer>(text) else { return Vec::new() };
    let harmless =
        |hints: &Hints| hints.read_only_hint == Some(true) || hints.idempotent_hint == Some(true);
    let tools = answer.result.tools.into_iter();
    tools.map(|tool| (tool.name, tool.annotations.as_ref().is_some_and(harmless))).collect()
}

/// A response that says what went wrong, as a line without its end.
pub(super) fn error_line(id: &Value, code: i64, message: &str, data: &Value) -> Vec<u8> {
    let mut error = json!({ "code": code, "message": message });
    if !data.is_null() {
        error["data"] = data.clone();
    }
    json!({ "jsonrpc": "2.0", "id": id, "error": error }).to_string().into_bytes()
}

/// The same error as the answer to another id: servers leave the id out when they refuse a request.
pub(super) fn error_of(text: &str, id: &Value) -> Option<Vec<u8>> {
    #[derive(Deserialize)]
    struct Answer {
        error: RpcError,
    }
    #[derive(Deserialize)]
    struct RpcError {
        code: i64,
        message: String,
        #[serde(default)]
        data: Value,
    }
    let error = serde_json::from_str::<Answer>(text).ok()?.error;
    Some(error_line(id, error.code, &error.message, &error.data))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kind(text: &str) -> Kind {
        Message::read(text).map_or(Kind::Nonsense, |message| message.kind())
    }

    #[test]
    fn what_a_message_is_follows_from_its_members() {
        for (text, expected) in [
            (r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#, Kind::Request),
            (r#"{"id":"a","method":"ping","params":[1,{"name":2}]}"#, Kind::Request),
            (r#"{"id":1,"method":"x","params":{"name":[],"_meta":7,"uri":null}}"#, Kind::Request),
            (r#"{"method":"notifications/cancelled","params":null}"#, Kind::Notification),
            (r#"{"id":1,"result":null}"#, Kind::Response),
            (r#"{"id":null,"error":{}}"#, Kind::Response),
            (r#"{"error":{}}"#, Kind::Response),
            (r#"{"id":null,"method":"ping"}"#, Kind::Nonsense),
            (r#"{"id":{},"method":"ping"}"#, Kind::Nonsense),
            (r#"{"id":1,"result":1,"error":1}"#, Kind::Nonsense),
            (r#"{"id":1,"id":2,"method":"ping"}"#, Kind::Nonsense),
            (r#"[{"id":1,"method":"ping"}]"#, Kind::Nonsense),
            ("{", Kind::Nonsense),
            ("7", Kind::Nonsense),
        ] {
            assert_eq!(kind(text), expected, "{text}");
        }
    }

    #[test]
    fn what_the_headers_repeat_is_read_from_the_body() {
        let text = r#"{"id":1,"method":"tools/call","params":{"name":"getTicket","arguments":
            {"name":"other"},"_meta":{"a":1,"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#;
        let call = Message::read(text).unwrap();
        assert_eq!((call.name(), call.modern()), (Some("getTicket"), Some("2026-07-28")));
        let read = r#"{"id":1,"method":"resources/read","params":{"uri":"a://b","name":"n"}}"#;
        assert_eq!(Message::read(read).unwrap().name(), Some("a://b"));
        let cancel = r#"{"method":"notifications/cancelled","params":{"requestId":"r-1"}}"#;
        assert_eq!(Message::read(cancel).unwrap().params.request_id, Some("r-1".into()));
    }

    #[test]
    fn an_error_without_an_id_becomes_the_answer_to_ours() {
        let text = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"no"}}"#;
        let line: Value = serde_json::from_slice(&error_of(text, &7.into()).unwrap()).unwrap();
        assert_eq!(line, json!({"jsonrpc":"2.0","id":7,"error":{"code":-32_000,"message":"no"}}));
        assert_eq!(error_of(r#"{"error":"Unauthorized"}"#, &7.into()), None);
    }

    #[test]
    fn only_what_the_server_calls_harmless_may_be_repeated() {
        let text = r#"{"id":1,"result":{"tools":[{"name":"a","annotations":{"readOnlyHint":true}},
            {"name":"b","annotations":{"idempotentHint":true}},{"name":"c","annotations":{}},
            {"name":"d"},{"name":"e","annotations":null}]}}"#;
        let names: Vec<_> =
            repeatable_tools(text).into_iter().filter(|t| t.1).map(|t| t.0).collect();
        assert_eq!(names, ["a", "b"]);
        assert!(repeatable_tools(r#"{"result":{"tools":[{}]}}"#).is_empty());
    }

    #[test]
    fn depth_is_no_danger() {
        let deep = format!(
            r#"{{"id":1,"method":"x","params":{{"_meta":{}{}}}}}"#,
            "[".repeat(100_000),
            "]".repeat(100_000)
        );
        assert_eq!(kind(&deep), Kind::Request);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,200}", tail in r#"[\[\]{}",:a-z0-9]{0,80}"#) {
            let _ = kind(&text);
            let _ = kind(&format!(r#"{{"id":1,"params":{tail}"#));
            let _ = (settled_version(&text), repeatable_tools(&text), error_of(&text, &1.into()));
        }
    }
}
