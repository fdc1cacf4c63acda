//! Templates of the repository, filled by strict handlebars without any escaping.

use handlebars::Handlebars;
use rota::digest::Fill;
use rota::domain::Value;
use std::path::Path;

/// The shipped templates: an unknown name is an error.
pub struct StrictFill(Handlebars<'static>);

impl StrictFill {
    /// Reads `templates/`.
    pub fn shipped() -> Self {
        let mut handlebars = Handlebars::new();
        handlebars.set_strict_mode(true);
        handlebars.register_escape_fn(handlebars::no_escape);
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if name.starts_with("digest.") {
                handlebars.register_template_file(&name, &path).unwrap();
            }
        }
        Self(handlebars)
    }
}

impl Fill for StrictFill {
    fn fill(&self, template: &str, data: &Value) -> Result<String, String> {
        self.0.render(template, data).map_err(|error| error.to_string())
    }

    fn has(&self, template: &str) -> bool {
        self.0.has_template(template)
    }
}
