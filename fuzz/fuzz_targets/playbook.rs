//! Playbooks and configurations: whatever the text, it is read or told, and what is told obeys
//! nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rota::config::Config;
use rota::fault::render_all;
use rota::playbook::{Defaults, parse};
use std::path::Path;

fuzz_target!(|text: &str| {
    let defaults = Defaults { zone: Some(chrono_tz::Europe::Berlin), ..Defaults::default() };
    let told = [
        parse(text, "agents/x.toml", &defaults).err(),
        Config::parse(text, Path::new("rota.toml"), &|_| None).err(),
    ];
    for faults in told.into_iter().flatten() {
        let shown = render_all(&faults, false);
        assert!(shown.chars().all(|c| c == '\n' || !c.is_control()));
    }
});
