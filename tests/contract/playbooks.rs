//! Playbooks: every fault at its place, the schema, the library, rights, and the shipped ones.

use rota::domain::{Channel, Mode, Playbook, PlaybookName, Work};
use rota::fault::{Fault, render_all};
use rota::playbook::{
    Changes, Defaults, Library, Vocabulary, check, is_wider, parse, rights, schema, shipped,
};
use rota::template::Templates;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

const EVERYTHING: &str = include_str!("../../src/playbook/everything.toml");

/// A shape test that stands in for the schedule's own parser.
fn cron(text: &str) -> Result<(), String> {
    let fields = text.split_whitespace().count();
    if text.starts_with('@') || fields == 5 || fields == 6 {
        return Ok(());
    }
    Err(format!("expected 5 or 6 fields, found {fields}"))
}

pub(super) fn vocabulary() -> Vocabulary {
    let names = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    Vocabulary {
        tools: [
            ("findTasks", false),
            ("getTicket", false),
            ("getComments", false),
            ("getStatusLabels", false),
            ("getAllProjects", false),
            ("addComment", true),
            ("addSubtask", true),
            ("addTask", true),
            ("editTask", true),
            ("addTag", true),
            ("removeTag", true),
        ]
        .map(|(name, writes)| (name.to_owned(), writes))
        .into(),
        models: names(&["worker", "reviewer", "small", "local"]),
        families: [].into(),
        workers: [].into(),
        unpriced: names(&["local"]),
        withheld: names(&["ROTA_*", "SMALL_MODEL_KEY"]),
        channels: ["stdout", "slack:team", "slack:ops"].map(|text| text.parse().unwrap()).into(),
        agents: Some(names(&["AI-Worker", "AI-Reviewer", "AI-Docs", "AI-Assistant"])),
        playbooks: ["ai-worker", "code-review"].map(PlaybookName::new).into(),
        why_no_secret: |name| (!name.ends_with("_SECRET")).then_some("is not set"),
        cron,
        templates: Arc::new(Templates::shipped()),
    }
}

pub(super) fn defaults() -> Defaults {
    Defaults { zone: Some(chrono_tz::Europe::Berlin), ..Defaults::default() }
}

fn read(text: &str) -> Playbook {
    let read = parse(text, "agents/x.toml", &defaults());
    read.map_err(|faults| render_all(&faults, false)).unwrap().playbook
}

/// Every fault of a text: of the file, or, when it can be read, of what it names.
fn faults(text: &str, defaults: &Defaults) -> Vec<Fault> {
    match parse(text, "agents/x.toml", defaults) {
        Err(faults) => faults,
        Ok(parsed) => {
            let mut faults = parsed.warnings.clone();
            faults.extend(check(&parsed, &vocabulary()));
            faults
        }
    }
}

