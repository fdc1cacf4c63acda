//! `rota.toml`: defaults, every fault at its place, and secrets that nobody sees.

use rota::config::{
    Arm, BoardConfig, Config, ModelConfig, SlackWay, StoreConfig, UpstreamWay, schema,
};
use rota::domain::StatusKind;
use rota::fault::render_all;
use rota::model::open::Wire;
use secrecy::ExposeSecret;
use std::fmt::Write as _;
use std::path::Path;

const GOOD: &str = r#"
timezone = "Europe/Berlin"
arm = "auto"
agents = "playbooks"
currency = "EUR"

[daemon]
id = "laptop"
slots = 2
labels = ["linux"]
tick = "5s"
drain = "10s"

[board]
name = "team"
kind = "sqlite"
path = "/var/lib/rota/board.sqlite"

[store]
kind = "memory"

[people]
me = "Ann"

[claims]
lease = "90s"
renew = "30s"
margin = "10s"

[workspaces]
bytes_max = "5G"
memory = "1G"
cpu = "10m"
processes = 64
open_files = 256
file_size = "100M"
repositories = ["https://github.com/acme/*"]
read = ["/opt/tools"]
write = "cache"

[models.worker]
kind = "scripted"
script = "worker.json"

[notify.slack.team]
webhook = { env = "HOOK" }
[notify.file.log]
path = "notices.md"
"#;

fn env(name: &str) -> Option<String> {
    match name {
        "HOOK" => Some("https://hooks.slack.com/services/SECRET\n".to_owned()),
        "HTTP" => Some("http://example.org/SECRET".to_owned()),
        "EMPTY" => Some(" ".to_owned()),
        _ => None,
    }
}

fn parse(text: &str) -> Result<Config, Vec<rota::fault::Fault>> {
    Config::parse(text, Path::new("conf/rota.toml"), &env)
}

#[test]
fn what_is_written_is_read_and_paths_are_relative_to_the_file() {
    let config = parse(GOOD).unwrap();
    assert_eq!(config.timezone, Some(chrono_tz::Europe::Berlin));
    assert_eq!(
        (config.arm, config.daemon.slots, config.store.clone()),
        (Arm::Auto, 2, StoreConfig::Memory)
    );
    assert_eq!(config.agents, Path::new("conf/playbooks"));
    assert_eq!(config.templates, Path::new("conf/templates"));
    let script = Path::new("conf/worker.json").to_owned();
    let ModelConfig::Scripted { script: read } = &config.models["worker"] else { panic!() };
    assert_eq!(read, &script);
    assert_eq!(hook_of(&config), "https://hooks.slack.com/services/SECRET");
    let workspaces = &config.workspaces;
    assert_eq!((workspaces.bytes_max, workspaces.memory_bytes_max), (5 << 30, 1 << 30));
    assert_eq!((workspaces.cpu.as_secs(), workspaces.processes_max), (600, 64));
    assert_eq!((workspaces.open_files_max, workspaces.file_bytes_max), (256, 100 << 20));
    assert_eq!(workspaces.repositories, ["https://github.com/acme/*"]);
    assert_eq!(workspaces.read, [Path::new("/opt/tools")]);
    assert_eq!(workspaces.write, [Path::new("conf/cache")]);
    assert!(config.secret_names.contains("HOOK"));
    assert_eq!(config.warnings, []);
    assert!(!format!("{config:?}").contains("SECRET"));
    assert_eq!(config.playbook_defaults().currency, "EUR");
}

fn hook_of(config: &Config) -> &str {
    let SlackWay::Webhook(hook) = &config.slack["team"] else { panic!("{config:?}") };
    hook.expose_secret()
}

#[test]
fn the_variable_that_limits_memory_wins_and_home_is_known() {
    let env = |name: &str| match name {
        "MCP_MEMORY_LIMIT" => Some("512M".to_owned()),
        "HOME" => Some("/home/ann".to_owned()),
        _ => None,
    };
    let text = "[workspaces]\nmemory = \"1G\"\nread = \"~/.cargo\"";
    let config = Config::parse(text, Path::new("conf/rota.toml"), &env).unwrap();
    assert_eq!(config.workspaces.memory_bytes_max, 512 << 20);
    assert_eq!(config.workspaces.read, [Path::new("/home/ann/.cargo")]);
    assert!(!config.secret_names.contains("HOME"));
    let config = Config::load(None, &env).unwrap();
    assert_eq!(config.workspaces.memory_bytes_max, 512 << 20);
    for bad in ["read = \"/\"", "memory = \"1K\"", "repositories = \"ext::sh\"", "processes = 0"] {
        assert!(parse(&format!("[workspaces]\n{bad}")).is_err(), "{bad}");
    }
}

