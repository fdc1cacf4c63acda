//! The pages for people, by the real binary, as a browser without scripts uses them.

mod acting;
mod adding;
mod asking;
mod books;
mod choosing;
mod costs;
mod deciding;
mod demo;
mod hostile;
mod large;
mod live;
mod now;
mod page;
mod roles;
mod settings;
mod signing_in;
mod strangers;
mod timeline;
mod tls;

use crate::mcp::{Client, token};
use crate::support::rota::{Rota, Serving};
use page::Page;
use reqwest::header::{HeaderMap, LOCATION, SET_COOKIE};

/// Every page that there is without a task, a run or a playbook.
pub const PAGES: [&str; 8] =
    ["/", "/review", "/board", "/runs", "/playbooks", "/digest", "/costs", "/settings"];

/// A browser: it keeps its cookie and goes where it is sent.
#[derive(Clone, Debug)]
pub struct Browser {
    http: reqwest::Client,
    pub base: String,
    /// `name=value`, as it sends it.
    pub cookie: Option<String>,
    /// What stands in its forms.
    pub mark: String,
}

/// What came back.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Reply {
    /// Where it leads.
    pub fn place(&self) -> &str {
        self.headers.get(LOCATION).map_or("", |place| place.to_str().unwrap())
    }

    /// The cookie that it gives, with its attributes.
    pub fn cookie(&self) -> Option<&str> {
        self.headers.get(SET_COOKIE).map(|cookie| cookie.to_str().unwrap())
    }

    /// The page, which has to be well-formed.
    #[track_caller]
    pub fn page(&self) -> Page {
        Page::read(&self.text)
    }
}

impl Browser {
    pub fn of(serving: &Serving) -> Self {
        let addr = serving.ready.split_whitespace().find_map(|word| word.strip_prefix("addr="));
        Self::at(&format!("http://{}", addr.unwrap()))
    }

    /// Of whoever serves there.
    pub fn at(base: &str) -> Self {
        // The binary does it in its `main`; a second time changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let none = reqwest::redirect::Policy::none();
        let http = reqwest::Client::builder().no_proxy().redirect(none).build().unwrap();
        Self { http, base: base.to_owned(), cookie: None, mark: String::new() }
    }

    /// Signed in with a token.
    pub async fn signed_in(serving: &Serving, secret: &str) -> Self {
        let mut browser = Self::of(serving);
        let reply = browser.post("/sign-in", &[("token", secret)]).await;
        assert_eq!((reply.status, reply.place()), (303, "/"), "{reply:#?}");
        let mut reply = browser.get("/").await;
        // A token may be for something else than the first page.
        if reply.status == 303 {
            let place = reply.place().to_owned();
            reply = browser.get(&place).await;
        }
        browser.mark = reply.page().field("mark").to_owned();
        assert!(!browser.mark.is_empty());
        browser
    }

    pub async fn get(&mut self, path: &str) -> Reply {
        self.get_with(path, &[]).await
    }

    pub async fn get_with(&mut self, path: &str, headers: &[(&str, &str)]) -> Reply {
        let request = self.http.get(format!("{}{path}", self.base));
        self.send(request, headers).await
    }

    /// Sends a form as it is.
    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let origin = self.base.clone();
        self.post_with(path, fields, &[("origin", &origin)]).await
    }

    pub async fn post_with(
        &mut self,
        path: &str,
        fields: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Reply {
        let mut body = form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(fields);
        let request = self
            .http
            .post(format!("{}{path}", self.base))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body.finish());
        self.send(request, headers).await
    }

    /// Sends a form of a page that was shown to whoever is signed in; what they are told next.
    pub async fn submit(&mut self, path: &str, fields: &[(&str, &str)]) -> String {
        let mark = self.mark.clone();
        let fields: Vec<_> =
            std::iter::once(("mark", mark.as_str())).chain(fields.iter().copied()).collect();
        let reply = self.post(path, &fields).await;
        if reply.status == 409 {
            // With what was written.
            return reply.page().remark();
        }
        assert_eq!(reply.status, 303, "{path}: {reply:#?}");
        let place = reply.place().to_owned();
        let next = self.get(&place).await;
        assert_eq!(next.status, 200, "{place}: {next:#?}");
        next.page().remark()
    }

    async fn send(&mut self, request: reqwest::RequestBuilder, headers: &[(&str, &str)]) -> Reply {
        let mut request = request;
        if let Some(cookie) = &self.cookie {
            request = request.header("cookie", cookie);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let reply = Reply { status, headers, text: response.text().await.unwrap() };
        if let Some(cookie) = reply.cookie() {
            let (pair, rest) = cookie.split_once(';').unwrap();
            self.cookie = (!rest.contains("Max-Age=0")).then(|| pair.to_owned());
        }
        reply
    }
}

/// An agent that comes by MCP, with the tools for what waits.
pub fn agent(serving: &Serving, secret: &str) -> Client {
    let client = Client::of(serving, Some(secret));
    Client { url: format!("{}?toolsets=all,reviews", client.url), ..client }
}

/// Somebody of the team, signed in.
pub async fn somebody(rota: &Rota, serving: &Serving, name: &str) -> Browser {
    let secret = token(rota, &[&format!("page of {name}"), "--person", name]);
    Browser::signed_in(serving, &secret).await
}