/// What is changed in the playbook that names every key, and what it is called.
const EDITS: &[(&str, &str, &str)] = &[
    ("a mistyped key", "limit = 3\n", "limti = 3\n"),
    ("a key of another table", "gap = \"next\"", "turns = 4"),
    ("a key of several tables", "gap = \"next\"", "add_tags = []"),
    ("a key that is nowhere", "gap = \"next\"", "zzzzz = 1"),
    ("a mistyped table", "[limits]", "[limist]"),
    ("a mistyped key that holds a secret", "mode = \"live\"", "tokn = \"xoxb-SECRET\""),
    ("a key of the top in a table", "[on]", "[on]\nagent = \"AI\""),
    ("a wrong type", "limit = 3\n", "limit = \"3\"\n"),
    ("a list of the wrong things", "type = [\"task\", \"story\"]", "type = [\"task\", 3]"),
    ("a table that is none", "[suitability]\nrequire", "suitability = 3\n[suitabilit]\nrequire"),
    ("a number out of bounds", "attempts = 3", "attempts = 0"),
    ("a float for a whole number", "turns = 40", "turns = 4.5"),
    ("a bad duration", "late = \"2h\"", "late = \"2 hours\""),
    ("a duration without a unit", "late = \"2h\"", "late = 2"),
    ("a duration out of bounds", "late = \"2h\"", "late = \"900d\""),
    ("a bad cron", "cron = \"*/5 8-18 * * MON-FRI\"", "cron = \"*/5 8-18 *\""),
    ("cron and every", "gap = \"next\"", "every = \"5m\""),
    ("a bad zone", "Europe/Berlin", "Europe/Berln"),
    ("a bad word", "overlap = \"skip\"", "overlap = \"skp\""),
    ("a bad event", "comment.added", "comment.add"),
    ("a bad kind of status", "status = \"kind:in_progress\"", "status = \"kind:progress\""),
    ("a claim that is done", "status = \"kind:in_progress\"", "status = \"kind:done\""),
    ("a bad due", "within 3d", "in 3 days"),
    ("a bad order", "priority, due, created", "priority, deu"),
    ("a type there is not", "\"story\"", "\"epic\""),
    ("an unknown name in a condition", "size(task.acc", "size(tsak.acc"),
    ("a broken condition", "task.priority <= 3'", "task.priority <= '"),
    ("an unknown gate", "\"estimate\"", "\"estimates\""),
    ("a lease too short", "lease = \"60s\"", "lease = \"30s\""),
    ("hours that are empty", "to = \"18:00\"", "to = \"08:00\""),
    ("hours that are none", "from = \"08:00\"", "from = \"8 am\""),
    ("days there are not", "days = \"MON-FRI\"", "days = \"MON-FRO\""),
    ("holidays", "to = \"18:00\"", "to = \"18:00\", holidays = \"calendar:Holidays\""),
    ("a secret of a webhook in the file", "\"${REVIEW_HOOK_SECRET}\"", "\"hunter2\""),
    ("a secret of a webhook that is not set", "${REVIEW_HOOK_SECRET}", "${REVIEW_HOOK}"),
    ("a rubric that nobody is asked", "model = \"small\"\n", ""),
    ("a transport of its own", "git = \"{{task.fields.repository}}\"", "git = \"ext::sh -c id\""),
    ("two sources", "source = { git", "source = { path = \"..\", git"),
    ("a source that is none", "git = \"{{task.fields.repository}}\", ", ""),
    ("a pattern of everything", "https://github.com/acme/*", "*"),
    ("a pattern of hosts", "registry.npmjs.org", "*.npmjs.org"),
    ("a level there is not", "sandbox = \"strict\"", "sandbox = \"strickt\""),
    ("a check without a program", "[\"npm\", \"test\"]", "[]"),
    ("more in one run than in a day", "tokens_per_day = 5_000_000", "tokens_per_day = 1_000"),
    ("an independence of a kind", "independent = true", "independent = \"yes\""),
    ("a tool of another server", "\"get*\"", "\"calendar:list_events\""),
    ("evidence of a check", "tool:addComment\"", "check:tests\""),
    ("evidence that cannot be", "tool:addComment\"", "tool:addTag\""),
    ("an unknown tool", "\"getTicket\"", "\"getTickets\""),
    ("a tool that writes, to gather", "tool = \"findTasks\"", "tool = \"addTask\""),
    ("a limit for an unknown tool", "addComment = 3", "addComments = 3"),
    ("an unknown model", "model = \"reviewer\"", "model = \"reviwer\""),
    ("an unknown channel", "slack:ops", "slack:opps"),
    ("no channel at all", "slack:ops", "mail:ops"),
    ("an unknown user", "agent = \"AI-Worker\"", "agent = \"AI-Werker\""),
    ("an unknown playbook", "rework = \"ai-worker\"", "rework = \"ai-wroker\""),
    ("a playbook that reviews itself", "agent:code-review", "agent:everything"),
    ("an unknown template", "review-approved.md.hbs", "review-aproved.md.hbs"),
    (
        "a template for something else",
        "comment = \"claim.md.hbs\"",
        "comment = \"due-soon.txt.hbs\"",
    ),
    ("an unknown name in arguments", "{{yesterday_end}}", "{{yesterday_ends}}"),
    ("triple braces in arguments", "{{yesterday_end}}", "{{{yesterday_end}}}"),
    ("another currency", "2.00 USD", "2.00 EUR"),
    ("an amount that is none", "2.00 USD", "two dollars"),
    ("a backoff the wrong way", "10s..5m", "5m..10s"),
    ("idle longer than time", "idle = \"5m\"", "idle = \"2h\""),
    ("done without saying by whom", "done_by = \"agent\"", ""),
    ("two questions in one", "answer_within = \"3d\"", "rework = \"ai-worker\""),
    ("a bad name", "name = \"everything\"", "name = \"Every Thing\""),
    ("a key twice", "gap = \"next\"", "gap = \"next\"\ngap = \"skip\""),
    ("broken TOML", "[claim]", "[claim"),
    ("a text without an end", "mode = \"live\"", "mode = \"live"),
    ("a secret in broken TOML", "mode = \"live\"", "token = xoxb-SECRET-1"),
    ("several at once", "late = \"2h\"\noverlap = \"skip\"", "late = \"2\"\noverlaps = 3"),
    (
        "a command with words of the board",
        "runner = \"model\"\nmodel = \"reviewer\"",
        "runner = \"command\"\ncommand = [\"run\", \"{{task.headline}}\"]",
    ),
    ("a model for steps", "runner = \"model\"", "runner = \"steps\""),
    ("a control character", "mode = \"live\"", "mode = \"l\\u001bive\""),
];

