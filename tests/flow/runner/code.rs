//! The tools by which a run looks at its workspace's files: what they show, what they leave out, and
//! what they cannot be led to.

use crate::support::bench::Bench;
use rota::domain::{Reason, SandboxLevel};
use serde_json::json;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

async fn bench() -> Bench {
    Bench::new(SandboxLevel::None, false, |_| {}).await
}

#[tokio::test]
async fn files_are_listed_in_order_without_gits_own_and_without_what_git_ignores() {
    let bench = bench().await;
    for path in ["src/b.rs", "src/a/deep.rs", "README", ".env", "target/out.o", "src/x.log"] {
        bench.write(path, "text");
    }
    bench.write(".git", "gitdir: elsewhere");
    bench.write("src/.git/config", "[core]");
    bench.write(".gitignore", "target/\n*.log\n!keep.log\n");
    bench.write("src/keep.log", "");
    bench.write("src/a/.gitignore", "none.rs\n");
    bench.write("src/a/none.rs", "");
    symlink("/etc/passwd", bench.folder().join("link")).unwrap();
    let all = bench.paths(json!({ "depth": 5 })).await;
    let expected = [
        ".env",
        ".gitignore",
        "README",
        "link",
        "src",
        "src/a",
        "src/a/.gitignore",
        "src/a/deep.rs",
        "src/b.rs",
        "src/keep.log",
    ];
    assert_eq!(all, expected);
    let top = bench.paths(json!({ "depth": 1 })).await;
    assert_eq!(top, [".env", ".gitignore", "README", "link", "src"]);
    assert_eq!(
        bench.paths(json!({ "glob": "*.rs", "depth": 9 })).await,
        ["src/a/deep.rs", "src/b.rs"]
    );
    let below = bench.paths(json!({ "path": "src/a" })).await;
    assert_eq!(below, ["src/a/.gitignore", "src/a/deep.rs"], "rules of folders above hold");
    let ignored = bench.paths(json!({ "includeIgnored": true, "depth": 9 })).await;
    assert!(ignored.contains(&"target/out.o".to_owned()), "{ignored:?}");
    assert!(!ignored.iter().any(|path| path.split('/').any(|part| part == ".git")));
    let listing = bench.call("codeList", json!({ "depth": 1 })).await;
    let link = listing["entries"].as_array().unwrap().iter().find(|e| e["path"] == "link").unwrap();
    assert_eq!((&link["kind"], &link["target"]), (&json!("link"), &json!("/etc/passwd")));
}

#[tokio::test]
async fn a_long_list_goes_on_where_it_ended() {
    let bench = bench().await;
    for number in 0..10_000 {
        bench.write(&format!("many/{number:05}"), "");
    }
    let mut seen = Vec::new();
    let mut after = json!(null);
    for _ in 0..100 {
        let args = json!({ "depth": 3, "limit": 500, "after": after });
        let page = bench.call("codeList", args).await;
        let entries = page["entries"].as_array().unwrap();
        assert!(entries.len() <= 500);
        seen.extend(entries.iter().map(|e| e["path"].as_str().unwrap().to_owned()));
        after = page["next"].clone();
        if after.is_null() {
            break;
        }
    }
    assert_eq!(seen.len(), 10_001, "the folder and all that is in it");
    assert!(seen.is_sorted());
}

#[tokio::test]
async fn lines_of_a_file_are_read_in_parts() {
    let bench = bench().await;
    let lines: Vec<String> = (1..=1_000).map(|n| format!("line {n}")).collect();
    bench.write("long", lines.join("\n") + "\n");
    let first = bench.call("codeRead", json!({ "path": "long", "lines": 3 })).await;
    assert_eq!(first["text"], "line 1\nline 2\nline 3\n");
    assert_eq!((&first["next"], &first["lines"]), (&json!(4), &json!(1_000)));
    let last = bench.call("codeRead", json!({ "path": "long", "from": 999 })).await;
    assert_eq!(last["text"], "line 999\nline 1000\n");
    assert!(last.get("next").is_none(), "{last}");
    let (reason, why) = bench.refuses("codeRead", json!({ "path": "long", "from": 1_001 })).await;
    assert!(reason == Reason::InvalidArguments && why.contains("1000 lines"), "{why}");
    bench.write("empty", "");
    let empty = bench.call("codeRead", json!({ "path": "empty" })).await;
    assert_eq!((&empty["text"], &empty["lines"]), (&json!(""), &json!(0)));
    let shown = bench.try_to("codeRead", json!({ "path": "long", "from": 7, "lines": 1 })).await;
    assert!(shown.unwrap().text.contains("     7\tline 7"));
}