#[test]
fn without_a_file_the_defaults_hold() {
    let config = Config::load(None, &env).unwrap();
    assert_eq!(config.timezone, None);
    assert_eq!(config.arm, Arm::Ask);
    assert_eq!(config.agents, Path::new("agents"));
    assert!(config.claims.renew <= config.claims.lease / 3);
    assert!(config.claims.margin < config.claims.lease / 4);
    let missing = Config::load(Some(Path::new("/nowhere/rota.toml")), &env).unwrap_err();
    assert!(missing[0].message.starts_with("file cannot be read"));
}

#[test]
fn a_shorter_lease_brings_its_renewal_and_margin_along() {
    let claims = parse("[claims]\nlease = \"12s\"").unwrap().claims;
    assert_eq!((claims.renew.as_secs(), claims.margin.as_secs()), (4, 1));
}

#[test]
fn a_secret_can_stand_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("hook"), "https://example.org/SECRET\n").unwrap();
    let path = folder.path().join("rota.toml");
    std::fs::write(&path, "[notify.slack.team]\nwebhook = { file = \"hook\" }").unwrap();
    let config = Config::load(Some(&path), &env).unwrap();
    assert_eq!(hook_of(&config), "https://example.org/SECRET");
    let config = parse("[notify.slack.team]\nwebhook = \"${HOOK}\"").unwrap();
    assert!(config.warnings.is_empty());
    let config = parse("[notify.slack.team]\nwebhook = \"https://x.org/SECRET\"").unwrap();
    assert_eq!(config.warnings.len(), 1);
    assert!(!render_all(&config.warnings, false).contains("SECRET"));
}