/// Whole playbooks with faults.
const WHOLE: &[(&str, &str)] = &[
    ("nothing", ""),
    ("no agent", "[[step]]\ntool = \"addComment\"\n"),
    ("nothing to do", "agent = \"AI-Worker\"\n"),
    ("a claim of nothing", "agent = \"AI-Worker\"\n[claim]\n[[step]]\ntool = \"addComment\"\n"),
    (
        "no outcome",
        "agent = \"AI-Worker\"\n[select]\n[work]\nrunner = \"model\"\nmodel = \"worker\"\n",
    ),
    ("no runner", "agent = \"AI-Worker\"\n[work]\nmodel = \"worker\"\n[outcome.x]\n"),
    ("no model", "agent = \"AI-Worker\"\n[work]\nrunner = \"model\"\n[outcome.x]\n"),
    ("a step without a tool", "agent = \"AI-Worker\"\n[[step]]\nwhen = 'true'\n"),
    ("a step that writes without a claim", "agent = \"AI-Worker\"\n[[step]]\ntool = \"addTask\"\n"),
    (
        "a step that is left out",
        "agent = \"AI-Worker\"\n[work]\ntools = [\"addTag\"]\n[[step]]\ntool = \"addTask\"\n",
    ),
    (
        "an each that is none",
        "agent = \"AI-Worker\"\n[scope]\nwrite = \"board\"\n[[step]]\neach = \"all {{gathered.x}}\"\ntool = \"addTask\"\n",
    ),
    (
        "a report without a channel",
        "agent = \"AI-Worker\"\n[report]\ntemplate = \"due-soon\"\nto = []\n",
    ),
    ("a report without a template", "agent = \"AI-Worker\"\n[report]\nto = \"stdout\"\n"),
    (
        "a question without a claim",
        "agent = \"AI-Worker\"\n[work]\nrunner = \"model\"\nmodel = \"worker\"\n[outcome.x]\nask = \"question.md.hbs\"\n",
    ),
];

fn edited(from: &str, to: &str) -> String {
    assert!(EVERYTHING.contains(from), "{from}");
    EVERYTHING.replacen(from, to, 1)
}

