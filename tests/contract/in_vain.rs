//! What a playbook says and nothing comes of: warnings.

use super::playbooks::{defaults, vocabulary};
use rota::fault::Severity;
use rota::playbook::{check, parse};

#[test]
fn what_is_written_in_vain_is_a_warning_and_the_playbook_is_good() {
    let told = |text: &str| {
        let parsed = parse(text, "agents/x.toml", &defaults()).unwrap();
        let found = check(&parsed, &vocabulary());
        assert!(found.iter().all(|fault| fault.severity == Severity::Warning), "{found:#?}");
        found.into_iter().map(|fault| (fault.line, fault.message)).collect::<Vec<_>>()
    };
    let model = |model: &str| {
        format!(
            "agent = \"AI-Worker\"\n[work]\nrunner = \"model\"\nmodel = \"{model}\"\n\
             prompt = \"work.md.hbs\"\ntools = [\"addComment\"]\n[scope]\nwrite = \"board\"\n\
             [outcome.done]\n[limits]\ncost = \"2.00\"\n"
        )
    };
    assert_eq!(told(&model("worker")), []);
    let message = "`cost` is not watched: `local` has no price".to_owned();
    assert_eq!(told(&model("local")), [(11, message)]);
    let program = "agent = \"AI-Worker\"\n[work]\nrunner = \"command\"\ncommand = [\"true\"]\n\
                   env = [\"EDITOR\", \"SMALL_MODEL_KEY\", \"ROTA_X\"]\n[outcome.done]\n";
    let message =
        |name: &str| format!("no program is given `{name}`: it may hold a secret of ours");
    assert_eq!(told(program), [(5, message("SMALL_MODEL_KEY")), (5, message("ROTA_X"))]);
}