const FAULTY: &[(&str, &str)] = &[
    (
        "a mistyped key with a secret",
        "[notify.slack.team]\nwebhok = \"https://hooks.slack.com/SECRET\"",
    ),
    ("a plain word under a mistyped key", "[notify.slack.team]\nwbk = \"hunter2SECRET\""),
    ("a secret of the wrong type", "[notify.slack.team]\nwebhook = [\"SECRET\"]"),
    ("a secret without a table", "[notify.slack]\nteam = \"SECRET\""),
    ("a secret in place of a table", "[notify]\nslack = \"SECRET\""),
    ("a secret that is not set", "[notify.slack.team]\nwebhook = { env = \"MISSING\" }"),
    ("a secret that is empty", "[notify.slack.team]\nwebhook = \"${EMPTY}\""),
    ("a secret that is no address", "[notify.slack.team]\nwebhook = { env = \"HTTP\" }"),
    ("a secret twice", "[notify.slack.team]\nwebhook = { env = \"HOOK\", file = \"SECRET\" }"),
    ("a secret in an unknown key", "[notify.slack.team]\nwebhook = { evn = \"SECRET\" }"),
    ("a secret file that is missing", "[notify.slack.team]\nwebhook = { file = \"nowhere\" }"),
    ("a token", "[notify.slack.team]\ntoken = \"xoxb-SECRET\"\nwebhook = \"${HOOK}\""),
    ("broken TOML around a secret", "[notify.slack.team]\nwebhook = SECRET"),
    ("a secret over many lines", "[notify.slack.team]\nwebhok = \"\"\"\nSECRET=SECRET\n\"\"\" x"),
    ("a renewal too late", "[claims]\nrenew = \"30s\""),
    ("a margin too wide", "[claims]\nmargin = \"15s\""),
    ("a bad zone", "timezone = \"Berlin\""),
    ("a bad word", "arm = \"yes\""),
    ("another board", "[board]\nkind = \"oracle\""),
    ("a Leantime without an address or key", "[board]\nkind = \"leantime\""),
    (
        "a Leantime with a password",
        "[board]\nkind = \"leantime\"\nurl = \"https://a:b@c\"\nkey = { env = \"HOOK\" }",
    ),
    (
        "a file for Leantime",
        "[board]\nkind = \"leantime\"\npath = \"x\"\nurl = \"https://c\"\nkey = { env = \"HOOK\" }",
    ),
    ("a key for a file", "[board]\nkey = \"SECRET\""),
    (
        "agents of a Leantime that are not whole",
        "[board]\nkind = \"leantime\"\nurl = \"https://c\"\nkey = { env = \"HOOK\" }\n\
         [board.agents]\nSoloist = \"SECRET\"\n[board.agents.Violin]\nuser = 12\nkye = \"SECRET\"\n\
         [board.agents.Cello]\nkey = { env = \"MISSING\" }\n\
         [board.agents.One]\nuser = 7\nkey = { env = \"HOOK\" }\n\
         [board.agents.Two]\nuser = 7\nkey = { env = \"HOOK\" }",
    ),
    (
        "labels of a Leantime that mean nothing",
        "[board]\nkind = \"leantime\"\nurl = \"https://c\"\nkey = { env = \"HOOK\" }\n\
         [board.labels]\n\"In QA\" = \"review\"\nFrozen = 3",
    ),
    ("agents of a board that has its own", "[board.agents.Violin]\nuser = 3\nkey = \"SECRET\""),
    ("another store", "[store]\nkind = \"redis\""),
    ("a path for nothing", "[store]\nkind = \"memory\"\npath = \"x\""),
    ("a server without a model", "[models.worker]\nkind = \"openai\"\nurl = \"http://x\""),
    ("a model of no kind", "[models.worker]\nkind = \"gemini\"\nkey = \"SECRET\""),
    ("a script of a server", "[models.w]\nkind = \"openai\"\nmodel = \"m\"\nscript = \"s\""),
    ("a key for a script", "[models.w]\nkind = \"scripted\"\nscript = \"s\"\nkey = \"SECRET\""),
    (
        "a key that is not set",
        "[models.w]\nkind = \"anthropic\"\nmodel = \"m\"\nkey = \"${MISSING}\"",
    ),
    (
        "a password in an address",
        "[models.w]\nkind = \"openai\"\nmodel = \"m\"\nurl = \"https://me:SECRET@x/v1\"",
    ),
    (
        "a password of a proxy",
        "[models.w]\nkind = \"openai\"\nmodel = \"m\"\nproxy = \"http://me:SECRET@x\"",
    ),
    (
        "headers that cannot be read",
        "[models.w]\nkind = \"openai\"\nmodel = \"m\"\n[models.w.headers]\na = 7\n\
         b = \"SECRET ${MISSING}\"\nc = \"SECRET ${\"\nd = { evn = \"SECRET\" }\ne = \"\"",
    ),
    (
        "what is ours to write",
        "[models.w]\nkind = \"anthropic\"\nmodel = \"m\"\n[models.w.extra]\nmax_tokens = 9\n\
         messages = [\"SECRET\"]",
    ),
    (
        "a price in another currency, and half of one",
        "[models.w]\nkind = \"openai\"\nmodel = \"m\"\nprice = { input = \"3.00 EUR\", in = \"1\" }",
    ),
    (
        "mistyped keys of a model",
        "[models.w]\nkind = \"openai\"\nmodel = \"m\"\napi_key = \"SECRET\"\ntemperature = 0.5\n\
         request_time = \"2h\"\ncontext = 7\nstream = \"no\"",
    ),
    ("a model without a script", "[models.worker]\nkind = \"scripted\""),
    ("a model without a kind", "[models.worker]\nscript = \"x\""),
    ("a misplaced key", "slots = 3"),
    ("a key of the top", "[daemon]\ntimezone = \"Europe/Berlin\""),
    ("no slots", "[daemon]\nslots = 0"),
    ("a currency that is none", "currency = \"euro\""),
    ("an id with blanks", "[daemon]\nid = \"my laptop\""),
    ("a whole section that is not there yet", "[web]\nport = 3001"),
    ("a server open to all", "[mcp]\nhost = \"0.0.0.0\"\nrequire_auth = false"),
    ("a server in plain sight", "[mcp]\nhost = \"0.0.0.0\""),
    ("an address that is none", "[mcp]\nallowed_ips = [\"127.0.0.1\", \"here\"]\nport = 70000"),
    ("a toolset that there is not", "[mcp]\ntoolsets = \"tasks,nonsense\""),
    ("several at once", "arm = 3\n[daemon]\nslot = 3\ntick = \"0s\""),
];

