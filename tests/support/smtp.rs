//! A mail server without TLS that keeps what it takes. It offers nothing that was not asked for, and
//! refuses what is no proper letter.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// A letter.
#[derive(Clone, Debug)]
pub struct Letter {
    pub from: String,
    pub to: Vec<String>,
    pub data: String,
    pub login: Option<String>,
}

#[derive(Debug, Default)]
struct State {
    letters: Vec<Letter>,
    /// Answers in the place of the next ones to DATA's end.
    refusals: VecDeque<String>,
    /// Answers to RCPT for these readers, again and again.
    refused: BTreeMap<String, String>,
    with_login: bool,
}

pub struct FakeSmtp {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
    over: Arc<AtomicBool>,
}

impl FakeSmtp {
    pub fn start(with_login: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State { with_login, ..State::default() }));
        let over = Arc::new(AtomicBool::new(false));
        let (shared, ended) = (Arc::clone(&state), Arc::clone(&over));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if ended.load(Ordering::Relaxed) {
                    return;
                }
                let shared = Arc::clone(&shared);
                thread::spawn(move || talk(stream, &shared));
            }
        });
        Self { address, state, over }
    }

    pub fn will_answer(&self, answer: &str) {
        self.state.lock().unwrap().refusals.push_back(answer.to_owned());
    }

    /// From now on this reader is answered so; empty: they are taken again.
    pub fn will_refuse(&self, reader: &str, answer: &str) {
        self.state.lock().unwrap().refused.insert(reader.to_owned(), answer.to_owned());
    }

    pub fn letters(&self) -> Vec<Letter> {
        self.state.lock().unwrap().letters.clone()
    }
}

impl Drop for FakeSmtp {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
    }
}

fn talk(stream: TcpStream, state: &Mutex<State>) -> Option<()> {
    let mut out = stream.try_clone().ok()?;
    let mut lines = BufReader::new(stream);
    let mut say = |text: &str| out.write_all(format!("{text}\r\n").as_bytes()).ok();
    say("220 fake")?;
    let (mut from, mut to, mut login) = (String::new(), Vec::new(), None);
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end().to_owned();
        let verb = line.split([' ', ':']).next().unwrap_or_default().to_uppercase();
        match verb.as_str() {
            "EHLO" if state.lock().unwrap().with_login => {
                say("250-fake")?;
                say("250 AUTH PLAIN")?;
            }
            "EHLO" => say("250 fake")?,
            "AUTH" => {
                login = line.rsplit(' ').next().map(str::to_owned);
                say("235 yes")?;
            }
            "MAIL" if state.lock().unwrap().with_login && login.is_none() => say("530 who?")?,
            "MAIL" => {
                from = address_in(&line);
                to.clear();
                say("250 yes")?;
            }
            "RCPT" => {
                if let Some(refusal) = refusal_of(state, &address_in(&line)) {
                    say(&refusal)?;
                } else {
                    to.push(address_in(&line));
                    say("250 yes")?;
                }
            }
            "DATA" if to.is_empty() => say("503 to whom?")?,
            "DATA" => {
                say("354 go on")?;
                let mut data = String::new();
                loop {
                    let mut line = String::new();
                    if lines.read_line(&mut line).ok()? == 0 {
                        return None;
                    }
                    if line == ".\r\n" {
                        break;
                    }
                    assert!(line.len() <= 1_000, "a line is too long");
                    data.push_str(line.strip_prefix('.').unwrap_or(&line));
                }
                let mut state = state.lock().unwrap();
                if let Some(refusal) = state.refusals.pop_front() {
                    say(&refusal)?;
                } else {
                    let (from, to) = (std::mem::take(&mut from), std::mem::take(&mut to));
                    state.letters.push(Letter { from, to, data, login: login.clone() });
                    say("250 taken")?;
                }
            }
            "RSET" | "NOOP" => say("250 yes")?,
            "QUIT" => {
                say("221 bye")?;
                return None;
            }
            _ => say("502 what?")?,
        }
    }
}

fn refusal_of(state: &Mutex<State>, reader: &str) -> Option<String> {
    let refusal = state.lock().unwrap().refused.get(reader).cloned();
    refusal.filter(|refusal| !refusal.is_empty())
}

fn address_in(line: &str) -> String {
    let inner = line.split(['<', '>']).nth(1);
    inner.unwrap_or_default().to_owned()
}
