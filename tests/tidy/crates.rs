//! Some crates are named in one place only, so that they can be replaced.

use super::tree::{File, files, names_after};
use super::{faults, hold};

/// The crates and their homes (a file, or the folder beside it).
const HOMES: &[(&str, &[&str])] = &[
    ("croner", &["src/cron"]),
    ("cel", &["src/expression"]),
    ("handlebars", &["src/template"]),
    ("tokio_cron_scheduler", &["src/daemon/alarm"]),
    ("process_wrap", &["src/runner/process"]),
    ("landlock", &["src/runner/sandbox"]),
    ("seccompiler", &["src/runner/sandbox"]),
    ("rustix", &["src/runner/sandbox"]),
    ("caps", &["src/runner/sandbox"]),
    ("agent_client_protocol", &["src/runner/acp"]),
    ("annotate_snippets", &["src/fault"]),
    ("sled", &["src/store/sled"]),
    ("sqlx", &["src/board/sql", "src/store/postgres", "src/postgres"]),
    ("clap", &["src/cli"]),
    ("clap_complete", &["src/cli"]),
    ("clap_mangen", &["src/cli"]),
    ("indicatif", &["src/cli"]),
    ("lettre", &["src/notify/email"]),
    ("maud", &["src/web/pages"]),
    ("metrics", &["src/instruments", "src/mcp/instruments"]),
    ("metrics_exporter_prometheus", &["src/app"]),
    ("anyhow", &["src/app", "src/cli", "src/main"]),
];

fn is_home(path: &str, homes: &[&str]) -> bool {
    homes.iter().any(|home| path == format!("{home}.rs") || path.starts_with(&format!("{home}/")))
}

fn law(file: &File) -> Vec<String> {
    let code = file.code();
    let mut found = Vec::new();
    for (name, homes) in HOMES {
        if is_home(&file.path, homes) {
            continue;
        }
        for begin in [format!("{name}::"), format!("use {name} as"), format!("use {name};")] {
            for (line, _) in names_after(&code, &begin) {
                let text = &code.iter().find(|(number, _)| *number == line).unwrap().1;
                // A module of the same name (`store::sled`) is not the crate.
                let is_ours =
                    text.contains(&format!("::{begin}")) && !text.contains(&format!(" ::{begin}"));
                if !is_ours && !file.path.contains(&format!("/{name}")) {
                    found.push(format!("{}:{line}: `{name}` lives in {homes:?}", file.path));
                }
            }
        }
    }
    found
}

/// The crate that watches files shares its name with our room `notify`.
fn watches_files(file: &File) -> bool {
    let words = ["RecommendedWatcher", "recommended_watcher", "PollWatcher"];
    file.code().iter().any(|(_, line)| words.iter().any(|word| line.contains(word)))
}

#[test]
fn crates_stay_in_their_homes() {
    hold("crates", &faults(&files("src"), law));
}

#[test]
fn one_file_watches_files() {
    let watchers: Vec<_> =
        files("src").into_iter().filter(watches_files).map(|file| file.path).collect();
    assert!(watchers.len() <= 1, "{watchers:?}");
}

#[test]
fn a_crate_that_left_home_is_found() {
    for text in ["use croner::Cron;", "fn f() -> sqlx::Result<()> {}", "use anyhow::Context as _;"]
    {
        assert_eq!(law(&File::new("src/ledger/mod.rs", text)).len(), 1, "{text}");
    }
    assert_eq!(law(&File::new("src/cron.rs", "use croner::Cron;")).len(), 0);
    assert_eq!(law(&File::new("src/cron/zone.rs", "use croner::Cron;")).len(), 0);
    assert_eq!(law(&File::new("src/store/open.rs", "use super::sled::SledStore;")).len(), 0);
    assert!(watches_files(&File::new("src/x.rs", "use notify::RecommendedWatcher;")));
}

/// Where a text is put into a page as it is.
fn unescaped(file: &File) -> Vec<String> {
    let code = file.code();
    let lines = code.iter().filter(|(_, line)| line.contains("PreEscaped"));
    lines.map(|(number, _)| format!("{}:{number}: `PreEscaped`", file.path)).collect()
}

#[test]
fn what_others_wrote_comes_to_no_page_as_it_is() {
    hold("pages escape", &faults(&files("src"), unescaped));
    let planted = File::new("src/web/pages/x.rs", "html! { (maud::PreEscaped(text)) }");
    assert_eq!(unescaped(&planted).len(), 1);
}