#[tokio::test]
async fn a_huge_file_and_a_huge_line_are_read_in_parts_and_searched_within_bounds() {
    let bench = bench().await;
    let line = format!("{}\n", "x".repeat(1_023));
    let mut file = std::fs::File::create(bench.folder().join("huge")).unwrap();
    let block = line.repeat(1_024);
    for _ in 0..100 {
        file.write_all(block.as_bytes()).unwrap();
    }
    file.write_all(b"the end\n").unwrap();
    bench.write("one-line", "é".repeat(25_000_000) + "\nnext\n");
    let end = bench.call("codeRead", json!({ "path": "huge", "from": 102_401 })).await;
    assert_eq!(end["text"], "the end\n");
    let begin = bench.call("codeRead", json!({ "path": "huge", "lines": 2_000 })).await;
    assert!(begin["text"].as_str().unwrap().len() < 26_000 && begin["next"].is_u64(), "{begin}");
    let cut = bench.call("codeRead", json!({ "path": "one-line" })).await;
    let text = cut["text"].as_str().unwrap();
    assert!(
        text.len() < 2_000 && text.contains("more bytes]") && text.ends_with("next\n"),
        "{text}"
    );
    assert!(cut["left_out"].as_str().unwrap().contains("long lines"), "{cut}");
    let found = bench.call("codeSearch", json!({ "pattern": "^(next|the end)$" })).await;
    let at: Vec<_> =
        found["matches"].as_array().unwrap().iter().map(|m| m["line"].clone()).collect();
    assert_eq!(at, [json!(102_401), json!(2)], "{found}");
    assert!(found["left_out"].as_str().unwrap().contains("long lines"), "{found}");
}

#[tokio::test]
async fn what_is_no_text_is_named_and_not_shown() {
    let bench = bench().await;
    bench.write("image", b"\x89PNG\0\0secret");
    bench.write("latin", b"caf\xe9 secret\n");
    let image = bench.call("codeRead", json!({ "path": "image" })).await;
    assert_eq!((&image["binary"], &image["text"]), (&json!(true), &json!("")));
    let latin = bench.call("codeRead", json!({ "path": "latin" })).await;
    assert_eq!(latin["text"], "caf\u{fffd} secret\n");
    assert!(latin["left_out"].as_str().unwrap().contains("UTF-8"), "{latin}");
    let found = bench.call("codeSearch", json!({ "pattern": "secret" })).await;
    assert_eq!(found["matches"].as_array().unwrap().len(), 1, "{found}");
    assert!(found["left_out"].as_str().unwrap().contains("1 files that are no text"), "{found}");
}

#[tokio::test]
async fn a_search_finds_lines_and_no_pattern_keeps_it_busy() {
    let bench = bench().await;
    bench.write("src/lib.rs", "fn one() {}\nfn Two() {}\n");
    bench.write("src/lib.py", "def one(): pass\n");
    bench.write("evil", "a".repeat(30_000) + "b\n");
    let found = bench.call("codeSearch", json!({ "pattern": r"fn \w+\(", "glob": "*.rs" })).await;
    let lines: Vec<_> = found["matches"].as_array().unwrap().iter().map(|m| &m["text"]).collect();
    assert_eq!(lines, ["fn one() {}", "fn Two() {}"]);
    let of = async |args| bench.call("codeSearch", args).await["matches"].as_array().unwrap().len();
    assert_eq!(of(json!({ "pattern": "two" })).await, 0);
    assert_eq!(of(json!({ "pattern": "two", "ignoreCase": true })).await, 1);
    assert_eq!(of(json!({ "pattern": "one", "path": "src/lib.py" })).await, 1);
    assert_eq!(of(json!({ "pattern": "one", "limit": 1 })).await, 1);
    assert_eq!(of(json!({ "pattern": "^(a+)+$" })).await, 0, "linear, whatever the pattern");
    for bad in ["(", "", r"(a)\1", "(?=x)", "((a{1000}){1000}){1000}", &"x".repeat(2_000)] {
        let (reason, why) = bench.refuses("codeSearch", json!({ "pattern": bad })).await;
        assert_eq!(reason, Reason::InvalidArguments, "{bad}: {why}");
    }
    let (reason, _) = bench.refuses("codeSearch", json!({ "pattern": "x", "glob": "[" })).await;
    assert_eq!(reason, Reason::InvalidArguments);
}

#[tokio::test]
async fn names_that_deceive_stay_on_their_line_and_those_that_no_text_can_hold_are_counted() {
    let bench = bench().await;
    bench.write("a\nsecret (7 bytes)", "hidden\n");
    let odd = std::ffi::OsStr::from_bytes(b"\xff\xfe");
    std::fs::write(bench.folder().join(odd), "x").unwrap();
    let listed = bench.try_to("codeList", json!({})).await.unwrap();
    assert!(listed.text.starts_with("\"a\\nsecret (7 bytes)\" (7 bytes)"), "{}", listed.text);
    assert!(listed.text.contains("names that are no UTF-8"), "{}", listed.text);
    let read = bench.call("codeRead", json!({ "path": "a\nsecret (7 bytes)" })).await;
    assert_eq!(read["text"], "hidden\n");
}

