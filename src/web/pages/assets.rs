//! The styles and scripts of the pages, part of the program. Their addresses hold their hashes, so that a
//! browser asks for each once.

use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderValue, Response, StatusCode, header};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::sync::LazyLock;

/// So much of a hash stands in an address.
const HASH_BYTES: usize = 8;

/// A file of ours.
pub(super) struct Asset {
    name: String,
    kind: &'static str,
    bytes: &'static [u8],
}

impl Asset {
    fn new(stem: &str, ending: &str, kind: &'static str, bytes: &'static [u8]) -> Self {
        let mut hash = String::new();
        for byte in &Sha256::digest(bytes)[..HASH_BYTES] {
            let _ = write!(hash, "{byte:02x}");
        }
        Self { name: format!("{stem}-{hash}.{ending}"), kind, bytes }
    }

    /// Where a browser finds it.
    pub(super) fn address(&self) -> String {
        format!("/assets/{}", self.name)
    }
}

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// How everything looks.
pub(super) static STYLE: LazyLock<Asset> = LazyLock::new(|| {
    let bytes = include_bytes!("../assets/rota.css");
    Asset::new("rota", "css", "text/css; charset=utf-8", bytes)
});
/// What saves a reload.
pub(super) static OURS: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("rota", "js", SCRIPT, include_bytes!("../assets/rota.js")));
/// htmx 4.0.1 as npm has it (`htmx.org`), whose licence stands beside it.
pub(super) static HTMX: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("htmx", "js", SCRIPT, include_bytes!("../assets/htmx.min.js")));
/// The sign in the browser's tab.
pub(super) static ICON: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("rota", "svg", "image/svg+xml", include_bytes!("../assets/rota.svg"))
});

/// Sends one of them.
pub(super) async fn serve(Path(name): Path<String>) -> Response<Body> {
    let all = [&STYLE, &OURS, &HTMX, &ICON];
    let found = all.into_iter().find(|asset| asset.name == name);
    let Some(asset) = found else {
        let mut response = Response::new(Body::from("not found\n"));
        *response.status_mut() = StatusCode::NOT_FOUND;
        return response;
    };
    let mut response = Response::new(Body::from(asset.bytes));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.kind));
    let forever = HeaderValue::from_static("public, max-age=31536000, immutable");
    headers.insert(header::CACHE_CONTROL, forever);
    response
}
