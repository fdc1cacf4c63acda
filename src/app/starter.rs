//! What `rota init` writes.

use crate::app::house::StarterFile;
use crate::playbook;
use crate::template::Templates;

/// The first `rota.toml`, commented.
pub(super) const CONFIG: &str = include_str!("starter/rota.toml");
/// The script of the model that stands in until a real one is configured.
const SCRIPT: &str = include_str!("starter/model.toml");

/// The JSON Schemas that the files name, for editors.
const PLAYBOOK_SCHEMA: &str = include_str!("../../docs/schema/playbook.json");
/// Likewise.
const CONFIG_SCHEMA: &str = include_str!("../../docs/schema/config.json");

/// The files, in the order in which they are written.
pub(super) fn files() -> Vec<StarterFile> {
    let mut files = vec![
        StarterFile { path: "rota.toml", content: CONFIG },
        StarterFile { path: "model.toml", content: SCRIPT },
    ];
    files.extend(
        playbook::shipped()
            .iter()
            .map(|(name, content)| StarterFile { path: in_folder("agents/", name), content }),
    );
    files.extend(
        Templates::shipped_texts()
            .iter()
            .map(|(name, content)| StarterFile { path: in_folder("templates/", name), content }),
    );
    files.push(StarterFile { path: "docs/schema/playbook.json", content: PLAYBOOK_SCHEMA });
    files.push(StarterFile { path: "docs/schema/config.json", content: CONFIG_SCHEMA });
    files
}

/// A path that lives as long as the program: there are few, and they are made once.
fn in_folder(folder: &str, name: &str) -> &'static str {
    Box::leak(format!("{folder}{name}").into_boxed_str())
}