#[test]
fn faulty_playbooks_are_told_what_is_wrong_where_and_what_to_do() {
    let mut told = String::new();
    let zone = defaults();
    let texts = EDITS
        .iter()
        .map(|(name, from, to)| (*name, edited(from, to)))
        .chain(WHOLE.iter().map(|(name, text)| (*name, (*text).to_owned())));
    for (name, text) in texts {
        let found = faults(&text, &zone);
        assert!(!found.is_empty(), "{name}: no fault");
        let shown = render_all(&found, false);
        assert!(!shown.contains("SECRET"), "{name}: {shown}");
        assert!(!shown.contains('\u{1b}'), "{name}: {shown}");
        writeln!(told, "## {name}\n{shown}\n").unwrap();
    }
    insta::with_settings!({snapshot_path => "../snapshots", prepend_module_to_snapshot => false}, {
        insta::assert_snapshot!("faulty_playbooks", told);
    });
}

#[test]
fn the_playbook_with_every_key_has_no_fault() {
    assert_eq!(faults(EVERYTHING, &Defaults::default()), []);
}

#[test]
fn without_a_zone_nothing_that_needs_one_is_accepted() {
    for text in [
        "agent = \"A\"\n[on]\ncron = \"0 8 * * *\"\n[[step]]\ntool = \"addTask\"",
        "agent = \"A\"\n[on]\nevery = \"5m\"\n[[step]]\ntool = \"addTask\"",
        "agent = \"A\"\n[select]\ndue = \"today\"\n[[step]]\ntool = \"addTask\"",
        "agent = \"A\"\n[limits]\nruns_per_day = 3\n[[step]]\ntool = \"addTask\"",
    ] {
        let found = parse(text, "x.toml", &Defaults::default()).unwrap_err();
        assert!(found[0].message.contains("needs a zone"), "{found:?}");
        assert!(parse(text, "x.toml", &defaults()).is_ok(), "{text}");
    }
}

#[test]
fn what_is_left_out_has_the_documented_defaults() {
    let playbook =
        read("agent = \"AI-Worker\"\n[select]\n[claim]\n[[step]]\ntool = \"addComment\"");
    assert_eq!(playbook.name.as_str(), "x");
    assert_eq!(playbook.mode, Mode::Live);
    assert_eq!(playbook.on.zone, chrono_tz::Europe::Berlin);
    assert_eq!(playbook.select.as_ref().unwrap().limit, 3);
    assert_eq!(playbook.claim.as_ref().unwrap().comment, "claim.md.hbs");
    assert_eq!(playbook.tools, ["addComment"]);
    assert_eq!(playbook.limits.attempts, 3);
    assert_eq!(playbook.hash.len(), 64);
    let Work::Steps(steps) = &playbook.work else { panic!("steps") };
    assert_eq!(steps.len(), 1);
}

#[test]
fn the_schema_that_is_committed_is_the_one_that_is_generated() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema");
    for (name, schema) in
        [("playbook.json", schema::schema()), ("config.json", rota::config::schema())]
    {
        let generated = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        if std::env::var_os("ROTA_WRITE_SCHEMA").is_some() {
            std::fs::write(root.join(name), &generated).unwrap();
        }
        let committed = std::fs::read_to_string(root.join(name)).unwrap_or_default();
        assert_eq!(committed, generated, "run the test with ROTA_WRITE_SCHEMA=1");
    }
}

