//! A page, read by the HTML standard's own tokenizer: well-formed, and with nothing in it that runs.

use html5gum::{Token, Tokenizer};
use std::collections::BTreeMap;

/// Elements without an end.
const VOID: [&str; 6] = ["input", "meta", "link", "br", "hr", "img"];
/// What nobody but us may bring, and we do not.
const FORBIDDEN: [&str; 9] =
    ["iframe", "object", "embed", "base", "style", "img", "template", "applet", "math"];

/// What is seen of a page.
#[derive(Debug, Default)]
pub struct Page {
    /// Every start tag with its attributes, in order.
    tags: Vec<(String, BTreeMap<String, String>)>,
    text: String,
    remark: String,
}

impl Page {
    /// Reads a page; fails the test where it is not well-formed, or where something of it would run.
    #[track_caller]
    pub fn read(html: &str) -> Self {
        let mut page = Self::default();
        let mut open: Vec<String> = Vec::new();
        let mut remark_depth = None;
        for token in Tokenizer::new(html) {
            let Ok(token) = token;
            match token {
                Token::StartTag(tag) => {
                    let name = String::from_utf8(tag.name.0.clone()).unwrap();
                    let attributes: BTreeMap<String, String> = tag
                        .attributes
                        .iter()
                        .map(|(name, value)| {
                            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                            (text(&name.0), text(&value.value.0))
                        })
                        .collect();
                    is_harmless(&name, &attributes);
                    let class = attributes.get("class").cloned().unwrap_or_default();
                    if class.split(' ').any(|own| own == "remark") {
                        remark_depth = Some(open.len());
                    }
                    page.tags.push((name.clone(), attributes));
                    if !VOID.contains(&name.as_str()) {
                        open.push(name);
                    }
                }
                Token::EndTag(tag) => {
                    let name = String::from_utf8(tag.name.0.clone()).unwrap();
                    assert_eq!(open.pop().as_deref(), Some(name.as_str()), "tags cross: {open:?}");
                    if remark_depth.is_some_and(|depth| open.len() <= depth) {
                        remark_depth = None;
                    }
                }
                Token::String(text) => {
                    let text = String::from_utf8(text.value.0.clone()).unwrap();
                    if remark_depth.is_some() {
                        page.remark.push_str(&text);
                    }
                    page.text.push_str(&text);
                }
                Token::Comment(comment) => panic!("a comment: {comment:?}"),
                Token::Error(error) => panic!("not well-formed: {error:?}\n{html}"),
                Token::Doctype(_) => {}
            }
        }
        assert!(open.is_empty(), "left open: {open:?}");
        page.is_whole();
        page
    }

