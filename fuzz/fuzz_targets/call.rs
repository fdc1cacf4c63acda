//! Calls of tools: whatever the arguments, they are answered or told, in few words that no terminal
//! obeys.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rota::board::overlay::Overlay;
use rota::board::{People as _, Projects as _};
use rota::clock::{Clock, SystemClock, SystemEntropy};
use rota::domain::{
    BoardName, DaemonId, Initiative, LifeId, NewPerson, NewProject, Person, PersonId, PersonKind,
    Principal, Role, Stamp,
};
use rota::ledger::{Ledger, LedgerOptions};
use rota::store::memory::MemoryStore;
use rota::tools::{Context, Parts, ToolRegistry, catalogue};
use std::sync::Arc;
use std::time::Duration;

fuzz_target!(|input: (u8, &str)| {
    let (which, text) = input;
    let tools = catalogue();
    let tool = &tools[usize::from(which) % tools.len()];
    let Ok(args) = serde_json::from_str(text) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.expect("a runtime").block_on(async {
        let (registry, ada) = house().await;
        if let Err(error) = registry.call(tool.name, args, &ada).await {
            let told = error.to_string();
            assert!(told.chars().count() <= 2_001, "{}", tool.name);
            assert!(told.chars().all(|c| c == '\n' || !c.is_control()), "{}", tool.name);
        }
    });
});

/// A board in memory with a person and a project.
async fn house() -> (ToolRegistry, Context) {
    let clock: Arc<dyn Clock> = SystemClock::shared();
    let board = Arc::new(Overlay::empty(BoardName::new("main"), Arc::clone(&clock)));
    let by = Stamp::by(PersonId(1));
    let (kind, role) = (PersonKind::Person, Role::Owner);
    let new = NewPerson { name: "Ada".into(), email: None, kind, role };
    board.add_person(&by, new).await.expect("the first person");
    let new = NewProject { name: "Website".into(), details: String::new(), statuses: vec![] };
    board.add_project(&by, new).await.expect("the first project");
    let options = LedgerOptions {
        board: BoardName::new("main"),
        daemon: DaemonId::new("d"),
        life: LifeId::new("l"),
        margin: Duration::from_secs(5),
        epoch: 1,
    };
    let store = Arc::new(MemoryStore::new(Arc::clone(&clock)));
    let ledger = Ledger::new(store, Arc::clone(&clock), Arc::new(SystemEntropy), options);
    let registry = ToolRegistry::new(Parts::new(board, Arc::new(ledger), clock));
    let person = Person { id: PersonId(1), name: "Ada".into(), email: None, kind, role };
    let principal = Principal { person, by: Initiative::Person };
    (registry, Context::person(principal, chrono_tz::Europe::Berlin))
}
