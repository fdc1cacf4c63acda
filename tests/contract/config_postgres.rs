//! `[board]` and `[store]` with `kind = "postgres"`: what is read, what is refused and where, and that
//! nobody sees the password.

use rota::config::{BoardConfig, Config, StoreConfig, schema};
use rota::fault::render_all;
use rota::postgres::PostgresOptions;
use std::path::Path;
use std::time::Duration;

fn env(name: &str) -> Option<String> {
    match name {
        "TEAM" => Some("postgres://rota:SECRET@db1.example,db2.example:5433/team\n".to_owned()),
        "NEAR" => Some("postgres://rota:SECRET@127.0.0.1/team".to_owned()),
        "OPEN" => Some("postgres://rota:SECRET@db1.example/team?sslmode=disable".to_owned()),
        "MISTYPED" => Some("postgres://rota:SECRET@db1.example/team?sslmod=require".to_owned()),
        _ => None,
    }
}

fn parse(text: &str) -> Result<Config, String> {
    let faults = match Config::parse(text, Path::new("conf/rota.toml"), &env) {
        Ok(config) => return Ok(config),
        Err(faults) => faults,
    };
    assert!(!format!("{faults:?}").contains("SECRET"), "{faults:?}");
    Err(render_all(&faults, false))
}

fn board(config: &Config) -> &PostgresOptions {
    let BoardConfig::Postgres(board) = &config.board else { panic!("{:?}", config.board) };
    board
}

fn is_valid(text: &str) -> bool {
    let json = serde_json::to_value(toml::from_str::<toml::Table>(text).unwrap()).unwrap();
    jsonschema::validator_for(&schema()).unwrap().is_valid(&json)
}

#[test]
fn a_database_is_an_address_a_schema_and_how_it_is_used() {
    let text = "[board]\nkind = \"postgres\"\nurl = { env = \"TEAM\" }\nschema = \"team_7\"\n\
                connections = 12\nstatement_timeout = \"1m\"\n\
                [store]\nkind = \"postgres\"\nurl = { env = \"NEAR\" }\nkeep = \"30d\"";
    let config = parse(text).unwrap();
    let board = board(&config);
    assert_eq!(board.address.to_string(), "db1.example:5432, db2.example:5433, database team");
    assert_eq!((board.schema.as_str(), board.connections), ("team_7", 12));
    assert_eq!(board.statement_timeout, Duration::from_mins(1));
    let StoreConfig::Postgres(store) = &config.store else { panic!("{:?}", config.store) };
    assert_eq!((store.schema.as_str(), store.connections), ("rota", 4));
    assert_eq!(store.statement_timeout, Duration::from_secs(15));
    assert_eq!(config.keep, Duration::from_hours(30 * 24));
    assert!(!format!("{config:?}").contains("SECRET"));
    assert!(config.secret_names.contains("TEAM"), "programs are not given it");
    assert!(is_valid(text));
    let eight = parse("[board]\nkind = \"postgres\"\nurl = { env = \"NEAR\" }").unwrap();
    assert_eq!(self::board(&eight).connections, 8);
}

#[test]
fn an_address_without_a_password_may_stand_in_the_file() {
    let warned = |url: &str| {
        let text = format!("[board]\nkind = \"postgres\"\nurl = \"{url}\"");
        let warnings = parse(&text).unwrap().warnings;
        let shown = render_all(&warnings, false);
        assert!(!shown.contains("SECRET"), "{shown}");
        warnings.len()
    };
    assert_eq!(warned("postgres://rota@%2Frun%2Fpostgresql/team"), 0);
    assert_eq!(warned("postgres://localhost/team"), 0);
    assert_eq!(warned("postgres://rota:SECRET@localhost/team"), 1);
    assert_eq!(warned("postgres://localhost/team?user=rota&password=SECRET"), 1);
}