    /// What every page has.
    #[track_caller]
    fn is_whole(&self) {
        let count = |name: &str| self.tags.iter().filter(|(own, _)| own == name).count();
        for once in ["html", "head", "body", "main", "h1"] {
            assert_eq!(count(once), 1, "{once}");
        }
        let mut ids: Vec<&String> = self.tags.iter().filter_map(|(_, at)| at.get("id")).collect();
        let all = ids.len();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), all, "an id stands twice");
        for (name, attributes) in &self.tags {
            for by in ["for", "aria-labelledby"] {
                if let Some(id) = attributes.get(by) {
                    assert!(ids.contains(&id), "{name} {by}={id}: there is nothing of that name");
                }
            }
            let is_box = matches!(name.as_str(), "textarea" | "select")
                || name == "input"
                    && !matches!(
                        attributes.get("type").map(String::as_str),
                        Some("hidden" | "checkbox")
                    );
            if is_box {
                let is_named = attributes.contains_key("aria-label")
                    || attributes.get("id").is_some_and(|id| self.labels(id));
                assert!(is_named, "{name} has no label: {attributes:?}");
            }
        }
    }

    fn labels(&self, id: &str) -> bool {
        let is_for = |attributes: &BTreeMap<String, String>| {
            attributes.get("for").is_some_and(|own| own == id)
        };
        self.tags.iter().any(|(name, attributes)| name == "label" && is_for(attributes))
    }

    /// The value of the first field of this name; empty where there is none.
    pub fn field(&self, name: &str) -> &str {
        let is_it = |at: &&(String, BTreeMap<String, String>)| {
            at.1.get("name").is_some_and(|own| own == name)
        };
        let found = self.tags.iter().find(is_it);
        found.and_then(|(_, at)| at.get("value")).map_or("", String::as_str)
    }

    /// What is chosen in the first choice of this name.
    pub fn chosen(&self, name: &str) -> &str {
        let is_it = |(tag, at): &(String, BTreeMap<String, String>)| {
            tag == "select" && at.get("name").is_some_and(|own| own == name)
        };
        let options = self.tags.iter().skip_while(|tag| !is_it(tag)).skip(1);
        let mut options = options.take_while(|(tag, _)| tag == "option");
        let chosen = options.find(|(_, at)| at.contains_key("selected"));
        chosen.map_or("", |(_, at)| at["value"].as_str())
    }

    /// Where its forms are sent that do something.
    pub fn deeds(&self) -> Vec<&str> {
        let posts = self.tags.iter().filter(|(name, at)| {
            name == "form" && at.get("method").is_some_and(|method| method == "post")
        });
        posts.map(|(_, at)| at["action"].as_str()).collect()
    }

    /// Where its filters lead that have a button to ask with.
    pub fn filters(&self) -> Vec<&str> {
        let forms = self.tags.iter().enumerate().filter(|(_, (name, at))| {
            name == "form" && at.get("class").is_some_and(|class| class == "filters")
        });
        let has_button = |form: usize| {
            let inside = self.tags[form + 1..].iter().take_while(|(name, _)| name != "form");
            inside
                .filter(|(name, _)| name == "button")
                .any(|(_, at)| at.get("type").is_some_and(|kind| kind == "submit"))
        };
        forms.filter(|(at, _)| has_button(*at)).map(|(_, (_, at))| at["action"].as_str()).collect()
    }

    /// What its links lead to.
    pub fn links(&self) -> Vec<&str> {
        self.tags
            .iter()
            .filter(|(name, _)| name == "a")
            .map(|(_, at)| at["href"].as_str())
            .collect()
    }

    /// Its words.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What somebody is told of what they just did.
    pub fn remark(&self) -> String {
        self.remark.trim().to_owned()
    }

    #[track_caller]
    pub fn says(&self, what: &str) {
        assert!(self.text.contains(what), "{what:?} is not on the page: {}", self.text);
    }
}

/// No script, style or address but ours.
#[track_caller]
fn is_harmless(name: &str, attributes: &BTreeMap<String, String>) {
    assert!(!FORBIDDEN.contains(&name), "an element {name}: {attributes:?}");
    for (attribute, value) in attributes {
        assert!(!attribute.starts_with("on") && attribute != "style", "{name} {attribute}={value}");
        let leads = ["href", "src", "action", "formaction", "data-hx-get", "hx-get"];
        if leads.contains(&attribute.as_str()) {
            // What somebody wrote may link elsewhere, without a word of whence.
            let is_written = name == "a"
                && (value.starts_with("http://") || value.starts_with("https://"))
                && attributes.get("rel").is_some_and(|rel| rel.contains("noreferrer"));
            if is_written {
                continue;
            }
            let is_inside =
                value.starts_with('/') && !value.starts_with("//") || value.starts_with('#');
            assert!(is_inside, "{name} {attribute}={value} leads elsewhere");
        }
        if attribute == "src" || name == "link" && attribute == "href" {
            assert!(value.starts_with("/assets/"), "{name} {attribute}={value}");
        }
    }
    if name == "script" {
        assert!(attributes.contains_key("src"), "a script in the page");
    }
}

#[test]
fn what_would_run_is_found() {
    let whole = |inside: &str| {
        let page = format!(
            "<!DOCTYPE html><html><head><title>t</title></head><body><main><h1>h</h1>{inside}</main></body></html>"
        );
        std::panic::catch_unwind(|| Page::read(&page)).is_ok()
    };
    assert!(whole("<p>fine &lt;script&gt;</p>"));
    for bad in [
        "<script>x</script>",
        "<p onclick=\"x\">x</p>",
        "<p style=\"x\">x</p>",
        "<a href=\"javascript:x\">x</a>",
        "<a href=\"//evil.example\">x</a>",
        "<img src=\"/assets/x\">",
        "<p>x",
        "<p><b>x</p></b>",
        "<input name=\"x\">",
        "<p id=\"a\">x</p><p id=\"a\">x</p>",
        "<!-- x -->",
    ] {
        assert!(!whole(bad), "{bad}");
    }
}
