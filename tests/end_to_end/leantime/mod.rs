//! The real program with a Leantime as its board, played by the fake.

mod agents;
mod doctor;
mod init;
mod pipe;

use crate::support::leantime::{FakeLeantime, Options, Role};
use crate::support::rota::{Ran, Rota};
use serde_json::Value;

/// A server with a person and a program in one project, and the program's key.
struct Scene {
    fake: FakeLeantime,
    hugo: i64,
    project: i64,
    agent: i64,
    key: String,
}

impl Scene {
    async fn new() -> Self {
        Self::with(Options::default(), Role::Editor).await
    }

    async fn with(options: Options, role: Role) -> Self {
        // The program has the machine's clock, and so has the server that it meets.
        let ahead_seconds = Some(options.ahead_seconds.unwrap_or(0));
        let fake = FakeLeantime::start(Options { ahead_seconds, ..options }).await;
        let hugo = fake.add_person("Hugo", "Human", Role::Editor);
        let project = fake.add_project("Orchestra", &[hugo]);
        let (agent, key) = fake.add_key("Baton", role, &[project]);
        Self { fake, hugo, project, agent, key }
    }

    /// A folder with nothing in it, where the environment names the server.
    fn by_environment(&self) -> Rota {
        let rota = Rota::new().with_env("LEANTIME_URL", &self.fake.url());
        rota.with_env("LEANTIME_API_KEY", &self.key)
    }

    /// A folder with a configuration, and whatever else it says.
    fn by_file(&self, more: &str) -> Rota {
        let rota = Rota::new().with_env("LEANTIME_API_KEY", &self.key);
        rota.write("rota.toml", &format!("{}{more}", self.table()));
        rota.write("agents/.keep", "");
        rota
    }

    fn table(&self) -> String {
        let url = self.fake.url();
        format!(
            "[board]\nkind = \"leantime\"\nurl = \"{url}\"\nkey = {{ env = \"LEANTIME_API_KEY\" }}\n"
        )
    }

    /// How often it refused a key.
    fn refusals(&self) -> usize {
        self.fake.asked().iter().filter(|asked| asked.status == Some(401)).count()
    }

    #[track_caller]
    fn is_careful(&self) {
        assert!(self.fake.violations().is_empty(), "{:#?}", self.fake.violations());
    }

    /// The key is in nothing that was printed.
    #[track_caller]
    fn is_silent(&self, ran: &Ran) {
        assert!(!ran.out.contains(&self.key) && !ran.err.contains(&self.key), "{ran:#?}");
    }
}

/// A value as a text: some databases keep numbers so.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The number of a user.
#[track_caller]
fn user(value: &Value) -> i64 {
    text(value).parse().unwrap()
}

/// What `rota doctor --json` found of something.
#[track_caller]
fn check<'a>(document: &'a Value, what: &str) -> &'a Value {
    let all = document["checks"].as_array().unwrap();
    let found = all.iter().find(|check| check["what"] == what);
    found.unwrap_or_else(|| panic!("nothing about {what} in {all:#?}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_label_means_can_be_said_in_the_configuration() {
    let scene = Scene::new().await;
    let labels = [(3, "Open", "NEW"), (7, "In QA", "INPROGRESS"), (0, "Done", "DONE")];
    scene.fake.set_statuses(scene.project, &labels);
    let kind = |rota: &Rota| {
        let shown = rota.run(["project", "list", "--json"]).ok().json();
        let statuses = shown["items"][0]["statuses"].as_array().unwrap().clone();
        statuses.iter().find(|status| status["label"] == "In QA").unwrap()["kind"].clone()
    };
    assert_eq!(kind(&scene.by_file("")), "in_progress");
    assert_eq!(kind(&scene.by_file("[board.labels]\n\"in qa\" = \"blocked\"\n")), "blocked");
    scene.is_careful();
}

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