#[tokio::test]
async fn no_path_leads_out_and_none_to_gits_own() {
    let bench = bench().await;
    let secret = bench.den.path().join("secret");
    std::fs::write(&secret, "of the team").unwrap();
    bench.write("src/lib.rs", "text\n");
    for (name, target) in [
        ("link", secret.to_str().unwrap()),
        ("up", "../../.."),
        ("environ", "/proc/self/environ"),
        ("root", "/"),
        ("src/inner", ".."),
    ] {
        symlink(target, bench.folder().join(name)).unwrap();
    }
    nix::unistd::mkfifo(&bench.folder().join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    bench.write(".git/config", "[core]\n\tsecret = of the team\n");
    let absolute = secret.to_str().unwrap();
    for path in [
        "../../../secret",
        "src/../../../../secret",
        absolute,
        "/etc/passwd",
        "/proc/self/environ",
        "link",
        "up/secret",
        "environ",
        "root/etc/passwd",
        "src/inner/.git/config",
        "pipe",
        ".git/config",
        ".GIT/config",
        "./.git/config",
        "src/../.git/config",
        "src\0lib.rs",
    ] {
        for (tool, args) in [
            ("codeRead", json!({ "path": path })),
            ("codeList", json!({ "path": path })),
            ("codeSearch", json!({ "pattern": ".", "path": path })),
            ("codeBlame", json!({ "path": path })),
            ("codeComment", json!({ "file": path, "severity": "note", "text": "x" })),
        ] {
            let (reason, why) = bench.refuses(tool, args).await;
            let is_known =
                [Reason::OutOfScope, Reason::InvalidArguments, Reason::NotFound].contains(&reason);
            assert!(is_known && !why.contains("of the team"), "{tool} {path}: {reason} {why}");
        }
    }
    let found = bench.call("codeSearch", json!({ "pattern": "of the team|root:" })).await;
    assert_eq!(found["matches"], json!([]), "no link was followed");
    assert!(bench.paths(json!({ "depth": 32 })).await.iter().all(|path| !path.contains("passwd")));
}

#[tokio::test]
async fn a_link_that_is_swapped_in_while_it_reads_leads_nowhere() {
    let bench = bench().await;
    let outside = bench.den.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("file"), "of the team\n").unwrap();
    bench.write("folder/file", "ours\n");
    let (folder, spare) = (bench.folder().join("folder"), bench.folder().join("spare"));
    let is_over = Arc::new(AtomicBool::new(false));
    let swapping = {
        let is_over = Arc::clone(&is_over);
        std::thread::spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                std::fs::rename(&folder, &spare).unwrap();
                symlink(&outside, &folder).unwrap();
                std::fs::remove_file(&folder).unwrap();
                std::fs::rename(&spare, &folder).unwrap();
            }
        })
    };
    for _ in 0..300 {
        let read = bench.try_to("codeRead", json!({ "path": "folder/file" })).await;
        let found = bench.try_to("codeSearch", json!({ "pattern": "team" })).await;
        for text in [read, found].into_iter().flatten().map(|result| result.text) {
            assert!(!text.contains("of the team"), "{text}");
        }
    }
    is_over.store(true, Ordering::Relaxed);
    swapping.join().unwrap();
}

#[tokio::test]
async fn without_a_workspace_the_tools_are_not_offered_and_say_what_the_playbook_lacks() {
    let bench = bench().await;
    let tools = &bench.den.house.tools;
    let names = |context| -> Vec<&str> {
        tools
            .offered(context)
            .iter()
            .map(|tool| tool.name)
            .filter(|name| name.starts_with("code") || *name == "runCheck")
            .collect()
    };
    assert_eq!(names(&bench.context).len(), 8);
    let mut without = bench.context.clone();
    without.run.as_mut().unwrap().workspace = None;
    assert!(names(&without).is_empty());
    let example =
        |tool: &str| serde_json::from_str(tools.definition(tool).unwrap().example).unwrap();
    for tool in names(&bench.context) {
        let rehearsal = tools.call(tool, example(tool), &without).await.unwrap_err();
        assert_eq!(rehearsal.reason(), Reason::NoWorkspace, "{tool}");
        let mut lacking = without.clone();
        let run = lacking.run.as_mut().unwrap();
        let mut book = (*run.playbook).clone();
        book.workspace = None;
        run.playbook = Arc::new(book);
        let error = tools.call(tool, example(tool), &lacking).await.unwrap_err();
        assert!(error.reason() == Reason::NoWorkspace && error.to_string().contains("[workspace]"));
        let person = bench.den.house.person("Ada").await;
        let error = tools.call(tool, example(tool), &person).await.unwrap_err();
        assert_eq!(error.reason(), Reason::NoWorkspace, "{tool}");
        // A playbook that does not list them has none.
        let unlisted = bench.den.house.agent(crate::support::house::playbook(&["getTicket"])).await;
        let error = tools.call(tool, example(tool), &unlisted).await.unwrap_err();
        assert_eq!(error.reason(), Reason::ToolNotListed, "{tool}");
    }
    assert!(bench.effects().is_empty());
}
