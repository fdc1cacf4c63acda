//! The real program with a Leantime as its board, played by the fake.

use crate::support::leantime::{FakeLeantime, Options, Role};
use crate::support::rota::Rota;

/// The fake serves on this runtime's threads while the program is waited for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_program_works_on_a_leantime_and_remembers_what_it_wrote() {
    let options = Options { rate_per_minute: Some(1_000_000), ..Options::default() };
    let fake = FakeLeantime::start(options).await;
    let hugo = fake.add_person("Hugo", "Human", Role::Editor);
    let project = fake.add_project("Orchestra", &[hugo]);
    let (_, key) = fake.add_key("AI-Agent", Role::Editor, &[project]);
    let rota = Rota::new().with_env("LEANTIME_API_KEY", &key);
    let board = format!(
        "[board]\nkind = \"leantime\"\nurl = \"{}\"\nkey = {{ env = \"LEANTIME_API_KEY\" }}\n\
         zone = \"America/Los_Angeles\"\n[people]\nme = \"Hugo Human\"\n",
        fake.url()
    );
    rota.write("rota.toml", &board);
    rota.write("agents/.keep", "");
    let words = ["task", "add", "Choose a logo", "--project", "Orchestra", "--tag", "design"];
    let added = rota.run(words.into_iter().chain(["--description", "**Round**  \nand red"])).ok();
    assert!(added.out.contains("Choose a logo"), "{added:#?}");
    let stored = &fake.tickets()[0];
    assert_eq!((&stored["headline"], &stored["tags"]), (&"Choose a logo".into(), &"design".into()));
    assert_eq!(stored["description"], "<strong>Round</strong><br />\nand red");
    // Another process has what was written to the byte, from its notebook in the state folder.
    let shown = rota.run(["task", "show", "1"]).ok();
    assert!(shown.out.contains("**Round**"), "{shown:#?}");
    fake.as_person(hugo).edit(1, "status", 4.into());
    let shown = rota.run(["task", "show", "1"]).ok();
    assert!(shown.out.contains("In Progress"), "{shown:#?}");
    let health = rota.run(["doctor"]);
    assert!(health.out.contains("answers: 1 projects"), "{health:#?}");
    for ran in [&added, &shown, &health] {
        assert!(!ran.out.contains(&key) && !ran.err.contains(&key));
    }
    assert!(fake.violations().is_empty(), "{:#?}", fake.violations());
    fake.revoke(&key);
    let refused = rota.run(["task", "show", "1"]);
    assert!(refused.err.contains("refuses the credential"), "{refused:#?}");
}