#[test]
fn faulty_configurations_are_told_what_is_wrong_and_show_no_secret() {
    let mut told = String::new();
    for (name, text) in FAULTY {
        let found = parse(text).unwrap_err();
        let shown = render_all(&found, false);
        assert!(!shown.contains("SECRET"), "{name}: {shown}");
        assert!(!format!("{found:?}").contains("SECRET"), "{name}: {found:?}");
        writeln!(told, "## {name}\n{shown}\n").unwrap();
    }
    insta::with_settings!({snapshot_path => "../snapshots", prepend_module_to_snapshot => false}, {
        insta::assert_snapshot!("faulty_configurations", told);
    });
}

#[test]
fn the_schema_accepts_what_is_read_and_refuses_what_is_faulty() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let json = |text: &str| -> serde_json::Value {
        serde_json::to_value(toml::from_str::<toml::Table>(text).unwrap()).unwrap()
    };
    assert!(validator.is_valid(&json(GOOD)));
    for text in [
        "slots = 3",
        "arm = \"yes\"",
        "[daemon]\nslots = 0",
        "[board]\nkind = \"x\"",
        "[notify.slack.team]\nwebhok = \"x\"",
        "[models.x]\nkind = \"openai\"",
        "[models.x]\nkind = \"scripted\"\nmodel = \"m\"",
        "[models.x]\nkind = \"openai\"\nmodel = \"m\"\nprice = { input = \"1\" }",
        "[models.x]\nkind = \"openai\"\nmodel = \"m\"\nmax_tokens = 9",
    ] {
        assert!(!validator.is_valid(&json(text)), "{text}");
    }
}

#[test]
fn no_change_to_a_configuration_makes_it_panic() {
    use proptest::prelude::*;
    proptest!(|(at in 0..GOOD.len(), len in 0_usize..40, with in "[\\PC\n]{0,6}")| {
        let mut text = GOOD.to_owned();
        text.replace_range(at..(at + len).min(text.len()), &with);
        if let Err(faults) = parse(&text) {
            prop_assert!(!render_all(&faults, true).is_empty());
        }
    });
}

#[test]
fn a_leantime_is_an_address_a_key_and_what_is_known_of_it() {
    let text = "[board]\nkind = \"leantime\"\nname = \"team\"\nurl = \"https://lean.example.org\"\n\
                key = { env = \"HOOK\" }\nzone = \"Europe/Berlin\"\nrequests_per_minute = 10";
    let config = parse(text).unwrap();
    let BoardConfig::Leantime(leantime) = &config.board else { panic!("{:?}", config.board) };
    assert_eq!(leantime.url, "https://lean.example.org");
    assert_eq!((leantime.zone, leantime.requests_per_minute), (chrono_tz::Europe::Berlin, 10));
    assert_eq!((leantime.user, config.board_name.as_str()), (None, "team"));
    assert!(leantime.agents.is_empty() && leantime.labels.is_empty());
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let json = serde_json::to_value(toml::from_str::<toml::Table>(text).unwrap()).unwrap();
    assert!(validator.is_valid(&json));
}

#[test]
fn a_leantime_has_agents_with_keys_of_their_own_and_labels_that_are_explained() {
    let text = "[board]\nkind = \"leantime\"\nurl = \"https://lean.example.org\"\n\
                key = { env = \"HOOK\" }\n[board.agents.AI-Worker]\nuser = 12\n\
                key = { env = \"HOOK\" }\n[board.agents.\"The second\"]\nuser = 13\n\
                key = { env = \"HOOK\" }\n[board.labels]\n\"In QA\" = \"waiting\"";
    let config = parse(text).unwrap();
    let BoardConfig::Leantime(leantime) = &config.board else { panic!("{:?}", config.board) };
    let agents: Vec<_> = leantime.agents.iter().map(|(n, a)| (n.as_str(), a.user)).collect();
    assert_eq!(agents, [("AI-Worker", 12), ("The second", 13)]);
    assert_eq!(leantime.labels["In QA"], StatusKind::Waiting);
    assert!(!format!("{config:?}").contains("SECRET"));
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let json = serde_json::to_value(toml::from_str::<toml::Table>(text).unwrap()).unwrap();
    assert!(validator.is_valid(&json));
    for wrong in ["[board.labels]\nA = \"review\"", "[board.agents.A]\nuser = 0\nkey = \"k\""] {
        let json = serde_json::to_value(toml::from_str::<toml::Table>(wrong).unwrap()).unwrap();
        assert!(!validator.is_valid(&json), "{wrong}");
    }
}

