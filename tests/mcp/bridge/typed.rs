//! What is typed, and what the environment says.

use super::{Bridged, said, usual};
use crate::support::http_double::{Double, Reply};
use crate::support::rota::Rota;
use serde_json::json;
use std::io::Write as _;

#[test]
fn what_was_typed_wrongly_is_told_before_anything_is_sent() {
    let rota = Rota::new();
    let empty = rota.write("empty", "\n").display().to_string();
    for (words, said) in [
        (&["bridge"][..], "LEANTIME_SERVER_URL"),
        (&["bridge", "ftp://a/mcp"], "http://"),
        (&["bridge", "http://"], "http://"),
        (&["bridge", "nonsense"], "http://"),
        (&["bridge", "http://a/mcp", "--token="], "given but empty"),
        (&["bridge", "http://a/mcp", "--token-file", &empty], "given but empty"),
        (&["bridge", "http://a/mcp", "--token", "a\nb"], "cannot be sent"),
        (&["bridge", "http://a/mcp", "--auth-method", "Basic"], "expected Bearer"),
        (&["bridge", "https://a/mcp", "--ca", "nowhere.pem"], "nowhere.pem"),
        (&["bridge", "https://a/mcp", "--ca", &empty], "no certificate"),
        (&["bridge", "http://a/mcp", "--max-retries", "99"], "99"),
    ] {
        let refused = rota.run(words).ended(2);
        assert!(refused.err.contains(said), "{words:?}: {refused:#?}");
        assert_eq!(refused.out, "", "{words:?}");
    }
    let refused = rota.run(["bridge", "http://user:s3cret@/"]).ended(2);
    assert!(!refused.err.contains("s3cret"), "{refused:#?}");
    let refused = Rota::new().with_env("LEANTIME_API_TOKEN", "").run(["bridge", "http://a/"]);
    assert!(refused.ended(2).err.contains("LEANTIME_API_TOKEN"));
}

#[test]
fn by_the_name_of_the_node_bridge_it_is_the_bridge_with_its_variables() {
    let folder = Rota::new();
    let linked = folder.path().join("leantime-mcp");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_rota"), &linked).unwrap();
    for program in [linked, env!("CARGO_BIN_EXE_leantime-mcp").into()] {
        let double = Double::start(|asked| {
            usual(asked, None).unwrap_or_else(|| Reply::result(asked, &said("done")))
        });
        let named = Rota::of(program, Vec::new())
            .with_env("LEANTIME_SERVER_URL", &double.url())
            .with_env("LEANTIME_API_TOKEN", "pat_1")
            .with_env("ROTA_TOKEN", "not this one");
        let helped = named.run(["--help"]).ok();
        assert!(helped.out.contains("--auth-method"), "{helped:#?}");
        assert!(helped.out.contains("Usage: leantime-mcp"), "{helped:#?}");
        let mut command = named.command(["--auth-method", "Token"]);
        let child = command
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let ping = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" });
        writeln!(child.stdin.as_ref().unwrap(), "{ping}").unwrap();
        let ended = child.wait_with_output().unwrap();
        assert_eq!(ended.status.code(), Some(0));
        assert!(String::from_utf8(ended.stdout).unwrap().contains("done"));
        assert_eq!(double.asked()[0].header("authorization"), Some("Bearer pat_1"));
        let refused = named.run(["--max-retries", "many", "--json"]).ended(2);
        assert!(refused.out.contains("--max-retries"), "{refused:#?}");
    }
}

/// What only the whole command line knows is told by it, and heard by it.
#[test]
fn the_bridge_understands_what_holds_for_every_command_in_every_place() {
    let double = Double::start(|asked| Reply::result(asked, &json!({})));
    let rota = Rota::new();
    for words in [
        vec!["bridge", &double.url(), "--verbose"],
        vec!["--quiet", "bridge", &double.url()],
        vec!["bridge", "--state", "elsewhere", &double.url()],
    ] {
        let mut host = Bridged::typed(&rota, &words);
        host.ask("ping", json!({}));
        assert_eq!(host.hang_up(), 0, "{words:?}");
    }
    let helped = rota.run(["bridge", "--help"]).ok();
    assert!(helped.out.contains("Usage: rota bridge"), "{helped:#?}");
    let refused = rota.run(["bridge", "--no-such-thing"]).ended(2);
    assert!(refused.err.contains("Usage: rota bridge"), "{refused:#?}");
}

#[test]
fn it_reads_no_configuration_and_makes_no_state_folder() {
    let rota = Rota::new();
    rota.write("rota.toml", "this is no configuration");
    let double = Double::start(|asked| Reply::result(asked, &json!({})));
    let mut host = Bridged::start(&rota, &[&double.url()]);
    host.ask("ping", json!({}));
    assert_eq!(host.hang_up(), 0);
    assert!(!rota.state().exists());
}
