//! The container's file: what it names is there, what it starts from is pinned, and nobody is root.

use super::hold;
use std::path::Path;

const PATH: &str = "examples/container/Containerfile";

/// The instructions, continued lines as one.
fn instructions(text: &str) -> Vec<(String, String)> {
    let kept: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
    let whole = kept.join("\n").replace("\\\n", " ");
    let lines = whole.lines().map(str::trim).filter(|line| !line.is_empty());
    lines
        .filter_map(|line| line.split_once(' '))
        .map(|(word, rest)| (word.to_owned(), rest.trim().to_owned()))
        .collect()
}

fn faults(text: &str) -> Vec<String> {
    let all = instructions(text);
    let mut faults = Vec::new();
    let mut user = None;
    for (word, rest) in &all {
        match word.as_str() {
            "FROM" => {
                user = None;
                let image = rest.split(' ').next().unwrap_or_default();
                let tag = image.rsplit('/').next().and_then(|name| name.split_once(':'));
                if tag.is_none_or(|(_, tag)| tag == "latest") {
                    faults.push(format!("{image} is not pinned"));
                }
            }
            "COPY" if !rest.starts_with("--from=") => {
                let mut words: Vec<&str> = rest.split(' ').collect();
                words.pop();
                for path in words {
                    if !Path::new(env!("CARGO_MANIFEST_DIR")).join(path).exists() {
                        faults.push(format!("{path} is not there to be copied"));
                    }
                }
            }
            "ADD" => faults.push("ADD fetches what nobody pinned: COPY".to_owned()),
            "USER" => user = Some(rest.clone()),
            "ENTRYPOINT" | "CMD" if !rest.starts_with('[') => {
                faults.push(format!("{word} goes through a shell, which swallows signals"));
            }
            "RUN" if rest.contains("apt-get install") && !rest.contains("/var/lib/apt/lists") => {
                faults.push("the lists of packages stay in the image".to_owned());
            }
            _ => {}
        }
    }
    if user.is_none_or(|user| user == "root" || user == "0") {
        faults.push("it runs as root".to_owned());
    }
    for wanted in ["ENTRYPOINT", "HEALTHCHECK", "VOLUME"] {
        if !all.iter().any(|(word, _)| word == wanted) {
            faults.push(format!("there is no {wanted}"));
        }
    }
    faults
}

#[test]
fn the_container_is_built_of_what_is_there_and_runs_as_nobody_in_particular() {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(PATH)).unwrap();
    hold(PATH, &faults(&text));
    // It compiles with a version that the manifest allows.
    let version = |text: &str| -> Vec<u32> {
        text.split('.').take(2).filter_map(|part| part.parse().ok()).collect()
    };
    let (_, from) = &instructions(&text)[0];
    let tag = from.split_once(':').unwrap().1.split('-').next().unwrap();
    assert!(version(tag) >= version(env!("CARGO_PKG_RUST_VERSION")), "{from}");
}

#[test]
fn each_fault_of_a_container_is_found() {
    let good = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(PATH)).unwrap();
    for (what, by) in [
        ("debian:12-slim", "debian"),
        ("debian:12-slim", "debian:latest"),
        ("COPY templates", "COPY attic"),
        ("USER 10001", "USER root"),
        ("USER 10001\n", ""),
        ("ENTRYPOINT [\"rota\"", "ENTRYPOINT rota [\""),
        (" && rm -rf /var/lib/apt/lists/* \\\n", ""),
        ("HEALTHCHECK", "LABEL"),
        ("COPY src ./src", "ADD src ./src"),
    ] {
        assert!(good.contains(what), "{what}");
        assert_eq!(faults(&good.replace(what, by)).len(), 1, "{what} → {by}");
    }
}
