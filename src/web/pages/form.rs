//! What a form says.

/// More fields are not read.
const FIELDS_MAX: usize = 1_000;

/// The fields of a form, or of an address, as they were sent.
#[derive(Clone, Debug, Default)]
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    pub(super) fn read(text: &[u8]) -> Self {
        let fields = form_urlencoded::parse(text).into_owned();
        // Browsers end the lines of a text with two characters.
        let fields = fields.map(|(name, value)| (name, value.replace("\r\n", "\n")));
        Self(fields.take(FIELDS_MAX).collect())
    }

    /// What boxes hold before anybody has typed into them.
    pub(super) fn of<'a>(fields: impl IntoIterator<Item = (&'a str, String)>) -> Self {
        Self(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// A field; empty where it was not sent.
    pub(super) fn text(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(own, _)| own == name);
        found.map_or("", |(_, value)| value.trim())
    }

    /// The same, `None` where nothing stands in it.
    pub(super) fn filled(&self, name: &str) -> Option<&str> {
        Some(self.text(name)).filter(|text| !text.is_empty())
    }

    /// Whether it was sent at all.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(own, _)| own == name)
    }

    /// What somebody wrote themselves, by its field's name: what is secret and what is not theirs is
    /// left out.
    pub(super) fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        let written = |name: &str| {
            let is_edit = name.starts_with("edit-");
            is_edit
                || ["headline", "description", "criteria", "text", "comment", "reason"]
                    .contains(&name)
        };
        let filled = self.0.iter().filter(|(_, value)| !value.trim().is_empty());
        filled
            .filter(move |(name, _)| written(name))
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Whether somebody wrote anything.
    pub(super) fn has_texts(&self) -> bool {
        self.texts().next().is_some()
    }

    /// Every value of a field that may be there more than once.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

/// An address with these fields, those that say nothing left out.
pub(super) fn address(path: &str, fields: &[(&str, &str)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_empty()) {
        query.append_pair(name, value);
    }
    match query.finish() {
        query if query.is_empty() => path.to_owned(),
        query => format!("{path}?{query}"),
    }
}

/// Where somebody wanted to go: a page of ours, else the first.
pub(super) fn inside(wanted: &str) -> &str {
    let is_ours = wanted.starts_with('/')
        && !wanted.starts_with("//")
        && wanted.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if is_ours { wanted } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_elsewhere() {
        for ours in ["/", "/task/7", "/board?project=1&text=a%20b"] {
            assert_eq!(inside(ours), ours);
        }
        for other in
            ["", "//evil.example", "/\\evil.example", "https://evil.example", "/a\r\nb", "/ä"]
        {
            assert_eq!(inside(other), "/", "{other:?}");
        }
    }

    #[test]
    fn an_address_says_only_what_is_said() {
        assert_eq!(address("/runs", &[("state", ""), ("playbook", "a&b")]), "/runs?playbook=a%26b");
        assert_eq!(address("/runs", &[("state", "")]), "/runs");
    }
}