#[test]
fn the_environment_alone_can_name_a_leantime() {
    let of = |pairs: &'static [(&str, &str)]| {
        Config::of_environment(&move |name| {
            let found = pairs.iter().find(|(own, _)| *own == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    };
    let config = of(&[
        ("LEANTIME_URL", "https://lean.example.org"),
        ("LEANTIME_API_KEY", " "),
        ("LEANTIME_API_TOKEN", "SECRET"),
        ("LEANTIME_USER_EMAIL", "ann@example.org"),
        ("LEAN_DEFAULT_TIMEZONE", "Europe/Berlin"),
    ])
    .unwrap();
    let BoardConfig::Leantime(leantime) = &config.board else { panic!("{:?}", config.board) };
    assert_eq!(
        (leantime.key.expose_secret(), leantime.zone),
        ("SECRET", chrono_tz::Europe::Berlin)
    );
    assert_eq!(config.me.as_deref(), Some("ann@example.org"));
    let faults = of(&[("LEANTIME_URL", "lean"), ("LEAN_DEFAULT_TIMEZONE", "Berlin")]).unwrap_err();
    let named: Vec<&str> = faults.iter().map(|fault| fault.path.as_str()).collect();
    assert_eq!(named, ["LEANTIME_URL", "LEANTIME_API_KEY", "LEAN_DEFAULT_TIMEZONE"]);
}

#[test]
fn the_store_has_a_folder_of_its_own_name_and_history_is_kept_for_a_week_at_least() {
    let store = |text: &str| parse(&format!("[store]\n{text}"));
    let config = store("path = \"ledger\"\nkeep = \"30d\"").unwrap();
    assert_eq!(config.store, StoreConfig::Sled { path: "ledger".into() });
    assert_eq!(config.keep, std::time::Duration::from_hours(30 * 24));
    assert_eq!(parse("").unwrap().keep, std::time::Duration::from_hours(90 * 24));
    for outside in ["/var/lib/rota", "../store", "a/b", ".", "", "store/"] {
        let faults = store(&format!("path = \"{outside}\"")).unwrap_err();
        assert_eq!(faults.len(), 1, "{outside}");
    }
    assert!(store("keep = \"6d\"").is_err());
    assert!(store("keep = \"forever\"").is_err());
}

#[test]
fn other_servers_are_a_program_or_a_url_and_what_they_are_given_is_named() {
    let config = parse(
        "[upstream.calendar]\ncommand = [\"cal\", \"-x\"]\nenv = [\"HOOK\"]\ncall_time = \"5s\"\n\
         [upstream.wiki-2]\nurl = \"https://wiki.example.com/mcp\"\ntoken = { env = \"HOOK\" }",
    )
    .unwrap();
    let shown = format!("{:?}", config.upstreams);
    assert!(!shown.contains("SECRET"), "{shown}");
    let UpstreamWay::Command { command, env } = &config.upstreams["calendar"].way else { panic!() };
    assert_eq!(command, &["cal", "-x"]);
    assert!(env["HOOK"].expose_secret().contains("SECRET"));
    assert_eq!(config.upstreams["calendar"].call_time, std::time::Duration::from_secs(5));
    let UpstreamWay::Url { url, token } = &config.upstreams["wiki-2"].way else { panic!() };
    assert_eq!((url.as_str(), token.is_some()), ("https://wiki.example.com/mcp", true));
    for (faulty, said) in [
        ("[upstream.x]", "`command` or `url`"),
        ("[upstream.x]\ncommand = [\"a\"]\nurl = \"http://a/\"", "one of them"),
        ("[upstream.x]\ncommand = []", "no program"),
        ("[upstream.x]\ncommand = [\"a\"]\nenv = [\"NOT_SET\"]", "not set"),
        ("[upstream.x]\ncommand = [\"a\"]\ntoken = \"t\"", "for url only"),
        ("[upstream.x]\nurl = \"http://a/\"\nenv = [\"HOOK\"]", "for command only"),
        ("[upstream.x]\nurl = \"ftp://a/\"", "https://"),
        ("[upstream.x]\nurl = \"https://me:SECRET@a/\"", "without a password"),
        ("[upstream.Calendar]\ncommand = [\"a\"]", "small letters"),
        ("[upstream.x]\ncommand = [\"a\"]\ncall_time = \"2h\"", "call_time"),
        ("[upstream.x]\ncommand = [\"a\"]\nargs = []", "args"),
    ] {
        let faults = parse(faulty).unwrap_err();
        let told = render_all(&faults, false);
        assert!(told.contains(said), "{faulty}: {told}");
    }
}

#[test]
fn models_of_servers_are_read_with_prices_headers_and_what_is_extra() {
    let text = "currency = \"EUR\"\n\
        [models.reviewer]\nkind = \"anthropic\"\nmodel = \"claude\"\nkey = \"${HOOK}\"\n\
        price = { input = \"3.00 EUR\", output = \"15\" }\ntokens_max = 8000\ncontext = 200000\n\
        request_time = \"5m\"\nidle_time = \"1m\"\ncache = false\n\
        [models.azure]\nkind = \"openai\"\nmodel = \"d\"\nurl = \"https://x.example.com/openai/v1\"\n\
        headers = { api-key = { env = \"HOOK\" }, x-who = \"Bearer ${HOOK}\", x-plain = \"us\" }\n\
        query = { api-version = \"2024-10-21\" }\nproxy = \"http://proxy.example.com:3128\"\n\
        stream = false\n[models.azure.extra]\ntemperature = 0.2\nreasoning = { effort = \"low\" }\n\
        [models.local]\nkind = \"openai\"\nmodel = \"qwen\"\nurl = \"http://127.0.0.1:11434\"\n\
        price = { input = \"0\", output = \"0\", cached = \"0\", cache_write = \"0.000001\" }";
    let config = parse(text).unwrap();
    assert_eq!(config.warnings, []);
    assert!(!format!("{config:?}").contains("SECRET"));
    let server = |name: &str| match &config.models[name] {
        ModelConfig::Server { wire, options } => (*wire, options.as_ref().clone()),
        other @ ModelConfig::Scripted { .. } => panic!("{other:?}"),
    };
    let (wire, reviewer) = server("reviewer");
    assert_eq!((wire, reviewer.model.as_str(), reviewer.url), (Wire::Messages, "claude", None));
    let price = reviewer.price.unwrap();
    assert_eq!((price.input, price.cached), (3_000_000, 3_000_000));
    assert_eq!((price.cache_write, price.output), (3_750_000, 15_000_000));
    assert_eq!(
        (reviewer.tokens_max, reviewer.context, reviewer.cache),
        (8_000, Some(200_000), false)
    );
    assert_eq!((reviewer.request_time.as_secs(), reviewer.idle_time.as_secs()), (300, 60));
    assert!(reviewer.key.unwrap().expose_secret().ends_with("SECRET"));
    let (wire, azure) = server("azure");
    assert_eq!((wire, azure.key.is_none(), azure.stream), (Wire::Completions, true, false));
    let headers: Vec<_> =
        azure.headers.iter().map(|(name, value)| (name.as_str(), value.expose_secret())).collect();
    let hook = "https://hooks.slack.com/services/SECRET";
    assert_eq!(
        headers,
        [("api-key", hook), ("x-plain", "us"), ("x-who", &format!("Bearer {hook}"))]
    );
    assert_eq!(azure.query[0].1.expose_secret(), "2024-10-21");
    assert_eq!(azure.extra.get("reasoning").and_then(|r| r.get("effort")), Some(&"low".into()));
    let (_, local) = server("local");
    assert_eq!((local.price.unwrap().input, local.price.unwrap().cache_write), (0, 1));
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let json = serde_json::to_value(toml::from_str::<toml::Table>(text).unwrap()).unwrap();
    assert!(validator.is_valid(&json));
    let exposed = "[models.w]\nkind = \"openai\"\nmodel = \"m\"\nurl = \"http://gpu:8000\"";
    assert_eq!(parse(exposed).unwrap().warnings, [], "there is nothing to read on the way");
    let exposed = parse(&format!("{exposed}\nkey = \"${{HOOK}}\"")).unwrap();
    assert_eq!(exposed.warnings.len(), 1);
}