#[test]
fn each_wrong_key_is_told_with_its_line_and_what_to_do() {
    let near = "url = { env = \"NEAR\" }";
    for (line, text, said) in [
        (1, String::new(), "`url` is missing in [board]"),
        (3, "url = { env = \"MISSING\" }".to_owned(), "MISSING is not set"),
        (3, "url = \"https://team.example/SECRET\"".to_owned(), "expected postgres://"),
        (3, "url = { env = \"MISTYPED\" }".to_owned(), "the parameter `sslmod` is not known"),
        (3, "url = { env = \"OPEN\" }".to_owned(), "write `plain = true`"),
        (4, format!("{near}\nschema = \"Team\""), "a schema has small letters"),
        (4, format!("{near}\nconnections = 0"), "must be between 1 and 100"),
        (4, format!("{near}\nconnections = 101"), "must be between 1 and 100"),
        (4, format!("{near}\nstatement_timeout = \"11m\""), "must be between 1s and 10m"),
        (4, format!("{near}\nplain = \"yes\""), "must be true or false"),
        (4, format!("{near}\npath = \"board.sqlite\""), "is for kind = \"sqlite\" only"),
        (4, format!("{near}\nkey = \"SECRET\""), "is for kind = \"leantime\" only"),
        (4, format!("{near}\nschma = \"team\""), "did you mean `schema`"),
    ] {
        let told = parse(&format!("[board]\nkind = \"postgres\"\n{text}")).unwrap_err();
        assert!(told.contains(said), "{text}: {told}");
        assert!(told.contains(&format!("conf/rota.toml:{line}:")), "{text}: {told}");
    }
    let plain = "[board]\nkind = \"postgres\"\nurl = { env = \"OPEN\" }\nplain = true";
    assert_eq!(board(&parse(plain).unwrap()).address.hosts().len(), 1);
}

#[test]
fn keys_of_a_database_are_refused_where_there_is_none() {
    for (text, said) in [
        ("[board]\nschema = \"team\"", "`schema` is for kind = \"postgres\" only"),
        ("[board]\nurl = \"SECRET\"", "`url` is for kind = \"leantime\" or \"postgres\" only"),
        ("[store]\nurl = \"SECRET\"", "`url` is for kind = \"postgres\" only"),
        (
            "[store]\nkind = \"memory\"\nconnections = 3",
            "`connections` is for kind = \"postgres\" only",
        ),
    ] {
        let told = parse(text).unwrap_err();
        assert!(told.contains(said), "{text}: {told}");
    }
}

#[test]
fn a_shared_store_needs_a_shared_board_and_a_shared_board_may_have_a_store_of_its_own() {
    let store = "[store]\nkind = \"postgres\"\nurl = { env = \"NEAR\" }";
    for text in [store.to_owned(), format!("[board]\nkind = \"sqlite\"\n{store}")] {
        let told = parse(&text).unwrap_err();
        assert!(told.contains("needs a board that they share"), "{told}");
        assert!(told.contains("leave kind out of [store]"), "{told}");
    }
    let mistyped = parse(&format!("[board]\nkind = \"postgre\"\n{store}")).unwrap_err();
    assert!(!mistyped.contains("needs a board"), "one fault, not two: {mistyped}");
    let board = "[board]\nkind = \"postgres\"\nurl = { env = \"NEAR\" }";
    assert!(matches!(parse(board).unwrap().store, StoreConfig::Sled { .. }));
    let memory = format!("{board}\n[store]\nkind = \"memory\"");
    assert_eq!(parse(&memory).unwrap().store, StoreConfig::Memory);
    let leantime = "[board]\nkind = \"leantime\"\nurl = \"https://lean.example.org\"\n\
                    key = { env = \"TEAM\" }";
    let config = parse(&format!("{leantime}\n{store}")).unwrap();
    assert!(matches!(config.board, BoardConfig::Leantime(_)));
    assert!(matches!(config.store, StoreConfig::Postgres(_)));
}

#[test]
fn the_schema_of_the_file_knows_the_keys_of_a_database() {
    let near = "[board]\nkind = \"postgres\"\nurl = \"postgres://localhost/team\"";
    assert!(is_valid(near));
    for wrong in ["connections = 0", "schema = \"Team\"", "plain = 1", "statement_timeout = \"x\""]
    {
        assert!(!is_valid(&format!("{near}\n{wrong}")), "{wrong}");
    }
}
