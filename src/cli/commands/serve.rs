//! The daemon, and the sample day.

use super::Session;
use crate::app::failure::Failure;
use crate::app::house::{DemoOptions, Ready, ServeOptions};
use crate::cli::output::progress_page;
use crate::cli::page::{Page, Style};
use crate::daemon::signals;
use serde_json::json;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Lines of the story that wait to be told.
const STORY_MAX: usize = 64;

impl Session<'_> {
    /// `rota serve`.
    pub(super) async fn serve(&self) -> Result<u8, Failure> {
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        let signals = signals::listen(&tracker, stop.clone())
            .map_err(|error| Failure::internal("cannot listen for signals").because(&error))?;
        let _stop = stop.drop_guard();
        let (tell, mut told) = oneshot::channel();
        let mut serving = self.house.serve(&self.place, ServeOptions::default(), signals, tell);
        let served = tokio::select! {
            biased;
            served = &mut serving => served,
            ready = &mut told => {
                if let Ok(ready) = ready {
                    self.announce(&ready)?;
                }
                serving.await
            }
        };
        served.map(|()| 0)
    }

    /// `ready socket=… addr=…`: scripts wait for this line.
    fn announce(&self, ready: &Ready) -> Result<(), Failure> {
        let socket = ready.socket.display().to_string();
        let addr = ready.addr.map(|addr| addr.to_string());
        let mut page = Page::new();
        page.line(Style::Good, "ready");
        if let Some(addr) = &addr {
            page.add(Style::Plain, &format!(" addr={addr}"));
        }
        page.add(Style::Plain, &format!(" socket={socket}"));
        self.output.result(&json!({ "ready": true, "addr": addr, "socket": socket }), &page)
    }

    /// `rota demo`.
    pub(super) async fn demo(&self, serve: bool) -> Result<u8, Failure> {
        let (tell, mut told) = mpsc::channel(STORY_MAX);
        let mut playing = self.house.demo(DemoOptions { serve }, tell);
        let answered = loop {
            tokio::select! {
                biased;
                Some(line) = told.recv() => self.output.page(&progress_page(&line))?,
                answered = &mut playing => {
                    while let Ok(line) = told.try_recv() {
                        self.output.page(&progress_page(&line))?;
                    }
                    break answered?;
                }
            }
        };
        self.output.result(&answered.value, &Page::of(&answered.text))?;
        Ok(0)
    }
}
