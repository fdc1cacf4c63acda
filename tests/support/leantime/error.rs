//! The errors of the JSON-RPC envelope, with their texts.

use serde_json::{Value, json};

/// An error object.
#[derive(Clone, Debug, PartialEq)]
pub struct RpcError {
    pub code: i32,
    pub message: String,
    pub data: Value,
}

/// What a method answers.
pub type Outcome = Result<Value, RpcError>;

impl RpcError {
    fn new(code: i32, message: &str, data: Value) -> Self {
        Self { code, message: message.to_owned(), data }
    }

    pub fn parse() -> Self {
        Self::new(-32700, "Parse error", json!("Could not parse JSON. Error Syntax error"))
    }

    pub fn invalid_request() -> Self {
        let data = "You must include a \"jsonrpc\" parameter with a value of \"2.0\"";
        Self::new(-32600, "Invalid Request", json!(data))
    }

    pub fn method(data: &str) -> Self {
        Self::new(-32601, "Method not found", json!(data))
    }

    pub fn params(data: &str) -> Self {
        Self::new(-32602, "Invalid params", json!(data))
    }

    /// A field that the business needs: the text stands in the message.
    pub fn field(message: &str) -> Self {
        Self::new(-32602, message, Value::Null)
    }

    pub fn cast(name: &str) -> Self {
        Self::params(&format!(
            "Could not cast parameter: {name}. See server logs for more details."
        ))
    }

    pub fn denied() -> Self {
        Self::new(-32001, "You are not allowed to perform this action.", Value::Null)
    }

    pub fn no_task() -> Self {
        Self::new(-32002, "The task you tried to edit could not be found.", Value::Null)
    }

    /// Any exception of PHP; the detail stands in the server's log alone.
    pub fn server() -> Self {
        Self::new(-32000, "Server error", Value::Null)
    }

    pub fn object(&self) -> Value {
        json!({ "code": self.code, "message": self.message, "data": self.data })
    }
}

/// A failure that is told inside a result.
pub fn soft(message: &str) -> Value {
    json!({ "msg": message, "type": "error" })
}