#[test]
fn the_schema_accepts_the_shipped_playbooks_and_refuses_faulty_ones() {
    let validator = jsonschema::validator_for(&schema::schema()).unwrap();
    let json = |text: &str| -> serde_json::Value {
        serde_json::to_value(toml::from_str::<toml::Table>(text).unwrap()).unwrap()
    };
    assert!(validator.is_valid(&json(EVERYTHING)));
    for (name, text) in shipped() {
        let found: Vec<String> =
            validator.iter_errors(&json(text)).map(|error| error.to_string()).collect();
        assert!(found.is_empty(), "{name}: {found:?}");
    }
    for (from, to) in [
        ("limit = 3\n", "limti = 3\n"),
        ("limit = 3\n", "limit = \"3\"\n"),
        ("gap = \"next\"", "turns = 4"),
        ("overlap = \"skip\"", "overlap = \"skp\""),
        ("late = \"2h\"", "late = \"2 hours\""),
        ("attempts = 3", "attempts = 0"),
        ("agent = \"AI-Worker\"", ""),
        ("[limits]", "[limist]"),
        ("independent = true", "independent = \"yes\""),
        ("tool = \"findTasks\"", ""),
    ] {
        assert!(!validator.is_valid(&json(&edited(from, to))), "{to}");
    }
}

#[test]
fn every_shipped_playbook_is_good_and_listed() {
    let mut vocabulary = super::shipped_words::vocabulary();
    vocabulary.channels = [Channel::Stdout].into();
    for (file, text) in shipped() {
        let parsed = parse(text, &format!("agents/{file}"), &defaults())
            .map_err(|faults| render_all(&faults, false))
            .unwrap();
        assert_eq!(parsed.warnings, [], "{file}");
        let found = check(&parsed, &vocabulary);
        assert!(found.is_empty(), "{}", render_all(&found, false));
        assert_eq!(format!("{}.toml", parsed.playbook.name), *file);
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("agents");
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(shipped().iter().any(|(file, _)| *file == name), "{name} is not listed");
    }
}

#[test]
fn what_a_workspace_allows_more_is_noticed_and_what_it_allows_less_is_not() {
    let old = rights(&read(EVERYTHING));
    for (from, to, why) in [
        ("sandbox = \"strict\"", "sandbox = \"none\"", "sandbox is none, not strict"),
        ("[\"registry.npmjs.org\"]", "[\"evil.org\"]", "new host of its workspace: evil.org:443"),
        ("\"npm ci\"", "\"npm install\"", "new hook of its workspace"),
        ("[\"npm\", \"test\"]", "[\"sh\"]", "new check of its workspace"),
        ("acme/*\"]", "*/*\"]", "new repository of its workspace"),
        ("ref = \"{{task.fields.branch}}\"", "ref = \"main\"", "new source of its workspace"),
    ] {
        let new = rights(&read(&edited(from, to)));
        let found = is_wider(&old, &new);
        assert!(found.iter().any(|reason| reason.contains(why)), "{to}: {found:?}");
    }
    for (from, to) in [
        ("hosts = [\"registry.npmjs.org\"]", "hosts = []"),
        ("before_remove = \"git log --oneline -5\"\n", ""),
    ] {
        let new = rights(&read(&edited(from, to)));
        assert_eq!(is_wider(&old, &new), Vec::<String>::new(), "{to}");
    }
    // What was armed before there were workspaces is read, and covers none.
    let mut before = serde_json::to_value(&old).unwrap();
    before.as_object_mut().unwrap().remove("workspace").unwrap();
    let before: rota::playbook::Rights = serde_json::from_value(before).unwrap();
    assert!(is_wider(&before, &old).contains(&"it works in a workspace".to_owned()));
    assert!(!serde_json::to_string(&before).unwrap().contains("workspace"));
}

