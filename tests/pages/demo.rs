//! Every page on the demo's data: a team, its board, agents that worked for a day. It takes as long as the
//! day takes to be played, and nothing else has as much to show.

use super::{Browser, PAGES};
use crate::support::rota::Rota;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

/// The demo, left up; it ends when this goes.
struct Up(Child);

impl Drop for Up {
    fn drop(&mut self) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.0.id()).unwrap());
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_of_the_demos_house_is_there_and_well_formed() {
    let rota = Rota::new();
    let mut command = rota.command(["demo", "--serve"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut up = Up(child);
    let mut lines = BufReader::new(up.0.stdout.take().unwrap()).lines().map_while(Result::ok);
    let link = lines.find_map(|line| Some(line[line.find("http://127")?..].trim().to_owned()));
    let link = link.expect("the demo ended without a link");
    let (base, path) = link.split_at(link.find("/open/").unwrap());
    let mut browser = Browser::at(base);
    assert_eq!(browser.post(path, &[]).await.status, 303);
    let (mut seen, mut open): (Vec<String>, Vec<String>) =
        (Vec::new(), PAGES.iter().map(|path| (*path).to_owned()).collect());
    // Whatever a page leads to is a page, too.
    while let Some(path) = open.pop() {
        let reply = browser.get(&path).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text);
        let page = reply.page();
        for link in page.links() {
            let link = link.split('#').next().unwrap();
            let is_new = link.starts_with('/') && !seen.iter().chain(&open).any(|own| own == link);
            if is_new && link != path && seen.len() + open.len() < 120 {
                open.push(link.to_owned());
            }
        }
        seen.push(path);
    }
    for part in ["/task/", "/runs/r-", "/playbooks/", "/board?project="] {
        assert!(seen.iter().any(|path| path.starts_with(part)), "{part} is not among {seen:?}");
    }
    browser.get("/costs").await.page().says("ai-worker");
    browser.get("/digest?since=-7d").await.page().says("Handed over");
}
