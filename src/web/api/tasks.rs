//! A task under its own address: its entity tag is made of its revision, and a change is made only from
//! the revision that whoever asks has seen.

use super::Behind;
use super::answer::{Asked, ok};
use crate::web::problem::Problem;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::{Map, Value as Json, json};
use sha2::{Digest as _, Sha256};

pub(super) async fn show(behind: &Behind, asked: &Asked) -> Result<Response, Problem> {
    asked.takes_no_query()?;
    let task = read(behind, asked).await?;
    let tag = tag(&task);
    let known = tags(&asked.headers, header::IF_NONE_MATCH);
    // Weak or strong: the bytes are the same when the tag is.
    let is_known = |one: &String| one == "*" || one.trim_start_matches("W/") == tag;
    if known.iter().any(is_known) {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return Ok(tagged(response, &tag));
    }
    Ok(tagged(ok(&task), &tag))
}

pub(super) async fn edit(behind: &Behind, asked: &Asked) -> Result<Response, Problem> {
    asked.takes_no_query()?;
    let params = asked.in_body()?;
    let mut args = Map::new();
    args.insert("id".to_owned(), Json::from(asked.in_path("id")));
    let wanted = tags(&asked.headers, header::IF_MATCH);
    // Whoever names a tag does not want to be the last one who wins.
    if wanted.is_empty() && asked.headers.contains_key(header::IF_MATCH) {
        return Err(Problem::invalid("If-Match: expected the task's ETag, in quotes, or *"));
    }
    if !wanted.is_empty() {
        let now = read(behind, asked).await?;
        let revision = now["revision"].as_u64().unwrap_or_default();
        if !wanted.iter().any(|tag| tag == "*" || revision_of(tag) == Some(revision)) {
            let message = format!("the task is at revision {revision} by now; read it again");
            return Err(Problem::changed_since(message));
        }
        args.insert("expectedRevision".to_owned(), Json::from(revision));
    }
    args.insert("params".to_owned(), Json::Object(params));
    let edited = match behind.call(&asked.caller, "editTask", args).await {
        Ok(edited) => edited,
        // Somebody was quicker, between our look and our write.
        Err(error) if error.code == "revision_conflict" && !wanted.is_empty() => {
            return Err(Problem::changed_since(error.message));
        }
        Err(error) => return Err(error.into()),
    };
    // It was done, and whoever is told that it failed does it again.
    let Ok(task) = read(behind, asked).await else { return Ok(ok(&edited)) };
    let tag = tag(&task);
    Ok(tagged(ok(&task), &tag))
}

async fn read(behind: &Behind, asked: &Asked) -> Result<Json, Problem> {
    let mut args = Map::new();
    args.insert("id".to_owned(), json!(asked.in_path("id")));
    Ok(behind.call(&asked.caller, "getTicket", args).await?)
}

/// The revision, and what tells apart what else may change: names of people, statuses, the project.
fn tag(task: &Json) -> String {
    let hash = Sha256::digest(task.to_string().as_bytes());
    let [a, b, c, d, ..] = hash[..] else { return String::new() };
    format!("\"{}.{a:02x}{b:02x}{c:02x}{d:02x}\"", task["revision"])
}

/// The revision in a tag of ours; weak ones do not count for changes.
fn revision_of(tag: &str) -> Option<u64> {
    let (revision, _) = tag.strip_prefix('"')?.strip_suffix('"')?.split_once('.')?;
    revision.parse().ok()
}

fn tags(headers: &HeaderMap, name: HeaderName) -> Vec<String> {
    let lists = headers.get_all(name).iter().filter_map(|list| list.to_str().ok());
    let tags = lists.flat_map(|list| list.split(',')).map(str::trim);
    tags.filter(|tag| !tag.is_empty()).map(str::to_owned).collect()
}

fn tagged(mut response: Response, tag: &str) -> Response {
    let headers = response.headers_mut();
    if let Ok(tag) = HeaderValue::from_str(tag) {
        headers.insert(header::ETAG, tag);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_changes_with_whatever_is_shown_and_tells_its_revision() {
        let task = json!({ "id": 1, "revision": 3, "assignee_name": "Ada" });
        let renamed = json!({ "id": 1, "revision": 3, "assignee_name": "Ada Lovelace" });
        assert_ne!(tag(&task), tag(&renamed));
        assert_eq!((revision_of(&tag(&task)), revision_of(&tag(&renamed))), (Some(3), Some(3)));
        for foreign in ["\"3\"", "W/\"3.00000000\"", "3.00000000", "\"x.y\"", ""] {
            assert_eq!(revision_of(foreign), None, "{foreign}");
        }
    }
}