#[test]
fn an_edit_that_widens_rights_is_noticed_and_one_that_does_not_is_not() {
    let old = rights(&read(EVERYTHING));
    assert_eq!(is_wider(&old, &old), Vec::<String>::new());
    for (from, to, why) in [
        (
            "event = [\"task.status_changed\", ",
            "event = [\"task.created\", \"task.status_changed\", ",
            "new trigger: event task.created",
        ),
        ("*/5 8-18 * * MON-FRI", "* * * * *", "new trigger: cron"),
        ("catch_up = \"latest\"", "catch_up = \"all\"", "`catch_up`"),
        ("late = \"2h\"\n", "", "`late`"),
        ("hours = {", "#", "`hours`"),
        ("[\"Website\", \"App\"]", "[\"Website\", \"App\", \"Shop\"]", "`project`"),
        ("project = [\"Website\", \"App\"]\n", "", "`project`"),
        ("none = [\"AI-Stop\"]", "none = []", "`tags.none`"),
        ("any = [\"b\"]", "any = [\"b\", \"c\"]", "`tags.any`"),
        ("all = [\"a\"]", "all = []", "`tags.all`"),
        ("limit = 3\n", "limit = 9\n", "`limit`"),
        ("task.priority <= 3'", "task.priority <= 5'", "`where`"),
        (
            "\"addComment\", \"finish\"",
            "\"addComment\", \"editTask\", \"finish\"",
            "new tool: editTask",
        ),
        ("write = \"claimed\"", "write = \"board\"", "writes reach the board"),
        ("addComment = 3", "addComment = 30", "more calls of addComment"),
        ("addComment = 3, ", "", "more calls of addComment"),
        ("model = \"reviewer\"", "model = \"worker\"", "another runner"),
        ("agent = \"AI-Worker\"", "agent = \"AI-Docs\"", "acts as AI-Docs"),
        ("status = \"Approved\"", "status = \"Released\"", "outcome approved changed"),
        ("requires = [\"tool:addComment\"]", "", "outcome approved changed"),
        ("by = \"agent:code-review\"", "by = \"none\"", "another reviewer"),
        ("\"estimate\", ", "", "a gate is gone: estimate"),
        ("tokens = 400_000", "tokens = 900_000", "a higher limit: tokens"),
        ("cost = \"2.00 USD\"\n", "", "a higher limit: cost"),
        ("runs_per_day = 50", "", "a higher limit: runs_per_day"),
        ("to = [\"slack:ops\"]", "to = [\"slack:all\"]", "new channel: slack:all"),
        ("[outcome.blocked]", "[outcome.more]\n[outcome.blocked]", "new outcome: more"),
    ] {
        let new = rights(&read(&edited(from, to)));
        let found = is_wider(&old, &new);
        assert!(found.iter().any(|reason| reason.contains(why)), "{to}: {found:?}");
        assert_ne!(old.hash(), new.hash(), "{to}");
    }
    for (from, to) in [
        ("description = \"All of it.\"", "description = \"Other words.\""),
        ("prompt = \"review.md.hbs\"", "prompt = \"work.md.hbs\""),
        ("mode = \"live\"", "mode = \"shadow\""),
        ("event = [\"task.status_changed\", \"comment.added\"]", "event = \"comment.added\""),
        ("[\"Website\", \"App\"]", "\"App\""),
        ("limit = 3\n", "limit = 1\n"),
        ("\"getTicket\", \"get*\"", "\"getTicket\", \"getComments\""),
        ("addSubtask = 10", "addSubtask = 1, editTask = 1"),
        ("turns = 40", "turns = 4"),
        ("[\"slack:team\", \"stdout\"]", "[\"stdout\"]"),
        ("overlap = \"skip\"", "overlap = \"skip\" # a comment"),
    ] {
        let new = rights(&read(&edited(from, to)));
        assert_eq!(is_wider(&old, &new), Vec::<String>::new(), "{to}");
    }
    let shadow = rights(&read(&edited("mode = \"live\"", "mode = \"shadow\"")));
    assert_eq!(is_wider(&shadow, &old), ["mode is live instead of shadow"]);
    let text = serde_json::to_string(&old).unwrap();
    assert_eq!(serde_json::from_str::<rota::playbook::Rights>(&text).unwrap(), old);
}

pub(super) const GOOD: &str =
    "agent = \"AI-Worker\"\n[scope]\nwrite = \"board\"\n[[step]]\ntool = \"addTask\"\n";

pub(super) fn names(names: &[&str]) -> Vec<PlaybookName> {
    names.iter().map(|name| PlaybookName::new(*name)).collect()
}

#[test]
fn a_library_keeps_the_last_good_version_and_shows_the_fault() {
    let folder = tempfile::tempdir().unwrap();
    let write = |file: &str, text: &str| std::fs::write(folder.path().join(file), text).unwrap();
    let mut library = Library::new(folder.path(), defaults());
    write("a.toml", GOOD);
    write("b.toml", GOOD);
    write(".c.toml.swp", "no");
    let changes = library.reload(&vocabulary());
    assert_eq!(changes, Changes { added: names(&["a", "b"]), ..Changes::default() });
    assert!(library.reload(&vocabulary()).is_empty());
    let before = library.get(&PlaybookName::new("a")).unwrap();

    write("a.toml", &GOOD.replace("tool", "tol"));
    let changes = library.reload(&vocabulary());
    assert_eq!(changes, Changes { faulty: names(&["a"]), ..Changes::default() });
    assert_eq!(library.get(&PlaybookName::new("a")), Some(before));
    let found = library.faults_of(&PlaybookName::new("a"));
    assert!(found.iter().any(|fault| fault.message.contains("unknown key `tol`")), "{found:?}");
    assert_eq!(library.faults(), found);
    assert_eq!(library.faults_of(&PlaybookName::new("b")), []);

    write("a.toml", &GOOD.replace("addTask", "addTag"));
    std::fs::remove_file(folder.path().join("b.toml")).unwrap();
    let changes = library.reload(&vocabulary());
    let expected = Changes { changed: names(&["a"]), removed: names(&["b"]), ..Changes::default() };
    assert_eq!(changes, expected);
    assert_eq!((library.faults(), library.all().len()), (Vec::new(), 1));
}

#[test]
fn a_name_belongs_to_the_file_that_had_it() {
    let folder = tempfile::tempdir().unwrap();
    let write = |file: &str, text: &str| std::fs::write(folder.path().join(file), text).unwrap();
    let mut library = Library::new(folder.path(), defaults());
    write("b.toml", GOOD);
    library.reload(&vocabulary());
    write("a.toml", &format!("name = \"b\"\n{GOOD}"));
    let changes = library.reload(&vocabulary());
    assert_eq!(changes, Changes { faulty: names(&["a"]), ..Changes::default() });
    assert_eq!(library.all().len(), 1);
    assert!(library.faults()[0].message.contains("`b.toml` already defines a playbook"));
}

#[test]
fn playbooks_may_name_each_other_and_a_folder_that_is_gone_is_empty() {
    let folder = tempfile::tempdir().unwrap();
    let agents = folder.path().join("agents");
    let mut vocabulary = super::shipped_words::vocabulary();
    vocabulary.playbooks.clear();
    let mut library = Library::new(&agents, defaults());
    assert!(library.reload(&vocabulary).is_empty());
    std::fs::create_dir(&agents).unwrap();
    for (file, text) in shipped() {
        std::fs::write(agents.join(file), text).unwrap();
    }
    let changes = library.reload(&vocabulary);
    assert_eq!(changes.added.len(), shipped().len(), "{:?}", library.faults());
    std::fs::remove_dir_all(&agents).unwrap();
    assert_eq!(library.reload(&vocabulary).removed.len(), shipped().len());
}

#[tokio::test]
async fn a_watch_wakes_for_a_change_and_when_it_is_time() {
    let folder = tempfile::tempdir().unwrap();
    let long = std::time::Duration::from_mins(1);
    let mut watch = rota::playbook::watch::Watch::new(&[folder.path().to_owned()], long).unwrap();
    std::fs::write(folder.path().join("a.toml"), GOOD).unwrap();
    tokio::time::timeout(long / 2, watch.changed()).await.expect("a change was reported");
    let soon = std::time::Duration::from_millis(20);
    let gone = folder.path().join("gone");
    let mut watch = rota::playbook::watch::Watch::new(&[gone], soon).unwrap();
    tokio::time::timeout(long, watch.changed()).await.expect("it was time to look again");
}
